"""Renewal: when, and the conditions for replacing the old certificate."""

from __future__ import annotations

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.pki.certificates import Certificate
from secc.pki.hierarchy import make_hierarchy
from secc.pki.issuing import Order, issue, new_key, read_key, read_request
from secc.pki.profiles import Kind
from secc.pki.renewal import (
    Answered,
    AskForCertificate,
    Install,
    Renewal,
    RenewalOutput,
    RenewalPolicy,
    RenewalReport,
    RenewalTick,
    RequestRefused,
    due,
)
from secc.pki.trust import trust

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)
PKI = make_hierarchy(not_before=BEGIN, seed=b"renewal")
STORE = trust([(Kind.V2G_ROOT, PKI[Kind.V2G_ROOT].certificate)])
NAME = PKI[Kind.SECC_LEAF].certificate.subject.common_name
SUBS = (PKI[Kind.CPO_SUB_CA_2].certificate.der, PKI[Kind.CPO_SUB_CA_1].certificate.der)


def leaf(
    days: float = 90,
    *,
    begin: datetime.datetime = BEGIN,
    request: bytes | None = None,
    name: str = NAME,
    kind: Kind = Kind.SECC_LEAF,
) -> Certificate:
    key = read_request(request).public_key if request else new_key(b"old").public_key()
    order = Order(
        kind=kind,
        common_name=name,
        organization="Test only",
        country="DE",
        serial=int(days * 100),
        not_before=begin,
        not_after=begin + datetime.timedelta(days=days),
        ocsp_url="http://ocsp.example.com/",
    )
    return issue(order, key, PKI[Kind.CPO_SUB_CA_2])


def watch(days: float = 90) -> Renewal:
    numbers = itertools.count()
    return Renewal(leaf(days), STORE, make_key=lambda _type: new_key(b"new %d" % next(numbers)))


def asked(renewal: Renewal, now: datetime.datetime) -> bytes:
    (output,) = renewal.handle(RenewalTick(), now)
    assert isinstance(output, AskForCertificate)
    return output.request


def report(outputs: tuple[RenewalOutput, ...]) -> RenewalReport:
    (output,) = outputs
    assert isinstance(output, RenewalReport)
    return output


@pytest.mark.parametrize(
    ("days", "after"),
    [(90, 60), (60, 40), (7, 14 / 3), (365, 335), (730, 700), (30, 20)],
)
def test_when_it_is_due(days: float, after: float) -> None:
    expected = BEGIN + datetime.timedelta(days=after)
    assert abs(due(leaf(days), RenewalPolicy()) - expected) < MINUTE


def test_jitter_spreads_a_batch_forwards_only() -> None:
    latest = due(leaf(), RenewalPolicy())
    assert due(leaf(), RenewalPolicy(jitter=1.0)) == latest - 6 * DAY
    assert due(leaf(), RenewalPolicy(jitter=0.5)) == latest - 3 * DAY


@given(st.floats(0.1, 700), st.floats(0, 1))
def test_it_is_never_due_after_the_end(days: float, jitter: float) -> None:
    certificate = leaf(days)
    assert certificate.not_before < due(certificate, RenewalPolicy(jitter=jitter)) < certificate.not_after


def test_nothing_happens_before_it_is_due() -> None:
    renewal = watch()
    assert renewal.handle(RenewalTick(), BEGIN + 59 * DAY) == ()
    assert renewal.deadline == BEGIN + 60 * DAY


def test_the_request_has_a_new_key_and_the_old_name() -> None:
    renewal = watch()
    request = read_request(asked(renewal, BEGIN + 60 * DAY))
    assert request.common_name == NAME
    assert request.public_key != renewal.certificate.public_key
    assert renewal.waiting


def test_a_good_answer_is_installed_and_then_watched() -> None:
    renewal = watch()
    now = BEGIN + 60 * DAY
    new = leaf(90, begin=now, request=asked(renewal, now))
    (install,) = renewal.handle(Answered((new.der, *SUBS)), now)
    assert isinstance(install, Install)
    assert read_key(install.key_pem).public_key() == new.public_key
    assert install.chain_pem.count(b"BEGIN CERTIFICATE") == 3
    assert renewal.certificate != new
    done = report(renewal.installed(install))
    assert (done.renewed, done.not_after) == (True, new.not_after)
    assert renewal.certificate == new
    assert renewal.deadline == now + 60 * DAY


def test_a_root_in_the_answer_is_left_out() -> None:
    renewal = watch()
    now = BEGIN + 60 * DAY
    new = leaf(90, begin=now, request=asked(renewal, now))
    root = PKI[Kind.V2G_ROOT].certificate.der
    (install,) = renewal.handle(Answered((new.der, *SUBS, root)), now)
    assert isinstance(install, Install)
    assert install.chain_pem.count(b"BEGIN CERTIFICATE") == 3


def bad_answers(request: bytes, now: datetime.datetime) -> dict[str, tuple[bytes, ...]]:
    good = leaf(90, begin=now, request=request)
    return {
        "another key": (leaf(90, begin=now).der, *SUBS),
        "another name": (leaf(90, begin=now, request=request, name="DEABCS" + "9" * 33).der, *SUBS),
        "ends before": (leaf(20, begin=now, request=request).der, *SUBS),
        "not yet": (leaf(90, begin=now + DAY, request=request).der, *SUBS),
        "no Sub-CAs": (good.der,),
        "swapped": (good.der, *reversed(SUBS)),
        "another role": (PKI[Kind.CPS_LEAF].certificate.der, *SUBS),
        "garbage": (b"garbage", *SUBS),
        "nothing": (),
    }


@pytest.mark.parametrize(
    "case",
    [
        "another key",
        "another name",
        "ends before",
        "not yet",
        "no Sub-CAs",
        "swapped",
        "another role",
        "garbage",
        "nothing",
    ],
)
def test_a_bad_answer_leaves_the_old_one_and_is_reported(case: str) -> None:
    renewal = watch()
    old, now = renewal.certificate, BEGIN + 60 * DAY
    answer = bad_answers(asked(renewal, now), now)[case]
    failed = report(renewal.handle(Answered(answer), now))
    assert not failed.renewed
    assert failed.text.startswith("attempt 1 failed, the old certificate stays in use (30 days left)")
    assert renewal.certificate == old
    assert not renewal.waiting
    assert renewal.deadline == now + 15 * MINUTE


def test_pauses_grow_and_shrink_again_towards_the_end() -> None:
    renewal = watch()
    now = BEGIN + 60 * DAY
    pauses = []
    for _ in range(8):
        asked(renewal, now)
        renewal.handle(RequestRefused("no"), now)
        pauses.append((renewal.deadline - now) / MINUTE)
        now = renewal.deadline
    assert pauses == [15, 30, 60, 120, 240, 480, 720, 720]
    now = renewal.certificate.not_after - datetime.timedelta(hours=10)
    asked(renewal, now)
    renewal.handle(RequestRefused("no"), now)
    assert renewal.deadline == now + 60 * MINUTE


def test_silence_is_a_failure_after_the_patience() -> None:
    renewal = watch()
    now = BEGIN + 60 * DAY
    asked(renewal, now)
    assert renewal.deadline == now + 60 * MINUTE
    assert renewal.handle(RenewalTick(), now + 59 * MINUTE) == ()
    failed = report(renewal.handle(RenewalTick(), now + 60 * MINUTE))
    assert failed.text.endswith("no answer in time")


def test_an_answer_that_is_not_awaited_changes_nothing() -> None:
    renewal = watch()
    now = BEGIN + 60 * DAY
    request = asked(renewal, now)
    renewal.handle(RequestRefused("no"), now)
    late = leaf(90, begin=now, request=request)
    assert renewal.handle(Answered((late.der, *SUBS)), now) == ()
    assert renewal.handle(RequestRefused("again"), now) == ()


def test_each_attempt_has_another_key() -> None:
    renewal = watch()
    now = BEGIN + 60 * DAY
    first = read_request(asked(renewal, now)).public_key
    renewal.handle(RequestRefused("no"), now)
    assert read_request(asked(renewal, renewal.deadline)).public_key != first


def test_after_the_end_it_still_tries_and_says_so() -> None:
    renewal = watch()
    now = BEGIN + 100 * DAY
    asked(renewal, now)
    assert "EXPIRED" in report(renewal.handle(RequestRefused("no"), now)).text


def test_files_that_could_not_be_replaced_are_a_failure() -> None:
    renewal = watch()
    now = BEGIN + 60 * DAY
    new = leaf(90, begin=now, request=asked(renewal, now))
    renewal.handle(Answered((new.der, *SUBS)), now)
    failed = report(renewal.install_failed("disk full", now))
    assert failed.text.endswith("disk full")
    assert renewal.certificate != new


def test_keys_are_not_printed() -> None:
    renewal = watch()
    now = BEGIN + 60 * DAY
    new = leaf(90, begin=now, request=asked(renewal, now))
    (install,) = renewal.handle(Answered((new.der, *SUBS)), now)
    assert "PRIVATE" not in repr(install)
