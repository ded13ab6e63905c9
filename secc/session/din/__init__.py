"""DIN SPEC 70121: DC charging as it was before ISO 15118-2, and as half of the cars still speak it.

`table` is the file to read first.
"""
