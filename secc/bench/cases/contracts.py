"""Plug and Charge: contracts, their installation and renewal, the signed challenge, receipts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run, car, case
from secc.bench.cases.order import receipt_due
from secc.bench.cases.services import waits_then_ends
from secc.bench.defects import Forger, other_key
from secc.bench.talk import CarAnswer
from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive
from secc.errors import CertificateError
from secc.messages import iso2
from secc.messages.iso2 import EVSEProcessing, ResponseCode
from secc.messages.xmldsig import Signature
from secc.pki.certificates import Certificate
from secc.pki.profiles import Kind
from secc.pki.xmldsig import SignedPart, sign
from secc.sim.wallet import Wallet

INSTALLATION, UPDATE, DETAILS = "CertificateInstallation", "CertificateUpdate", "PaymentDetails"
AUTHORIZATION, RECEIPT = "Authorization", "MeteringReceipt"
INSTALL_SET, UPDATE_SET = 1, 2

R = ResponseCode
_OK = (R.OK, R.OK_CERTIFICATE_EXPIRES_SOON)
_UNUSABLE = (R.FAILED, R.FAILED_NO_CERTIFICATE_AVAILABLE, R.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE)
_NOT_RENEWED = (R.FAILED, R.FAILED_NO_CERTIFICATE_AVAILABLE, R.FAILED_CONTRACT_CANCELED)


def signed(body: iso2.BodyElement, key: ec.EllipticCurvePrivateKey) -> Signature:
    """Sign this body with this key."""
    return sign((SignedPart(type(body).__name__, body),), key)


# --- getting a contract ------------------------------------------------------------------------------------


async def _to_service(trial: Trial, parameter_set: int) -> BenchCar:
    ev = BenchCar(trial, contract=True)
    await ev.reach(Phase.SELECTION)
    try:
        await ev.select((1, None), (2, parameter_set))
    except Failed as failure:
        raise Inconclusive(f"selecting the certificate service: {failure}") from None
    return ev


def _delivered(parameter_set: int) -> Run:
    async def run(trial: Trial) -> None:
        ev = await _to_service(trial, parameter_set)
        await _deliver(ev, parameter_set)

    return run


async def _deliver(ev: BenchCar, parameter_set: int) -> None:
    """Send a valid request; the car verifies and decrypts the answer."""
    wallet = ev.need_wallet()
    body = wallet.installation() if parameter_set == INSTALL_SET else wallet.update()
    response = await ev.expect(body, signature=wallet.sign(body))
    assert ev.last is not None
    assert isinstance(ev.last.message, iso2.V2GMessage)
    try:
        wallet.accept(response, ev.last.message.header.signature, wallet.clock())
    except CertificateError as error:
        raise Failed(f"expected a contract that verifies and decrypts; got one where {error}") from error
    ev.phase = Phase.CONTRACT


def _refused_installation(what: str, *codes: ResponseCode) -> Run:
    async def run(trial: Trial) -> None:
        ev = await _to_service(trial, INSTALL_SET)
        wallet = ev.need_wallet()
        forger = Forger(_pki(trial))
        if what == "expired":
            wallet.oem = forger.again(Kind.OEM_LEAF, expired=True)
        elif what == "domain":
            wallet.oem = forger.again(Kind.OEM_LEAF, domain="XXX")
        body = wallet.installation()
        signature = signed(body, other_key() if what == "key" else wallet.oem.key)
        if what == "body":
            body = msgspec.structs.replace(body, list_of_root_certificate_ids=_other_roots(body))
        await ev.refused(body, *codes, signature=signature)

    return run


def _other_roots(body: Any) -> iso2.ListOfRootCertificateIDs:
    """Return the same list with other serial numbers."""
    roots = body.list_of_root_certificate_ids.root_certificate_id
    changed = tuple(msgspec.structs.replace(one, x509_serial_number=4711) for one in roots)
    return iso2.ListOfRootCertificateIDs(root_certificate_id=changed)


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A contract as presented: the chain, the signing key, the eMAID in the message."""

    chain: tuple[Certificate, ...]
    key: ec.EllipticCurvePrivateKey
    emaid: str | None = None


Show = Callable[[Forger, Wallet], Shown]


def _again(**changes: Any) -> Show:
    """Return a modified leaf, with the eMAID of the valid one unless `own_emaid`."""
    own = changes.pop("own_emaid", False)

    def show(forger: Forger, wallet: Wallet) -> Shown:
        leaf = forger.again(Kind.CONTRACT_LEAF, **changes)
        return Shown(forger.contract_chain(leaf=leaf.certificate), leaf.key, None if own else wallet.emaid)

    return show


def _inverted(forger: Forger, wallet: Wallet) -> Shown:
    leaf, second, first = forger.contract_chain()
    return Shown((leaf, first, second), _key(wallet))


def _foreign(*kinds: Kind) -> Show:
    def show(forger: Forger, wallet: Wallet) -> Shown:
        names = {Kind.CONTRACT_LEAF: "leaf", Kind.MO_SUB_CA_2: "sub_ca_2", Kind.MO_SUB_CA_1: "sub_ca_1"}
        other = forger.foreign()
        chain = forger.contract_chain(**{names[kind]: other[kind].certificate for kind in kinds})
        key = other[Kind.CONTRACT_LEAF].key if Kind.CONTRACT_LEAF in kinds else _key(wallet)
        return Shown(chain, key, wallet.emaid)

    return show


def _emaid(text: str) -> Show:
    return lambda forger, wallet: Shown(forger.contract_chain(), _key(wallet), text)


def _expired_authority(kind: Kind) -> Show:
    name = "sub_ca_1" if kind is Kind.MO_SUB_CA_1 else "sub_ca_2"

    def show(forger: Forger, wallet: Wallet) -> Shown:
        authority = forger.again(kind, expired=True).certificate
        return Shown(forger.contract_chain(**{name: authority}), _key(wallet))

    return show


def _refused_update(what: Show | str, *codes: ResponseCode) -> Run:
    async def run(trial: Trial) -> None:
        ev = await _to_service(trial, UPDATE_SET)
        wallet = ev.need_wallet()
        emaid = _show(trial, wallet, what) if callable(what) else None
        body = wallet.update()
        if emaid is not None:
            body = msgspec.structs.replace(body, emaid=emaid)
        signature = signed(body, other_key() if what == "key" else _key(wallet))
        if what == "body":
            body = msgspec.structs.replace(body, list_of_root_certificate_ids=_other_roots(body))
        await ev.refused(body, *codes, signature=signature)

    return run


def _show(trial: Trial, wallet: Wallet, show: Show) -> str | None:
    """Put the contract into the wallet; returns the eMAID for the message, if it is another one."""
    shown = show(Forger(_pki(trial)), wallet)
    wallet.chain, wallet.key = shown.chain, shown.key
    return shown.emaid


def _key(wallet: Wallet) -> ec.EllipticCurvePrivateKey:
    if wallet.key is None:
        raise Inconclusive("the contract has no key")
    return wallet.key


def _pki(trial: Trial) -> Any:
    if trial.target.pki is None:
        raise Inconclusive("no contract was given to the tester")
    return trial.target.pki


# --- presentation of the contract --------------------------------------------------------------------------


def _details(before: int = 0) -> Run:
    """`before`: the parameter set of a certificate exchange that is done first."""

    async def run(trial: Trial) -> None:
        ev = await _at_contract(trial, before)
        body = await ev.expect(ev.need_wallet().payment_details(), *_OK)
        challenge = body.gen_challenge
        trial.check(
            len(challenge) == 16 and any(challenge), "GenChallenge of 16 bytes [V2G2-697]", challenge.hex()
        )

    return run


async def _at_contract(trial: Trial, before: int) -> BenchCar:
    if not before:
        ev = BenchCar(trial, contract=True)
        await ev.reach(Phase.CONTRACT)
        return ev
    ev = await _to_service(trial, before)
    try:
        await _deliver(ev, before)
    except Failed as failure:
        raise Inconclusive(f"the certificate exchange before it: {failure}") from None
    return ev


def _refused_details(show: Show, *codes: ResponseCode) -> Run:
    async def run(trial: Trial) -> None:
        ev = BenchCar(trial, contract=True)
        await ev.reach(Phase.CONTRACT)
        wallet = ev.need_wallet()
        emaid = _show(trial, wallet, show)
        body = wallet.payment_details()
        if emaid is not None:
            body = msgspec.structs.replace(body, emaid=emaid)
        await ev.refused(body, *codes)

    return run


# --- proof of possession -----------------------------------------------------------------------------------


def _authorized(before: int = 0) -> Run:
    async def run(trial: Trial) -> None:
        ev = await _at_contract(trial, before)
        await ev.reach(Phase.AUTHORIZATION)
        await ev.authorize()

    return run


def _refused_authorization(what: str, code: ResponseCode) -> Run:
    async def run(trial: Trial) -> None:
        ev = BenchCar(trial, contract=True)
        await ev.reach(Phase.AUTHORIZATION)
        wallet = ev.need_wallet()
        challenge = bytes(byte ^ 0xFF for byte in ev.challenge) if what == "challenge" else ev.challenge
        body = wallet.authorization(challenge)
        signature = signed(body, other_key() if what == "key" else _key(wallet))
        if what == "body":  # the signature covers another challenge than the one that is sent
            signature = signed(wallet.authorization(bytes(16)), _key(wallet))
        await ev.refused(body, code, signature=signature)

    return run


def _nobody_answers(before: int = 0) -> Run:
    async def run(trial: Trial) -> None:
        ev = await _at_contract(trial, before)
        await ev.reach(Phase.AUTHORIZATION)
        wallet = ev.need_wallet()
        body = wallet.authorization(ev.challenge)
        answer = await ev.ask(body, signature=wallet.sign(body))
        ongoing = isinstance(answer, CarAnswer) and answer.body.evse_processing is EVSEProcessing.ONGOING
        trial.check(ongoing, "AuthorizationRes OK Ongoing", answer)
        await waits_then_ends(ev, EVSEProcessing.ONGOING, trial.timers.station_ongoing)

    return run


# --- receipts ----------------------------------------------------------------------------------------------


def _receipt(kind: str, what: str = "") -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind, contract=True)
        try:
            due = await receipt_due(ev)
        except Failed as failure:
            raise Inconclusive(f"on the way to MeteringReceiptReq: {failure}") from None
        wallet, body = ev.need_wallet(), due.body
        assert isinstance(body, iso2.MeteringReceiptReq)
        other = msgspec.structs.replace(
            body,
            meter_info=msgspec.structs.replace(
                body.meter_info, meter_reading=(body.meter_info.meter_reading or 0) + 1000
            ),
        )
        match what:
            case "reading":
                await _refuse_receipt(ev, other, signed(other, _key(wallet)))
            case "key":
                await _refuse_receipt(ev, body, signed(body, other_key()))
            case "body":
                await _refuse_receipt(ev, body, signed(other, _key(wallet)))
            case _:
                await ev.expect(body, signature=due.signature)

    return run


async def _refuse_receipt(ev: BenchCar, body: iso2.MeteringReceiptReq, signature: Signature) -> None:
    await ev.refused(body, R.FAILED_METERING_SIGNATURE_NOT_VALID, signature=signature)


# --- cases -------------------------------------------------------------------------------------------------

_CAR = (Need.CONTRACT, Need.WALLET)
_SERVICE = (*_CAR, Need.CERTIFICATE_SERVICE)
_RENEWAL = (*_CAR, Need.CERTIFICATE_SERVICE, Need.CERTIFICATE_UPDATE)
_FORGED = Need.ISSUER
_COUNTRY = _again(more=((NameOID.COUNTRY_NAME, "XX"),), own_emaid=True)
_OTHER_EMAID = "DEXXX000000001"
_MALFORMED = "00-ABC-0000-01"


def _answer(*codes: ResponseCode) -> str:
    return " or ".join(code.value for code in codes) + ", TCP closed within 5 s"


def _install(
    number: int, title: str, what: str, *codes: ResponseCode, ids: str, forged: bool = False
) -> Case:
    run = _refused_installation(what, *codes)
    needs = (*_SERVICE, *((_FORGED,) if forged else ()))
    return case("CMN", INSTALLATION, number, title, _answer(*codes), run, *needs, ids=ids)


def _update(number: int, title: str, what: Show | str, *codes: ResponseCode, ids: str = "V2G2-558") -> Case:
    run = _refused_update(what, *codes)
    return case("CMN", UPDATE, number, title, _answer(*codes), run, *_RENEWAL, _FORGED, ids=ids)


def _detail(number: int, title: str, show: Show, *codes: ResponseCode, ids: str) -> Case:
    run = _refused_details(show, *codes)
    return case("CMN", DETAILS, number, title, _answer(*codes), run, *_CAR, _FORGED, ids=ids)


def _authorize(number: int, title: str, what: str, code: ResponseCode, ids: str) -> Case:
    run = _refused_authorization(what, code)
    return case("CMN", AUTHORIZATION, number, title, _answer(code), run, *_CAR, ids=ids)


_CHAIN = R.FAILED_CERT_CHAIN_ERROR
_LEAF, _SUB_2, _SUB_1 = Kind.CONTRACT_LEAF, Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1
_BUNDLE = "OK, signed; chains, key and eMAID verify and decrypt"
_CHALLENGE = "OK, a fresh GenChallenge of 16 bytes"
_FINISHED = "OK, Finished within 60 s"
_ONGOING = "Ongoing until the station's limit, then TCP closed"
# Some sources require FAILED_CertificateExpired for an expired Sub-CA, others an unusable chain.
_EXPIRED_CA = (R.FAILED_CERTIFICATE_EXPIRED, *_UNUSABLE)

CASES: tuple[Case, ...] = (
    case("CMN", INSTALLATION, 1, "valid", _BUNDLE, _delivered(INSTALL_SET), *_SERVICE, ids="V2G2-553"),
    _install(5, "signed with another key", "key", R.FAILED_SIGNATURE_ERROR, ids="V2G2-555"),
    _install(6, "changed after signing", "body", R.FAILED_SIGNATURE_ERROR, ids="V2G2-555"),
    _install(
        *(7, "an expired provisioning certificate", "expired", R.FAILED_CERTIFICATE_EXPIRED),
        ids="V2G2-555",
        forged=True,
    ),
    _install(
        *(8, "a provisioning certificate of another domain component", "domain"),
        *(R.FAILED, R.FAILED_NO_CERTIFICATE_AVAILABLE),
        ids="V2G2-555",
        forged=True,
    ),
    case(
        "CMN",
        UPDATE,
        1,
        "valid",
        _BUNDLE,
        _delivered(UPDATE_SET),
        *_RENEWAL,
        ids="V2G2-556 V2G2-557",
    ),
    _update(5, "signed with another key", "key", R.FAILED_SIGNATURE_ERROR),
    _update(6, "changed after signing", "body", R.FAILED_SIGNATURE_ERROR),
    _update(7, "Sub-CAs in the wrong order", _inverted, _CHAIN),
    _update(8, "the leaf of a foreign hierarchy", _foreign(_LEAF), _CHAIN),
    _update(9, "Sub-CA 2 of a foreign hierarchy", _foreign(_SUB_2), _CHAIN),
    _update(10, "Sub-CA 1 of a foreign hierarchy", _foreign(_SUB_1), _CHAIN),
    _update(11, "a foreign chain", _foreign(_LEAF, _SUB_2, _SUB_1), _CHAIN),
    _update(12, "another customer's eMAID in the message", _emaid(_OTHER_EMAID), *_NOT_RENEWED),
    _update(13, "a malformed eMAID in the message", _emaid(_MALFORMED), *_NOT_RENEWED),
    _update(14, "a contract for another eMAID", _again(common_name=_OTHER_EMAID), *_NOT_RENEWED),
    _update(15, "a contract with a malformed eMAID", _again(common_name=_MALFORMED), *_NOT_RENEWED),
    _update(16, "an expired contract", _again(expired=True), R.FAILED_CERTIFICATE_EXPIRED),
    _update(17, "a contract with a forbidden country", _COUNTRY, R.FAILED, R.FAILED_NO_CERTIFICATE_AVAILABLE),
    case(
        "CMN",
        DETAILS,
        1,
        "a valid contract",
        _CHALLENGE,
        _details(),
        *_CAR,
        ids="V2G2-697 V2G2-825",
    ),
    case(
        *("CMN", DETAILS, 2, "after CertificateInstallation", _CHALLENGE, _details(INSTALL_SET), *_SERVICE),
        ids="V2G2-554",
    ),
    case(
        "CMN",
        DETAILS,
        3,
        "after CertificateUpdate",
        _CHALLENGE,
        _details(UPDATE_SET),
        *_RENEWAL,
        ids="V2G2-554",
    ),
    _detail(7, "an expired contract", _again(expired=True), R.FAILED_CERTIFICATE_EXPIRED, ids="V2G2-910"),
    _detail(8, "a contract with a forbidden country", _COUNTRY, *_UNUSABLE, ids="V2G2-884"),
    _detail(9, "an expired Sub-CA 1", _expired_authority(_SUB_1), *_EXPIRED_CA, ids="V2G2-885 V2G2-910"),
    _detail(10, "an expired Sub-CA 2", _expired_authority(_SUB_2), *_EXPIRED_CA, ids="V2G2-885 V2G2-910"),
    case(
        "CMN",
        AUTHORIZATION,
        2,
        "signed, with the GenChallenge",
        _FINISHED,
        _authorized(),
        *_CAR,
        ids="V2G2-562",
    ),
    _authorize(7, "another GenChallenge", "challenge", R.FAILED_CHALLENGE_INVALID, "V2G2-475"),
    _authorize(10, "signed with another key", "key", R.FAILED_SIGNATURE_ERROR, "V2G2-539"),
    _authorize(11, "changed after signing", "body", R.FAILED_SIGNATURE_ERROR, "V2G2-539"),
    case(
        *("CMN", AUTHORIZATION, 12, "after CertificateInstallation", _FINISHED, _authorized(INSTALL_SET)),
        *_SERVICE,
        ids="V2G2-562",
    ),
    case("CMN", AUTHORIZATION, 13, "after CertificateUpdate", _FINISHED, _authorized(UPDATE_SET), *_RENEWAL),
    *(
        case(
            *(
                "CMN",
                AUTHORIZATION,
                number,
                f"the back end never answers{after}",
                _ONGOING,
                _nobody_answers(before),
            ),
            *(*needs, Need.SLOW_BACKEND, Need.LONG),
            ids="V2G2-712 V2G2-713 V2G2-855",
            waits=("station_ongoing",),
        )
        for number, after, before, needs in (
            (15, "", 0, _CAR),
            (16, ", after CertificateInstallation", INSTALL_SET, _SERVICE),
            (17, ", after CertificateUpdate", UPDATE_SET, _RENEWAL),
        )
    ),
    *(
        case(
            *(kind, RECEIPT, number, title, expect, _receipt(kind, what), *_CAR, Need.RECEIPT),
            ids=ids,
        )
        for kind in ("AC", "DC")
        for number, title, what, expect, ids in (
            (1, "signed, as the values were sent", "", "OK", "V2G2-577 V2G2-795 V2G2-903"),
            (
                4,
                "another MeterReading",
                "reading",
                _answer(R.FAILED_METERING_SIGNATURE_NOT_VALID),
                "V2G2-481",
            ),
            (6, "signed with another key", "key", _answer(R.FAILED_METERING_SIGNATURE_NOT_VALID), "V2G2-481"),
            (7, "changed after signing", "body", _answer(R.FAILED_METERING_SIGNATURE_NOT_VALID), "V2G2-481"),
        )
    ),
)
