"""Turns the schema authority in ``exi_schemas/`` into message classes, grammar tables and reference pages.

``notation`` reads the TOML files, ``grammar`` builds the EXI grammars (EXI 1.0, section 8.5.4), ``tables``
numbers them, and ``rust``, ``python`` and ``pages`` write the files that are checked in. Standard library
only.
"""
