"""What an integrator may provide to the OCPP back end beside the ports of the station.

All of them are optional; without one the CSMS receives the refusal that OCPP has for the request.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

__all__ = [
    "FirmwareInstaller",
    "GridMeter",
    "GridReading",
    "LogKind",
    "LogUploader",
    "StationServices",
    "TransferAnswer",
    "TransferHandler",
    "UnlocksConnector",
]


class FirmwareInstaller(Protocol):
    """Fetches and installs firmware; the back end decides when, and verifies the signature in between."""

    async def download(self, location: str) -> Path:
        """Return the file with the image that is at this URL. Raises OSError; the download is repeated."""
        ...

    async def install(self, image: Path) -> None:
        """Install the image; with `ocpp.firmware_signed` its signature is verified. Raises OSError.

        No transaction runs. The process may be restarted meanwhile: if it then reports another version of
        the firmware, the update counts as installed.
        """
        ...


class LogKind(enum.StrEnum):
    """Logs that a CSMS may request."""

    DIAGNOSTICS = "DiagnosticsLog"
    SECURITY = "SecurityLog"


class LogUploader(Protocol):
    """Uploads logs; `secc.ocpp.logs.HttpUploader` is the one for http and https."""

    async def upload(self, location: str, name: str, content: bytes) -> None:
        """Store the content under this URL. Raises PermissionError, ValueError for a URL that is not
        supported, or another OSError; only the last one is tried again."""
        ...


class UnlocksConnector(Protocol):
    """Unlocks the connector of the outlet."""

    async def unlock(self) -> bool:
        """Unlock the cable, which carries no current; returns whether it is unlocked."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class TransferAnswer:
    """Answer to DataTransfer."""

    status: str = "Accepted"
    """Accepted, Rejected or UnknownMessageId."""
    data: object = None
    """Any value that JSON can represent, a text for 1.6; None: no data."""


class TransferHandler(Protocol):
    """Answers DataTransfer of one vendor."""

    async def transfer(self, message: str, data: object) -> TransferAnswer:
        """`message` is the messageId, or empty. An exception counts as Rejected."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class GridReading:
    """The grid at the connection of the site; None: not measured."""

    frequency: float | None = None
    """Hz."""
    power: float | None = None
    """W that the site draws with its EVs; below 0 it feeds the grid."""


class GridMeter(Protocol):
    """Measures the grid, for the operation modes LocalFrequency and LocalLoadBalancing of 2.1."""

    def reading(self) -> GridReading:
        """The present values; called each `ocpp.look_interval`, must not block. After an exception the
        profiles that need a value do not apply until the next reading."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StationServices:
    """What an integrator provides."""

    firmware: FirmwareInstaller | None = None
    uploader: LogUploader | None = None
    """None: http and https."""
    connector: UnlocksConnector | None = None
    transfers: Mapping[str, TransferHandler] = dataclasses.field(default_factory=dict)
    """By vendorId."""
    grid_meter: GridMeter | None = None
    connector_type: str = ""
    """Type of the connector in the words of OCPP, for example `cCCS2`; empty: by the energy modes."""
