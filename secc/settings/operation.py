"""Settings of operation: `[operation]` in the station's file. Journal, metrics, health."""

import dataclasses
import enum
import ipaddress
import pathlib

from secc.settings.checks import Settings, check

__all__ = ["OperationConfig", "Sync"]


class Sync(enum.StrEnum):
    """Records of the journal after which the disk must confirm before the next one is written."""

    ALWAYS = "always"
    """After each record, meter readings too."""
    ENDS = "ends"
    """After starts and ends."""
    NEVER = "never"
    """The system decides: a power cut may lose the last seconds, a killed process loses nothing."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OperationConfig(Settings, section="operation"):
    """Journal, metrics and health of a station."""

    journal: pathlib.Path | None = None
    """Folder of the journal, with one end record for every session; none: no journal."""
    journal_sync: Sync = Sync.ENDS
    """`always`, `ends` or `never`: after which records the disk must confirm; no session waits for it."""
    journal_size: int = 16_777_216
    """Size in bytes from which a new file is started, between sessions; the time is added to the old name."""
    journal_keep: int = 0
    """Number of old files to keep; 0 keeps all."""
    port: int = 0
    """TCP port for `/metrics`, `/health` and `/ready`; 0: none. Metrics need `pip install secc[metrics]`."""
    address: str = "127.0.0.1"
    """Address of that port. There is no password: use loopback or a trusted network."""

    def _check(self) -> None:
        check(4096 <= self.journal_size <= 2**31, "operation.journal_size", "4096 or more")
        check(0 <= self.journal_keep <= 100_000, "operation.journal_keep", "0 or more")
        check(0 <= self.port <= 65535, "operation.port", "0..65535")
        try:
            ipaddress.ip_address(self.address)
        except ValueError:
            check(False, "operation.address", "an IP address")
