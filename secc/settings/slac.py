"""The settings of matching and control pilot: `[slac]` in the station's file."""

import dataclasses
import enum
import re

from secc.settings.checks import Settings, check, check_range

__all__ = ["Deviation", "Fallback", "KeyResult", "LinkStatus", "SlacConfig", "Validation"]


class Deviation(enum.StrEnum):
    """What test tools and some cars do otherwise than the standard; refused unless the settings name it."""

    IDENTIFIERS = "identifiers"
    """An identifier of EV or station that is not zero, in CM_ATTEN_CHAR.RSP or CM_SLAC_MATCH.REQ."""
    GROUP = "group"
    """CM_SLAC_MATCH.REQ sent to everybody; the address of the station in it has to be ours all the same."""


class KeyResult(enum.StrEnum):
    """Which result byte of CM_SET_KEY.CNF is success: the editions of HomePlug contradict each other."""

    VENDOR = "vendor"
    """1 with a Qualcomm modem, 0 or 1 with any other."""
    ANY = "any"
    """0 or 1."""
    ONE = "1"
    ZERO = "0"


class LinkStatus(enum.StrEnum):
    """What the station makes of a modem's silence when it asks for the link."""

    AUTO = "auto"
    """A modem that has never answered counts as one that cannot: the link is assumed, and not watched."""
    OFF = "off"
    """The modem is not asked; the link is assumed after `link_delay`."""
    REQUIRED = "required"
    """Without an answer there is no link, and five answers in a row that stay away end it."""


class Validation(enum.StrEnum):
    """What an EV hears that wants to prove itself by toggling the control pilot."""

    OFF = "off"
    """Not supported: it goes on without."""
    NOT_REQUIRED = "not required"
    ON = "on"
    """Toggles are counted; the outlet has to report the pilot within 100 ms."""


class Fallback(enum.StrEnum):
    """What an AC outlet does with an EV that does not speak."""

    BASIC = "basic"
    """Nominal duty cycle: charging by IEC 61851 alone."""
    NONE = "none"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SlacConfig(Settings, section="slac"):
    """Matching over the powerline, and the control pilot around it."""

    enabled: bool = False
    """False: another process matches, or there is no powerline (Ethernet, Wi-Fi, tests)."""
    modem_mac: str = ""
    """Address of the own modem; empty: whoever confirms the key first."""
    set_key_result: KeyResult = KeyResult.VENDOR
    """`vendor`, `any`, `1` or `0`: which result of CM_SET_KEY.CNF is success."""
    link_status: LinkStatus = LinkStatus.AUTO
    """`auto`, `off` or `required`: whether the modem is asked for its link, and what its silence means. Many
    modems do not know the question."""
    slac_init: float = 40.0
    """TT_EVSE_SLAC_init, 20 to 50: from 5 % duty cycle to the first CM_SLAC_PARM.REQ."""
    attenuation_offset: float = 0.0
    """dB of the station's own receive path, taken off the measured profile."""
    validation: Validation = Validation.OFF
    """`off`, `not required` or `on`: counting toggles of the control pilot (BCB)."""
    link_delay: float = 0.2
    """From CM_SLAC_MATCH.CNF to the link, with a modem that cannot be asked."""
    amplitude_map: bool = False
    """Send an amplitude map of our own before the link is reported; an EV that does not confirm it fails."""
    accept_amplitude_map: bool = True
    """Confirm the amplitude map of an EV, twice per link at most; false refuses."""
    apply_amplitude_map: bool = False
    """Hand the map of an EV to the own modem (CM_AMP_MAP.REQ); the EV is told what the modem says. False: it
    is confirmed and reported, and applying it is the integrator's affair."""
    verify_network: bool = False
    """Ask a Qualcomm modem each second which network it is in, and leave when it is another one: somebody on
    the power line has given it a key."""
    sleep_on_pause: bool = False
    """Put the own modem to sleep while a session is paused, if its driver can; after that it gets its key
    again."""
    tolerate: tuple[Deviation, ...] = ()
    """Deviations of cars and test tools to put up with: `identifiers` (not zero), `group` (the request for
    the key sent to everybody)."""
    nominal_first: bool = False
    """AC: begin with the nominal duty cycle, basic charging allowed, and match whenever the EV begins."""
    fallback: Fallback = Fallback.BASIC
    """AC: `basic` charging or `none` for an EV that does not speak; DC has no fallback."""
    rearm_instead_of_error: bool = False
    """After an error stay at 5 % and match again, without the step to state E or F: some cars do not survive
    it, but the standard asks for it [V2G3-M07-05]."""
    step_ef: float = 4.0
    """T_step_EF, 4 or more: how long the pilot shows state E or F [V2G3-M07-08]."""

    def _check(self) -> None:
        check_range(self.attenuation_offset, "slac.attenuation_offset", 0.0, 100.0)
        check_range(self.slac_init, "slac.slac_init", 1.0, 50.0)
        check_range(self.link_delay, "slac.link_delay", 0.0, 12.0)
        check_range(self.step_ef, "slac.step_ef", 0.001, 60.0)
        good = (
            re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", self.modem_mac or "00:00:00:00:00:00")
            is not None
        )
        check(good, "slac.modem_mac", "six bytes as 00:b0:52:00:00:01")
