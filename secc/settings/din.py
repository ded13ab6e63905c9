"""Settings of DIN SPEC 70121: `[din]` in the station's file."""

import dataclasses
import re

from secc.settings.checks import Settings, check

__all__ = ["DinConfig"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DinConfig(Settings, section="din"):
    """Settings that only DIN SPEC 70121 uses."""

    evse_id: str = ""
    """EVSEID by DIN SPEC 91286: digits and stars, `49*123*456*789` for example, an even number of them and at
    most 64. Empty: sent as unknown [V2G-DC-876]."""

    def _check(self) -> None:
        good = re.fullmatch(r"([0-9*]{2}){0,32}", self.evse_id) is not None
        check(good, "din.evse_id", "an even number of digits and stars, at most 64")
