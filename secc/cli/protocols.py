"""Names of protocols on the command line."""

import argparse

from secc.settings.protocols import ProtocolName

SHORT = {"iso2": ProtocolName.ISO15118_2, "iso20": ProtocolName.ISO15118_20, "din": ProtocolName.DIN70121}
"""Short names of the protocols."""


def protocol_name(text: str) -> ProtocolName:
    """Return the protocol with this name, short or as in the settings. Raises ArgumentTypeError."""
    try:
        return SHORT.get(text) or ProtocolName(text)
    except ValueError:
        names = ", ".join([*ProtocolName, *SHORT])
        raise argparse.ArgumentTypeError(f"{text} is not a protocol; known are {names}") from None
