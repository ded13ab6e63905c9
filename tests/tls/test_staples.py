"""OCSP responses: what may be stapled, until when, and when the next one is due. Time is a value."""

import datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from secc.pki.certificates import read_certificate
from secc.pki.revocation import Question
from secc.tls.staples import StapleHolder, StapleRejected, check_staple
from tests.support import certificates
from tests.support.certificates import NOW, Identity

ROOT = certificates.root()
LEAF = certificates.station(ROOT)
OTHER = certificates.station(ROOT)
assert LEAF.issuer is not None
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)


def question(leaf: Identity = LEAF) -> Question:
    assert leaf.issuer is not None
    return Question(read_certificate(leaf.der), read_certificate(leaf.issuer.der), (), ())


def test_a_response_of_the_issuer_is_good() -> None:
    staple = check_staple(certificates.ocsp_response(LEAF), question(), NOW + HOUR)
    assert (staple.this_update, staple.usable_until) == (NOW, NOW + 4 * DAY)


def test_a_response_of_an_appointed_responder_is_good() -> None:
    assert LEAF.issuer is not None
    signer = certificates.responder(LEAF.issuer)
    check_staple(certificates.ocsp_response(LEAF, signer=signer), question(), NOW)


@pytest.mark.parametrize(
    ("der", "reason"),
    [
        (b"junk", "not an OCSP response"),
        (
            ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
                Encoding.DER
            ),
            "TRY_LATER",
        ),
        (certificates.ocsp_response(OTHER), "about other certificates"),
        (certificates.ocsp_response(LEAF, signer=ROOT), "names another signer"),
        (
            certificates.ocsp_response(
                LEAF, signer=certificates.responder(LEAF.issuer, ExtendedKeyUsageOID.SERVER_AUTH)
            ),
            "names another signer",
        ),
        (certificates.ocsp_response(LEAF, status=ocsp.OCSPCertStatus.UNKNOWN), "does not know"),
        (certificates.ocsp_response(LEAF, status=ocsp.OCSPCertStatus.REVOKED), "is revoked"),
        (certificates.ocsp_response(LEAF, this_update=NOW - 10 * DAY), "was valid until"),
        (certificates.ocsp_response(LEAF, this_update=NOW + DAY), "is from 2026-01-02"),
        (certificates.ocsp_response(LEAF, this_update=NOW - 25 * HOUR, lifetime=None), "was valid until"),
        (certificates.ocsp_response(LEAF, this_update=NOW - DAY, lifetime=DAY), "good until .* only"),
    ],
    ids=[
        "junk",
        "try later",
        "another certificate",
        "signed by the root",
        "responder without the purpose",
        "unknown",
        "revoked",
        "stale",
        "future",
        "no next update, a day old",
        "ends this second",
    ],
)
def test_anything_less_is_rejected(der: bytes, reason: str) -> None:
    with pytest.raises(StapleRejected, match=reason):
        check_staple(der, question(), NOW)


@pytest.mark.req("V2G2-649")
@pytest.mark.parametrize(
    ("lifetime", "age", "due"),
    [
        (4 * HOUR, 0 * HOUR, 2 * HOUR),
        (4 * HOUR, 3 * HOUR, 3 * HOUR),
        (6 * DAY, 0 * HOUR, 24 * HOUR),
        (6 * DAY, 2 * DAY, 3 * DAY),
        (30 * DAY, 0 * HOUR, 24 * HOUR),
    ],
)
def test_the_next_one_is_due_after_half_its_life_and_within_a_day(
    lifetime: datetime.timedelta, age: datetime.timedelta, due: datetime.timedelta
) -> None:
    staple = check_staple(certificates.ocsp_response(LEAF, lifetime=lifetime), question(), NOW + age)
    assert staple.refresh_at == NOW + due


def test_the_alarm_is_due_when_half_of_what_is_left_is_over() -> None:
    staple = check_staple(certificates.ocsp_response(LEAF, lifetime=4 * HOUR), question(), NOW)
    assert staple.alarm_at == NOW + 3 * HOUR


def test_a_staple_is_never_used_after_its_time() -> None:
    holder = StapleHolder()
    der = certificates.ocsp_response(LEAF, lifetime=4 * HOUR)
    assert holder.bytes_at(NOW) == b""
    assert holder.offer(der, question(), NOW)
    assert holder.bytes_at(NOW + 4 * HOUR - datetime.timedelta(seconds=1)) == der
    assert holder.bytes_at(NOW + 4 * HOUR) == b""


def test_a_bad_response_leaves_the_good_one_in_place() -> None:
    holder = StapleHolder()
    der = certificates.ocsp_response(LEAF)
    holder.offer(der, question(), NOW)
    assert not holder.offer(certificates.ocsp_response(OTHER), question(), NOW)
    assert holder.bytes_at(NOW) == der
    assert "other certificates" in holder.problem


def test_an_older_response_does_not_replace_a_newer_one() -> None:
    holder = StapleHolder()
    newer, older = certificates.ocsp_response(LEAF), certificates.ocsp_response(LEAF, this_update=NOW - DAY)
    assert holder.offer(older, question(), NOW)
    assert holder.offer(newer, question(), NOW)
    assert not holder.offer(older, question(), NOW)
    assert holder.bytes_at(NOW) == newer


def test_nothing_is_stapled_once_the_certificate_is_known_to_be_revoked() -> None:
    holder = StapleHolder()
    holder.offer(certificates.ocsp_response(LEAF), question(), NOW)
    holder.offer(certificates.ocsp_response(LEAF, status=ocsp.OCSPCertStatus.REVOKED), question(), NOW)
    assert holder.revoked
    assert holder.bytes_at(NOW) == b""
