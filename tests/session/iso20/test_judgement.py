"""Each cause to refuse a contract of ISO 15118-20 has its code."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing
from secc.pki.contract import Evidence
from secc.pki.keys import KeyType, new_private_key
from secc.pki.profiles import Kind
from secc.session.contract_events import (
    AuthorizeContract,
    JudgeContract,
    Verdict,
)
from secc.session.iso20.states import Iso20State as S
from secc.session.outputs import Authorize
from tests.support import iso20 as r
from tests.support.contracts import DAY, NOW
from tests.support.iso20 import code
from tests.support.pnc20 import (
    REQUIRING,
    PncBench20,
    at_authorization,
    car,
    crls,
    hierarchy,
    leaf,
    one_refusal,
    signed,
    terms,
)


@pytest.mark.req("V2G20-461", "V2G20-2564")
def test_a_signature_by_another_key_ends_the_session() -> None:
    bench = at_authorization()
    mode = bench.car.mode(bench.challenge)
    other = bench.car.sign(mode, new_private_key(KeyType.SECP521R1, b"another"))
    assert one_refusal(bench, signed(mode, bench.car, other)) == ("FAILED_SignatureError", "signature")
    assert bench.ended


@pytest.mark.req("V2G20-2564")
def test_no_signature_ends_the_session() -> None:
    bench = at_authorization()
    request = msgspec.structs.replace(bench.car.request(bench.challenge), header=r.HEAD)
    assert one_refusal(bench, request) == ("FAILED_SignatureError", "missing")


@pytest.mark.req("V2G20-2564")
def test_an_altered_element_ends_the_session() -> None:
    bench = at_authorization()
    signature = bench.car.sign(bench.car.mode(bytes(16)))
    request = signed(bench.car.mode(bench.challenge), bench.car, signature)
    assert one_refusal(bench, request) == ("FAILED_SignatureError", "digest")


@pytest.mark.req("V2G20-2216", "V2G20-2565")
def test_another_challenge_is_a_warning() -> None:
    bench = at_authorization()
    expected = ("WARNING_ChallengeInvalid", "challenge")
    assert one_refusal(bench, bench.car.request(b"\x55" * 16)) == expected


@pytest.mark.inv("INV-23")
def test_what_another_session_has_signed_is_a_warning() -> None:
    before = PncBench20().to_authorization()
    assert isinstance(before, PncBench20)
    bench = PncBench20(random_bytes=lambda size: b"\x77" * size)
    bench.to_authorization()
    replayed = before.car.request(before.challenge)
    assert one_refusal(bench, replayed) == ("WARNING_ChallengeInvalid", "challenge")


@pytest.mark.req("V2G20-2212")
def test_an_expired_contract_is_a_warning() -> None:
    bench = at_authorization(car=car(contract=leaf(not_before=NOW - 20 * DAY, not_after=NOW - DAY)))
    assert one_refusal(bench) == ("WARNING_CertificateExpired", "leaf_expired")


@pytest.mark.req("V2G20-2213")
def test_a_contract_of_tomorrow_is_a_warning() -> None:
    bench = at_authorization(car=car(contract=leaf(not_before=NOW + DAY)))
    assert one_refusal(bench) == ("WARNING_CertificateNotYetValid", "leaf_not_yet_valid")


@pytest.mark.req("V2G20-2214")
@pytest.mark.parametrize("position", [0, 1])
def test_a_revoked_certificate_is_a_warning(position: int) -> None:
    bench = at_authorization(contracts=terms(finds_revocation=True))
    assert bench.prove().evse_processing is Processing.ONGOING
    revoked = [bench.car.contract.certificate, *bench.car.subs][position]
    bench.report_revocation(Evidence(crls=crls(revoked)))
    assert code(bench.prove()) == "WARNING_CertificateRevoked"
    assert [one.rule for one in bench.refusals] == [("leaf_revoked", "ca_revoked")[position]]
    assert bench.count(AuthorizeContract) == 0


@pytest.mark.req("V2G20-2215")
def test_a_chain_of_another_root_is_a_warning() -> None:
    bench = at_authorization(car=car(seed=b"another"))
    assert one_refusal(bench)[0] == "WARNING_CertificateValidationError"


@pytest.mark.req("V2G20-2215")
def test_a_vehicle_chain_is_no_contract() -> None:
    pki = hierarchy()
    vehicle = dataclasses.replace(
        car(contract=pki[Kind.VEHICLE_LEAF]),
        subs=(pki[Kind.VEHICLE_SUB_CA_2].certificate, pki[Kind.VEHICLE_SUB_CA_1].certificate),
    )
    assert one_refusal(at_authorization(car=vehicle))[0] == "WARNING_CertificateValidationError"


@pytest.mark.req("V2G20-2674")
def test_a_contract_of_iso_15118_2_is_a_warning_outside_the_laboratory() -> None:
    expected = ("WARNING_CertificateValidationError", "curve")
    assert one_refusal(at_authorization(car=car(KeyType.SECP256R1))) == expected


@pytest.mark.req("V2G20-2215")
def test_bytes_that_are_no_certificate_are_a_warning() -> None:
    bench = at_authorization()
    chain = m.ContractCertificateChain(
        certificate=b"\x30\x00", sub_certificates=m.SubCertificates(certificate=(b"\x30\x00",))
    )
    request = bench.car.request(bench.challenge, contract_certificate_chain=chain)
    assert one_refusal(bench, request) == ("WARNING_CertificateValidationError", "malformed")


@pytest.mark.req("V2G20-2211", "V2G20-2224")
def test_an_operator_that_is_not_accepted_is_a_warning() -> None:
    policy = dataclasses.replace(terms().policy, providers=frozenset({"NLXYZ"}))
    bench = at_authorization(contracts=terms(policy=policy))
    assert one_refusal(bench) == ("WARNING_eMSPUnknown", "provider")


def test_an_unknown_revocation_status_is_a_warning_where_it_is_required() -> None:
    bench = at_authorization(contracts=terms(policy=REQUIRING))
    assert one_refusal(bench) == ("WARNING_CertificateValidationError", "revocation_unknown")


@pytest.mark.req("V2G20-2209", "V2G20-2226")
def test_a_selection_that_is_not_what_the_request_contains_is_a_warning() -> None:
    for selected, other in ((m.Authorization.EIM, True), (m.Authorization.PNC, False)):
        bench = at_authorization()
        request = bench.car.request(bench.challenge) if other else r.authorization()
        wrong = msgspec.structs.replace(request, selected_authorization_service=selected)
        assert code(bench.prove(wrong)) == "WARNING_AuthorizationSelectionInvalid"
        assert bench.count(JudgeContract) == bench.count(Authorize) == 0


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.UNKNOWN, "WARNING_eMSPUnknown"),
        (Verdict.BLOCKED, "WARNING_GeneralPnCAuthorizationError"),
        (Verdict.EXPIRED, "WARNING_CertificateExpired"),
        (Verdict.REVOKED, "WARNING_CertificateRevoked"),
        (Verdict.UNTRUSTED, "WARNING_CertificateValidationError"),
        (Verdict.TOO_OFTEN, "WARNING_GeneralPnCAuthorizationError"),
        (Verdict.WITHDRAWN, "WARNING_GeneralPnCAuthorizationError"),
        (Verdict.UNREACHABLE, "WARNING_GeneralPnCAuthorizationError"),
    ],
)
@pytest.mark.req("V2G20-2211", "V2G20-2224")
def test_a_refusal_of_the_back_end_is_a_warning(verdict: Verdict, expected: str) -> None:
    bench = at_authorization()
    bench.prove()
    bench.decide(verdict)
    assert code(bench.prove()) == expected
    (refusal,) = bench.refusals
    assert (refusal.code, refusal.rule) == (expected, verdict.value)
    assert bench.session.state is S.WAIT_AUTHORIZATION
    assert not bench.ended
