"""Settings of matching and control pilot: `[slac]` in the station's file."""

import dataclasses
import enum
import re

from secc.settings.checks import Settings, check, check_range

__all__ = [
    "AuthorizedDuty",
    "Deviation",
    "Fallback",
    "KeyResult",
    "LinkStatus",
    "SlacConfig",
    "Validation",
]


class Deviation(enum.StrEnum):
    """Deviations of test tools and some cars from the standard; refused unless the settings name them."""

    IDENTIFIERS = "identifiers"
    """An identifier of EV or station that is not zero, in CM_ATTEN_CHAR.RSP or CM_SLAC_MATCH.REQ."""
    GROUP = "group"
    """CM_SLAC_MATCH.REQ sent to the broadcast address; it must still contain the address of this station."""


class KeyResult(enum.StrEnum):
    """Which result byte of CM_SET_KEY.CNF is success: the editions of HomePlug contradict each other."""

    VENDOR = "vendor"
    """1 with a Qualcomm modem, 0 or 1 with any other."""
    ANY = "any"
    """0 or 1."""
    ONE = "1"
    ZERO = "0"


class LinkStatus(enum.StrEnum):
    """Meaning of a missing answer to a link status request."""

    AUTO = "auto"
    """A modem that has never answered is treated as unable to: the link is assumed and not watched."""
    OFF = "off"
    """The modem is not asked; the link is assumed after `link_delay`."""
    REQUIRED = "required"
    """The link needs an answer; five missing answers in a row end it."""


class Validation(enum.StrEnum):
    """Answer to an EV that requests validation by toggling the control pilot."""

    OFF = "off"
    """Not supported: the EV continues without validation."""
    NOT_REQUIRED = "not required"
    ON = "on"
    """Toggles are counted; the outlet must report the pilot within 100 ms."""


class AuthorizedDuty(enum.StrEnum):
    """Duty cycle of an AC outlet after external identification (EIM) in a session."""

    DIGITAL = "digital"
    """5 %: the limits are in the messages alone."""
    NOMINAL = "nominal"
    """That of the current limit, through X1; the limits in the messages hold as well."""


class Fallback(enum.StrEnum):
    """Reaction of an AC outlet to an EV without communication."""

    BASIC = "basic"
    """Nominal duty cycle: charging by IEC 61851 alone."""
    NONE = "none"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SlacConfig(Settings, section="slac"):
    """Matching over the power line, and the control pilot."""

    enabled: bool = False
    """False: another process does the matching, or there is no power line (Ethernet, Wi-Fi, tests)."""
    modem_mac: str = ""
    """Address of the station's modem; empty: the first modem that confirms the key."""
    set_key_result: KeyResult = KeyResult.VENDOR
    """`vendor`, `any`, `1` or `0`: which result of CM_SET_KEY.CNF is success."""
    link_status: LinkStatus = LinkStatus.AUTO
    """`auto`, `off` or `required`: whether the modem is asked for its link, and what a missing answer means.
    Many modems do not support the request."""
    slac_init: float = 40.0
    """TT_EVSE_SLAC_init, 20 to 50: from 5 % duty cycle to the first CM_SLAC_PARM.REQ."""
    reset_after: int = 0
    """Matches in a row that fail at the modem or the link, or unanswered keys beyond the first four, after
    which the station resets its modem (Qualcomm, Lumissil), at most once a minute. 0: never. A modem that
    boots from this host needs the program that loads its firmware again."""
    key_check: float = 30.0
    """Seconds between two questions to an idle modem whether it still has its key; 0: it is not asked. A
    modem that has lost the key gets it again before the next EV."""
    attenuation_offset: float = 0.0
    """dB of the station's receive path, subtracted from the measured profile."""
    validation: Validation = Validation.OFF
    """`off`, `not required` or `on`: count toggles of the control pilot (BCB)."""
    link_delay: float = 0.2
    """Time from CM_SLAC_MATCH.CNF to the assumed link, for a modem that cannot be asked."""
    amplitude_map: bool = False
    """Send an amplitude map before the link is reported; an EV that does not confirm it fails."""
    accept_amplitude_map: bool = True
    """Confirm the amplitude map of an EV, at most twice per link; false refuses it."""
    apply_amplitude_map: bool = False
    """Pass the map of an EV to the modem (CM_AMP_MAP.REQ) and answer the EV with its result. False: the map
    is confirmed and reported, and you apply it."""
    verify_network: bool = False
    """Ask a Qualcomm modem each second for its network, and leave if it is another one: a device on the power
    line has set its key."""
    sleep_on_pause: bool = False
    """Let the modem sleep while a session is paused, if its driver can; its key is set again after that."""
    tolerate: tuple[Deviation, ...] = ()
    """Deviations of cars and test tools to accept: `identifiers` (not zero), `group` (the request for the key
    sent to the broadcast address)."""
    nominal_first: bool = False
    """AC: start with the nominal duty cycle, permit basic charging, and match when the EV starts."""
    authorized_duty: AuthorizedDuty = AuthorizedDuty.DIGITAL
    """AC, external payment: duty cycle after a positive authorization, `digital` (5 %) or `nominal`
    [V2G2-853] [V2G2-931]. Without a session `PlcStation.charge_basically` shows the nominal one."""
    oscillator_retain: float = 1.5
    """DIN SPEC 70121: V2G_SECC_CPOscillator_Retain_Time, from SessionStopRes until the oscillator goes off
    [V2G-DC-968]."""
    fallback: Fallback = Fallback.BASIC
    """AC: `basic` charging or `none` for an EV without communication; DC has no fallback."""
    fallback_within: float = 0.0
    """AC with `fallback = "basic"`: seconds from 5 % to the nominal duty cycle for an EV that does not start
    matching, step to state E or F included. 0: after `slac_init` and two attempts to wake it."""
    rearm_instead_of_error: bool = False
    """After an error stay at 5 % and match again without the step to state E or F, which some cars do not
    tolerate although the standard requires it [V2G3-M07-05]."""
    step_ef: float = 4.0
    """T_step_EF, 4 or more: duration of state E or F [V2G3-M07-08]."""

    def _check(self) -> None:
        check_range(self.attenuation_offset, "slac.attenuation_offset", 0.0, 100.0)
        check_range(self.slac_init, "slac.slac_init", 1.0, 50.0)
        check_range(self.link_delay, "slac.link_delay", 0.0, 12.0)
        check_range(self.oscillator_retain, "slac.oscillator_retain", 0.0, 4.5)
        check_range(self.step_ef, "slac.step_ef", 0.001, 60.0)
        check_range(self.key_check, "slac.key_check", 0.0, 3600.0)
        check_range(self.reset_after, "slac.reset_after", 0, 100)
        soonest = self.step_ef + _SHORTEST_OFFER
        check(
            self.fallback_within == 0.0 or soonest <= self.fallback_within <= 600.0,
            "slac.fallback_within",
            f"0, or {soonest:g} to 600: slac.step_ef and {_SHORTEST_OFFER:g} s at 5 %",
        )
        good = (
            re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", self.modem_mac or "00:00:00:00:00:00")
            is not None
        )
        check(good, "slac.modem_mac", "six bytes as 00:b0:52:00:00:01")


_SHORTEST_OFFER = 2.0  # s
