"""Revocation: every way in which an answer can be worth nothing, and the real responder over real HTTP."""

from __future__ import annotations

import datetime
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from secc.cli.pki_responder import make_server
from secc.errors import CertificateError, ChainError
from secc.pki.authority import Authority
from secc.pki.certificates import Certificate
from secc.pki.chains import VerifiedChain, verify_chain
from secc.pki.hierarchy import Hierarchy, make_hierarchy, write_hierarchy
from secc.pki.issuing import Identity, Order, Revocation, issue, make_crl, new_key
from secc.pki.profiles import Kind
from secc.pki.responder import OcspResponder
from secc.pki.revocation import (
    RevocationMode,
    RevocationPolicy,
    RevocationStatus,
    address_is_acceptable,
    check_revocation,
    questions,
    read_crl,
    read_ocsp,
)
from secc.pki.rules import Rule
from secc.pki.trust import Role, trust

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
PKI: Hierarchy = make_hierarchy(not_before=BEGIN, not_after=BEGIN + datetime.timedelta(days=365), seed=b"rev")
LEAF, ISSUER = PKI[Kind.CONTRACT_LEAF].certificate, PKI[Kind.MO_SUB_CA_2]
KINDS = (Kind.CONTRACT_LEAF, Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1)


def verified(pki: Hierarchy = PKI, *, private: bool = False) -> VerifiedChain:
    if private:
        store = trust([(Kind.PRIVATE_ROOT, pki[Kind.PRIVATE_ROOT].certificate)])
        return verify_chain([pki[Kind.PRIVATE_SECC_LEAF].certificate], Role.SECC, store, NOW)
    store = trust([(Kind.MO_ROOT, pki[Kind.MO_ROOT].certificate)])
    return verify_chain([pki[kind].certificate for kind in KINDS], Role.CONTRACT, store, NOW)


def response(
    subject: Certificate = LEAF,
    issuer: Identity = ISSUER,
    *,
    signer: Identity | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    this_update: datetime.datetime = NOW - HOUR,
    next_update: datetime.datetime | None = NOW + HOUR,
    serial: int | None = None,
    digest: hashes.HashAlgorithm | None = None,
    nonce: bytes | None = None,
    carried: tuple[Identity, ...] = (),
    signature_hash: hashes.HashAlgorithm | None = None,
) -> bytes:
    signer = signer or issuer
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    digest = digest or hashes.SHA256()
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        issuer_name_hash=_digest(digest, issuer.certificate.subject.der),
        issuer_key_hash=_digest(digest, issuer.certificate.point),
        serial_number=subject.serial if serial is None else serial,
        algorithm=digest,
        cert_status=status,
        this_update=this_update,
        next_update=next_update,
        revocation_time=NOW - HOUR if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    certificate = signer.certificate.to_cryptography()
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    if carried:
        builder = builder.certificates([one.certificate.to_cryptography() for one in carried])
    return builder.sign(signer.key, signature_hash or hashes.SHA256()).public_bytes(Encoding.DER)


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def appointed(issuer: Identity, *, begin: datetime.datetime = BEGIN, days: int = 300) -> Identity:
    key = new_key(b"signer")
    order = Order(
        kind=Kind.OCSP_SIGNER,
        common_name="OCSP",
        organization="Test",
        country="DE",
        serial=77,
        not_before=begin,
        not_after=begin + datetime.timedelta(days=days),
    )
    return Identity(issue(order, key.public_key(), issuer), key)


def crl(
    issuer: Identity = ISSUER,
    *serials: int,
    this_update: datetime.datetime = NOW - HOUR,
    next_update: datetime.datetime = NOW + HOUR,
) -> bytes:
    revoked = [Revocation(serial, NOW - HOUR, x509.ReasonFlags.key_compromise) for serial in serials]
    return make_crl(issuer, revoked, number=1, this_update=this_update, next_update=next_update)


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256()], ids=["SHA-1", "SHA-256"])
def test_a_good_response_is_good_until_the_next_one(digest: hashes.HashAlgorithm) -> None:
    answer = read_ocsp(response(digest=digest), LEAF, ISSUER.certificate, NOW)
    assert answer.status is RevocationStatus.GOOD
    assert answer.usable_until == NOW + HOUR


def test_an_appointed_responder_may_sign() -> None:
    signer = appointed(ISSUER)
    answer = read_ocsp(response(signer=signer, carried=(signer,)), LEAF, ISSUER.certificate, NOW)
    assert answer.status is RevocationStatus.GOOD


def test_an_answer_without_next_update_is_good_for_a_day_and_none_for_more_than_a_week() -> None:
    single = read_ocsp(response(next_update=None), LEAF, ISSUER.certificate, NOW)
    assert single.usable_until == NOW - HOUR + datetime.timedelta(days=1)
    longest = read_ocsp(response(next_update=NOW + 1000 * HOUR), LEAF, ISSUER.certificate, NOW)
    assert longest.usable_until == NOW - HOUR + datetime.timedelta(days=7)


def _flipped(data: bytes) -> bytes:
    """With another last bit, of s in the signature. Of one response: each is signed with new randomness."""
    return data[:-1] + bytes([data[-1] ^ 1])


OTHER_CA = PKI[Kind.OEM_SUB_CA_2]
DAY = datetime.timedelta(days=1)

WORTHLESS = [
    ("no DER", b"\x30\x03\x02\x01", Rule.EVIDENCE_MALFORMED),
    ("empty", b"", Rule.EVIDENCE_MALFORMED),
    ("a megabyte", b"\x30" * (1 << 20) + b"\0", Rule.EVIDENCE_MALFORMED),
    (
        "try later",
        ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
            Encoding.DER
        ),
        Rule.EVIDENCE_MALFORMED,
    ),
    ("another serial", response(serial=4711), Rule.EVIDENCE_OTHER),
    ("another issuer", response(issuer=OTHER_CA), Rule.EVIDENCE_OTHER),
    ("signed by another authority", response(signer=OTHER_CA), Rule.EVIDENCE_SIGNER),
    ("signed by the subject", response(signer=PKI[Kind.CONTRACT_LEAF]), Rule.EVIDENCE_SIGNER),
    (
        "signer without the purpose",
        response(signer=PKI[Kind.CONTRACT_LEAF], carried=(PKI[Kind.CONTRACT_LEAF],)),
        Rule.EVIDENCE_SIGNER,
    ),
    (
        "signer appointed by another authority",
        response(signer=appointed(OTHER_CA), carried=(appointed(OTHER_CA),)),
        Rule.EVIDENCE_SIGNER,
    ),
    (
        "signer expired",
        response(signer=appointed(ISSUER, days=30), carried=(appointed(ISSUER, days=30),)),
        Rule.EVIDENCE_SIGNER,
    ),
    ("appointed signer not sent along", response(signer=appointed(ISSUER)), Rule.EVIDENCE_SIGNER),
    ("stale", response(this_update=NOW - DAY, next_update=NOW - HOUR), Rule.EVIDENCE_STALE),
    (
        "old, with a distant end",
        response(this_update=NOW - 8 * DAY, next_update=NOW + DAY),
        Rule.EVIDENCE_STALE,
    ),
    ("old, without an end", response(this_update=NOW - 25 * HOUR, next_update=None), Rule.EVIDENCE_STALE),
    ("from the future", response(this_update=NOW + HOUR, next_update=NOW + DAY), Rule.EVIDENCE_FUTURE),
    ("another nonce", response(nonce=b"0123456789abcdef"), Rule.EVIDENCE_NONCE),
    ("a bit flipped", _flipped(response()), Rule.EVIDENCE_SIGNER),
]


@pytest.mark.parametrize(("data", "rule"), [row[1:] for row in WORTHLESS], ids=[row[0] for row in WORTHLESS])
def test_a_worthless_response(data: bytes, rule: Rule) -> None:
    with pytest.raises(ChainError) as refused:
        read_ocsp(data, LEAF, ISSUER.certificate, NOW, nonce=b"fedcba9876543210")
    assert refused.value.rule is rule


def test_a_nonce_that_does_not_come_back_is_no_harm() -> None:
    answer = read_ocsp(response(), LEAF, ISSUER.certificate, NOW, nonce=b"fedcba9876543210")
    assert answer.status is RevocationStatus.GOOD


WORTHLESS_CRLS = [
    ("no DER", b"\x30\x00", Rule.EVIDENCE_MALFORMED),
    ("from another issuer", crl(OTHER_CA), Rule.EVIDENCE_OTHER),
    ("stale", crl(this_update=NOW - 9 * DAY, next_update=NOW - DAY), Rule.EVIDENCE_STALE),
    ("from the future", crl(this_update=NOW + HOUR, next_update=NOW + DAY), Rule.EVIDENCE_FUTURE),
    (
        "signed with another key",
        crl(Identity(ISSUER.certificate, OTHER_CA.key)),
        Rule.EVIDENCE_SIGNER,
    ),
]


@pytest.mark.parametrize(
    ("data", "rule"), [row[1:] for row in WORTHLESS_CRLS], ids=[row[0] for row in WORTHLESS_CRLS]
)
def test_a_worthless_crl(data: bytes, rule: Rule) -> None:
    with pytest.raises(ChainError) as refused:
        read_crl(data, LEAF, ISSUER.certificate, NOW)
    assert refused.value.rule is rule


def test_a_partial_crl_is_silent_about_what_it_does_not_cover() -> None:
    subject = ISSUER.certificate.to_cryptography().subject
    builder = x509.CertificateRevocationListBuilder().issuer_name(subject)
    builder = builder.last_update(NOW - HOUR).next_update(NOW + HOUR)
    builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    delta = builder.sign(ISSUER.key, hashes.SHA256()).public_bytes(Encoding.DER)
    with pytest.raises(ChainError) as refused:
        read_crl(delta, LEAF, ISSUER.certificate, NOW)
    assert refused.value.rule is Rule.EVIDENCE_OTHER


def test_a_crl_distinguishes_revoked_from_good() -> None:
    good = read_crl(crl(), LEAF, ISSUER.certificate, NOW)
    revoked = read_crl(crl(ISSUER, LEAF.serial), LEAF, ISSUER.certificate, NOW)
    assert (good.status, revoked.status) == (RevocationStatus.GOOD, RevocationStatus.REVOKED)
    assert revoked.revoked_at == NOW - HOUR


def all_good() -> list[bytes]:
    issuers = (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1, Kind.MO_ROOT)
    return [response(PKI[kind].certificate, PKI[issuer]) for kind, issuer in zip(KINDS, issuers, strict=True)]


def test_a_whole_chain_is_good_when_every_certificate_is() -> None:
    status = check_revocation(verified(), NOW, ocsp_responses=all_good())
    assert status.status is RevocationStatus.GOOD
    assert status.usable_until == NOW + HOUR
    assert status.complaints == ()


def test_one_certificate_without_an_answer_is_refused_where_it_is_required() -> None:
    with pytest.raises(ChainError) as refused:
        check_revocation(verified(), NOW, ocsp_responses=all_good()[:2])
    assert refused.value.rule is Rule.REVOCATION_UNKNOWN
    assert refused.value.response_code == "FAILED_CertificateRevoked"


def test_it_is_marked_where_it_is_only_preferred() -> None:
    prefer = RevocationPolicy(mode=RevocationMode.PREFER)
    status = check_revocation(verified(), NOW, ocsp_responses=all_good()[:2], policy=prefer)
    assert status.status is RevocationStatus.UNKNOWN
    assert status.complaints == ("CN=MOSubCA1 Test, O=Test only, C=DE: no usable answer",)


@pytest.mark.parametrize("mode", [RevocationMode.REQUIRE, RevocationMode.PREFER])
def test_a_revoked_leaf_is_refused_in_either_mode_even_beside_an_older_good_answer(
    mode: RevocationMode,
) -> None:
    evidence = [*all_good(), response(status=ocsp.OCSPCertStatus.REVOKED)]
    with pytest.raises(ChainError) as refused:
        check_revocation(verified(), NOW, ocsp_responses=evidence, policy=RevocationPolicy(mode=mode))
    assert refused.value.rule is Rule.LEAF_REVOKED
    assert refused.value.response_code == "FAILED_CertificateRevoked"


def test_a_revoked_authority_is_refused() -> None:
    revoked = crl(PKI[Kind.MO_SUB_CA_1], PKI[Kind.MO_SUB_CA_2].certificate.serial)
    with pytest.raises(ChainError) as refused:
        check_revocation(verified(), NOW, ocsp_responses=all_good(), crls=[revoked])
    assert refused.value.rule is Rule.CA_REVOKED


def test_no_request_is_sent_when_it_is_off_or_under_a_private_root() -> None:
    off = RevocationPolicy(mode=RevocationMode.OFF)
    assert check_revocation(verified(), NOW, policy=off).complaints == ("not asked",)
    assert check_revocation(verified(private=True), NOW).complaints == ("not checked: private root",)


@pytest.mark.parametrize(
    ("url", "acceptable"),
    [
        ("http://ocsp.example.com:8080/", True),
        ("https://ocsp.example.com/a?b", True),
        ("http://93.184.216.34/", True),
        ("http://127.0.0.1:8888/", False),
        ("http://localhost/", False),
        ("http://10.0.0.1/", False),
        ("http://192.168.1.1/", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://[::1]/", False),
        ("http://[fe80::1]/", False),
        ("http://station.local/", False),
        ("http://user@ocsp.example.com/", False),
        ("file:///etc/passwd", False),
        ("ldap://ocsp.example.com/", False),
        ("http:///", False),
        ("http://[::1", False),
        ("http://ocsp.example.com:99999/", False),
    ],
)
def test_addresses_that_lead_into_the_stations_network(url: str, acceptable: bool) -> None:
    assert address_is_acceptable(url) is acceptable


def test_a_laboratory_may_allow_them() -> None:
    assert address_is_acceptable("http://127.0.0.1:8888/", allow_private=True)


@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_are_no_evidence(data: bytes, as_crl: bool) -> None:
    read = read_crl if as_crl else read_ocsp
    with pytest.raises(CertificateError):
        read(data, LEAF, ISSUER.certificate, NOW)


@given(st.integers(0, 10_000), st.integers(1, 255), st.booleans())
def test_changed_evidence_never_makes_a_revoked_certificate_good(place: int, mask: int, as_crl: bool) -> None:
    genuine = crl(ISSUER, LEAF.serial) if as_crl else response(status=ocsp.OCSPCertStatus.REVOKED)
    changed = bytearray(genuine)
    changed[place % len(changed)] ^= mask
    read = read_crl if as_crl else read_ocsp
    try:
        answer = read(bytes(changed), LEAF, ISSUER.certificate, NOW)
    except CertificateError:
        return
    assert answer.status is not RevocationStatus.GOOD


# --- the real responder ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    begin = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - HOUR
    write_hierarchy(make_hierarchy(not_before=begin, seed=b"live"), tmp_path, begin)
    return tmp_path


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    with make_server(folder, 0, validity=DAY) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def ask(url: str, request: bytes) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, data=request), timeout=5) as answer:
        body: bytes = answer.read()
    return body


def live_chain(folder: Path) -> VerifiedChain:
    authority = Authority(folder, Kind.MO_SUB_CA_2)
    leaf = next(one for one in authority.register if one.kind is Kind.CONTRACT_LEAF).certificate
    root = Authority(folder, Kind.MO_ROOT).certificate
    now = datetime.datetime.now(datetime.UTC)
    return verify_chain([leaf, *authority.chain], Role.CONTRACT, trust([(Kind.MO_ROOT, root)]), now)


@pytest.mark.parametrize("sha1", [True, False], ids=["SHA-1", "SHA-256"])
def test_the_responder_is_believed_before_and_after_a_revocation(folder: Path, url: str, sha1: bool) -> None:
    chain = live_chain(folder)
    now = datetime.datetime.now(datetime.UTC)
    nonce = b"0123456789abcdef"
    answers = [ask(url, one.ocsp_request(sha1=sha1, nonce=nonce)) for one in questions(chain)]
    assert check_revocation(chain, now, ocsp_responses=answers).status is RevocationStatus.GOOD
    first = questions(chain)[0]
    read_ocsp(answers[0], first.certificate, first.issuer, now, nonce=nonce)

    at = now.replace(microsecond=0)
    Authority(folder, Kind.MO_SUB_CA_2).revoke(Revocation(chain.leaf.serial, at))
    answers = [ask(url, one.ocsp_request(sha1=sha1)) for one in questions(chain)]
    with pytest.raises(ChainError) as refused:
        check_revocation(chain, now, ocsp_responses=answers)
    assert refused.value.rule is Rule.LEAF_REVOKED


def test_the_crl_says_the_same(folder: Path) -> None:
    chain = live_chain(folder)
    now = datetime.datetime.now(datetime.UTC)
    authority = Authority(folder, Kind.MO_SUB_CA_2)
    prefer = RevocationPolicy(mode=RevocationMode.PREFER)
    before = check_revocation(chain, now, crls=[authority.crl(now, DAY)], policy=prefer)
    assert before.answers[0] is not None
    authority.revoke(Revocation(chain.leaf.serial, now.replace(microsecond=0), x509.ReasonFlags.superseded))
    with pytest.raises(ChainError) as refused:
        check_revocation(chain, now, crls=[authority.crl(now, DAY)], policy=prefer)
    assert refused.value.rule is Rule.LEAF_REVOKED


def test_the_responder_knows_no_serial_that_was_never_issued(folder: Path) -> None:
    chain = live_chain(folder)
    question = questions(chain)[0]
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        _digest(hashes.SHA256(), question.issuer.subject.der),
        _digest(hashes.SHA256(), question.issuer.point),
        4711,
        hashes.SHA256(),
    )
    responder = OcspResponder([Authority(folder, Kind.MO_SUB_CA_2)])
    answer = ocsp.load_der_ocsp_response(responder.answer(builder.build().public_bytes(Encoding.DER), NOW))
    assert answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_the_responder_refuses_garbage_and_other_issuers(folder: Path) -> None:
    responder = OcspResponder([Authority(folder, Kind.OEM_SUB_CA_2)])
    garbage = ocsp.load_der_ocsp_response(responder.answer(b"\x30\x00garbage", NOW))
    assert garbage.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    other = responder.answer(questions(live_chain(folder))[0].ocsp_request(), NOW)
    assert ocsp.load_der_ocsp_response(other).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
