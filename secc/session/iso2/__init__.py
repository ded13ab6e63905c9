"""ISO 15118-2: its states, its table and its messages. `table` is the file to read first."""
