"""DER and nothing else: what does not come back as it was is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secc.errors import ChainError
from secc.pki.certificates import read_certificate
from secc.pki.names import COMMON_NAME as CN
from secc.pki.names import ORGANIZATION
from secc.pki.rules import Rule
from secc.pki.trust import Role
from tests.support.pki import BASIC, SKI, USAGE, Plan, integer, oid, tlv, tree

MO = tree(Role.CONTRACT)

TWO_IN_ONE = (
    tlv(0x30, oid(ORGANIZATION), tlv(0x0C, b"Test")),
    tlv(0x30, oid(CN), tlv(0x0C, b"DEABC000000001G")),
)

Change = Callable[[Plan], Plan]


def replaced(old: bytes, new: bytes) -> Change:
    """The same certificate with other bytes of the same length in it; what is signed does not matter here."""

    def change(der: bytes) -> bytes:
        assert old in der
        return der.replace(old, new)

    return lambda plan: plan.but(change=change)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda p: p.but(change=lambda der: der + b"\0"), id="a byte behind the end"),
        pytest.param(lambda p: p.but(change=lambda der: b"\x30\x83\0" + der[2:]), id="a length too long"),
        pytest.param(
            lambda p: p.but(change=lambda der: b"\x30\x80" + der[4:] + b"\0\0"), id="an indefinite length"
        ),
        pytest.param(lambda p: p.but(serial=b"\x02\x02\x00\x01"), id="a padded number"),
        pytest.param(lambda p: p.but(serial=b"\x02\x00"), id="a number without digits"),
        pytest.param(lambda p: p.but(version=b"\xa0\x03\x02\x01\x00"), id="a default that is written"),
        pytest.param(replaced(b"\x01\x01\xff", b"\x01\x01\x01"), id="a TRUE that is not FF"),
        pytest.param(lambda p: p.with_(USAGE, tlv(3, b"\x07\xff"), critical=True), id="bits behind the end"),
        pytest.param(lambda p: p.with_(USAGE, tlv(3, b"\x00\x80"), critical=True), id="bits not needed"),
        pytest.param(lambda p: p.with_(USAGE, tlv(3, b"\x00\x00\xff\xff")), id="bits that have no name"),
        pytest.param(lambda p: p.with_(BASIC, tlv(0x30) + b"\0"), id="a byte behind a value"),
        pytest.param(lambda p: p.with_(BASIC, tlv(0x30, integer(-1))), id="negative path length"),
        pytest.param(lambda p: p.with_(SKI, tlv(0x24, tlv(0x04, b"key"))), id="octets in pieces"),
        pytest.param(
            lambda p: p.but(subject=tlv(0x30, tlv(0x31, *TWO_IN_ONE[::-1]))), id="a set out of order"
        ),
        pytest.param(lambda p: p.but(subject=tlv(0x30, tlv(0x31))), id="an empty part of a name"),
        pytest.param(lambda p: p.but(begin=tlv(0x17, b"2601010000Z")), id="a time without seconds"),
        pytest.param(lambda p: p.but(begin=tlv(0x17, b"260101000000+0000")), id="a time with an offset"),
        pytest.param(lambda p: p.but(begin=tlv(0x18, b"20260101000000.5Z")), id="a time with a fraction"),
        pytest.param(lambda p: p.but(begin=tlv(0x17, b"261301000000Z")), id="a thirteenth month"),
        pytest.param(lambda p: p.but(begin=tlv(0x04, b"260101000000Z")), id="a time of another type"),
    ],
)
def test_a_certificate_that_is_not_der_is_refused(change: Change) -> None:
    with pytest.raises(ChainError) as refused:
        read_certificate(MO.but(leaf=change).certificates[0])
    assert refused.value.rule is Rule.MALFORMED


def test_a_part_of_a_name_with_two_attributes_is_read() -> None:
    subject = tlv(0x30, tlv(0x31, *TWO_IN_ONE))
    found = read_certificate(MO.but(leaf=lambda p: p.but(subject=subject)).certificates[0])
    assert str(found.subject) == "O=Test, CN=DEABC000000001G"


@pytest.mark.parametrize(
    ("tag", "content", "text"),
    [
        (0x0C, "\u00e4".encode(), "\u00e4"),
        (0x12, b"12", "12"),
        (0x13, b"ab", "ab"),
        (0x14, b"\xe4", "\u00e4"),
        (0x16, b"ab", "ab"),
        (0x1A, b"ab", "ab"),
        (0x1C, b"\0\0\0a", "a"),
        (0x1E, b"\0a", "a"),
        (0x04, b"ab", "#04026162"),
        (0x30, b"\x05\0", "#30020500"),
    ],
)
def test_every_type_of_text_in_a_name_is_read(tag: int, content: bytes, text: str) -> None:
    subject = tlv(0x30, tlv(0x31, tlv(0x30, oid(CN), tlv(tag, content))))
    found = read_certificate(MO.but(leaf=lambda p: p.but(subject=subject)).certificates[0])
    assert found.subject.common_name == text
    assert found.subject.der == subject


@pytest.mark.parametrize(
    ("tag", "content"),
    [(0x0C, b"\xe4"), (0x12, b"\xe4"), (0x13, b"\xe4"), (0x16, b"\xe4"), (0x1A, b"\xe4"), (0x1E, b"a")],
)
def test_a_text_that_does_not_fit_its_type_is_refused(tag: int, content: bytes) -> None:
    subject = tlv(0x30, tlv(0x31, tlv(0x30, oid(CN), tlv(tag, content))))
    with pytest.raises(ChainError) as refused:
        read_certificate(MO.but(leaf=lambda p: p.but(subject=subject)).certificates[0])
    assert refused.value.rule is Rule.MALFORMED
