"""The EV of the tester: goes to the point that a case tests by valid steps, and executes the case there.

`reach` walks to the point; a problem on the way makes a case inconclusive. `ask`, `expect` and `refused` are
for the point itself; a problem there is a failure of the station.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from secc import exi
from secc.bench import requests
from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive
from secc.bench.wire import BenchWire, Closed, Silence, WireFrame
from secc.errors import DecodeError
from secc.messages import app_protocol, din, iso2
from secc.messages.iso2 import ChargeProgress, EnergyTransferMode, EVSEProcessing, PaymentOption, ResponseCode
from secc.messages.xmldsig import Signature
from secc.sim.cable import plain
from secc.sim.wallet import Wallet
from secc.v2gtp import PayloadType, frame

__all__ = ["BenchCar", "CarAnswer", "LATE", "PACE", "Phase"]


class Phase(enum.Enum):
    """What the station waits for."""

    HANDSHAKE = "supportedAppProtocolReq"
    SETUP = "SessionSetupReq"
    DISCOVERY = "ServiceDiscoveryReq"
    SELECTION = "ServiceDetailReq or PaymentServiceSelectionReq"
    CONTRACT = "PaymentDetailsReq or a certificate request"
    AUTHORIZATION = "AuthorizationReq"
    PARAMETERS = "ChargeParameterDiscoveryReq"
    CABLE_CHECK = "CableCheckReq"
    PRE_CHARGE = "PreChargeReq"
    POWER_ON = "PowerDeliveryReq(Start)"
    FIRST_LOOP = "the first ChargingStatusReq or CurrentDemandReq"
    LOOP = "ChargingStatusReq, CurrentDemandReq or PowerDeliveryReq"
    STOPPED = "SessionStopReq or WeldingDetectionReq"
    WELDED = "SessionStopReq or another WeldingDetectionReq"
    OVER = "nothing"


@dataclasses.dataclass(frozen=True, slots=True)
class CarAnswer:
    """A response that could be decoded."""

    message: msgspec.Struct
    body: Any
    """iso2.V2GMessage: its body; otherwise the message."""
    seconds: float

    @property
    def session_id(self) -> bytes:
        """SessionID of the header."""
        envelopes = (iso2.V2GMessage, din.V2GMessage)
        return self.message.header.session_id if isinstance(self.message, envelopes) else b""

    @property
    def code(self) -> str:
        """ResponseCode as its literal."""
        code = getattr(self.body, "response_code", None)
        return str(code.value) if code is not None else "no code"

    def __str__(self) -> str:
        return f"{type(self.body).__name__} {self.code}"


class BenchCar:
    """One EV on one connection at a time."""

    dialect = "iso2"
    """Schema of its messages after the handshake."""

    def __init__(self, trial: Trial, *, dc: bool = False, contract: bool = False) -> None:
        """`dc`: charges with DC. `contract`: pays by contract, from the wallet of the tester."""
        self.trial = trial
        self.dc = dc
        self.contract = contract
        self.ev = trial.target.ev
        self.session_id = b"\x00"
        self.schedules: tuple[iso2.SAScheduleTuple, ...] = ()
        self.schedule_id = 1
        self.negotiated = 0.0
        """Monotonic time at which the schedules arrived."""
        self.challenge = b""
        self.offered: iso2.ServiceDiscoveryRes | None = None
        self.phase = Phase.HANDSHAKE
        self.last: CarAnswer | None = None
        pki = trial.target.pki
        self.wallet: Wallet | None = pki.wallet() if pki is not None and contract else None
        self._wire: BenchWire | None = None

    # --- the connection ------------------------------------------------------------------------------------

    @property
    def wire(self) -> BenchWire:
        """The connection; raises Inconclusive before `connect`."""
        if self._wire is None:
            raise Inconclusive("not connected")
        return self._wire

    async def connect(self) -> None:
        """Open a new connection, on which the station waits for the handshake."""
        self._wire = await self.trial.connect()
        self.phase = Phase.HANDSHAKE

    async def send_raw(self, data: bytes, text: str) -> None:
        """Send any bytes."""
        self.trial.note("sent", text, data)
        await self.wire.send(data)

    async def receive(self, limit: float) -> CarAnswer | Silence | Closed:
        """Receive a message; raises Failed for anything else."""
        reply = await self.wire.receive(limit)
        if not isinstance(reply, WireFrame):
            self.trial.note("received", str(reply))
            return reply
        return self._read(reply)

    def encode(self, body: msgspec.Struct, session_id: bytes | None, signature: Signature | None) -> bytes:
        """Return the V2GTP frame of a request."""
        if isinstance(body, app_protocol.SupportedAppProtocolReq):
            return frame(exi.APP_PROTOCOL.encode(body))
        names = din if self.dialect == "din" else iso2
        header = names.MessageHeader(
            session_id=self.session_id if session_id is None else session_id, signature=signature
        )
        message = names.V2GMessage(header=header, body=body)
        return frame(exi.codec(self.dialect).encode(message))

    def limit(self, body: msgspec.Struct) -> float:
        """Return how long the tester waits for the response to this request."""
        timers = self.trial.timers
        if isinstance(body, iso2.CurrentDemandReq):
            return timers.current_demand
        return timers.slow_message if isinstance(body, _SLOW) else timers.message

    async def ask(
        self,
        body: msgspec.Struct,
        *,
        session_id: bytes | None = None,
        signature: Signature | None = None,
        limit: float | None = None,
    ) -> CarAnswer | Silence | Closed:
        """Send a request and return the reply."""
        name = type(body).__name__
        await self.send_raw(self.encode(body, session_id, signature), name)
        return await self.receive(self.limit(body) if limit is None else limit)

    def _read(self, reply: WireFrame) -> CarAnswer:
        problem = None
        if (reply.version, reply.inverse) != (1, 0xFE):
            problem = f"V2GTP version {reply.version:#04x} {reply.inverse:#04x}"
        elif reply.kind != PayloadType.EXI:
            problem = f"V2GTP payload type {reply.kind:#06x}"
        codec = exi.APP_PROTOCOL if self.phase is Phase.HANDSHAKE else exi.codec(self.dialect)
        message: Any = None
        if problem is None:
            try:
                message = codec.decode(reply.payload)
            except DecodeError as error:
                problem = f"cannot be decoded: {error}"
        if problem is not None:
            self.trial.note("received", problem, reply.data)
            raise Failed(f"expected a well-formed response; got one with {problem}")
        body = message.body if isinstance(message, (iso2.V2GMessage, din.V2GMessage)) else message
        answer = CarAnswer(message, body, reply.seconds)
        self.trial.note("received", f"{answer} after {1000 * reply.seconds:.0f} ms", reply.data)
        return answer

    # --- the tested point ----------------------------------------------------------------------------------

    async def expect(
        self,
        body: msgspec.Struct,
        *codes: ResponseCode | din.ResponseCode,
        session_id: bytes | None = None,
        signature: Signature | None = None,
    ) -> Any:
        """Expect the paired response with one of the codes in time; returns its body. Raises Failed."""
        answer = await self.ask(body, session_id=session_id, signature=signature)
        wanted = codes or (ResponseCode.OK,)
        expected = f"{_pair(body)} {' or '.join(code.value for code in wanted)} in {self.limit(body):g} s"
        self.trial.check(isinstance(answer, CarAnswer), expected, answer)
        assert isinstance(answer, CarAnswer)
        self.trial.check(type(answer.body).__name__ == _pair(body), expected, answer)
        self.trial.check(answer.code in [code.value for code in wanted], expected, answer)
        self._check_id(answer)
        self.last = answer
        return answer.body

    async def refused(
        self,
        body: msgspec.Struct,
        *codes: ResponseCode | din.ResponseCode,
        session_id: bytes | None = None,
        signature: Signature | None = None,
    ) -> None:
        """Expect the paired response with one of the codes, then the end of TCP."""
        await self.expect(body, *codes, session_id=session_id, signature=signature)
        await self.closed()

    async def closed(self) -> None:
        """Expect the station to close the connection in time."""
        limit = self.trial.timers.close
        reply = await self.wire.wait_closed(limit * LATE)
        self.trial.note("received", str(reply) if not isinstance(reply, WireFrame) else "a message", b"")
        self.trial.check(isinstance(reply, Closed), f"TCP closed by the station within {limit:g} s", reply)
        if reply.seconds > limit:
            self.trial.remark(f"TCP closed after {reply.seconds:.2f} s by the clock of the tester: tolerated")

    async def ignored(self, limit: float) -> None:
        """Expect no answer for this time and an open connection."""
        reply = await self.wire.receive(limit)
        text = f"no answer for {limit:g} s, TCP left open"
        data = reply.data if isinstance(reply, WireFrame) else b""
        self.trial.note("received", "a message" if data else str(reply), data)
        self.trial.check(isinstance(reply, Silence), text, "a message" if data else reply)

    def _check_id(self, answer: CarAnswer) -> None:
        """Check that the response has the assigned SessionID [V2G2-388]."""
        if self.phase in (Phase.HANDSHAKE, Phase.SETUP):
            return
        self.trial.check(
            answer.session_id == self.session_id,
            f"SessionID {self.session_id.hex().upper()} in the response",
            answer.session_id.hex().upper(),
        )

    # --- the way to the point ------------------------------------------------------------------------------

    async def reach(self, phase: Phase) -> None:
        """Walk by valid steps; raises Inconclusive when the station does not follow."""
        if self._wire is None:
            await self.connect()
        while self.phase is not phase:
            step = self._steps.get(self.phase)
            if step is None:
                raise Inconclusive(f"no path from {self.phase.value} to {phase.value}")
            before = self.phase
            try:
                await step()
            except Failed as failure:
                raise Inconclusive(
                    f"on the way, while the station waits for {before.value}: {failure}"
                ) from None

    @property
    def _steps(self) -> dict[Phase, Callable[[], Awaitable[object]]]:
        return {
            Phase.HANDSHAKE: self.handshake,
            Phase.SETUP: self.set_up,
            Phase.DISCOVERY: self.discover,
            Phase.SELECTION: self.select,
            Phase.CONTRACT: self.show_contract,
            Phase.AUTHORIZATION: self.authorize,
            Phase.PARAMETERS: self.negotiate,
            Phase.CABLE_CHECK: self.check_cable,
            Phase.PRE_CHARGE: self.pre_charge,
            Phase.POWER_ON: self.start,
            Phase.FIRST_LOOP: self.loop,
            Phase.LOOP: self.stop,
            Phase.STOPPED: self.stop_session,
            Phase.WELDED: self.stop_session,
        }

    async def first_word(self, offer: app_protocol.SupportedAppProtocolReq) -> CarAnswer | Silence | Closed:
        """Send the offer; repeat it once, as a station that still has the previous EV may close the
        connection."""
        end = self.trial.now + self.trial.timers.reach
        answer = await self.ask(offer)
        while isinstance(answer, Closed) and self.trial.now < end:
            await asyncio.sleep(PACE)
            await self.connect()
            answer = await self.ask(offer)
        return answer

    def begin(self) -> None:
        """Continue after the protocol has been negotiated: SessionSetupReq is due."""
        self.phase = Phase.SETUP

    def assigned(self, session_id: bytes) -> None:
        """Continue after a SessionSetupRes with this SessionID."""
        self.session_id, self.phase = session_id, Phase.DISCOVERY

    async def handshake(self) -> None:
        answer = await self.first_word(requests.offer())
        good = isinstance(answer, CarAnswer) and answer.code.startswith("OK")
        self.trial.check(good, "supportedAppProtocolRes OK", answer)
        self.begin()

    async def set_up(self, session_id: bytes = b"\x00") -> None:
        self.session_id = session_id
        both = (ResponseCode.OK_NEW_SESSION_ESTABLISHED, ResponseCode.OK_OLD_SESSION_JOINED)
        await self.expect(requests.session_setup(self.ev), *both)
        assert self.last is not None
        self.assigned(self.last.session_id)

    async def discover(self) -> None:
        self.offered = await self.expect(iso2.ServiceDiscoveryReq())
        self.phase = Phase.SELECTION

    async def select(self, *services: tuple[int, int | None]) -> None:
        option = PaymentOption.CONTRACT if self.contract else PaymentOption.EXTERNAL_PAYMENT
        await self.expect(requests.selection(option, *services))
        self.phase = Phase.CONTRACT if self.contract else Phase.AUTHORIZATION

    async def show_contract(self) -> None:
        wallet = self.need_wallet()
        soon = ResponseCode.OK_CERTIFICATE_EXPIRES_SOON
        details = await self.expect(wallet.payment_details(), ResponseCode.OK, soon)
        self.challenge = details.gen_challenge
        self.phase = Phase.AUTHORIZATION

    async def authorize(self) -> None:
        first: iso2.AuthorizationReq | None = None
        if self.contract:
            wallet = self.need_wallet()
            first = wallet.authorization(self.challenge)
            signature = wallet.sign(first)
            answer = await self.expect(first, signature=signature)
            if answer.evse_processing is EVSEProcessing.FINISHED:
                self.phase = Phase.PARAMETERS
                return
        await self.until_finished(iso2.AuthorizationReq(), self.trial.timers.ongoing)
        self.phase = Phase.PARAMETERS

    async def negotiate(self, **deviation: Any) -> iso2.ChargeParameterDiscoveryRes:
        """Send the charge parameters and receive the schedules."""
        request = requests.parameters(self.ev, self.mode, **deviation)
        answer = await self.until_finished(request, self.trial.timers.ongoing)
        schedules = answer.sa_schedules
        present = isinstance(schedules, iso2.SAScheduleList)
        self.trial.check(present, "SAScheduleList when finished [V2G2-905]", "none")
        self.schedules, self.negotiated = schedules.sa_schedule_tuple, self.trial.now
        self.schedule_id = self.schedules[0].sa_schedule_tuple_id
        self.phase = Phase.CABLE_CHECK if self.dc else Phase.POWER_ON
        assert isinstance(answer, iso2.ChargeParameterDiscoveryRes)
        return answer

    async def check_cable(self) -> None:
        await self.trial.pilot("C")
        await self.until_finished(requests.cable_check(), self.trial.timers.cable_check)
        self.phase = Phase.PRE_CHARGE

    async def pre_charge(self) -> None:
        """Repeat until the voltage of the station is that of the battery."""
        end = self.trial.now + self.trial.timers.pre_charge
        while True:
            answer = await self.expect(requests.pre_charge(self.ev))
            if abs(plain(answer.evse_present_voltage) - self.ev.voltage) <= _CLOSE_ENOUGH:
                break
            got = f"{plain(answer.evse_present_voltage):g} V"
            limit = f"{self.ev.voltage:g} V within {self.trial.timers.pre_charge:g} s"
            self.trial.check(self.trial.now < end, limit, got)
            await asyncio.sleep(PACE)
        self.phase = Phase.POWER_ON

    async def start(self, **deviation: Any) -> None:
        if not self.dc:
            await self.trial.pilot("C")
        profile = deviation.pop("profile", requests.profile(self.schedules[0]))
        schedule_id = deviation.pop("schedule_id", self.schedule_id)
        request = requests.delivery(ChargeProgress.START, schedule_id, dc=self.dc, profile=profile)
        await self.expect(request, *deviation.pop("codes", ()))
        self.phase = Phase.FIRST_LOOP

    @property
    def loop_request(self) -> iso2.ChargingStatusReq | iso2.CurrentDemandReq:
        """The request of the charge loop."""
        return requests.current_demand(self.ev) if self.dc else iso2.ChargingStatusReq()

    async def loop(self) -> Any:
        """Send one message of the charge loop, and a receipt if one is requested."""
        answer = await self.expect(self.loop_request)
        if answer.receipt_required and self.contract:
            wallet = self.need_wallet()
            receipt = wallet.receipt(self.session_id, self.schedule_id, answer.meter_info)
            await self.expect(receipt, signature=wallet.sign(receipt))
        self.phase = Phase.LOOP
        return answer

    async def stop(self) -> None:
        await self.expect(requests.delivery(ChargeProgress.STOP, self.schedule_id, dc=self.dc))
        await self.trial.pilot("B")
        self.phase = Phase.STOPPED

    async def weld(self) -> Any:
        """Send one welding detection."""
        answer = await self.expect(requests.welding_detection())
        self.phase = Phase.WELDED
        return answer

    async def pause(self) -> None:
        """Charge, stop and pause; raises Inconclusive."""
        await self.reach(Phase.STOPPED)
        try:
            await self.stop_session(iso2.ChargingSession.PAUSE)
            await self.closed()
        except Failed as failure:
            raise Inconclusive(f"pausing: {failure}") from None

    async def wake(self) -> None:
        """Toggle the pilot B C B if the tester controls it, and go to SessionSetupReq on a new connection."""
        for state in ("C", "B"):
            await self.trial.pilot(state)
            await asyncio.sleep(_TOGGLE if self.trial.target.pilot is not None else 0.0)
        await self.connect()
        await self.reach(Phase.SETUP)

    async def renegotiate(self) -> None:
        """Return from the charge loop to the parameters."""
        await self.reach(Phase.LOOP)
        await self.expect(requests.delivery(ChargeProgress.RENEGOTIATE, self.schedule_id, dc=self.dc))
        self.phase = Phase.PARAMETERS

    async def stop_session(self, how: iso2.ChargingSession = iso2.ChargingSession.TERMINATE) -> None:
        await self.expect(requests.session_stop(how))
        self.phase = Phase.OVER

    # --- helpers -------------------------------------------------------------------------------------------

    @property
    def mode(self) -> EnergyTransferMode:
        """Return the first offered mode of the kind of this car."""
        kind = "DC" if self.dc else "AC"
        offer = self.trial.facts.offer(tls=self.trial.tls)
        for mode in (*offer.modes, *self.trial.facts.modes):
            if mode.value.startswith(kind):
                return mode
        return EnergyTransferMode.DC_EXTENDED if self.dc else EnergyTransferMode.AC_THREE_PHASE_CORE

    def need_wallet(self) -> Wallet:
        """Return the wallet; raises Inconclusive without one."""
        if self.wallet is None:
            raise Inconclusive("no contract was given to the tester")
        return self.wallet

    async def until_finished(self, body: msgspec.Struct, limit: float) -> Any:
        """Repeat while the answer is Ongoing, for at most `limit` seconds since the first one."""
        end = self.trial.now + limit
        while True:
            answer = await self.expect(body)
            if answer.evse_processing is EVSEProcessing.FINISHED:
                return answer
            state = answer.evse_processing.value
            self.trial.check(self.trial.now < end, f"Finished within {limit:g} s", state)
            await asyncio.sleep(PACE)


def _pair(body: msgspec.Struct) -> str:
    return type(body).__name__.removesuffix("Req") + "Res"


PACE = 0.1
"""Seconds between a response and the next request of a loop."""

_CLOSE_ENOUGH = 15.0  # V
LATE = 1.1
"""Tolerance: the tester sees a station that closes exactly at its limit a little later."""

_TOGGLE = 0.3  # s
_SLOW = (
    iso2.ServiceDetailReq,
    iso2.PaymentDetailsReq,
    iso2.CertificateInstallationReq,
    iso2.CertificateUpdateReq,
    iso2.PowerDeliveryReq,
)
