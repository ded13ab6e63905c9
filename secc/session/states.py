"""The states of a session and its timers, in the order of the standard.

`WAIT_…`: the EV must speak; each names what it may say. The others: we owe the EV an answer and wait for the
outlet or the pilot.
"""

import enum


class Stage(enum.Enum):
    """Where a session stands, whatever its protocol; the states of each are an enum of their own. The value
    is the phrase used in documents and notices."""

    @property
    def in_charge_loop(self) -> bool:
        """Between the accepted start and the stop: what EVSENotification says counts only here [V2G2-680]."""
        return self.name in _CHARGE_LOOP

    @property
    def waits_for_ev(self) -> bool:
        """The next move is the EV's: the sequence timer runs, and no answer is owed."""
        return self.name.startswith("WAIT_")

    @property
    def winds_down(self) -> bool:
        """Owes an answer after the output went off: no reason of ours may keep the EV from its end."""
        return self.name == "AWAITING_PILOT_B"

    @property
    def tests_isolation(self) -> bool:
        """The isolation is tested, or will be as soon as the output is without voltage."""
        return self.name == "WAIT_CABLE_CHECK_RESULT"

    @property
    def ended(self) -> bool:
        """Nothing has any effect any more."""
        return self.name == "ENDED"


_CHARGE_LOOP = frozenset(
    {
        *("WAIT_FIRST_STATUS", "WAIT_STATUS", "WAIT_RECEIPT_AC"),
        *("WAIT_FIRST_DEMAND", "WAIT_DEMAND", "WAIT_RECEIPT_DC", "WAIT_AFTER_RECEIPT"),
    }
)


class Timer(enum.Enum):
    """One deadline each; durations are the fields of `TimingConfig` with the same name."""

    COMMUNICATION_SETUP = "communication_setup"
    SEQUENCE = "sequence"
    AUTHORIZATION = "authorization"
    REVOCATION = "revocation"
    PROVISIONING = "provisioning"
    CONTRACT_ANSWER = "contract_answer"
    CHARGE_PARAMETERS = "charge_parameters"
    PILOT = "pilot"
    CONTACTOR = "contactor"
    CABLE_CHECK = "cable_check"
    PRE_CHARGE = "pre_charge"
    PRE_CHARGE_TOTAL = "pre_charge_total"
    VOLTAGE = "voltage"
    DISCHARGE = "discharge"
    CONTACTOR_RELEASE = "contactor_release"
    CONTACTOR_LOST = "contactor_lost"
    VOLTAGE_READING = "voltage_reading"
    DIN_DEMAND = "din_demand"
    WELDING_DETECTION = "welding_detection"
    STOP_DELAY = "stop_delay"
    STOP_GRACE = "stop_grace"
    LEASE_RENEWAL = "lease_renewal"


class StopOrdered:
    """Input made by the machine when a stop meets an answer that is owed."""


class PilotChanged:
    """Input made by the machine when a snapshot shows another control pilot state."""


class FeedbackChanged:
    """The same for the feedback of the contactor."""
