"""Protocols on the command line: their names and their rules."""

import argparse

from secc.session.dialect import Dialect
from secc.session.din.table import DIN
from secc.session.iso2.table import ISO2
from secc.session.iso20.table import ISO20_DC
from secc.settings.protocols import ProtocolName

DIALECTS: dict[ProtocolName, Dialect] = {
    ProtocolName.ISO15118_2: ISO2,
    ProtocolName.ISO15118_20: ISO20_DC,  # AC has the same table
    ProtocolName.DIN70121: DIN,
}
"""The rules of each protocol."""

SHORT = {"iso2": ProtocolName.ISO15118_2, "iso20": ProtocolName.ISO15118_20, "din": ProtocolName.DIN70121}
"""Short names of the protocols."""


def protocol_name(text: str) -> ProtocolName:
    """Return the protocol with this name, short or as in the settings. Raises ArgumentTypeError."""
    try:
        return SHORT.get(text) or ProtocolName(text)
    except ValueError:
        names = ", ".join([*ProtocolName, *SHORT])
        raise argparse.ArgumentTypeError(f"{text} is not a protocol; known are {names}") from None
