"""A session on the bench: a clock that is a number, an outlet that is a snapshot, every output kept."""

import dataclasses
import itertools
from collections.abc import Callable

import msgspec

from secc import exi
from secc.messages.iso2 import BodyElement, DCEVSEStatus, V2GMessage
from secc.messages.xmldsig import Signature
from secc.session.contract_events import AuthorizeContract, JudgeContract, Provision
from secc.session.inputs import (
    AuthorizationDecided,
    CableCheckReported,
    ContactorReported,
    Input,
    Received,
    Tick,
)
from secc.session.iso2.states import State
from secc.session.iso2.table import ISO2
from secc.session.machine import Session
from secc.session.outlet import ControlPilot, EvseSnapshot, IsolationLevel
from secc.session.outputs import (
    AskGridCode,
    AskSchedules,
    Authorize,
    CloseContactor,
    EndSession,
    OpenContactor,
    Output,
    Send,
    SetOutput,
    StartCableCheck,
)
from secc.session.ticket import Ticket
from secc.settings import CompatConfig, EnergyConfig, EnergyMode, SeccConfig, TimingConfig
from tests.support import requests

DC_MODES = (EnergyMode.DC_EXTENDED, EnergyMode.DC_CORE)
AC = SeccConfig(evse_id="DE*AAA*E1")
DC = SeccConfig(evse_id="DE*AAA*E2", energy=EnergyConfig(modes=DC_MODES))
STRICT_AC = dataclasses.replace(AC, compat=CompatConfig.strict())
STRICT_DC = dataclasses.replace(DC, compat=CompatConfig.strict())


Question = (
    type[Authorize]
    | type[CloseContactor]
    | type[StartCableCheck]
    | type[AskSchedules]
    | type[AskGridCode]
    | type[JudgeContract]
    | type[AuthorizeContract]
    | type[Provision]
)


def counting_bytes() -> Callable[[int], bytes]:
    """A replacement for randomness: 0000…01, 0000…02, …"""
    count = itertools.count(1)
    return lambda size: next(count).to_bytes(size, "big")


class Clock:
    """Seconds that pass only on command."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def advance(self, seconds: float) -> float:
        self.now += seconds
        return self.now


class Bench:
    """Feeds one session and records its outputs."""

    def __init__(
        self, config: SeccConfig = AC, *, pilot: ControlPilot = ControlPilot.B, **extra: object
    ) -> None:
        """`extra` goes to the session; `now` among it is when it begins."""
        self.clock = Clock(float(str(extra.pop("now", 1000.0))))
        self.evse = EvseSnapshot(control_pilot=pilot, utc=1_700_000_000)
        arguments: dict[str, object] = {"random_bytes": counting_bytes(), **extra}
        self.config = config
        self.session = Session(config, snapshot=self.evse, now=self.clock.now, **arguments)  # type: ignore[arg-type]
        self.session.speak(ISO2)
        self.trace: list[tuple[float, Input, tuple[Output, ...]]] = []
        self.last: tuple[Output, ...] = ()

    # --- inputs ---

    def feed(self, event: Input) -> tuple[Output, ...]:
        self.last = self.session.handle(event, self.clock.now)
        self.trace.append((self.clock.now, event, self.last))
        return self.last

    def request(
        self,
        body: BodyElement | None,
        session_id: bytes | None = None,
        *,
        signature: Signature | None = None,
    ) -> BodyElement | None:
        """Send a request; the response to it, if there is one at once."""
        header = self.session.session_id if session_id is None else session_id
        message = requests.message(header, body, signature)
        payload = b"" if signature is None else exi.ISO2.encode(message)
        return sent(self.feed(Received(message, self.evse, payload)))

    def outlet(self, **changes: object) -> tuple[Output, ...]:
        """The outlet changes, and says so at once."""
        self.evse = msgspec.structs.replace(self.evse, **changes)
        return self.feed(Tick(self.evse))

    def follow(self) -> None:
        """The outlet reads what it was commanded last, by voltage, current and contactor."""
        for output in reversed(self.last):
            match output:
                case SetOutput(voltage, current):
                    self.outlet(present_voltage=voltage, present_current=current)
                case StartCableCheck():
                    self.outlet(present_voltage=0.0, present_current=0.0)
                case OpenContactor() if self.evse.contactor_closed is not None:
                    self.outlet(contactor_closed=False)
                case CloseContactor() if self.evse.contactor_closed is not None:
                    self.outlet(contactor_closed=True)
                case _:
                    continue
            return

    def tick(self, seconds: float = 0.0) -> tuple[Output, ...]:
        """Time passes, with a tick at each deadline on the way; the outputs of all of them."""
        until = self.clock.now + seconds
        outputs: list[Output] = []
        while (due := self.session.deadline) is not None and due <= until:
            self.clock.now = max(due, self.clock.now)
            outputs += self.feed(Tick(self.evse))
        self.clock.now = until
        outputs += self.feed(Tick(self.evse))
        return tuple(outputs)

    def authorize(self, granted: bool = True) -> None:
        self.feed(AuthorizationDecided(self.ticket(Authorize), granted))

    def contactor(self, closed: bool = True) -> BodyElement | None:
        self.evse = msgspec.structs.replace(self.evse, contactor_closed=closed)
        return sent(self.feed(ContactorReported(self.ticket(CloseContactor), closed)))

    def isolation(self, level: IsolationLevel = IsolationLevel.VALID) -> None:
        self.feed(CableCheckReported(self.ticket(StartCableCheck), level))

    # --- looking back ---

    def ticket(self, question: Question) -> Ticket:
        """The ticket of the latest question of this kind."""
        return [o.ticket for _, _, outputs in self.trace for o in outputs if isinstance(o, question)][-1]

    @property
    def outputs(self) -> list[Output]:
        return [output for _, _, outputs in self.trace for output in outputs]

    @property
    def end(self) -> EndSession | None:
        ends = [output for output in self.outputs if isinstance(output, EndSession)]
        return ends[0] if ends else None

    @property
    def ended(self) -> bool:
        return self.session.state.ended

    def stands_in(self, state: State) -> bool:
        return self.session.state is state

    # --- ways into a state ---

    def to_authorization(self) -> "Bench":
        self.request(requests.session_setup(), b"\0")
        self.request(requests.service_discovery())
        self.request(requests.payment_selection())
        return self

    def to_parameters(self) -> "Bench":
        self.to_authorization()
        self.request(requests.authorization())
        self.authorize()
        self.request(requests.authorization())
        return self

    def to_power_on_ac(self) -> "Bench":
        self.to_parameters()
        self.request(requests.ac_parameters())
        return self

    def to_first_status(self) -> "Bench":
        self.to_power_on_ac()
        self.outlet(control_pilot=ControlPilot.C)
        self.request(requests.start())
        self.contactor()
        return self

    def to_status(self) -> "Bench":
        self.to_first_status()
        self.request(requests.charging_status())
        return self

    def prepare(self) -> None:
        """The isolation test and pre-charge of an EV that may start next."""
        self.outlet(control_pilot=ControlPilot.C)
        self.request(requests.cable_check())
        self.isolation()
        self.request(requests.cable_check())
        self.request(requests.pre_charge())
        self.outlet(present_voltage=380.0)

    def to_cable_check(self) -> "Bench":
        self.to_parameters()
        self.request(requests.dc_parameters())
        return self

    def to_cable_check_result(self) -> "Bench":
        self.to_cable_check()
        self.outlet(control_pilot=ControlPilot.C)
        self.request(requests.cable_check())
        return self

    def to_pre_charge(self) -> "Bench":
        self.to_cable_check_result()
        self.isolation()
        self.request(requests.cable_check())
        return self

    def to_power_on_dc(self) -> "Bench":
        self.to_cable_check()
        self.prepare()
        return self

    def to_first_demand(self) -> "Bench":
        self.to_power_on_dc()
        self.request(requests.start())
        return self

    def to_demand(self) -> "Bench":
        self.to_first_demand()
        self.request(requests.current_demand())
        return self

    def to_stop_dc(self) -> "Bench":
        self.to_demand()
        self.request(requests.stop())
        return self


def sent(outputs: tuple[Output, ...]) -> BodyElement | None:
    """The body of the last response among the outputs."""
    messages = [output.message for output in outputs if isinstance(output, Send)]
    last = messages[-1] if messages else None
    return last.body if isinstance(last, V2GMessage) else None


def code(response: object) -> str:
    """The response code as its literal."""
    return str(getattr(response, "response_code", "no response"))


def dc_code(response: BodyElement | None) -> str:
    """EVSEStatusCode of a DC response."""
    status = getattr(response, "dc_evse_status", None) or getattr(response, "evse_status", None)
    return str(status.evse_status_code) if isinstance(status, DCEVSEStatus) else "no DC status"


def fast(**timing: float) -> TimingConfig:
    """Timing with some changed values."""
    return TimingConfig(**timing)
