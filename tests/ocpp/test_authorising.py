"""List, cache, and what the answers of a CSMS mean to a session."""

from __future__ import annotations

import msgspec
import pytest

from secc.ocpp.authorising import Memory, same, token_verdict, verdict
from secc.ocpp.model import (
    AuthorizeAnswer,
    CertificateStatus,
    IdToken,
    ListEntry,
    TokenInfo,
    TokenKind,
    TokenStatus,
)
from secc.session.contract_events import Verdict

GOOD = TokenInfo(TokenStatus.ACCEPTED)
BAD = TokenInfo(TokenStatus.BLOCKED)
CONTRACT = IdToken("DE-ABC-000000001-G", TokenKind.EMAID)


def recall(memory: Memory, token: IdToken, now: float = 0.0) -> TokenInfo | None:
    return memory.recall(token, now, use_list=True, use_cache=True)


@pytest.mark.parametrize("spelling", ["DEABC000000001G", "deabc000000001", "DE-ABC-000000001"])
def test_an_emaid_is_found_in_any_spelling(spelling: str) -> None:
    memory = Memory()
    memory.update_list(1, [ListEntry(CONTRACT, GOOD)], full=True)
    assert recall(memory, IdToken(spelling, TokenKind.EMAID)) == GOOD


def test_another_check_digit_is_another_contract() -> None:
    memory = Memory()
    memory.update_list(1, [ListEntry(CONTRACT, GOOD)], full=True)
    assert recall(memory, IdToken("DEABC000000001H", TokenKind.EMAID)) is None
    assert not same("DEABC000000001G", "DEABC000000001H")


def test_cards_are_compared_without_case() -> None:
    assert same("04a2b1", "04A2B1")
    assert not same("04a2b1", "04a2b2")
    assert not same("04a2b1", CONTRACT.text)


def test_the_list_goes_before_the_cache() -> None:
    memory = Memory()
    memory.learn(CONTRACT, GOOD, 0.0, 100.0)
    assert recall(memory, CONTRACT) == GOOD
    memory.update_list(1, [ListEntry(CONTRACT, BAD)], full=True)
    assert recall(memory, CONTRACT) == BAD
    assert memory.recall(CONTRACT, 0.0, use_list=False, use_cache=True) == GOOD
    assert memory.recall(CONTRACT, 0.0, use_list=False, use_cache=False) is None


def test_what_is_cached_ends_after_its_time() -> None:
    memory = Memory()
    memory.learn(CONTRACT, GOOD, 0.0, 100.0)
    assert recall(memory, CONTRACT, 99.0) == GOOD
    assert recall(memory, CONTRACT, 100.0) is None
    memory.learn(CONTRACT, TokenInfo(TokenStatus.ACCEPTED, expires=20.0), 0.0, 100.0)
    assert recall(memory, CONTRACT, 20.0) is None


def test_the_cache_forgets_the_oldest_when_it_is_full() -> None:
    memory = Memory()
    for number in range(1001):
        memory.learn(IdToken(f"CARD{number}"), GOOD, 0.0, 100.0)
    assert recall(memory, IdToken("CARD0")) is None
    assert recall(memory, IdToken("CARD1")) == GOOD
    assert len(memory.cached) == 1000


def test_a_difference_for_an_old_version_is_refused_a_full_list_never() -> None:
    memory = Memory()
    assert memory.update_list(5, [ListEntry(CONTRACT, GOOD)], full=True)
    assert not memory.update_list(5, [ListEntry(CONTRACT)], full=False)
    assert recall(memory, CONTRACT) == GOOD
    assert memory.update_list(6, [ListEntry(CONTRACT)], full=False)
    assert recall(memory, CONTRACT) is None
    assert memory.update_list(1, [], full=True)
    assert memory.list_version == 1


def test_the_memory_survives_the_disk() -> None:
    memory = Memory()
    memory.update_list(3, [ListEntry(CONTRACT, GOOD)], full=True)
    memory.learn(IdToken("CARD"), BAD, 0.0, 100.0)
    again = msgspec.json.decode(msgspec.json.encode(memory), type=Memory)
    assert again == memory


@pytest.mark.parametrize(
    ("certificate", "token", "expected"),
    [
        (CertificateStatus.ACCEPTED, TokenStatus.ACCEPTED, Verdict.ACCEPTED),
        (None, TokenStatus.ACCEPTED, Verdict.ACCEPTED),
        (CertificateStatus.ACCEPTED, TokenStatus.BLOCKED, Verdict.BLOCKED),
        (CertificateStatus.ACCEPTED, TokenStatus.NO_CREDIT, Verdict.BLOCKED),
        (CertificateStatus.ACCEPTED, TokenStatus.UNKNOWN, Verdict.UNKNOWN),
        (CertificateStatus.ACCEPTED, TokenStatus.EXPIRED, Verdict.EXPIRED),
        (CertificateStatus.EXPIRED, TokenStatus.ACCEPTED, Verdict.EXPIRED),
        (CertificateStatus.REVOKED, TokenStatus.ACCEPTED, Verdict.REVOKED),
        (CertificateStatus.CANCELLED, TokenStatus.ACCEPTED, Verdict.BLOCKED),
        (CertificateStatus.CHAIN_ERROR, TokenStatus.ACCEPTED, Verdict.UNKNOWN),
    ],
)
def test_energy_flows_only_when_certificate_and_token_are_accepted(
    certificate: CertificateStatus | None, token: TokenStatus, expected: Verdict
) -> None:
    assert verdict(AuthorizeAnswer(TokenInfo(token), certificate)) is expected


@pytest.mark.parametrize(
    "status", [one for one in CertificateStatus if one is not CertificateStatus.ACCEPTED]
)
def test_no_other_word_about_a_certificate_lets_it_pass(status: CertificateStatus) -> None:
    assert verdict(AuthorizeAnswer(GOOD, status)) not in (Verdict.ACCEPTED, Verdict.UNREACHABLE)


@pytest.mark.parametrize("status", [one for one in TokenStatus if one is not TokenStatus.ACCEPTED])
def test_no_other_word_about_a_token_lets_it_pass(status: TokenStatus) -> None:
    assert token_verdict(TokenInfo(status)) not in (Verdict.ACCEPTED, Verdict.UNREACHABLE)


@pytest.mark.parametrize(
    "spelling",
    ["DEABC000000001G", "de-abc-000000001-g", "DE-ABC-000000001", "DEABC000000001", "deabc000000001G"],
)
def test_every_spelling_of_an_emaid_is_the_same_contract(spelling: str) -> None:
    memory = Memory()
    accepted = TokenInfo(TokenStatus.ACCEPTED)
    memory.update_list(1, [ListEntry(IdToken(spelling, TokenKind.EMAID), accepted)], full=True)
    found = memory.recall(IdToken("DEABC000000001G"), 0.0, use_list=True, use_cache=False)
    assert found == accepted


def test_the_older_format_is_the_contract_that_it_names() -> None:
    assert same("NL-TNM-012204-5", "NLTNM000122045")
    assert not same("NL-TNM-012204-5", "NLTNM000122046")
