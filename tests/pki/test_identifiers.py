"""Identifiers: what is one, what is the same one, and which check digit belongs to it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import IdentifierError
from secc.pki.identifiers import (
    EMAID,
    EVSEID,
    PCID,
    SECCID,
    DinContractId,
    din_check_digit,
    iso_check_digit,
)


@pytest.mark.parametrize(
    ("first_fourteen", "digit"),
    [
        ("NN123ABCDEFGHI", "T"),
        ("FRXYZ123456789", "2"),
        ("ITA1B2C3E4F5G6", "4"),
        ("ESZU8WOX834H1D", "R"),
        ("PT73902837ABCZ", "Z"),
        ("DE83DUIEN83QGZ", "D"),
        ("DE83DUIEN83ZGQ", "M"),
        ("DE8AA001234567", "0"),
        ("de8aa001234567", "0"),
    ],
)
def test_check_digit_of_an_emaid(first_fourteen: str, digit: str) -> None:
    assert iso_check_digit(first_fourteen) == digit


@pytest.mark.parametrize(
    ("first_eleven", "digit"),
    [
        ("INTNM000071", "9"),
        ("INTNM000110", "X"),
        ("INTNM000124", "0"),
        ("INTNM000114", "6"),
        ("INTNM000191", "5"),
    ],
)
def test_check_digit_of_a_din_contract(first_eleven: str, digit: str) -> None:
    assert din_check_digit(first_eleven) == digit


@pytest.mark.parametrize("text", ["", "DE8AA00123456", "DE8AA0012345678", "DE8AA00123456Ä", "DE8AA٠٠١٢٣٤٥٦٧"])
def test_check_digit_of_something_else(text: str) -> None:
    with pytest.raises(IdentifierError):
        iso_check_digit(text)
    with pytest.raises(IdentifierError):
        din_check_digit(text)


@pytest.mark.parametrize(
    "text",
    ["DE8AA0012345670", "DE-8AA-001234567-0", "de8aa0012345670", "DE8AA-0012345670", "DE-8AA001234567-0"],
)
def test_spellings_of_one_emaid(text: str) -> None:
    emaid = EMAID.parse(text)
    assert emaid.normal == "DE8AA0012345670"
    assert (emaid.country, emaid.provider, emaid.instance) == ("DE", "8AA", "001234567")
    assert emaid.check_digit == "0"
    assert not emaid.check_digit_is_wrong
    assert str(emaid) == text
    assert emaid == EMAID.parse("DE8AA0012345670")
    assert emaid.format() == "DE-8AA-001234567-0"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "DE8AA00123456",
        "DE8AA00123456701",
        "DE 8AA001234567",
        "D18AA001234567",
        "DE*8AA*001234567",
        "DE--8AA001234567",
        "DE8AA001234567\n",
        "DE8AA00123456\u0660",
    ],
)
def test_no_emaid(text: str) -> None:
    with pytest.raises(IdentifierError) as refused:
        EMAID.parse(text)
    assert refused.value.rule == "eMAID syntax"


def test_an_emaid_without_check_digit_is_completed_when_written() -> None:
    emaid = EMAID.parse("nn123abcdefghi")
    assert emaid.check_digit is None
    assert not emaid.check_digit_is_wrong
    assert emaid.format(separator="") == "NN123ABCDEFGHIT"
    assert emaid.format(check_digit=False) == "NN-123-ABCDEFGHI"


def test_a_wrong_check_digit_is_reported_and_kept() -> None:
    emaid = EMAID.parse("NN123ABCDEFGHIX")
    assert emaid.check_digit_is_wrong
    assert emaid.expected_check_digit == "T"
    assert emaid.format() == "NN-123-ABCDEFGHI-X"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("DE8AA001234567", "DE-8AA-001234567-0", True),
        ("DE8AA0012345670", "de8aa0012345670", True),
        ("DE8AA0012345670", "DE8AA0012345671", False),
        ("DE8AA0012345670", "DE8AA0012345680", False),
        ("DE8AA001234567", "DE8AA001234567", True),
    ],
)
def test_the_same_contract(one: str, other: str, same: bool) -> None:
    assert EMAID.parse(one).matches(EMAID.parse(other)) is same
    assert EMAID.parse(other).matches(EMAID.parse(one)) is same


@pytest.mark.parametrize("text", ["NL-TNM-012204-5", "NL*TNM*012204*5", "NLTNM0122045", "nl-tnm-012204-5"])
def test_the_older_form_names_the_same_contract(text: str) -> None:
    contract = DinContractId.parse(text)
    assert not contract.check_digit_is_wrong
    assert contract.emaid.normal == "NLTNM000122045U"


@pytest.mark.parametrize("text", ["NL-TNM-012204", "NL-TNM*012204-5", "NL-TNM-012204-A", "NLTNM01220455"])
def test_no_older_form(text: str) -> None:
    with pytest.raises(IdentifierError):
        DinContractId.parse(text)


def test_a_wrong_digit_of_the_older_form_is_reported() -> None:
    assert DinContractId.parse("NL-TNM-012204-6").check_digit_is_wrong


def test_pcid() -> None:
    pcid = PCID.parse("wvwTESTCAR0000001")
    assert pcid.manufacturer == "WVW"
    assert pcid == PCID.parse("WVWTESTCAR0000001")
    assert pcid.matches(PCID.parse("WVWTESTCAR0000001X"))
    assert not PCID.parse("WVWTESTCAR0000001Y").matches(PCID.parse("WVWTESTCAR0000001X"))
    assert not pcid.matches(PCID.parse("WVWTESTCAR0000002"))


@pytest.mark.parametrize("text", ["", "WVWTESTCAR000001", "WVWTESTCAR000000123", "WVW-TESTCAR-00001"])
def test_no_pcid(text: str) -> None:
    with pytest.raises(IdentifierError):
        PCID.parse(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("DE*ICE*E45B*78C", ("DE", "ICE", "E45B78C")),
        ("DEICEE45B78C", ("DE", "ICE", "E45B78C")),
        ("fr*a23*e1", ("FR", "A23", "E1")),
        ("ZZ*000*E0", ("ZZ", "000", "E0")),
        ("ZZ00000", ("ZZ", "000", "00")),
        ("+49*810*000*438", ("+49", "810", "000*438")),
    ],
)
def test_evseid(text: str, parts: tuple[str, str, str]) -> None:
    evse_id = EVSEID.parse(text)
    assert (evse_id.country, evse_id.operator, evse_id.outlet) == parts


def test_separators_of_an_evseid_mean_nothing_in_the_newer_form_only() -> None:
    assert EVSEID.parse("DE*ICE*E45B*78C") == EVSEID.parse("DEICEE45B78C")
    assert EVSEID.parse("+49*810*000*438") != EVSEID.parse("+49*810*000438")


@pytest.mark.parametrize(
    "text", ["", "DE*ICE", "DE*ICE*45B", "49*810*000", "DE*ICE*E" + "1" * 31, "DE*IC*E1", "+49*81*1"]
)
def test_no_evseid(text: str) -> None:
    with pytest.raises(IdentifierError):
        EVSEID.parse(text)


def test_seccid() -> None:
    secc_id = SECCID.parse("deabcs" + "0" * 33)
    assert (secc_id.country, secc_id.operator) == ("DE", "ABC")


@pytest.mark.parametrize("text", ["DEABCS" + "0" * 32, "DEABCS" + "0" * 59, "DEABCX" + "0" * 33, "CPID 7"])
def test_no_seccid(text: str) -> None:
    with pytest.raises(IdentifierError):
        SECCID.parse(text)


_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@given(
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2),
    st.text(_ALPHABET, min_size=12, max_size=12),
)
def test_exactly_one_digit_is_right_and_any_single_error_is_seen(country: str, rest: str) -> None:
    text = country + rest
    digit = iso_check_digit(text)
    assert [one for one in _ALPHABET if not EMAID.parse(text + one).check_digit_is_wrong] == [digit]
    wrong = text[:-1] + ("0" if text[-1] != "0" else "1")
    assert iso_check_digit(wrong) != digit


@given(st.text(max_size=40))
def test_any_text_is_an_identifier_or_an_identifier_error(text: str) -> None:
    for kind in (EMAID, DinContractId, PCID, EVSEID, SECCID):
        with contextlib.suppress(IdentifierError):
            assert kind.parse(text).text == text
