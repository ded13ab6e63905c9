"""The session of ISO 15118-2 as a pure function of state, input and time; read `table` first."""
