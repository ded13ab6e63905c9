"""Schemas as data: their notation, the EXI grammars built from it, and codecs made at run time.

`notation` reads the files of ``exi_schemas/``, `xsd` reads and writes XML Schema, `grammar` builds the EXI
grammars (EXI 1.0, section 8.5.4), `tables` numbers them for the engine, and `runtime` makes a working codec
of a schema set, with message classes, without any generated file: for a vendor's extension or a newer
amendment.
"""
