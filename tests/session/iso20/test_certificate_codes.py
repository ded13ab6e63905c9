"""Broken rules about certificates and refusals of a back end, as response codes of ISO 15118-20."""

from __future__ import annotations

import pytest

from secc.errors import ChainError, SignatureError
from secc.messages.iso20_common import ResponseCode
from secc.pki.rules import Rule
from secc.session.contract_events import Verdict
from secc.session.iso20.certificate_codes import code_of, code_of_verdict


@pytest.mark.req("V2G20-461", "V2G20-2564")
def test_only_a_wrong_signature_ends_the_session() -> None:
    assert code_of(SignatureError("wrong", rule=Rule.SIGNATURE)) is ResponseCode.FAILED_SIGNATURE_ERROR
    codes = {code_of(ChainError("broken", rule=rule)).value for rule in Rule}
    assert {code.partition("_")[0] for code in codes} == {"WARNING"}


@pytest.mark.req("V2G20-2212", "V2G20-2213", "V2G20-2214", "V2G20-2215")
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("not_yet_valid", ResponseCode.WARNING_CERTIFICATE_NOT_YET_VALID),
        ("expired", ResponseCode.WARNING_CERTIFICATE_EXPIRED),
        ("revoked", ResponseCode.WARNING_CERTIFICATE_REVOKED),
    ],
)
def test_validity_and_revocation_have_codes_at_each_place_of_the_chain(
    ending: str, code: ResponseCode
) -> None:
    rules = [rule for rule in Rule if rule.value.endswith(ending)]
    assert len(rules) >= 2
    assert {code_of(ChainError("broken", rule=rule)) for rule in rules} == {code}
    assert code_of(ChainError("broken", rule=Rule.ORDER)) is ResponseCode.WARNING_CERTIFICATE_VALIDATION_ERROR


def test_every_refusal_of_a_back_end_is_a_warning() -> None:
    refusals = [verdict for verdict in Verdict if verdict is not Verdict.ACCEPTED]
    assert {code_of_verdict(verdict).value.partition("_")[0] for verdict in refusals} == {"WARNING"}
    assert code_of_verdict(Verdict.UNKNOWN) is ResponseCode.WARNING_E_MSP_UNKNOWN
    assert code_of_verdict(Verdict.EXPIRED) is ResponseCode.WARNING_CERTIFICATE_EXPIRED
    assert code_of_verdict(Verdict.REVOKED) is ResponseCode.WARNING_CERTIFICATE_REVOKED
