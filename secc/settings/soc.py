"""State of charge at AC outlets: `[soc]` in the station's file."""

import dataclasses
import enum
import re

from secc.settings.checks import Settings, check

__all__ = ["SocConfig", "SocStep", "SocThen"]


class SocThen(enum.StrEnum):
    """What follows the session that reads the state of charge."""

    BASIC = "basic"
    """The nominal duty cycle: charging by IEC 61851 alone."""
    DIGITAL = "digital"
    """5 % again: the EV matches a second time and charges by ISO 15118, if it can."""


class SocStep(enum.StrEnum):
    """Signal of the control pilot between the reading and what follows."""

    X1 = "x1"
    """State X1 (no oscillator) for T_step_X1, 3 s."""
    EF = "ef"
    """State E or F for `slac.step_ef`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SocConfig(Settings, section="soc"):
    """A short session without energy that reads the state of charge of the EV at an AC outlet.

    Not part of any standard, and some EVs do not charge after it until they are plugged in again.
    """

    read: bool = False
    """True: the first session after plugging in offers DC and ends after ChargeParameterDiscovery."""
    then: SocThen = SocThen.BASIC
    """`basic` or `digital`: what follows the reading."""
    step: SocStep = SocStep.X1
    """`x1` or `ef`: signal of the control pilot in between."""
    decline: tuple[str, ...] = (
        "0C:29:8F",
        "4C:FC:AA",
        "54:F8:F0",
        "90:E6:43",
        "98:ED:5C",
        "D4:4F:14",
        "DC:44:27",
    )
    """First bytes of the modem addresses of EVs that are not read. The default: Tesla, whose cars are
    reported not to charge after the reading."""
    patience: int = 10
    """Number of ChargeParameterDiscoveryRes that announce the stop with Ongoing; then one with Finished."""

    def _check(self) -> None:
        check(1 <= self.patience <= 100, "soc.patience", "1 to 100")
        for prefix in self.decline:
            good = re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){0,5}", prefix) is not None
            check(good, "soc.decline", "the first one to six bytes of an address, such as 98:ED:5C")

    def declines(self, address: bytes) -> bool:
        """Whether an EV with this modem address is not read."""
        text = address.hex(":").upper()
        return any(text.startswith(prefix.upper()) for prefix in self.decline)
