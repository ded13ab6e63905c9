"""Handlers of the matching, one module per phase; `secc.slac.table` lists when each is permitted."""
