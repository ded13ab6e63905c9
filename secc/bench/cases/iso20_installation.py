"""ISO 15118-20: CertificateInstallation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build20 import REFUSED, SEQUENCE, Deed, at, case20, iso20_pki
from secc.bench.pki20 import Iso20CarPki
from secc.bench.reissue import EXPIRED, NOT_YET
from secc.bench.verdict import Failed
from secc.errors import CertificateError
from secc.messages import iso20_common as common
from secc.messages.iso20_common import Processing, ResponseCode
from secc.messages.xmldsig import Signature
from secc.pki.kinds import Kind
from secc.sim.iso20 import InstallationMisbehaviour, Iso20Contract, Iso20Wallet

R = ResponseCode
LARGEST_PLACEHOLDER = 1600
"""Bytes of a certificate."""
FLOOD = 8
"""More requests than a station must answer in one session."""


async def _ask(ev: Iso20Car, wallet: Iso20Wallet, *codes: ResponseCode) -> Any:
    """One request, repeated until the answer is finished [V2G20-1972]."""
    request, signature = wallet.installation()
    return await ev.finish(request, ev.trial.timers.ongoing, *codes, signature=signature)


def _keep(wallet: Iso20Wallet, answer: Any) -> Iso20Contract:
    """The contract, verified and decrypted by the car."""
    try:
        made = wallet.accept(answer)
    except CertificateError as error:
        raise Failed(f"expected a contract that verifies and decrypts; got one where {error}") from error
    return Iso20Contract(made.chain, made.key)


async def _delivered(ev: Iso20Car) -> None:
    """A contract, and the authorization by it."""
    wallet = iso20_pki(ev).wallet()
    ev.contract = _keep(wallet, await _ask(ev, wallet))
    await ev.authorize()
    await ev.discover()


async def _several(ev: Iso20Car) -> None:
    """As many as the station announces, up to two."""
    wallet = iso20_pki(ev).wallet()
    wallet.most = 2
    first = await _ask(ev, wallet)
    contract = _keep(wallet, first)
    if not first.remaining_contract_certificate_chains:
        ev.trial.remark("the back end has one contract for this car")
    else:
        second = await _ask(ev, wallet)
        another = _keep(wallet, second)
        ev.trial.check(another.emaid != contract.emaid, "another contract", another.emaid)
        left = second.remaining_contract_certificate_chains
        fewer = left < first.remaining_contract_certificate_chains
        ev.trial.check(fewer, "a smaller RemainingContractCertificateChains", left)
    ev.contract = contract
    await ev.authorize()


def _warned(made: Callable[[Iso20CarPki], Iso20Wallet], *codes: ResponseCode) -> Deed:
    """A warning with placeholders that can be read; external identification or a contract follows."""

    async def deed(ev: Iso20Car) -> None:
        pki = iso20_pki(ev)
        answer = await _ask(ev, made(pki), *codes)
        size = len(answer.signed_installation_data.contract_certificate_chain.certificate)
        ev.trial.check(0 < size <= LARGEST_PLACEHOLDER, "a placeholder of a certificate", f"{size} bytes")
        ev.contract = pki.contract()
        await ev.authorize()

    return deed


def _reissued(**changed: Any) -> Callable[[Iso20CarPki], Iso20Wallet]:
    return lambda pki: pki.wallet(pki.again(Kind.OEM_LEAF, **changed))


def _refused(wrong: InstallationMisbehaviour) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        wallet = iso20_pki(ev).wallet()
        wallet.misbehaviour = wrong
        request, signature = wallet.installation()
        await ev.refused(request, R.FAILED_SIGNATURE_ERROR, signature=signature)

    return deed


async def _not_offered(ev: Iso20Car) -> None:
    setup = ev.setup
    offered = setup is not None and setup.certificate_installation_service
    ev.trial.check(not offered, "CertificateInstallationService false", offered)
    request, signature = iso20_pki(ev).wallet().installation()
    await ev.refused(request, SEQUENCE, signature=signature)


async def _pending(ev: Iso20Car) -> tuple[common.CertificateInstallationReq, Signature | None]:
    """The request whose answer is Ongoing, with placeholders that can be read."""
    request, signature = iso20_pki(ev).wallet().installation()
    answer = await ev.expect(request, signature=signature)
    ev.trial.check(answer.evse_processing is Processing.ONGOING, "Ongoing", answer.evse_processing.value)
    return request, signature


async def _changed_while_pending(ev: Iso20Car) -> None:
    request, signature = await _pending(ev)
    other = msgspec.structs.replace(
        request, maximum_contract_certificate_chains=request.maximum_contract_certificate_chains + 1
    )
    await ev.refused(other, SEQUENCE, signature=signature)


async def _undecided(ev: Iso20Car) -> None:
    request, signature = await _pending(ev)
    limit = ev.trial.timers.station_ongoing + ev.trial.timers.slow_message
    await ev.finish(request, limit, R.WARNING_NO_CERTIFICATE_AVAILABLE, signature=signature)


async def _flood(ev: Iso20Car) -> None:
    """After at most so many requests the station gives no more contracts, or ends the session."""
    wallet = iso20_pki(ev).wallet()
    wallet.most = FLOOD
    for _ in range(FLOOD):
        request, signature = wallet.installation()
        answer = await ev.expect(request, *R, signature=signature)
        while answer.evse_processing is not Processing.FINISHED:
            answer = await ev.expect(request, *R, signature=signature)
        if answer.response_code.value.startswith("FAILED"):
            await ev.closed()
            return
        if answer.response_code is R.WARNING_NO_CERTIFICATE_AVAILABLE:
            return
    ev.trial.check(condition=False, expected=f"fewer than {FLOOD} contracts", got="as many as requested")


_ONE, _SET = Point.AUTHORIZATION, "CertificateInstallation"
_OWN = (Need.ISO20_INSTALLATION, Need.ISO20_WALLET)
_MADE = (*_OWN, Need.ISO20_ISSUER)
_SILENT = (*_OWN, Need.SLOW_BACKEND)
_WRONG = InstallationMisbehaviour
_EXPIRED, _NOT_YET = R.WARNING_CERTIFICATE_EXPIRED, R.WARNING_CERTIFICATE_NOT_YET_VALID
_NO_CONTRACT = (R.WARNING_NO_CONTRACT_MATCHING_PCID_FOUND, R.WARNING_NO_CERTIFICATE_AVAILABLE)

CASES: tuple[Case, ...] = (
    case20(
        *("CIN-001", _SET, "a good request", "a contract that the car verifies, opens and authorizes with"),
        *(at(_ONE, _delivered), *_OWN),
        ids="1972",
    ),
    case20(
        *("CIN-002", _SET, "room for two contracts", "RemainingContractCertificateChains counts down"),
        *(at(_ONE, _several), *_OWN),
        ids="1973",
    ),
    case20(
        *("CIN-004", _SET, "a request where the service is not offered", REFUSED),
        *(at(_ONE, _not_offered), Need.ISO20_NO_INSTALLATION, Need.ISO20_WALLET),
        ids="459",
    ),
    case20(
        *("CIN-006", _SET, "an expired provisioning certificate", "WARNING_CertificateExpired"),
        *(at(_ONE, _warned(_reissued(validity=EXPIRED), _EXPIRED)), *_MADE),
        ids="2203",
    ),
    case20(
        *("CIN-007", _SET, "a provisioning certificate of tomorrow", "WARNING_CertificateNotYetValid"),
        *(at(_ONE, _warned(_reissued(validity=NOT_YET), _NOT_YET)), *_MADE),
        ids="2204",
    ),
    case20(
        *("CIN-011", _SET, "a car that the back end does not know", "WARNING_NoContractMatchingPCIDFound"),
        at(_ONE, _warned(_reissued(common_name="DEZZZZ00000000001"), *_NO_CONTRACT)),
        *_MADE,
        ids="2207",
    ),
    *(
        case20(
            f"CIN-{wrong.name}",
            _SET,
            f"a request that is wrong: {wrong.value.removeprefix('install-')}",
            "FAILED_SignatureError, TCP closed",
            at(_ONE, _refused(wrong)),
            *_OWN,
            ids="461",
        )
        for wrong in (_WRONG.UNSIGNED, _WRONG.WRONG_KEY, _WRONG.CHANGED_CHAIN)
    ),
    case20(
        *("CIN-020", _SET, f"{FLOOD} requests in one session", "refused by the limit of the station"),
        *(at(_ONE, _flood), *_OWN),
    ),
    case20(
        *("CIN-016", _SET, "another request while the answer is Ongoing", REFUSED),
        *(at(_ONE, _changed_while_pending), *_SILENT),
        ids="1972",
    ),
    case20(
        *("CIN-009", _SET, "the back end never answers", "Ongoing, then WARNING_NoCertificateAvailable"),
        at(_ONE, _undecided),
        *(*_SILENT, Need.LONG),
        ids="2225",
        waits=("station_ongoing",),
    ),
)
