"""SDP: codec, security policy, and what the responder ignores."""

import contextlib
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import FramingError
from secc.sdp import (
    Endpoint,
    SdpRequest,
    SdpResponder,
    SdpResponse,
    SdpTransport,
    SdpVerdict,
    Security,
    Source,
)
from secc.settings import TlsPolicy

ASK_TLS = bytes.fromhex("01fe9000000000020000")
ASK_PLAIN = bytes.fromhex("01fe9000000000021000")
STATION = IPv6Address("fe80::2aa:bbff:fecc:ddee")
EV = Source(IPv6Address("fe80::1"), 50000, 3)
BOTH = Endpoint(STATION, 3, plain_port=50118, tls_port=50119)
PLAIN_ANSWER = bytes.fromhex("01fe900100000014fe8000000000000002aabbfffeccddeec3c61000")
TLS_ANSWER = bytes.fromhex("01fe900100000014fe8000000000000002aabbfffeccddeec3c70000")


def responder(policy: TlsPolicy = TlsPolicy.OPTIONAL, endpoint: Endpoint = BOTH) -> SdpResponder:
    made = SdpResponder(policy)
    made.activate(endpoint)
    return made


@pytest.mark.req("V2G2-623")
def test_requests_are_read_and_written() -> None:
    assert SdpRequest.parse(ASK_PLAIN) == SdpRequest(Security.NONE, SdpTransport.TCP)
    assert SdpRequest(Security.NONE).to_bytes() == ASK_PLAIN
    assert SdpRequest().to_bytes() == ASK_TLS


@pytest.mark.req("V2G2-156", "V2G2-625")
def test_responses_are_read_and_written() -> None:
    response = SdpResponse(STATION, 50118, Security.NONE)
    assert response.to_bytes() == PLAIN_ANSWER
    assert SdpResponse.parse(PLAIN_ANSWER) == response


def test_a_response_with_an_odd_port_is_readable() -> None:
    datagram = SdpResponse(STATION, 15118, Security.TLS).to_bytes()
    assert SdpResponse.parse(datagram).port == 15118


@pytest.mark.parametrize(
    ("asked", "policy", "answer"),
    [
        (ASK_TLS, TlsPolicy.OFF, PLAIN_ANSWER),
        (ASK_PLAIN, TlsPolicy.OFF, PLAIN_ANSWER),
        (ASK_TLS, TlsPolicy.OPTIONAL, TLS_ANSWER),
        (ASK_PLAIN, TlsPolicy.OPTIONAL, PLAIN_ANSWER),
        (ASK_TLS, TlsPolicy.REQUIRED, TLS_ANSWER),
        (ASK_PLAIN, TlsPolicy.REQUIRED, TLS_ANSWER),
    ],
)
@pytest.mark.req("V2G2-626")
def test_the_security_policy(asked: bytes, policy: TlsPolicy, answer: bytes) -> None:
    assert responder(policy).handle(asked, EV, 0.0) == answer


@pytest.mark.req("V2G2-627")
def test_a_tls_request_to_a_station_without_tls_is_answered_without_tls() -> None:
    plain_only = Endpoint(STATION, 3, plain_port=50118)
    assert responder(TlsPolicy.OPTIONAL, plain_only).handle(ASK_TLS, EV, 0.0) == PLAIN_ANSWER


@pytest.mark.inv("INV-21")
@pytest.mark.parametrize("asked", [ASK_TLS, ASK_PLAIN])
@pytest.mark.threat("SDP-06")
def test_a_station_that_requires_tls_never_announces_less(asked: bytes) -> None:
    plain_only = Endpoint(STATION, 3, plain_port=50118)
    silent = responder(TlsPolicy.REQUIRED, plain_only)
    assert silent.handle(asked, EV, 0.0) is None
    assert silent.counts == {SdpVerdict.POLICY: 1}


@pytest.mark.threat("SDP-06")
def test_a_plain_request_can_be_left_unanswered_when_tls_is_required() -> None:
    strict = SdpResponder(TlsPolicy.REQUIRED, upgrade_plain_requests=False)
    strict.activate(BOTH)
    assert strict.handle(ASK_PLAIN, EV, 0.0) is None
    assert strict.handle(ASK_TLS, EV, 0.0) == TLS_ANSWER


def test_an_inactive_responder_is_silent() -> None:
    quiet = SdpResponder(TlsPolicy.OFF)
    assert not quiet.active
    assert quiet.handle(ASK_PLAIN, EV, 0.0) is None
    assert quiet.counts == {SdpVerdict.INACTIVE: 1}


def test_a_deactivated_responder_is_silent() -> None:
    stopped = responder()
    stopped.deactivate()
    assert stopped.handle(ASK_PLAIN, EV, 0.0) is None


@pytest.mark.req("V2G2-144")
def test_repeats_get_the_same_answer() -> None:
    station = responder()
    assert [station.handle(ASK_PLAIN, EV, 0.25 * n) for n in range(50)] == [PLAIN_ANSWER] * 50
    assert station.counts == {SdpVerdict.ANSWERED: 50}


@pytest.mark.parametrize(
    ("datagram", "verdict"),
    [
        ("", SdpVerdict.MALFORMED),
        ("01fe90000000000210", SdpVerdict.MALFORMED),
        ("01fe900000000002100000", SdpVerdict.MALFORMED),
        ("01fe90000000000110", SdpVerdict.MALFORMED),
        ("01fe900000000003100000", SdpVerdict.MALFORMED),
        ("01fe900000000000", SdpVerdict.MALFORMED),
        ("01fe9000fffffff81000", SdpVerdict.MALFORMED),
        ("01fe9000ffffffff1000", SdpVerdict.MALFORMED),
        ("01fe9000000000010010", SdpVerdict.MALFORMED),
        ("fffe9000000000021000", SdpVerdict.MALFORMED),
        ("01ff9000000000021000", SdpVerdict.MALFORMED),
        ("01fe7000000000021000", SdpVerdict.MALFORMED),
        ("01fe8001000000021000", SdpVerdict.MALFORMED),
        ("01fe9000000000020100", SdpVerdict.MALFORMED),
        ("01fe9000000000020f00", SdpVerdict.MALFORMED),
        ("01fe900000000002ff00", SdpVerdict.MALFORMED),
        ("01fe9000000000020001", SdpVerdict.MALFORMED),
        ("01fe9000000000020010", SdpVerdict.TRANSPORT),
        ("01fe900100000014fe8000000000000002aabbfffeccddeec3c61000", SdpVerdict.FOREIGN_RESPONSE),
    ],
)
@pytest.mark.req("V2G2-152", "V2G2-153")
@pytest.mark.threat("SDP-01", "SDP-02", "SDP-03", "SDP-04", "SDP-05")
def test_anything_but_a_valid_request_is_ignored(datagram: str, verdict: SdpVerdict) -> None:
    station = responder()
    assert station.handle(bytes.fromhex(datagram), EV, 0.0) is None
    assert station.counts == {verdict: 1}


@pytest.mark.threat("SDP-08")
def test_the_largest_datagram_is_ignored() -> None:
    assert responder().handle(ASK_PLAIN + bytes(65497), EV, 0.0) is None


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        (Source(IPv6Address("2001:db8::1"), 50000, 3), SdpVerdict.SOURCE),
        (Source(IPv6Address("::1"), 50000, 3), SdpVerdict.SOURCE),
        (Source(IPv6Address("ff02::1"), 50000, 3), SdpVerdict.SOURCE),
        (Source(STATION, 50000, 3), SdpVerdict.SOURCE),
        (Source(IPv6Address("fe80::1"), 50000, 4), SdpVerdict.SCOPE),
    ],
)
@pytest.mark.threat("SDP-07")
def test_a_source_that_cannot_be_the_ev_is_ignored(source: Source, verdict: SdpVerdict) -> None:
    station = responder()
    assert station.handle(ASK_PLAIN, source, 0.0) is None
    assert station.counts == {verdict: 1}


def test_a_response_of_the_station_is_not_taken_for_a_foreign_one() -> None:
    station = responder()
    station.handle(PLAIN_ANSWER, Source(STATION, 15118, 3), 0.0)
    assert station.counts == {SdpVerdict.MALFORMED: 1}


def test_on_the_loopback_interface_only_loopback_is_answered() -> None:
    station = responder(TlsPolicy.OFF, Endpoint(IPv6Address("::1"), 0, plain_port=50118))
    assert station.handle(ASK_PLAIN, Source(IPv6Address("::1"), 50000), 0.0) is not None
    assert station.handle(ASK_PLAIN, EV, 0.0) is None


@pytest.mark.threat("SDP-09")
def test_one_source_gets_at_most_twenty_answers_in_any_second() -> None:
    station = responder()
    answers = [station.handle(ASK_PLAIN, EV, n / 1000) for n in range(3000)]
    per_second = [sum(1 for answer in answers[at : at + 1000] if answer) for at in (0, 1000, 2000)]
    assert per_second == [19, 10, 10]


def test_a_flood_with_invented_sources_is_limited_as_a_whole() -> None:
    station = responder()
    for n in range(10_000):
        station.handle(ASK_PLAIN, Source(IPv6Address((0xFE80 << 112) + n + 2), 50000, 3), n / 10_000)
    assert station.counts[SdpVerdict.ANSWERED] == 99


def test_another_ev_is_answered_while_one_floods() -> None:
    station = responder()
    for n in range(1000):
        station.handle(ASK_PLAIN, EV, n / 1000)
    assert station.handle(ASK_PLAIN, Source(IPv6Address("fe80::2"), 50000, 3), 1.0) == PLAIN_ANSWER


def test_a_clock_that_stands_still_or_goes_back_does_no_harm() -> None:
    station = responder()
    assert station.handle(ASK_PLAIN, EV, 10.0) == PLAIN_ANSWER
    assert station.handle(ASK_PLAIN, EV, 9.0) == PLAIN_ANSWER


@given(st.binary(max_size=40))
def test_no_datagram_makes_the_responder_raise(datagram: bytes) -> None:
    responder().handle(datagram, EV, 0.0)


@given(st.binary(max_size=40))
def test_no_datagram_makes_the_parser_raise_anything_else(datagram: bytes) -> None:
    for parse in (SdpRequest.parse, SdpResponse.parse):
        with contextlib.suppress(FramingError):
            parse(datagram)
