"""What keeps a modem from serving a station, as far as its own answers show it."""

import enum
import re

from secc.slac.parameters import CcoMode, SlacRole

__all__ = ["Shortcoming", "has_boot_loader_only", "shortcomings"]


class Shortcoming(enum.Enum):
    """A reason why a modem cannot be that of a station."""

    NO_FIRMWARE = "the modem runs its boot loader: it has no firmware"
    WRONG_CHIP = "this chip does not measure the sounds of an EV: it can be the modem of an EV only"
    EV_ROLE = "the modem is configured as the modem of an EV"
    SLAC_OFF = "SLAC is switched off in the configuration of the modem"
    NO_COORDINATOR = "the modem is configured not to be the coordinator of its network"
    MAY_NOT_COORDINATE = "the modem is not always the coordinator of its network"


def shortcomings(
    hardware: str, firmware: str, role: SlacRole | None, cco: CcoMode | None
) -> tuple[Shortcoming, ...]:
    """All that is known to be wrong, from the names and parameters of a modem; unknown ones are no reason."""
    if has_boot_loader_only(firmware):
        return (Shortcoming.NO_FIRMWARE,)
    found = [Shortcoming.WRONG_CHIP] if _UNFIT.search(f"{hardware} {firmware}") else []
    if role is SlacRole.EV:
        found.append(Shortcoming.EV_ROLE)
    elif role is SlacRole.OFF:
        found.append(Shortcoming.SLAC_OFF)
    if cco is CcoMode.NEVER:
        found.append(Shortcoming.NO_COORDINATOR)
    elif cco in (CcoMode.AUTO, CcoMode.ASSIGNED):
        found.append(Shortcoming.MAY_NOT_COORDINATE)
    return tuple(found)


def has_boot_loader_only(firmware: str) -> bool:
    """Whether this name of the firmware is that of the boot loader of a Qualcomm chip."""
    return firmware.lower().replace(" ", "").startswith("bootloader")


_UNFIT = re.compile(r"\b(QCA7420|AR7420|INT6\d00|QCA6410)\b")
"""Chips of the same maker for networks in homes. Those with Green PHY are QCA7000, QCA7005 and QCA7006."""
