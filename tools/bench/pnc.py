"""What Plug and Charge costs: `python -m tools.bench.pnc`.

CPU time of this thread per operation, the middle of many; ratios are worth more than the digits, as they hold
on other machines as well. The first line is the unit of the last column: one ECDSA verification as OpenSSL
does it. The rows of ISO 15118-20 have keys on secp521r1 where nothing else is said. The second table is the
longest that one input of a session keeps the event loop; in ISO 15118-20 the signatures of an authorization
are verified in a thread, which is a row for itself. `--instructions` counts what an operation executes, under
callgrind: the same whatever else the machine does.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from secc import exi
from secc.pki.contract import ContractPolicy, Evidence, authorize, present, verify, weigh
from secc.pki.installation import (
    splice_header,
    verify_installation,
    verify_installation_request,
    wrapped_key,
)
from secc.pki.iso20_delivery import unwrap_key
from secc.pki.issuing import Revocation, make_crl
from secc.pki.keys import KeyType
from secc.pki.profiles import Generation, Kind
from secc.pki.provisioning import Action, ProvisioningAnswer, splice, verify_request, verify_response
from secc.pki.revocation import RevocationMode, RevocationPolicy
from secc.pki.suites import SUITES
from secc.pki.trust import Role
from secc.pki.xmldsig import SignedPart, signed_info_octets
from secc.pki.xmldsig import verify as verify_signature
from secc.session.contract_events import JudgeContract
from tests.pki.test_revocation import response
from tests.support import installation as newer
from tests.support import pnc20
from tests.support.contracts import (
    DAY,
    NOW,
    chain,
    crls,
    encoded,
    identity,
    mobility_operator,
    provisioning_service,
    trusted,
    wallet,
)
from tests.support.pnc import PncBench, bundle, terms
from tools.bench import instructions

CHALLENGE = bytes(range(16))
COUNTED = (
    "PaymentDetailsReq: chain, eMAID",
    "AuthorizationReq: signature, challenge",
    "its answer: three chains, four parts",
    "one P-521 verification by OpenSSL",
    "AuthorizationReq, P-521: signature, challenge, chain",
    "AuthorizationReq, Ed448: signature, challenge, chain",
    "-20 CertificateInstallationReq: chain, signature",
    "-20 its answer: two chains, signature, key",
)
LENIENT = ContractPolicy(revocation=RevocationPolicy(mode=RevocationMode.PREFER))


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="What Plug and Charge costs.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--instructions", action="store_true", help="count instructions, under callgrind")
    parser.add_argument("--step", nargs=2, metavar=("OPERATION", "TIMES"), help="run one operation only")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    if arguments.step is not None:
        name, times = arguments.step
        operation = (operations() | operations20())[name]
        for _ in range(int(times)):
            operation()
        return 0
    if arguments.instructions:
        return count()
    print(f"{'operation':50} {'ms':>8} {'in ECDSA verifications':>24}")
    unit = 0.0
    for name, operation in (operations() | operations20()).items():
        cost = measure(operation, rounds)
        unit = unit or cost
        print(f"{name:50} {cost * 1000:8.3f} {cost / unit:24.1f}")
    print(f"\n{'one input of a session':50} {'ms':>8}")
    few = max(rounds // 10, 5)
    for name, cost in (inputs(few) | inputs20(few)).items():
        print(f"{name:50} {cost * 1000:8.3f}")
    return 0


def count() -> int:
    """Print the instructions of the operations of which a limit is promised."""
    if why := instructions.missing():
        print(why)
        return 1
    for name in COUNTED:
        command = [sys.executable, "-m", "tools.bench.pnc", "--step", name]
        print(f"{name:58} {instructions.per_step(command, ''):>12,}", flush=True)
    return 0


def measure(operation: Callable[[], object], rounds: int) -> float:
    """Seconds of CPU of this thread, the median."""
    times = []
    for _ in range(rounds):
        begun = time.thread_time()
        operation()
        times.append(time.thread_time() - begun)
    return statistics.median(times)


def operations() -> dict[str, Callable[[], object]]:
    """What is measured, in the order of the table."""
    car, store = wallet(), trusted()
    shown = present(car.chain_message(), car.emaid, store, NOW)
    request = car.authorization(CHALLENGE)
    signature = car.sign(request)
    element, key = SignedPart("AuthorizationReq", request), car.contract.key.public_key()
    body = car.installation()
    signed = car.sign(body)
    payload = encoded(body, signed)
    asked = verify_request(body, signed, payload, store, NOW)
    made, lists, answers = bundle(), Evidence(crls=crls()), Evidence(ocsp=ocsp_answers())
    issuer, service = mobility_operator(), provisioning_service()
    data = b"octets" * 30
    algorithm = ec.ECDSA(hashes.SHA256())
    der = car.contract.key.sign(data, algorithm)
    receiver = car.oem.key.public_key()
    contract, long = issuer.issue(car.emaid, NOW), Evidence(crls=(long_list(),))
    proved = functools.partial(verify, shown, request, signature, CHALLENGE, now=NOW)
    older: dict[str, Callable[[], object]] = {
        "one ECDSA verification by OpenSSL": lambda: key.verify(der, data, algorithm),
        "one XML signature (digest, SignedInfo, ECDSA)": lambda: verify_signature(signature, (element,), key),
        "PaymentDetailsReq: chain, eMAID": lambda: present(car.chain_message(), car.emaid, store, NOW),
        "  and three CRLs": lambda: weigh(shown, lists, NOW),
        "  or three OCSP responses": lambda: weigh(shown, answers, NOW),
        "  or a CRL of 128 KiB, the longest that is taken": lambda: weigh(shown, long, NOW, LENIENT),
        "AuthorizationReq: signature, challenge": proved,
        "CertificateInstallationReq": lambda: verify_request(body, signed, payload, store, NOW),
        "its answer: three chains, four parts": lambda: verify_response(made, asked, store, NOW),
        "the splice of the SessionID": lambda: splice(made, bytes(8)),
        "MO: issue a contract": lambda: issuer.issue(car.emaid, NOW),
        "CPS: encrypt, sign, encode": lambda: service.bundle(Action.INSTALL, contract, receiver),
        "EXI of CertificateInstallationRes, decoded": lambda: exi.ISO2.decode(made),
    }
    return older | iso20_operations()


def iso20_operations() -> dict[str, Callable[[], object]]:
    """The rows of ISO 15118-20: installation of a contract."""
    asking, store, policy = newer.asked(), newer.trusted(), newer.POLICY
    request, made = newer.request(), newer.bundle()
    payload, car = newer.encoded(request), newer.hierarchy()[Kind.OEM_LEAF]
    message, contract = newer.decoded(made), newer.issued()
    wrapped = wrapped_key(message.signed_installation_data)
    service, issuer = newer.installation_service(), newer.mobility_operator()
    return {
        "-20 CertificateInstallationReq: chain, signature": lambda: verify_installation_request(
            request, payload, store, NOW, policy
        ),
        "-20 its answer: two chains, signature, key": lambda: verify_installation(
            made, store, NOW, policy, asking
        ),
        "-20 the splice of the header": lambda: splice_header(made, bytes(8), 1),
        "-20 MO: issue a contract": lambda: issuer.issue(newer.EMAID_TEXT, NOW),
        "-20 CPS: encrypt, sign, encode": lambda: service.bundle(contract, car.certificate),
        "-20 vehicle: decrypt the key": lambda: unwrap_key(wrapped, car.key, asking.pcid, contract.leaf),
    }


def operations20() -> dict[str, Callable[[], object]]:
    """The same for ISO 15118-20: a chain of three certificates, and the signature."""
    rows: dict[str, Callable[[], object]] = {}
    for keys, name in ((KeyType.SECP521R1, "P-521"), (KeyType.ED448, "Ed448")):
        shown, store = pnc20.car(keys), pnc20.trusted(keys)
        mode = shown.mode(CHALLENGE)
        signature, key = shown.sign(mode), shown.contract.key.public_key()
        suite = SUITES[keys]
        octets, value = signed_info_octets(signature.signed_info), signature.signature_value.value
        policy = LENIENT.of(Generation.ISO20)
        rows[f"one {name} verification by OpenSSL"] = functools.partial(suite.has_made, key, value, octets)
        rows[f"AuthorizationReq, {name}: signature, challenge, chain"] = functools.partial(
            authorize, mode, signature, CHALLENGE, store, NOW, policy
        )
    return rows


def ocsp_answers() -> tuple[bytes, ...]:
    """Good answers for the three certificates of a contract's chain."""
    issuers = (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, Kind.MO_ROOT)
    return tuple(
        response(one, identity(kind), this_update=NOW - DAY, next_update=NOW + DAY)
        for one, kind in zip(chain(Role.CONTRACT), issuers, strict=True)
    )


_LONG: list[bytes] = []


def long_list() -> bytes:
    """The longest list that is fetched."""
    if not _LONG:
        entries = [Revocation(10**30 + number, NOW - DAY) for number in range(4000)]
        authority = identity(Kind.MO_SUB_CA_2)
        _LONG.append(make_crl(authority, entries, number=1, this_update=NOW - DAY, next_update=NOW + DAY))
    return _LONG[0]


def inputs(rounds: int) -> dict[str, float]:
    """The dearest inputs of a session, each the longest of some rounds."""
    worst: dict[str, float] = {}
    for _ in range(rounds):
        bench = PncBench(contracts=terms(finds_revocation=True)).select()
        for name, act in (
            ("PaymentDetailsReq", bench.show),
            ("the evidence about revocation", bench.report_revocation),
            ("AuthorizationReq", bench.prove),
        ):
            _longest(worst, name, act)
        asking = PncBench().select()
        request = asking.car.installation()
        signed = functools.partial(asking.request, request, signature=asking.car.sign(request))
        answered = functools.partial(asking.provision, ProvisioningAnswer(bundle()))
        _longest(worst, "CertificateInstallationReq", signed)
        _longest(worst, "the back end's answer to it", answered)
        installing = newer.InstallationBench()
        installing.to_authorization()
        made = newer.request()
        install = functools.partial(installing.install, made)
        _longest(worst, "-20 CertificateInstallationReq", install)
        installing.prove(newer.bundle())
        _longest(worst, "-20 the request that gets the contract", install)
    return worst


def inputs20(rounds: int) -> dict[str, float]:
    """The inputs of an authorization by contract in ISO 15118-20 on secp521r1, and what a thread does."""
    worst: dict[str, float] = {}
    lists = Evidence(crls=pnc20.crls())
    for _ in range(rounds):
        bench = pnc20.PncBench20(contracts=pnc20.terms(finds_revocation=True))
        bench.to_authorization()
        request = bench.car.request(bench.challenge)
        _longest(worst, "AuthorizationReq of ISO 15118-20", functools.partial(bench.send, request))
        judgement = bench.asked(JudgeContract).judgement
        _longest(worst, "its verification, in a thread", judgement.judge)
        _longest(worst, "the end of the verification", bench.judge)
        report = functools.partial(bench.report_revocation, lists)
        _longest(worst, "the evidence about revocation, ISO 15118-20", report)
        _longest(worst, "the decision of the back end, ISO 15118-20", bench.decide)
        _longest(worst, "AuthorizationReq again", functools.partial(bench.send, request))
    return worst


def _longest(worst: dict[str, float], name: str, act: Callable[[], object]) -> None:
    begun = time.thread_time()
    act()
    worst[name] = max(worst.get(name, 0.0), time.thread_time() - begun)


if __name__ == "__main__":
    raise SystemExit(main())
