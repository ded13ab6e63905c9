"""ISO 15118-20: its states, its table and its messages. `table` is the file to read first."""
