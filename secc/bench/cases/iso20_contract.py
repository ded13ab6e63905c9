"""ISO 15118-20: authorization by contract, and by external identification where it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from secc import exi
from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build20 import REFUSED, SEQUENCE, Deed, at, case20, iso20_pki
from secc.bench.pki20 import Iso20CarPki
from secc.bench.reissue import EXPIRED, NOT_YET, SOON
from secc.bench.talk import PACE
from secc.bench.verdict import Inconclusive
from secc.messages import iso20_common as common
from secc.messages.iso20_common import Processing, ResponseCode
from secc.messages.xmldsig import Signature, SignatureMethod, SignatureValue
from secc.pki.kinds import Kind
from secc.pki.trust import Role
from secc.sim.iso20 import ContractFault, Iso20Contract, requests

R = ResponseCode
BAD_SIGNATURE = R.FAILED_SIGNATURE_ERROR
INVALID = R.WARNING_CERTIFICATE_VALIDATION_ERROR
TRIES = 12
"""More wrong contracts than a station needs to see."""

Shown = Callable[[Iso20CarPki], Iso20Contract]


# --- the challenge and the good contract --------------------------------------------------------------------


async def _offered(ev: Iso20Car) -> None:
    """Two sessions: contracts are offered, each with 16 other bytes."""
    services = () if ev.setup is None else ev.setup.authorization_services
    ev.trial.check(common.Authorization.PNC in services, "PnC in AuthorizationServices", services)
    first = ev.challenge
    ev.wire.close()
    again = Iso20Car(ev.trial, ev.service)
    await again.go(Point.AUTHORIZATION)
    for one in (first, again.challenge):
        ev.trial.check(len(one) == 16, "a challenge of 16 bytes", len(one))
    ev.trial.check(first != again.challenge, "another challenge in the next session", first.hex())


def _accepted(*codes: ResponseCode, shown: Shown | None = None, **fields: Any) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        pki = iso20_pki(ev)
        contract = pki.contract(**fields) if shown is None else shown(pki)
        request, signature = contract.request(ev.challenge)
        await ev.finish(request, ev.trial.timers.ongoing, *codes, signature=signature)
        await ev.discover()

    return deed


# --- wrong signatures ---------------------------------------------------------------------------------------


def _refused(fault: ContractFault, *codes: ResponseCode) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        request, signature = iso20_pki(ev).contract(fault=fault).request(ev.challenge)
        await ev.refused(request, *codes, signature=signature)

    return deed


def _signed_by(change: Callable[[Signature, Iso20Contract], Signature]) -> Deed:
    """A good request whose signature is changed."""

    async def deed(ev: Iso20Car) -> None:
        contract = iso20_pki(ev).contract()
        request, signature = contract.request(ev.challenge)
        if signature is None:
            raise Inconclusive("the contract signs nothing")
        await ev.refused(request, BAD_SIGNATURE, signature=change(signature, contract))

    return deed


def _flipped(made: Signature, _: Iso20Contract) -> Signature:
    value = made.signature_value.value
    middle = len(value) // 2
    changed = value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    return msgspec.structs.replace(made, signature_value=SignatureValue(value=changed))


def _sha256(made: Signature, contract: Iso20Contract) -> Signature:
    """The algorithm of ISO 15118-2, properly computed with the key of the contract."""
    key = contract.key
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Inconclusive("the contract of the tester has no key for ECDSA")
    method = SignatureMethod(algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")
    info = msgspec.structs.replace(made.signed_info, signature_method=method)
    octets = exi.codec("xmldsig").encode_fragment("SignedInfo", info)
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(hashes.SHA256())))
    size = (key.key_size + 7) // 8
    value = SignatureValue(value=r.to_bytes(size, "big") + s.to_bytes(size, "big"))
    return msgspec.structs.replace(made, signed_info=info, signature_value=value)


# --- contracts that do not hold -----------------------------------------------------------------------------


def _warned(shown: Shown, *codes: ResponseCode) -> Deed:
    """A warning, and the good contract is accepted after it [V2G20-1583]."""

    async def deed(ev: Iso20Car) -> None:
        request, signature = shown(iso20_pki(ev)).request(ev.challenge)
        await ev.finish(request, ev.trial.timers.ongoing, *codes, signature=signature)
        await _good_again(ev)

    return deed


async def _good_again(ev: Iso20Car) -> None:
    """What is refused once costs nothing but the answer."""
    ev.contract = iso20_pki(ev).contract()
    await ev.authorize()
    await ev.discover()


def _again(kind: Kind, place: str = "leaf", **changed: Any) -> Shown:
    """The usual chain with one certificate issued again."""

    def shown(pki: Iso20CarPki) -> Iso20Contract:
        return pki.contract(chain=pki.chain(Role.CONTRACT, **{place: pki.again(kind, **changed)}))

    return shown


def _foreign(pki: Iso20CarPki) -> Iso20Contract:
    return pki.foreign().contract()


def _other_role(pki: Iso20CarPki) -> Iso20Contract:
    holder = pki.holders.get(Kind.OEM_LEAF)
    if holder is None:
        raise Inconclusive("the tester has no key of another role")
    return Iso20Contract(pki.chain(Role.OEM), holder.key)


def _authority(pki: Iso20CarPki) -> Iso20Contract:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return _again(Kind.CONTRACT_LEAF, replaced=(usage,))(pki)


_SHORT_PATH = x509.BasicConstraints(ca=True, path_length=0)


# --- one contract in a session ------------------------------------------------------------------------------


async def _second_contract(ev: Iso20Car) -> None:
    """After the first was accepted [V2G20-2702]."""
    contract = iso20_pki(ev).contract()
    ev.contract = contract
    await ev.authorize()
    request, signature = contract.another(ev.challenge)
    await ev.refused(request, SEQUENCE, signature=signature)


def _while_pending(change: str) -> Deed:
    """The back end thinks [V2G20-1582]."""

    async def deed(ev: Iso20Car) -> None:
        contract = iso20_pki(ev).contract()
        request, signature = contract.request(ev.challenge)
        answer = await ev.expect(request, signature=signature)
        ev.trial.check(answer.evse_processing is not Processing.FINISHED, "Ongoing", "Finished")
        if change == "none":
            again = await ev.expect(request, signature=signature)
            ev.trial.check(again.evse_processing is not Processing.FINISHED, "Ongoing", "Finished")
            return
        other: tuple[Any, Signature | None] = (requests.authorization(), None)
        if change == "contract":
            other = contract.another(ev.challenge)
        await ev.refused(other[0], SEQUENCE, signature=other[1])

    return deed


async def _undecided(ev: Iso20Car) -> None:
    """Ongoing up to the bound of the station, then a warning and no authorization [V2G20-2102]."""
    request, signature = iso20_pki(ev).contract().request(ev.challenge)
    limit = ev.trial.timers.station_ongoing + ev.trial.timers.slow_message
    codes = [code for code in R if code.value.startswith("WARNING")]
    await ev.finish(request, limit, *codes, signature=signature)


# --- external identification --------------------------------------------------------------------------------


async def _external_refused(ev: Iso20Car) -> None:
    code = R.WARNING_EIM_AUTHORIZATION_FAILURE
    for _ in range(2):
        await ev.finish(requests.authorization(), ev.trial.timers.ongoing, code)


async def _external_again_and_again(ev: Iso20Car) -> None:
    """A station needs a limit: at last FAILED, and the end."""
    for _ in range(TRIES):
        answer = await ev.expect(
            requests.authorization(), R.OK, R.WARNING_EIM_AUTHORIZATION_FAILURE, R.FAILED
        )
        if answer.response_code is R.FAILED:
            await ev.closed()
            return
        await asyncio.sleep(PACE)
    ev.trial.check(condition=False, expected=f"FAILED within {TRIES} tries", got="a warning each time")


async def _external_undecided(ev: Iso20Car) -> None:
    limit = ev.trial.timers.station_ongoing + ev.trial.timers.slow_message
    await ev.finish(requests.authorization(), limit, R.WARNING_EIM_AUTHORIZATION_FAILURE)


async def _external_after_warning(ev: Iso20Car) -> None:
    request, signature = _foreign(iso20_pki(ev)).request(ev.challenge)
    await ev.finish(request, ev.trial.timers.ongoing, INVALID, signature=signature)
    await ev.finish(requests.authorization(), ev.trial.timers.ongoing)
    await ev.discover()


_ONE, _SET = Point.AUTHORIZATION, "contracts"
_OWN = (Need.ISO20_PNC, Need.ISO20_WALLET)
_MADE = (*_OWN, Need.ISO20_ISSUER)
_OPEN = (*_OWN, Need.SLOW_BACKEND)
_EXPIRED = R.WARNING_CERTIFICATE_EXPIRED
_STRANGER = (R.WARNING_E_MSP_UNKNOWN, R.WARNING_GENERAL_PNC_AUTHORIZATION_ERROR)

_SIGNATURES: tuple[tuple[str, str, Deed], ...] = (
    ("010", "no Signature", _refused(ContractFault.UNSIGNED, BAD_SIGNATURE)),
    ("011", "a signature over another Id", _refused(ContractFault.WRONG_ID, BAD_SIGNATURE)),
    ("012", "a signature by another key", _refused(ContractFault.WRONG_KEY, BAD_SIGNATURE)),
    ("013", "one bit of SignatureValue flipped", _signed_by(_flipped)),
    ("014", "another challenge after signing", _refused(ContractFault.ALTERED, BAD_SIGNATURE)),
    ("015", "two References", _refused(ContractFault.EXTRA_REFERENCE, BAD_SIGNATURE)),
    ("016", "ecdsa-sha256, the algorithm of ISO 15118-2", _signed_by(_sha256)),
)
_CHAINS: tuple[tuple[str, str, tuple[ResponseCode, ...], Shown, str], ...] = (
    ("022", "an expired contract", (_EXPIRED,), _again(Kind.CONTRACT_LEAF, validity=EXPIRED), "2212"),
    (
        *("NOT-YET", "a contract that is not valid yet", (R.WARNING_CERTIFICATE_NOT_YET_VALID,)),
        *(_again(Kind.CONTRACT_LEAF, validity=NOT_YET), ""),
    ),
    ("025", "a chain under an unknown root", (INVALID,), _foreign, "2215"),
    ("027", "a contract that may sign certificates", (INVALID,), _authority, "2686"),
    (
        *("029", "a Sub-CA 1 below which no Sub-CA may be", (INVALID,)),
        *(_again(Kind.MO_SUB_CA_1, "sub_ca_1", replaced=(_SHORT_PATH,)), "911"),
    ),
    ("031", "a provisioning certificate as contract", (INVALID,), _other_role, ""),
    (
        *("033", "an eMAID that the back end does not know", _STRANGER),
        *(_again(Kind.CONTRACT_LEAF, common_name="DEABCZZZZZZZZZN"), "2211"),
    ),
)

CASES: tuple[Case, ...] = (
    case20(
        *("ASU-007", _SET, "AuthorizationSetupReq in two sessions", "PnC, and 16 other bytes each time"),
        *(at(_ONE, _offered), Need.ISO20_PNC),
        ids="697",
    ),
    case20(
        *("AUT-009", _SET, "a contract, its chain and signature good", "OK, Finished"),
        *(at(_ONE, _accepted()), *_OWN),
        ids="2564",
    ),
    case20(
        *("AUT-017", _SET, "SignedInfo encoded by the grammar of the message", "OK, Finished"),
        *(at(_ONE, _accepted(message_grammar=True)), *_OWN),
    ),
    case20(
        *("AUT-032", _SET, "a contract that ends in ten days", "OK_CertificateExpiresSoon"),
        at(
            _ONE,
            _accepted(R.OK_CERTIFICATE_EXPIRES_SOON, shown=_again(Kind.CONTRACT_LEAF, validity=SOON)),
        ),
        *_MADE,
        ids="2218",
    ),
    *(
        case20(
            f"AUT-{number}",
            _SET,
            title,
            "FAILED_SignatureError, TCP closed",
            at(_ONE, deed),
            *_OWN,
            ids="461",
        )
        for number, title, deed in _SIGNATURES
    ),
    case20(
        *("AUT-020", _SET, "a challenge that the station did not send", "WARNING_ChallengeInvalid"),
        at(
            _ONE,
            _warned(
                lambda pki: pki.contract(fault=ContractFault.WRONG_CHALLENGE), R.WARNING_CHALLENGE_INVALID
            ),
        ),
        *_OWN,
        ids="2216",
    ),
    *(
        case20(
            f"AUT-{number}",
            _SET,
            title,
            f"{codes[0].value}, then a good contract is accepted",
            at(_ONE, _warned(shown, *codes)),
            *_MADE,
            ids=ids,
        )
        for number, title, codes, shown, ids in _CHAINS
    ),
    case20(
        *("AUT-EIM-AFTER", _SET, "external identification after a contract was refused", "OK, Finished"),
        at(_ONE, _external_after_warning),
        *_MADE,
    ),
    case20(
        *("AUT-036", _SET, "the same request while the back end thinks", "Ongoing"),
        *(at(_ONE, _while_pending("none")), *_OPEN),
        ids="1582",
    ),
    case20(
        *("AUT-037", _SET, "another contract while the back end thinks", REFUSED),
        *(at(_ONE, _while_pending("contract")), *_OPEN),
        ids="1582",
    ),
    case20(
        *("AUT-037-EIM", _SET, "external identification while the back end thinks about a contract", REFUSED),
        *(at(_ONE, _while_pending("external")), *_OPEN),
        ids="1582",
    ),
    case20(
        *("AUT-035", _SET, "the back end never answers", "Ongoing, then a warning"),
        at(_ONE, _undecided),
        *(*_OPEN, Need.LONG),
        ids="2102",
        waits=("station_ongoing",),
    ),
    case20(
        *("AUT-039", _SET, "a second contract after the first was accepted", REFUSED),
        *(at(_ONE, _second_contract), *_OWN),
        ids="2702",
    ),
    case20(
        *("AUT-003", _SET, "external identification that is refused, twice"),
        *("WARNING_EIMAuthorizationFailure each time", at(_ONE, _external_refused), Need.REFUSES),
        ids="2219 2230",
    ),
    case20(
        *("AUT-005", _SET, "external identification that is refused again and again"),
        *("FAILED at last, TCP closed", at(_ONE, _external_again_and_again), Need.REFUSES),
    ),
    case20(
        *("AUT-006", _SET, "external identification that is never decided"),
        "WARNING_EIMAuthorizationFailure",
        at(_ONE, _external_undecided),
        *(Need.NO_GRANT, Need.LONG),
        ids="2102",
        waits=("station_ongoing",),
    ),
)
