"""The EV of the tester: goes to the point that a case tests by valid steps, and executes the case there.

`reach` walks to the point; a problem on the way makes a case inconclusive. `ask`, `expect` and `refused` are
for the point itself; a problem there is a failure of the station.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from secc import exi
from secc.bench import requests
from secc.bench.talk import PACE, CarAnswer, Talk
from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive
from secc.bench.wire import WireFrame
from secc.errors import DecodeError
from secc.messages import app_protocol, din, iso2
from secc.messages.iso2 import ChargeProgress, EnergyTransferMode, EVSEProcessing, PaymentOption, ResponseCode
from secc.messages.numbers import number
from secc.messages.xmldsig import Signature
from secc.sim.wallet import Wallet
from secc.v2gtp import PayloadType, frame

__all__ = ["BenchCar", "Phase"]


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


class BenchCar(Talk):
    """One EV on one connection at a time."""

    dialect = "iso2"
    """Schema of its messages after the handshake."""

    def __init__(self, trial: Trial, *, dc: bool = False, contract: bool = False) -> None:
        """`dc`: charges with DC. `contract`: pays by contract, from the wallet of the tester."""
        super().__init__(trial)
        self.dc = dc
        self.contract = contract
        self.ev = trial.target.ev
        self.schedules: tuple[iso2.SAScheduleTuple, ...] = ()
        self.schedule_id = 1
        self.negotiated = 0.0
        """Monotonic time at which the schedules arrived."""
        self.challenge = b""
        self.offered: iso2.ServiceDiscoveryRes | None = None
        self.phase = Phase.HANDSHAKE
        pki = trial.target.pki
        self.wallet: Wallet | None = pki.wallet() if pki is not None and contract else None

    # --- the connection ------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open a new connection, on which the station waits for the handshake."""
        self._wire = await self.trial.connect()
        self.phase = Phase.HANDSHAKE

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

    def decode(self, reply: WireFrame) -> Any:
        """The message in a frame; raises DecodeError."""
        if reply.kind != PayloadType.EXI:
            raise DecodeError(f"V2GTP payload type {reply.kind:#06x}")
        codec = exi.APP_PROTOCOL if self.phase is Phase.HANDSHAKE else exi.codec(self.dialect)
        return codec.decode(reply.payload)

    @property
    def has_id(self) -> bool:
        return self.phase not in (Phase.HANDSHAKE, Phase.SETUP)

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
            if abs(number(answer.evse_present_voltage) - self.ev.voltage) <= _CLOSE_ENOUGH:
                break
            got = f"{number(answer.evse_present_voltage):g} V"
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


_CLOSE_ENOUGH = 15.0  # V
_TOGGLE = 0.3  # s
_SLOW = (
    iso2.ServiceDetailReq,
    iso2.PaymentDetailsReq,
    iso2.CertificateInstallationReq,
    iso2.CertificateUpdateReq,
    iso2.PowerDeliveryReq,
)
