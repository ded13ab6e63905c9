"""Properties of every state in all protocols, and the timers.

The states of each protocol are an enum in its room. `WAIT_…`: the EV must speak; each names what
it may say. The others: the station owes the EV an answer and waits for the outlet, the pilot or the back end.
"""

import enum
from typing import Self

__all__ = ["FeedbackChanged", "PilotChanged", "StateRole", "Stage", "StopOrdered", "Timer"]


class StateRole(enum.Enum):
    """What the part of the session that all protocols share knows of a state."""

    BEGIN = "the first state: the EV must speak"
    WAITS = "the EV must speak"
    LOOP = "the EV must speak, between the accepted start and the stop"
    ISOLATION_TEST = "the EV must speak, while the isolation is tested"
    OWES = "an answer is owed"
    STARTS = "the answer to a start of the energy transfer is owed"
    CLOSES_CONTACTOR = "the answer to a start is owed, and the contactor closes"
    ENDED = "nothing has any effect any more"


_WAITING = (StateRole.BEGIN, StateRole.WAITS, StateRole.LOOP, StateRole.ISOLATION_TEST)

__all__ = ["FeedbackChanged", "PilotChanged", "StateRole", "Stage", "StopOrdered", "Timer"]


class Stage(enum.Enum):
    """Where a session stands. The value is the phrase used in documents and notices; a member is written as
    its phrase, with its role where that is not WAITS."""

    role: StateRole
    waits_for_ev: bool
    """The next move is the EV's: the sequence timer runs, and no answer is owed."""
    in_charge_loop: bool
    """Between the accepted start and the stop: what EVSENotification says counts only here [V2G2-680]."""
    ended: bool
    """Nothing has any effect any more."""

    __hash__ = object.__hash__  # a state is itself and nothing else; Enum would hash its name each time

    def __new__(cls, phrase: str, role: StateRole = StateRole.WAITS) -> Self:
        stage = object.__new__(cls)
        stage._value_ = phrase
        stage.role = role
        stage.waits_for_ev = role in _WAITING
        stage.in_charge_loop = role is StateRole.LOOP
        stage.ended = role is StateRole.ENDED
        return stage


class Timer(enum.Enum):
    """One deadline each; durations: the fields of `TimingConfig`, or `Iso20Config`, with the same name."""

    COMMUNICATION_SETUP = "communication_setup"
    SEQUENCE = "sequence"
    AUTHORIZATION = "authorization"
    REVOCATION = "revocation"
    PROVISIONING = "provisioning"
    CONTRACT_ANSWER = "contract_answer"
    JUDGEMENT = "judgement"
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
    VEHICLE_STATUS = "vehicle_status"
    LEASE_RENEWAL = "lease_renewal"
    DEMAND_AGE = "demand_age"
    SIDE_STREAM = "side_stream"
    METERING_CONFIRMATION = "metering_confirmation"
    SOC_READING = "soc_reading"

    __hash__ = object.__hash__  # see Stage


class StopOrdered:
    """Input made by the machine when a stop meets an answer that is owed."""


class PilotChanged:
    """Input made by the machine when a snapshot shows another control pilot state."""


class FeedbackChanged:
    """The same for the feedback of the contactor."""
