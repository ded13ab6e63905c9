"""The tester's EV in ISO 15118-20: lawful steps to the point that a case is about.

Its messages are those of the simulated EV, `secc.sim.iso20`; its sockets and its judgement are those of
`Car`.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from secc.bench import requests as older
from secc.bench.talk import PACE, CarAnswer, Talk
from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive
from secc.bench.wire import WireFrame
from secc.errors import DecodeError
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.app_protocol import SupportedAppProtocolReq
from secc.messages.iso20_common import (
    Authorization,
    ChargeProgress,
    ChargingSession,
    Processing,
    ResponseCode,
)
from secc.messages.numbers import number, rational_number
from secc.messages.xmldsig import Signature
from secc.session.iso20.services import ControlMode, Service
from secc.sim.documents import Iso20Documents
from secc.sim.iso20 import Iso20Contract, Iso20Plan, Iso20Script, requests
from secc.sim.iso20.energy import PRE_CHARGE_TOLERANCE
from secc.sim.moves import Ask, EvGivesUp
from secc.sim.vehicle import Vehicle
from secc.tls import TlsContext
from secc.v2gtp import V2gtpFrame

__all__ = ["Iso20Car", "Point"]


class Point(enum.Enum):
    """What the station waits for, in the order of a session."""

    HANDSHAKE = "supportedAppProtocolReq"
    SETUP = "SessionSetupReq"
    AUTHORIZATION_SETUP = "AuthorizationSetupReq"
    AUTHORIZATION = "AuthorizationReq"
    DISCOVERY = "ServiceDiscoveryReq"
    DETAIL = "ServiceDetailReq"
    SELECTION = "ServiceSelectionReq"
    PARAMETERS = "ChargeParameterDiscoveryReq"
    SCHEDULES = "ScheduleExchangeReq"
    CABLE_CHECK = "DC_CableCheckReq"
    PRE_CHARGE = "DC_PreChargeReq"
    START = "PowerDeliveryReq(Start)"
    FIRST_LOOP = "the first ChargeLoopReq"
    LOOP = "ChargeLoopReq or PowerDeliveryReq"
    STOPPED = "DC_WeldingDetectionReq or SessionStopReq"
    WELDED = "SessionStopReq"
    OVER = "nothing"


class Iso20Car(Talk):
    """One EV on one connection at a time."""

    def __init__(
        self, trial: Trial, service: Service = Service.DC, control: ControlMode = ControlMode.SCHEDULED
    ) -> None:
        super().__init__(trial)
        data = trial.target.ev
        self.dc = service.is_dc
        vehicle = Vehicle(
            empty_voltage=data.voltage - 20.0,
            full_voltage=data.voltage + 30.0,
            max_voltage=data.max_voltage,
            min_voltage=data.voltage - 50.0,
            max_current=data.max_current,
            max_power=data.max_current * data.voltage,
            ac_current=data.ac_current,
            soc=0.4,
        )
        self.service = service
        self.plan = Iso20Plan(service=service, control=control)
        self.script = Iso20Script(self.plan, vehicle)
        """Makes the messages, and keeps what the station has offered."""
        self.energy = self.script.energy
        self.session_id = bytes(8)
        self.point = Point.HANDSHAKE
        self.stream: int | None = None
        """Payload type of the next requests; None: the usual one."""
        self.stamp: int | None = None
        """TimeStamp of the next requests; None: the time of the station."""
        self.set_id = 0
        self.setup: common.AuthorizationSetupRes | None = None
        """The last AuthorizationSetupRes."""
        self.contract: Iso20Contract | None = None
        """What authorizes; None: external identification, where it is offered."""
        self.loops = 0
        self._documents = Iso20Documents(_SETS.get(service, "iso20-dc" if service.is_dc else "iso20-ac"))

    # --- the wire ------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """A new connection; over TLS it is TLS 1.3 with a vehicle certificate."""
        context = None
        if self.trial.tls:
            target = self.trial.target
            certificate = None if target.pki is None else target.pki.vehicle
            context = TlsContext.for_client(target.roots, certificate=certificate, iso2=False, iso20=True)
        await self.connect_with(context)

    async def connect_with(self, context: TlsContext | None) -> None:
        """A new connection with these properties of TLS."""
        self._wire = await self.trial.connect(tls=context)
        self.point = Point.HANDSHAKE

    def encode(self, body: msgspec.Struct, session_id: bytes | None, signature: Signature | None) -> bytes:
        move = Ask(
            body, session_id=session_id, signature=signature, payload_type=self.stream, stamp=self.stamp
        )
        return self._documents.encode(move, self.session_id, self.trial.now)

    def limit(self, body: msgspec.Struct) -> float:
        timers = self.trial.timers
        if isinstance(body, self.loop_request):
            return timers.charge_loop
        return timers.slow_message if isinstance(body, common.ServiceDetailReq) else timers.message

    def decode(self, reply: WireFrame) -> Any:
        """Also that the response travels in the payload type of its request."""
        try:
            return self._documents.decode(V2gtpFrame(reply.kind, reply.payload), self.trial.now)
        except EvGivesUp as error:
            raise DecodeError(str(error)) from None

    @property
    def loop_request(self) -> type:
        """Class of the request of the charge loop."""
        return type(self.energy.request(0))

    @property
    def has_id(self) -> bool:
        return self.point not in (Point.HANDSHAKE, Point.SETUP)

    # --- the way there -------------------------------------------------------------------------------------

    async def go(self, point: Point) -> None:
        """To this point by lawful steps; raises Inconclusive when the station does not go along."""
        if self._wire is None:
            await self.connect()
        while self.point is not point:
            step = self._lawful.get(self.point)
            if step is None:
                raise Inconclusive(f"there is no way from {self.point.value} to {point.value}")
            before = self.point
            try:
                await step()
            except Failed as failure:
                reason = f"on the way, while the station waits for {before.value}: {failure}"
                raise Inconclusive(reason) from None

    @property
    def _lawful(self) -> dict[Point, Callable[[], Awaitable[None]]]:
        return {
            Point.HANDSHAKE: self.agree,
            Point.SETUP: self.set_up,
            Point.AUTHORIZATION_SETUP: self.ask_authorization,
            Point.AUTHORIZATION: self.authorize,
            Point.DISCOVERY: self.discover,
            Point.DETAIL: self.ask_details,
            Point.SELECTION: self.choose,
            Point.PARAMETERS: self.negotiate,
            Point.SCHEDULES: self.exchange_schedules,
            Point.CABLE_CHECK: self.check_cable,
            Point.PRE_CHARGE: self.pre_charge,
            Point.START: self.start,
            Point.FIRST_LOOP: self.loop,
            Point.LOOP: self.stop,
            Point.STOPPED: self.weld if self.dc else self.end,
            Point.WELDED: self.end,
        }

    def offer(self) -> SupportedAppProtocolReq:
        """The energy family of the service."""
        return older.offer((self.energy.namespace, 1, 0, 1, 1))

    async def agree(self) -> None:
        answer = await self.first_word(self.offer())
        good = isinstance(answer, CarAnswer) and answer.code.startswith("OK")
        self.trial.check(good, "supportedAppProtocolRes OK", answer)
        self.point = Point.SETUP

    async def set_up(self) -> None:
        both = (ResponseCode.OK_NEW_SESSION_ESTABLISHED, ResponseCode.OK_OLD_SESSION_JOINED)
        await self.expect(requests.session_setup(self.plan.evcc_id), *both)
        assert self.last is not None
        self.session_id = self.script.session_id = self.last.session_id
        joined = self.last.code == ResponseCode.OK_OLD_SESSION_JOINED.value
        self.point = Point.PARAMETERS if joined else Point.AUTHORIZATION_SETUP

    async def ask_authorization(self) -> None:
        self.setup = await self.expect(common.AuthorizationSetupReq(header=requests.HEADER))
        pki = self.trial.target.pki
        external = Authorization.EIM in self.setup.authorization_services
        if not external and self.contract is None and pki is not None and pki.iso20 is not None:
            self.contract = pki.iso20.contract()
        self.point = Point.AUTHORIZATION

    @property
    def challenge(self) -> bytes:
        """The challenge of the station."""
        mode = None if self.setup is None else self.setup.pnc_as_res_authorization_mode
        if mode is None:
            raise Failed("expected a challenge in AuthorizationSetupRes; got none")
        return mode.gen_challenge

    async def authorize(self) -> None:
        request, signature = requests.authorization(), None
        if self.contract is not None:
            request, signature = self.contract.request(self.challenge)
            self.script.contract = self.contract
        await self.finish(request, self.trial.timers.ongoing, signature=signature)
        self.point = Point.DISCOVERY

    async def discover(self) -> None:
        await self.expect(requests.service_discovery())
        self.point = Point.DETAIL

    async def ask_details(self) -> None:
        request = common.ServiceDetailReq(header=requests.HEADER, service_id=self.service)
        details = await self.expect(request)
        try:
            self.set_id = self.script.choose_set(details.service_parameter_list.parameter_set)
        except EvGivesUp as error:
            raise Failed(str(error)) from None
        self.point = Point.SELECTION

    async def choose(self) -> None:
        await self.expect(requests.service_selection(self.service, self.set_id))
        self.point = Point.PARAMETERS

    async def negotiate(self) -> None:
        await self.expect(self.energy.parameters())
        self.point = Point.SCHEDULES

    async def exchange_schedules(self) -> None:
        answer = await self.finish(self.script.schedule_request(), self.trial.timers.ongoing)
        try:
            self.script.take_schedules(answer)
        except EvGivesUp as error:
            raise Failed(str(error)) from None
        self.point = Point.CABLE_CHECK if self.dc else Point.START

    async def check_cable(self) -> None:
        await self.trial.pilot("C")
        await self.finish(dc.DCCableCheckReq(header=requests.HEADER), self.trial.timers.cable_check)
        self.point = Point.PRE_CHARGE

    def pre_charge_request(
        self, voltage: float, target: float, processing: Processing = Processing.ONGOING
    ) -> dc.DCPreChargeReq:
        """DC_PreChargeReq with what the EV measures and what it wants, in V."""
        return dc.DCPreChargeReq(
            header=requests.HEADER,
            ev_processing=processing,
            ev_present_voltage=rational_number(voltage),
            ev_target_voltage=rational_number(target),
        )

    async def pre_charge(self) -> None:
        target = round(self.script.vehicle.open_voltage, 1)
        limit = self.trial.timers.pre_charge
        end = self.trial.now + limit
        volts = 0.0
        while abs(volts - target) > PRE_CHARGE_TOLERANCE:
            self.trial.check(self.trial.now < end, f"{target:g} V within {limit:g} s", f"{volts:g} V")
            answer = await self.expect(self.pre_charge_request(volts, target))
            volts = number(answer.evse_present_voltage)
            await asyncio.sleep(PACE)
        await self.expect(self.pre_charge_request(volts, target, Processing.FINISHED))
        self.point = Point.START

    async def start(self) -> None:
        if not self.dc:
            await self.trial.pilot("C")
        await self.expect(self.delivery(ChargeProgress.START), *_STARTED)
        self.point = Point.FIRST_LOOP

    def delivery(self, progress: ChargeProgress) -> common.PowerDeliveryReq:
        """PowerDeliveryReq with the profile of the chosen schedule."""
        return requests.power_delivery(progress, self.script.profile())

    async def loop(self) -> Any:
        answer = await self.expect(self.energy.request(self.loops))
        self.loops += 1
        self.point = Point.LOOP
        return answer

    async def stop(self) -> None:
        await self.expect(self.delivery(ChargeProgress.STOP))
        await self.trial.pilot("B")
        self.point = Point.STOPPED

    async def weld(self, processing: Processing = Processing.FINISHED) -> Any:
        answer = await self.expect(dc.DCWeldingDetectionReq(header=requests.HEADER, ev_processing=processing))
        self.point = Point.WELDED
        return answer

    async def end(self, how: ChargingSession = ChargingSession.TERMINATE) -> None:
        await self.expect(requests.session_stop(how))
        self.point = Point.OVER

    async def finish(
        self, body: msgspec.Struct, limit: float, *codes: ResponseCode, signature: Signature | None = None
    ) -> Any:
        """Repeat while the response says Ongoing, for at most `limit` seconds; then one of the codes."""
        end = self.trial.now + limit
        wanted = codes or (ResponseCode.OK,)
        while True:
            answer = await self.expect(body, *dict.fromkeys((ResponseCode.OK, *wanted)), signature=signature)
            if answer.evse_processing is Processing.FINISHED:
                text = f"{' or '.join(code.value for code in wanted)}, Finished"
                self.trial.check(answer.response_code in wanted, text, answer.response_code.value)
                return answer
            self.trial.check(
                self.trial.now < end, f"Finished within {limit:g} s", answer.evse_processing.value
            )
            await asyncio.sleep(PACE)


_SETS = {Service.AC_DER_IEC: "iso20-ac-der-iec"}
_STARTED = (ResponseCode.OK, ResponseCode.OK_POWER_TOLERANCE_CONFIRMED)
