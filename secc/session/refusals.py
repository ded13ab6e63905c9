"""A check that fails: raised by a handler, answered by the machine."""

import enum

from secc.session.contract_events import ContractRefused
from secc.session.states import Stage

__all__ = ["Cause", "Refused", "Warned"]


class Cause(enum.Enum):
    """What the part that all protocols share objects to; each room has a response code for each
    (`Dialect.codes`)."""

    FAILED = "anything without a specific code"
    SEQUENCE = "a request out of order"
    UNKNOWN_SESSION = "a SessionID that was not assigned"
    PARAMETERS = "charge parameters that make no sense here"
    ENERGY_MODE = "an energy transfer mode that is not on offer"
    NOT_APPLIED = "a start that cannot be carried out"
    CONTACTOR = "a contactor that does not follow"
    SCHEDULE = "a schedule that was not offered"
    PROFILE = "a charging profile above its schedule"


class Refused(Exception):
    """Raised when a check fails; the machine answers and ends. Never leaves `Session.handle`.

    The shared part raises this class, with a cause. A room raises a subclass that it has for itself, with a
    response code of the protocol, so that its answers cannot contain a code of another.
    """

    code: enum.StrEnum | None = None
    """The response code, where a room has chosen one."""

    def __init__(self, cause: Cause, why: str, record: ContractRefused | None = None) -> None:
        super().__init__(why)
        self.cause = cause
        self.record = record
        """For the record, where it is about a contract."""


class Warned(Refused):
    """Raised when a request is refused and the session goes on: the answer carries `code`, what the handler
    has emitted is dropped, and the session stays in its state, or goes back to `state`."""

    def __init__(self, code: enum.StrEnum, why: str, state: Stage | None = None) -> None:
        super().__init__(Cause.FAILED, why)
        self.code = code
        self.state = state
