"""A session of ISO 15118-20 that a contract pays for, in its charge loop, and what its car signs there."""

from __future__ import annotations

import dataclasses
from typing import Any

from secc.messages import iso20_common as m
from secc.messages.xmldsig import Signature
from secc.pki.contract import VerifiedContract, present, verify
from secc.pki.keys import PrivateKey
from secc.pki.kinds import Generation
from secc.pki.xmldsig import iso20_part, sign
from secc.session.agreed import ContractPayer, Grant
from secc.session.contract_events import GrantSource
from secc.session.inputs import Received
from secc.session.outlet import MeterReading
from secc.session.streams import Stream
from secc.settings import Iso20Config, Payment, PncConfig, SeccConfig
from tests.support import iso20 as r
from tests.support.contracts import NOW, UTC, trusted, wallet
from tests.support.iso20 import AC, DC, Bench20, addressed, said
from tests.support.pnc import terms

INTERVAL, LONG = 5.0, 12.0
READING = MeterReading("METER-1", 1000, utc=int(UTC), status=3)
_CHALLENGE = bytes(range(16))


def metered(config: SeccConfig) -> SeccConfig:
    """With confirmations each five seconds. In the laboratory, where keys of ISO 15118-2 count too."""
    pnc = PncConfig(receipt_interval=INTERVAL)
    return dataclasses.replace(config, pnc=pnc, iso20=Iso20Config(insecure_lab=True))


METERED_DC, METERED_AC = metered(DC), metered(AC)
METERED_ONCE = dataclasses.replace(METERED_DC, pnc=PncConfig(receipt_interval=LONG))


def contract() -> VerifiedContract:
    """Of the usual car."""
    car = wallet()
    request = car.authorization(_CHALLENGE)
    shown = present(car.chain_message(), car.emaid, trusted(), NOW)
    return verify(shown, request, car.sign(request), _CHALLENGE, now=NOW)


class MeteredBench(Bench20):
    """A bench whose session is paid for by a contract."""

    def __init__(self, config: SeccConfig = METERED_DC, **extra: object) -> None:
        super().__init__(config, contracts=terms(), **extra)
        self.outlet(utc=UTC, meter=READING)

    def in_loop(self) -> MeteredBench:
        """After the first message of the loop."""
        if self.config.energy.offers_dc:
            self.to_first_loop_dc()
        else:
            self.to_first_loop_ac()
        session = self.session
        session.payment = Payment.CONTRACT
        session.pnc.payer = ContractPayer(contract(), GrantSource.BACK_END)
        session.grant = Grant(session.names.ticket(), Payment.CONTRACT, granted=True)
        self.loop()
        return self

    def loop(self, **more: Any) -> Any:
        """One message of the charge loop."""
        return self.ask(r.dc_loop(**more) if self.config.energy.offers_dc else r.ac_loop(**more))

    def for_seconds(self, seconds: float) -> Any:
        """The loop goes on for so long; the last response."""
        response = None
        for _ in range(round(seconds / 0.5)):
            self.tick(0.5)
            response = self.loop()
        return response

    def requested(self) -> Any:
        """The response of the loop with the request of a confirmation."""
        return self.for_seconds(INTERVAL)

    def data(self, **changes: Any) -> m.SignedMeteringData:
        """What the car signs: what it was sent last."""
        question = self.side.metering
        usual: dict[str, Any] = {
            "id": "id1",
            "session_id": self.session.session_id,
            "meter_info": None if question is None else question.meter_info,
            "scheduled_smdt_control_mode": m.ScheduledSMDTControlMode(selected_schedule_tuple_id=1),
        }
        return m.SignedMeteringData(**(usual | changes))

    def confirm(
        self,
        data: m.SignedMeteringData | None = None,
        *,
        signature: Signature | None = None,
        stream: Stream = Stream.METERING,
        unsigned: bool = False,
    ) -> Any:
        """MeteringConfirmationReq with the car's signature, or with another one."""
        data = data or self.data()
        found = None if unsigned else signature or signed(data)
        request = addressed(
            m.MeteringConfirmationReq(header=r.HEAD, signed_metering_data=data), self.session.session_id
        )
        header = m.MessageHeader(session_id=request.header.session_id, time_stamp=1, signature=found)
        message = m.MeteringConfirmationReq(header=header, signed_metering_data=data)
        return said(self.feed(Received(message, self.evse, stream=stream)))


def signed(data: m.SignedMeteringData, key: PrivateKey | None = None) -> Signature:
    """As the contract, or another key, signs it."""
    part = iso20_part("SignedMeteringData", data)
    signer = wallet().contract.key if key is None else key
    return sign((part,), signer, generation=Generation.LAB, reproducible=True)
