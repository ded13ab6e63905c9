"""A car with a contract for the exhaustive search: real signatures and chains, each made and judged once.

What judges a proof is a pure function of what was shown (`secc.pki`), so `judged_once` remembers its
verdicts: the search shows the same few proofs many thousand times. Challenge and clock are the same in each
session of the search; that challenges differ is looked at by the random walk.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from unittest import mock

from secc import exi
from secc.errors import CertificateError
from secc.messages import iso2, iso20_common
from secc.messages.xmldsig import Signature
from secc.pki import contract as contracts
from secc.pki import provisioning as deliveries
from secc.pki import receipts
from secc.pki.contract import Evidence
from secc.pki.provisioning import Action, ProvisioningAnswer, Refusal
from secc.session.contract_events import ContractProvisioned, ContractTerms
from secc.session.iso2.states import State
from secc.session.iso2.status import meter_info_of
from secc.session.machine import Session
from tests.support import requests as r
from tests.support.contracts import crls, wallet
from tests.support.pnc import bundle, terms

if TYPE_CHECKING:
    from tests.support.worlds import Move

Said = tuple[str, iso2.V2GMessage, bytes]


class Car:
    """What it shows and signs; what its back end and the station's have for it."""

    def __init__(self, *, finds_revocation: bool = False) -> None:
        self.wallet = wallet()
        self.terms: ContractTerms = terms(finds_revocation=finds_revocation)
        self.evidence = Evidence(crls=crls())
        self._signatures: dict[iso2.BodyElement, Signature] = {}

    def says(self, session: Session) -> Iterator[Said]:
        """The requests of a contract that mean something where the session stands, good and bad."""
        option = iso2.PaymentOption.CONTRACT
        yield self._plain("Contract selected", session, r.payment_selection(option))
        yield self._plain("PaymentDetailsReq of the car", session, self.wallet.payment_details())
        match session.state:
            case State.WAIT_CONTRACT:
                wrong = self.wallet.payment_details(emaid="DEABC000000002F")
                yield self._plain("another eMAID", session, wrong)
                yield self._signed("installation", session, self.wallet.installation())
                yield self._signed("update", session, self.wallet.update())
            case State.WAIT_CONTRACT_AUTHORIZATION:
                proof = self.wallet.authorization(bytes(range(16)))
                yield self._signed("proof", session, proof)
                yield self._plain("proof without a signature", session, proof)
                yield self._signed("another challenge", session, self.wallet.authorization(bytes(16)))
            case State.WAIT_RECEIPT_AC | State.WAIT_RECEIPT_DC:
                yield self._signed("receipt", session, self._receipt(session))
                yield self._plain("receipt without a signature", session, self._receipt(session))
            case _:
                pass

    def provisioned(self, session: Session) -> Iterator[Move]:
        """The answers of a back end that was asked for a contract."""
        from tests.support.worlds import Move

        question = session.pnc.provisioning_question
        if question is None:
            return
        for name, answer in (
            ("no contract", ProvisioningAnswer(refusal=Refusal.UNKNOWN)),
            ("a faulty contract", ProvisioningAnswer(b"garbage")),
            ("a contract", ProvisioningAnswer(_bundle(question.request.action))),
        ):
            yield Move(name, ContractProvisioned(question.ticket, answer))

    def _plain(self, name: str, session: Session, body: iso2.BodyElement) -> Said:
        return name, r.message(session.session_id, body), b""

    def _signed(self, name: str, session: Session, body: iso2.BodyElement) -> Said:
        if body not in self._signatures:
            self._signatures[body] = self.wallet.sign(body)
        message = r.message(session.session_id, body, self._signatures[body])
        return name, message, exi.ISO2.encode(message)

    def _receipt(self, session: Session) -> iso2.MeteringReceiptReq:
        question = session.pnc.receipt_question
        assert question is not None
        return iso2.MeteringReceiptReq(
            id="id1",
            session_id=session.session_id,
            sa_schedule_tuple_id=question.schedule_id,
            meter_info=meter_info_of(question.reading),
        )


@functools.cache
def _bundle(action: Action) -> bytes:
    return bundle(action)


JUDGES: tuple[tuple[Any, str, int], ...] = (
    (contracts, "present", 2),
    (contracts, "weigh", 2),
    (contracts, "verify", 4),
    (deliveries, "verify_request", 2),
    (deliveries, "verify_response", 1),
    (receipts, "verify_receipt", 3),
)
"""Where the core judges a proof, and how many arguments say which proof it is."""


@contextlib.contextmanager
def judged_once() -> Iterator[None]:
    """The same proof gets the same verdict, without judging it again."""
    with contextlib.ExitStack() as stack:
        for module, name, count in JUDGES:
            stack.enter_context(mock.patch.object(module, name, remembering(getattr(module, name), count)))
        yield


def remembering(judge: Callable[..., Any], count: int) -> Callable[..., Any]:
    """The same function, which is called once for what its first `count` arguments are."""
    verdicts: dict[tuple[object, ...], Any] = {}
    kept: list[object] = []  # whose identity is part of a name must not go away

    def remembered(*shown: Any, **rest: Any) -> Any:
        name = tuple(one if _by_value(one) else id(one) for one in shown[:count])
        if name not in verdicts:
            kept.append(shown)
            try:
                verdicts[name] = judge(*shown, **rest)
            except CertificateError as error:
                verdicts[name] = error
        if isinstance(verdicts[name], CertificateError):
            raise verdicts[name]
        return verdicts[name]

    return remembered


def _by_value(one: object) -> bool:
    return isinstance(one, _VALUES)


_VALUES = (
    *(str, bytes, iso2.CertificateChain, iso2.AuthorizationReq, iso2.MeteringReceiptReq, Evidence),
    *(iso20_common.PnCAReqAuthorizationMode, iso20_common.SignedMeteringData, Signature, type(None)),
)
"""What is the same proof when it has the same value; anything else, when it is the same object."""
