"""What to do, one module per phase; which of it is allowed when stands in `secc.slac.table`."""
