"""Wall-clock time, for certificates and OCSP responses; never for a timer."""

import datetime
from collections.abc import Callable

Clock = Callable[[], datetime.datetime]
"""Now, with a time zone."""


def utc_now() -> datetime.datetime:
    """The wall clock of the operating system."""
    return datetime.datetime.now(datetime.UTC)
