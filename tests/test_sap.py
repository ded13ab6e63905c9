"""The choice of the protocol."""

import pytest

from secc.messages.app_protocol import AppProtocol, ResponseCode, SupportedAppProtocolReq
from secc.sap import DIN, ISO2, Protocol, choose

ISO2_NAME = "urn:iso:15118:2:2013:MsgDef"
DIN_NAME = "urn:din:70121:2012:MsgDef"


def entry(name: str, major: int, minor: int, schema_id: int, priority: int) -> AppProtocol:
    return AppProtocol(
        protocol_namespace=name,
        version_number_major=major,
        version_number_minor=minor,
        schema_id=schema_id,
        priority=priority,
    )


def offer(*entries: AppProtocol) -> SupportedAppProtocolReq:
    return SupportedAppProtocolReq(app_protocol=entries)


@pytest.mark.req("V2G2-169")
def test_the_only_supported_entry_is_chosen_whatever_its_rank() -> None:
    answer, protocol = choose(offer(entry(DIN_NAME, 2, 0, 0, 1), entry(ISO2_NAME, 2, 0, 10, 5)), (ISO2,))
    assert answer.response_code is ResponseCode.OK_SUCCESSFUL_NEGOTIATION
    assert answer.schema_id == 10
    assert protocol is ISO2


@pytest.mark.req("V2G2-169")
@pytest.mark.parametrize(("din", "iso", "chosen"), [(1, 2, DIN), (2, 1, ISO2)])
def test_among_two_supported_protocols_the_rank_of_the_ev_decides(
    din: int, iso: int, chosen: Protocol
) -> None:
    offered = offer(entry(ISO2_NAME, 2, 0, 1, iso), entry(DIN_NAME, 2, 0, 2, din))
    assert choose(offered, (ISO2, DIN))[1] is chosen
    assert choose(offered, (DIN, ISO2))[1] is chosen


@pytest.mark.req("V2G2-169", "V2G2-167")
def test_the_best_rank_of_the_ev_wins_not_the_order() -> None:
    answer, _ = choose(offer(entry(ISO2_NAME, 2, 0, 1, 2), entry(ISO2_NAME, 2, 0, 2, 1)), (ISO2,))
    assert answer.schema_id == 2


def test_equal_ranks_are_decided_by_the_order() -> None:
    answer, _ = choose(offer(entry(ISO2_NAME, 2, 0, 7, 1), entry(ISO2_NAME, 2, 0, 8, 1)), (ISO2,))
    assert answer.schema_id == 7


@pytest.mark.req("V2G2-098", "V2G2-170")
def test_another_minor_version_is_a_deviation() -> None:
    answer, protocol = choose(offer(entry(ISO2_NAME, 2, 1, 3, 1)), (ISO2,))
    assert answer.response_code is ResponseCode.OK_SUCCESSFUL_NEGOTIATION_WITH_MINOR_DEVIATION
    assert answer.schema_id == 3
    assert protocol is ISO2


@pytest.mark.req("V2G2-170", "V2G2-172")
@pytest.mark.parametrize(
    "only", [entry(DIN_NAME, 2, 0, 1, 1), entry(ISO2_NAME, 1, 0, 1, 1), entry("urn:private", 2, 0, 1, 1)]
)
def test_nothing_in_common_is_told(only: AppProtocol) -> None:
    answer, protocol = choose(offer(only), (ISO2,))
    assert answer.response_code is ResponseCode.FAILED_NO_NEGOTIATION
    assert answer.schema_id is None
    assert protocol is None
