"""Turns the schema authority in ``exi_schemas/`` into message classes, grammar tables and pages.

`secc.exi.schema` reads the notation and builds the grammars; ``rust``, ``python`` and ``pages`` write the
files that are checked in.
"""
