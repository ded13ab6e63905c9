"""Authorization by contract: the offer, revocation, central validation, and a back end that is away."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import msgspec
import pytest

from secc.messages import iso20_common as m
from secc.messages.iso20_common import Processing
from secc.pki.contract import ContractPolicy, ForwardedContract, VerifiedContract
from secc.pki.keys import KeyType
from secc.pki.revocation import RevocationMode, RevocationPolicy
from secc.pki.trust import TrustStore, trust
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    GrantSource,
    Verdict,
)
from secc.session.inputs import StopRequested
from secc.session.iso20.states import Iso20State as S
from secc.session.outlet import MeterReading
from secc.session.outputs import Authorize
from secc.settings import OfflinePolicy, Payment, SeccConfig, ServiceConfig, TlsConfig, TlsPolicy
from tests.support import iso20 as r
from tests.support.contracts import DAY, NOW
from tests.support.iso20 import code, said
from tests.support.iso20_config import with_iso20
from tests.support.pnc20 import (
    PNC_DC,
    REQUIRING,
    PncBench20,
    asked,
    at_authorization,
    car,
    leaf,
    one_refusal,
    terms,
    with_pnc,
)

ONLY_CONTRACTS = dataclasses.replace(
    PNC_DC,
    service=ServiceConfig(payment_options=(Payment.CONTRACT,)),
    tls=TlsConfig(policy=TlsPolicy.REQUIRED, certificate_chain=Path("a"), private_key=Path("b")),
)

# --- the offer ---------------------------------------------------------------------------------------------


@pytest.mark.req("V2G20-1219", "V2G20-2108", "V2G20-2566", "V2G20-2568")
def test_contracts_are_offered_with_a_challenge_of_16_bytes() -> None:
    response = asked(PncBench20())
    assert response.authorization_services == (m.Authorization.PNC, m.Authorization.EIM)
    assert response.pnc_as_res_authorization_mode is not None
    assert len(response.pnc_as_res_authorization_mode.gen_challenge) == 16
    assert response.pnc_as_res_authorization_mode.supported_providers is None
    assert response.eim_as_res_authorization_mode is None
    assert response.certificate_installation_service is False


def test_the_accepted_operators_are_listed() -> None:
    policy = dataclasses.replace(terms().policy, providers=frozenset({"NLXYZ", "DEABC"}))
    mode = asked(PncBench20(contracts=terms(policy=policy))).pnc_as_res_authorization_mode
    assert mode is not None
    assert mode.supported_providers == m.SupportedProvidersList(provider_id=("DEABC", "NLXYZ"))


def test_contracts_alone_are_offered_where_nothing_else_is_accepted() -> None:
    bench = PncBench20(ONLY_CONTRACTS)
    assert asked(bench).authorization_services == (m.Authorization.PNC,)
    assert code(bench.ask(r.authorization())) == "WARNING_AuthorizationSelectionInvalid"
    assert bench.count(Authorize) == 0


@pytest.mark.parametrize(
    ("config", "extra"),
    [
        (with_iso20(PNC_DC, contracts=False), {}),
        (PNC_DC, {"contracts": msgspec.structs.replace(terms(), trust=TrustStore())}),
        (PNC_DC, {"contracts": terms(KeyType.SECP256R1)}),
    ],
    ids=["switched off", "no root", "only roots of ISO 15118-2"],
)
@pytest.mark.req("V2G20-1220", "V2G20-2567")
def test_without_switch_or_root_only_external_identification_is_offered(
    config: SeccConfig, extra: dict[str, object]
) -> None:
    bench = PncBench20(config, **extra)  # type: ignore[arg-type]
    response = asked(bench)
    assert response.authorization_services == (m.Authorization.EIM,)
    assert response.pnc_as_res_authorization_mode is None
    assert code(bench.prove(bench.car.request(bytes(16)))) == "WARNING_AuthorizationSelectionInvalid"


def test_contracts_are_not_offered_while_the_clock_is_not_set() -> None:
    bench = PncBench20()
    bench.outlet(utc=0.0)
    assert asked(bench).authorization_services == (m.Authorization.EIM,)


def test_a_session_that_can_offer_nothing_is_refused() -> None:
    response = asked(PncBench20(with_iso20(ONLY_CONTRACTS, contracts=False)))
    assert code(response) == "FAILED"


@pytest.mark.inv("INV-23")
def test_each_session_has_another_challenge() -> None:
    first, second = PncBench20(), PncBench20(random_bytes=lambda size: b"\x77" * size)
    asked(first), asked(second)
    assert first.challenge != second.challenge


# --- a contract that is accepted ---------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [KeyType.SECP521R1, KeyType.ED448])
@pytest.mark.req("V2G20-1063", "V2G20-1200", "V2G20-1582", "V2G20-2564")
def test_a_contract_is_judged_then_the_back_end_asked_then_granted(keys: KeyType) -> None:
    bench = at_authorization(car=car(keys), contracts=terms(keys))
    assert said(bench.send(bench.car.request(bench.challenge))) is None
    assert bench.session.owed is not None
    response = said(bench.judge())
    assert (code(response), response.evse_processing) == ("OK", Processing.ONGOING)
    question = bench.asked(AuthorizeContract)
    assert isinstance(question.contract, VerifiedContract)
    assert str(question.contract.emaid) == "DEABC000000001G"
    assert question.contract.proof.keys is keys
    bench.decide()
    response = bench.prove()
    assert (code(response), response.evse_processing) == ("OK", Processing.FINISHED)
    assert bench.session.state is S.WAIT_SERVICE_DISCOVERY
    assert bench.session.payment is Payment.CONTRACT
    assert bench.session.granted


def test_a_whole_charge_runs_on_a_contract() -> None:
    bench = PncBench20()
    bench.to_first_loop_dc()
    assert code(bench.ask(r.dc_loop())) == "OK"
    assert bench.session.energised is not None


def test_the_record_names_contract_and_vehicle() -> None:
    bench = PncBench20().to_granted()
    (grant,) = bench.grants
    assert grant.source is GrantSource.BACK_END
    assert str(grant.contract.emaid) == "DEABC000000001G"
    assert grant.vehicle is bench.session.vehicle is not None


@pytest.mark.req("V2G20-2218")
@pytest.mark.parametrize(("days", "expected"), [(13, "OK_CertificateExpiresSoon"), (15, "OK")])
def test_a_contract_that_ends_within_14_days_is_announced(days: int, expected: str) -> None:
    bench = at_authorization(car=car(contract=leaf(not_after=NOW + days * DAY)))
    bench.prove()
    bench.decide()
    assert code(bench.prove()) == expected


def test_an_operator_may_shorten_the_time_of_that_warning() -> None:
    policy = dataclasses.replace(terms().policy, warn_before=datetime.timedelta(0))
    bench = at_authorization(car=car(contract=leaf(not_after=NOW + 3 * DAY)), contracts=terms(policy=policy))
    bench.prove()
    bench.decide()
    assert code(bench.prove()) == "OK"


def test_the_laboratory_takes_contracts_of_iso_15118_2() -> None:
    keys = KeyType.SECP256R1
    lab = with_iso20(PNC_DC, insecure_lab=True)
    bench = at_authorization(config=lab, car=car(keys), contracts=terms(keys))
    assert code(bench.prove()) == "OK"
    assert bench.count(AuthorizeContract) == 1


def test_the_answer_does_not_wait_longer_than_its_time_for_the_judgement() -> None:
    bench = at_authorization()
    bench.send(bench.car.request(bench.challenge))
    response = said(bench.tick(1.45))
    assert (code(response), response.evse_processing) == ("OK", Processing.ONGOING)
    assert bench.session.state is S.WAIT_AUTHORIZATION
    assert said(bench.judge()) is None
    bench.decide()
    assert bench.prove().evse_processing is Processing.FINISHED


def test_a_request_while_the_first_is_judged_is_refused() -> None:
    bench = at_authorization()
    bench.send(bench.car.request(bench.challenge))
    assert code(bench.prove()) == "FAILED_SequenceError"
    assert bench.ended


# --- revocation --------------------------------------------------------------------------------------------


@pytest.mark.req("V2G20-2214")
def test_the_back_end_is_asked_after_the_revocation_is_known() -> None:
    bench = at_authorization(contracts=terms(policy=REQUIRING, finds_revocation=True))
    bench.prove()
    assert (bench.count(AskRevocation), bench.count(AuthorizeContract)) == (1, 0)
    bench.report_revocation()
    assert bench.asked(AuthorizeContract).contract.not_revoked
    bench.decide()
    assert bench.prove().evse_processing is Processing.FINISHED


def test_evidence_that_does_not_come_is_judged_by_the_policy() -> None:
    bench = at_authorization(contracts=terms(policy=REQUIRING, finds_revocation=True))
    bench.prove()
    bench.tick(3.1)
    assert code(bench.prove()) == "WARNING_CertificateValidationError"
    preferring = at_authorization(contracts=terms(finds_revocation=True))
    preferring.prove()
    preferring.tick(3.1)
    assert preferring.count(AuthorizeContract) == 1


def test_revocation_is_not_looked_up_where_it_is_off() -> None:
    policy = ContractPolicy(revocation=RevocationPolicy(mode=RevocationMode.OFF))
    bench = at_authorization(contracts=terms(policy=policy, finds_revocation=True))
    bench.prove()
    assert (bench.count(AskRevocation), bench.count(AuthorizeContract)) == (0, 1)


@pytest.mark.inv("INV-20")
def test_evidence_for_an_attempt_that_is_over_changes_nothing() -> None:
    bench = at_authorization(
        config=with_iso20(PNC_DC, authorization=2.0), contracts=terms(finds_revocation=True)
    )
    bench.prove()
    bench.tick(2.5)
    assert code(bench.prove()) == "WARNING_GeneralPnCAuthorizationError"
    bench.report_revocation()
    assert bench.count(AuthorizeContract) == 0


# --- central validation, and a back end that is away -------------------------------------------------------


def test_a_chain_of_an_unknown_root_is_forwarded_where_the_back_end_validates() -> None:
    empty = trust([])
    bench = at_authorization(car=car(seed=b"another"), contracts=terms(trust=empty, central=True))
    assert bench.prove().evse_processing is Processing.ONGOING
    question = bench.asked(AuthorizeContract)
    assert isinstance(question.contract, ForwardedContract)
    assert question.contract.pem.count(b"BEGIN CERTIFICATE") == 3
    bench.decide()
    assert bench.prove().evse_processing is Processing.FINISHED


def test_a_forwarded_chain_is_judged_but_for_its_root() -> None:
    expired = leaf(not_before=NOW - 20 * DAY, not_after=NOW - DAY)
    bench = at_authorization(car=car(contract=expired), contracts=terms(trust=trust([]), central=True))
    assert one_refusal(bench) == ("WARNING_CertificateExpired", "leaf_expired")


def test_a_back_end_that_does_not_answer_counts_as_away() -> None:
    bench = at_authorization()
    bench.prove()
    bench.tick(20.5)
    assert code(bench.prove()) == "WARNING_GeneralPnCAuthorizationError"


def test_a_contract_of_lately_may_charge_while_the_back_end_is_away() -> None:
    known = frozenset({car().contract.certificate.fingerprint})
    bench = at_authorization(config=with_pnc(offline=OfflinePolicy.KNOWN), contracts=terms(known=known))
    bench.prove()
    bench.decide(Verdict.UNREACHABLE)
    assert bench.prove().evse_processing is Processing.FINISHED
    assert bench.grants[0].source is GrantSource.KNOWN


def test_a_good_chain_may_charge_up_to_a_limit_while_the_back_end_is_away() -> None:
    config = with_pnc(offline=OfflinePolicy.CHAIN, offline_energy=500.0)
    bench = PncBench20(config, contracts=terms(finds_revocation=True))
    bench.verdict = Verdict.UNREACHABLE
    bench.to_first_loop_dc()
    assert bench.grants[0].source is GrantSource.CHAIN
    bench.outlet(meter=MeterReading("METER-1", 1499))
    bench.ask(r.dc_loop())
    assert bench.session.stop is None
    bench.outlet(meter=MeterReading("METER-1", 1500))
    bench.ask(r.dc_loop())
    assert bench.session.stop is not None


# --- withdrawal --------------------------------------------------------------------------------------------


@pytest.mark.inv("INV-11")
def test_a_withdrawal_during_the_charge_ends_it() -> None:
    bench = PncBench20()
    bench.to_first_loop_dc()
    bench.ask(r.dc_loop())
    bench.decide(Verdict.WITHDRAWN)
    assert bench.session.energised is None
    assert bench.session.stop is not None
    bench.decide(Verdict.ACCEPTED)
    assert not bench.session.granted


@pytest.mark.inv("INV-29")
def test_a_stop_before_the_contract_is_judged_is_answered_and_nothing_is_asked() -> None:
    bench = at_authorization()
    bench.send(bench.car.request(bench.challenge))
    response = said(bench.feed(StopRequested("operator")))
    assert (code(response), response.evse_processing) == ("OK", Processing.ONGOING)
    assert bench.session.state is S.WAIT_AUTHORIZATION
    bench.judge()
    assert bench.count(AuthorizeContract) == 0
