"""A car with contracts of ISO 15118-20 for the exhaustive search and the walks: real chains and signatures.

Each proof is made once, and with `judged_once20` judged once: what judges it is a pure function of what was
shown. Challenge and clock are the same in each session of the search.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any
from unittest import mock

import msgspec

from secc.messages import iso20_common as m
from secc.messages.xmldsig import Signature
from secc.pki import contract as contracts
from secc.pki import receipts
from secc.pki.xmldsig import iso20_part, sign
from secc.session.inputs import Received
from secc.session.iso20 import judgement
from secc.session.iso20.handlers import metering
from secc.session.iso20.side import side
from secc.session.iso20.states import Iso20State as S
from secc.session.machine import Session
from secc.session.streams import Stream
from tests.support import iso20 as r
from tests.support.iso20 import addressed
from tests.support.pnc20 import ContractCar, car, leaf, terms
from tests.support.proofs import judged_once, remembering

NO_CHALLENGE = bytes(range(16))
"""What a car signs that was given none."""
OTHER = "DEABC000000002E"
"""The eMAID of the second contract."""

Said = tuple[str, Received]


class Car20:
    """Two contracts, and what can be wrong with them."""

    def __init__(self) -> None:
        self.first, self.second = car(), car(contract=leaf(emaid=OTHER))
        self.terms = terms()

    def says(self, session: Session) -> Iterator[Said]:
        """What means something where the session stands, good and bad."""
        if session.state in (S.WAIT_AUTHORIZATION, S.JUDGING_CONTRACT):
            yield from self._authorizations(session)
        if session.state in (S.WAIT_LOOP_AC, S.WAIT_LOOP_DC):
            yield from self._confirmations(session)

    def _authorizations(self, session: Session) -> Iterator[Said]:
        challenge = side(session).challenge or NO_CHALLENGE
        first, second = _mode(self.first, challenge), _mode(self.second, challenge)
        for name, mode, signature in (
            ("the contract", first, _proof(self.first, first)),
            ("the second contract", second, _proof(self.second, second)),
            ("the contract without a signature", first, None),
            ("a signature of the second contract", first, _proof(self.second, first)),
            (
                "another challenge",
                _mode(self.first, bytes(16)),
                _proof(self.first, _mode(self.first, bytes(16))),
            ),
        ):
            yield name, _received(session, _request(mode), signature)

    def _confirmations(self, session: Session) -> Iterator[Said]:
        question = side(session).metering
        info = m.MeterInfo(meter_id="METER-1", charged_energy_reading_wh=1000)
        if question is not None:
            info = question.meter_info
        data = _data(session, info)
        wrong = msgspec.structs.replace(info, charged_energy_reading_wh=info.charged_energy_reading_wh + 1)
        for name, one, signer in (
            ("confirmation", data, self.first),
            ("another reading", _data(session, wrong), self.first),
            ("confirmation by the second contract", data, self.second),
            ("confirmation without a signature", data, None),
        ):
            signature = None if signer is None else _sign(signer, one)
            request = m.MeteringConfirmationReq(header=r.HEAD, signed_metering_data=one)
            yield f"{name} beside", _received(session, request, signature, Stream.METERING)
        request = m.MeteringConfirmationReq(header=r.HEAD, signed_metering_data=data)
        yield "confirmation on the main stream", _received(session, request, _sign(self.first, data))

    def pending(self, session: Session) -> tuple[object, ...]:
        """Which contract an attempt and a grant are about: the search keeps them apart by it."""
        attempt, payer = side(session).attempt, session.pnc.payer
        shown: tuple[object, ...] = ()
        if attempt is not None:
            chain, signature = attempt.mode.contract_certificate_chain, attempt.judgement._arguments[1]
            shown = chain.certificate, attempt.mode.gen_challenge, signature
        return shown, None if payer is None else str(payer.contract.emaid)


def _received(
    session: Session, request: Any, signature: Signature | None, stream: Stream = Stream.MAIN
) -> Received:
    message = addressed(request, session.session_id)
    header = msgspec.structs.replace(message.header, signature=signature)
    return Received(msgspec.structs.replace(message, header=header), session.evse, stream=stream)


def _request(mode: m.PnCAReqAuthorizationMode) -> m.AuthorizationReq:
    return m.AuthorizationReq(
        header=r.HEAD, selected_authorization_service=m.Authorization.PNC, pnc_a_req_authorization_mode=mode
    )


def _data(session: Session, info: m.MeterInfo) -> m.SignedMeteringData:
    scheduled = session.offer is not None
    return m.SignedMeteringData(
        id="id1",
        session_id=session.session_id,
        meter_info=info,
        scheduled_smdt_control_mode=m.ScheduledSMDTControlMode(selected_schedule_tuple_id=1)
        if scheduled
        else None,
        dynamic_smdt_control_mode=None if scheduled else m.DynamicSMDTControlMode(),
    )


@functools.cache
def _mode(shown: ContractCar, challenge: bytes) -> m.PnCAReqAuthorizationMode:
    return shown.mode(challenge)


@functools.cache
def _proof(signer: ContractCar, mode: m.PnCAReqAuthorizationMode) -> Signature:
    return signer.sign(mode)


@functools.cache
def _sign(signer: ContractCar, data: m.SignedMeteringData) -> Signature:
    part = iso20_part("SignedMeteringData", data)
    return sign((part,), signer.contract.key, generation=signer.generation, reproducible=True)


@contextlib.contextmanager
def judged_once20() -> Iterator[None]:
    """As `judged_once`, with what judges in ISO 15118-20."""
    with (
        judged_once(),
        mock.patch.object(judgement, "authorize", remembering(contracts.authorize, 3)),
        mock.patch.object(metering, "verify_metering", remembering(receipts.verify_metering, 3)),
    ):
        yield
