"""The schedule of an EV, negotiated with the CSMS: its needs, the profile that answers them, its choice.

The EV waits meanwhile (K15, K18, K19). A CSMS that accepts the needs sends a charging profile; when it is
late the EV gets what the stored profiles allow, and a profile that arrives later is a renegotiation. Needs
are not sent when the CSMS itself has asked for the renegotiation (K16). Without a connection, and with 1.6,
the stored profiles decide.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from secc.messages import iso2, iso20_ac, iso20_ac_der_iec, iso20_common, iso20_dc
from secc.ocpp import composite, price_schedules, signed_schedules
from secc.ocpp.background import BackgroundTasks
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.dialect import to_iso
from secc.ocpp.ev_needs import Discovery, has_iso20, needs_message, profile_periods
from secc.ocpp.limits import HORIZON, ChargingLimits
from secc.ocpp.model import Payload
from secc.ocpp.rpc import CallFailed, NoAnswer
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.tariff_store import TariffStore
from secc.records import Direction, MessageRecord
from secc.session.prices import PriceNeed, PriceOffer, TuplePrices
from secc.session.schedules import DynamicOffer, EnergyNeed, ScheduleOffer
from secc.settings.iso20 import Pricing
from secc.settings.ocpp import OcppVersion

PowerDelivery = iso2.PowerDeliveryReq | iso20_common.PowerDeliveryReq


class ChargingNeeds:
    """Negotiates for one outlet."""

    def __init__(
        self,
        settings: RuntimeSettings,
        conversation: CsmsConversation,
        limits: ChargingLimits,
        background: BackgroundTasks,
        *,
        tariffs: TariffStore,
        report: Callable[[str], None],
        rejected: Callable[[], None],
    ) -> None:
        """`rejected` ends the transaction: the CSMS does not permit the energy transfer (2.1)."""
        self._settings = settings
        self._conversation = conversation
        self._limits = limits
        self._background = background
        self._tariffs = tariffs
        self._report = report
        self._rejected = rejected
        self._discovery: Discovery | None = None
        self._exchange: iso20_common.ScheduleExchangeReq | None = None
        self._delivery: PowerDelivery | None = None
        self._recorded = ""
        self._changed = asyncio.Event()
        self.evccid = ""
        """What the EV of ISO 15118-20 says it is."""

    # --- the messages of the EV ----------------------------------------------------------------------------

    def seen(self, record: MessageRecord) -> None:
        """Note the requests that report the needs and the choice of the EV."""
        body = getattr(record.message, "body", record.message)
        if record.direction is not Direction.RECEIVED:
            self._answered(body)
            return
        match body:
            case iso2.SessionSetupReq() | iso20_common.SessionSetupReq():
                self._discovery = self._exchange = self._delivery = None
                self.evccid = body.evcc_id if isinstance(body, iso20_common.SessionSetupReq) else ""
            case (
                iso2.ChargeParameterDiscoveryReq()
                | iso20_ac.ACChargeParameterDiscoveryReq()
                | iso20_ac_der_iec.ACChargeParameterDiscoveryReq()
                | iso20_dc.DCChargeParameterDiscoveryReq()
            ):
                self._discovery = body
            case iso20_common.ScheduleExchangeReq():
                self._exchange = body
            case iso2.PowerDeliveryReq() | iso20_common.PowerDeliveryReq():
                self._delivery = body

    def _answered(self, body: msgspec.Struct) -> None:
        if not isinstance(body, iso2.PowerDeliveryRes | iso20_common.PowerDeliveryRes):
            return
        request, self._delivery = self._delivery, None
        good = body.response_code.value.startswith("OK")
        if request is None or not good or request.charge_progress.value != "Start":
            return
        self._limits.renegotiation_wanted = False
        if self._conversation.online and self._conversation.dialect.version is not OcppVersion.V16:
            message = self._choice(request)
            self._background.spawn(self._send_choice(message))

    async def _send_choice(self, message: Payload) -> None:
        answer = await self._conversation.ask_or_report(("NotifyEVChargingSchedule", message))
        if answer is not None and answer["status"] == "Rejected":
            self._report("NotifyEVChargingSchedule: the CSMS rejects the choice of the EV")

    def _choice(self, request: PowerDelivery) -> Payload:
        now = self._conversation.now
        number, periods, tolerance = profile_periods(request)
        choices = self._limits.choices
        chosen = None if number is None or not 1 <= number <= len(choices) else choices[number - 1]
        if (
            not periods or self._limits.dynamic
        ):  # in Dynamic mode the plan of the EV is not binding (K19.FR.10)
            periods = self._planned(0 if number is None else number - 1, now)
        schedule: Payload = {
            "id": 0 if chosen is None else chosen.id,
            "startSchedule": to_iso(now),
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": periods,
        }
        body: Payload = {"timeBase": to_iso(now), "evseId": 1, "chargingSchedule": schedule}
        if self._conversation.dialect.version is OcppVersion.V21:
            if chosen is not None and not self._limits.dynamic:
                body["selectedChargingScheduleId"] = chosen.id
            if tolerance is not None:
                body["powerToleranceAcceptance"] = tolerance
        return body

    def _planned(self, choice: int, now: float) -> list[Payload]:
        steps = self._limits.steps(HORIZON, choice=choice)
        most = self._limits.supply.max_power
        return [
            {
                "startPeriod": int(one.start - now),
                "limit": round(most if one.watts is None else min(one.watts, most), 1),
            }
            for one in steps
        ]

    def recorded(self, transaction: str) -> None:
        """The CSMS has answered an event of this transaction."""
        self._recorded = transaction
        self._changed.set()

    # --- the question of the station -----------------------------------------------------------------------

    async def schedules(self, need: EnergyNeed) -> ScheduleOffer | DynamicOffer | None:
        """Return the schedules for the EV; None without a profile."""
        self._limits.dynamic = need.dynamic
        asked_by_csms = self._limits.renegotiation_wanted
        self._limits.renegotiation_wanted = False
        if self._negotiates and not asked_by_csms:
            await self._negotiate(need)
        self._limits.negotiated = True
        self._limits.apply()
        if not need.dynamic:
            return self._limits.schedules(need)
        allowed: composite.Allowed = self._limits.allowed()
        return DynamicOffer(self._limits.permitted(allowed.setpoint, allowed))

    def prices(self, need: PriceNeed) -> PriceOffer | None:
        """Return the prices of the offered schedules: those of the charging profile, else of the tariff.

        Prices that the mobility operator has signed are relayed with the signature.
        """
        signed = self._signed(need)
        if signed is not None:
            return signed
        now = self._conversation.now
        found = price_schedules.offer(self._limits.choices, need, now)
        if found is not None or need.pricing is not Pricing.ABSOLUTE or self._tariffs.present is None:
            return found
        prices = price_schedules.from_tariff(self._tariffs.present, now)
        return None if prices is None else PriceOffer((TuplePrices(charging=prices),))

    def _signed(self, need: PriceNeed) -> PriceOffer | None:
        chosen = self._limits.chosen
        if chosen is None or chosen.received is None:
            return None
        try:
            return signed_schedules.signed_offer(chosen.received, need)
        except ValueError as error:
            self._report(f"the signature of the prices is not relayed: {error}")
            return None

    @property
    def _negotiates(self) -> bool:
        conversation = self._conversation
        running = self._limits.running is not None
        return running and conversation.online and conversation.dialect.version is not OcppVersion.V16

    async def _negotiate(self, need: EnergyNeed) -> None:
        conversation, limits = self._conversation, self._limits
        with_iso20 = conversation.dialect.version is OcppVersion.V21
        if not await self._is_recorded():
            self._report("NotifyEVChargingNeeds: not sent, the CSMS does not know the transaction yet")
            return
        limits.profile_added.clear()
        message = needs_message(
            need, self._discovery, self._exchange, limits.supply, conversation.now, with_iso20=with_iso20
        )
        try:
            patience = self._settings.ocpp.authorize_timeout
            answer = await conversation.ask(("NotifyEVChargingNeeds", message), patience=patience)
        except (NoAnswer, CallFailed) as error:
            self._report(f"NotifyEVChargingNeeds: {error}")
            return
        match answer["status"]:
            case "Accepted":
                await self._until_profile()
            case "Rejected" if with_iso20 and has_iso20(self._discovery):
                self._report("NotifyEVChargingNeeds: the CSMS does not permit this energy transfer")
                self._rejected()  # K18.FR.22, K19.FR.15

    async def _is_recorded(self) -> bool:
        """Wait until the CSMS knows the transaction: a profile for it needs its id."""
        running = self._limits.running
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.ocpp.authorize_timeout):
                while running is not None and self._recorded != running.id:
                    self._changed.clear()
                    await self._changed.wait()
        return running is not None and self._recorded == running.id

    async def _until_profile(self) -> None:
        try:
            async with asyncio.timeout(self._settings.ocpp.needs_wait):
                await self._limits.profile_added.wait()
        except TimeoutError:
            self._report("NotifyEVChargingNeeds: no charging profile in time, the stored ones apply")
