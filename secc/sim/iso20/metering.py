"""Metering confirmation, as a simulated EV of ISO 15118-20 does it."""

from __future__ import annotations

from typing import Any

import msgspec

from secc.messages import iso20_common as common
from secc.messages.iso20_common import EvseNotification, MeterInfo
from secc.messages.xmldsig import Signature
from secc.pki.keys import KeyType, key_type, new_private_key
from secc.pki.kinds import Generation
from secc.pki.xmldsig import iso20_part, sign
from secc.sim.iso20 import requests
from secc.sim.iso20.contract import Iso20Contract
from secc.sim.iso20.exchanges import Iso20Exchanges
from secc.sim.iso20.metering_fault import MeteringFault
from secc.sim.moves import Script
from secc.v2gtp import PayloadType

__all__ = ["MeteringSide"]


class MeteringSide:
    """Confirms each reading once that the station asks for."""

    def __init__(
        self, script: Iso20Exchanges, fault: MeteringFault | None = None, *, beside: bool = True
    ) -> None:
        """`beside`: on the side stream 0x8102; otherwise on the main stream."""
        self._script = script
        self._fault = fault
        self._stream = PayloadType.ISO20_METERING if beside else None
        self._confirmed: MeterInfo | None = None
        self._postponed: common.SignedMeteringData | None = None
        self.count = 0
        """How many readings were confirmed."""

    def follow(self, contract: Iso20Contract | None, response: Any) -> Script:
        """Look at a response of the charge loop, and confirm what it asks for."""
        status, info = response.evse_status, response.meter_info
        asked = status is not None and status.evse_notification is EvseNotification.METERING_CONFIRMATION
        if self._fault is MeteringFault.UNASKED and not asked and info is not None:
            yield from self._confirm(contract, self._data(info, None))
        elif asked and (info is None or contract is None):
            self._script.notes.append("a metering confirmation is requested without a reading or a contract")
        elif asked and info != self._confirmed:
            self._confirmed = info
            data = self._data(info, response.receipt)
            if self._fault is MeteringFault.LATE:
                self._postponed = data
            elif self._fault is not MeteringFault.NEVER:
                yield from self._confirm(contract, data)
        elif not asked and self._postponed is not None:
            data, self._postponed = self._postponed, None
            yield from self._confirm(contract, data)

    def _confirm(self, contract: Iso20Contract | None, data: common.SignedMeteringData) -> Script:
        request = requests.metering_confirmation(data)
        for _ in range(2 if self._fault is MeteringFault.TWICE else 1):
            yield from self._script.ask(
                request,
                common.MeteringConfirmationRes,
                stream=self._stream,
                signature=self._signature(contract, data),
            )
            self.count += 1

    def _data(self, info: MeterInfo, receipt: common.Receipt | None) -> common.SignedMeteringData:
        """What is signed: as it was sent, or with one fault."""
        replace, script, fault = msgspec.structs.replace, self._script, self._fault
        if fault is MeteringFault.WRONG_READING:
            info = replace(info, charged_energy_reading_wh=info.charged_energy_reading_wh + 1)
        elif fault is MeteringFault.WRONG_METER:
            info = replace(info, meter_id="another meter")
        schedule = script.schedule
        choice = None
        if schedule is not None:
            choice = common.ScheduledSMDTControlMode(selected_schedule_tuple_id=schedule.schedule_tuple_id)
        return common.SignedMeteringData(
            id="id1",
            session_id=bytes(8) if fault is MeteringFault.WRONG_SESSION else script.session_id,
            meter_info=info,
            receipt=receipt,
            scheduled_smdt_control_mode=choice,
            dynamic_smdt_control_mode=common.DynamicSMDTControlMode() if choice is None else None,
        )

    def _signature(self, contract: Iso20Contract | None, data: common.SignedMeteringData) -> Signature | None:
        part = iso20_part("SignedMeteringData", data)
        if contract is None or self._fault is MeteringFault.UNSIGNED:
            return None
        if self._fault is MeteringFault.WRONG_KEY:
            kind = key_type(contract.key) or KeyType.SECP521R1
            return sign((part,), new_private_key(kind), generation=Generation.LAB)
        return contract.sign_part(part)
