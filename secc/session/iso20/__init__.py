"""ISO 15118-20: states, table, refusals, warnings, and the translation to the charging core."""
