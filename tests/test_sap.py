"""The choice of the protocol."""

import pytest

from secc.messages.app_protocol import AppProtocol, ResponseCode, SupportedAppProtocolReq
from secc.pki.transport import TlsVersion, Transport
from secc.sap import DIN, ISO2, ISO20_AC, ISO20_DC, Protocol, choose, supported
from secc.settings import EnergyConfig, EnergyMode, Iso20Config, ProtocolName, SeccConfig

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
def test_the_only_supported_entry_is_chosen_at_any_rank() -> None:
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
def test_nothing_in_common_is_reported(only: AppProtocol) -> None:
    answer, protocol = choose(offer(only), (ISO2,))
    assert answer.response_code is ResponseCode.FAILED_NO_NEGOTIATION
    assert answer.schema_id is None
    assert protocol is None


ALL = tuple(ProtocolName)
PLAIN, TLS12, TLS13 = (
    Transport(),
    Transport(version=TlsVersion.TLS_1_2),
    Transport(version=TlsVersion.TLS_1_3),
)
LABORATORY = Transport(laboratory=True)


def station(*modes: EnergyMode, **changes: object) -> SeccConfig:
    return SeccConfig(protocols=ALL, energy=EnergyConfig(modes=modes), **changes)  # type: ignore[arg-type]


AC_STATION, DC_STATION = station(EnergyMode.AC_THREE_PHASE_CORE), station(EnergyMode.DC_EXTENDED)
BOTH = station(EnergyMode.AC_THREE_PHASE_CORE, EnergyMode.DC_EXTENDED)


@pytest.mark.req("V2G20-169", "V2G-DC-869")
@pytest.mark.parametrize(
    ("config", "transport", "expected"),
    [
        (AC_STATION, PLAIN, {ISO2}),
        (DC_STATION, PLAIN, {ISO2, DIN}),
        (DC_STATION, TLS12, {ISO2}),
        (AC_STATION, LABORATORY, {ISO2, ISO20_AC}),
        (DC_STATION, LABORATORY, {ISO2, DIN, ISO20_DC}),
        (BOTH, LABORATORY, {ISO2, DIN, ISO20_AC, ISO20_DC}),
        (SeccConfig(), LABORATORY, {ISO2}),
    ],
)
def test_what_the_outlet_and_the_settings_do_not_have_is_left_out(
    config: SeccConfig, transport: Transport, expected: set[Protocol]
) -> None:
    assert set(supported(config, transport)) == expected


@pytest.mark.req("V2G20-1237", "V2G20-2356")
@pytest.mark.parametrize("transport", [PLAIN, TLS12, TLS13], ids=["plain", "TLS 1.2", "TLS 1.3 without EV"])
def test_iso_15118_20_needs_mutual_tls_1_3(transport: Transport) -> None:
    assert not {ISO20_AC, ISO20_DC} & set(supported(BOTH, transport))


def test_iso_15118_2_over_tls_1_3_is_a_setting() -> None:
    assert ISO2 in supported(BOTH, TLS13)
    strict = station(EnergyMode.DC_EXTENDED, iso20=Iso20Config(iso2_over_tls13=False))
    assert supported(strict, TLS13) == ()
    assert ISO2 in supported(strict, TLS12)


@pytest.mark.req("V2G20-167", "V2G20-169")
@pytest.mark.parametrize(("iso20", "iso2", "chosen"), [(1, 2, ISO20_DC), (2, 1, ISO2)])
def test_the_station_has_no_preference_for_the_newer_protocol(
    iso20: int, iso2: int, chosen: Protocol
) -> None:
    offered = offer(entry(ISO2_NAME, 2, 0, 1, iso2), entry(ISO20_DC.namespace, 1, 0, 2, iso20))
    assert choose(offered, supported(DC_STATION, LABORATORY))[1] is chosen


def test_common_messages_of_iso_15118_20_are_not_a_protocol() -> None:
    offered = offer(entry("urn:iso:std:iso:15118:-20:CommonMessages", 1, 0, 1, 1))
    answer, protocol = choose(offered, supported(BOTH, LABORATORY))
    assert (answer.response_code, protocol) == (ResponseCode.FAILED_NO_NEGOTIATION, None)


def test_an_ac_outlet_does_not_take_the_dc_family() -> None:
    offered = offer(entry(ISO20_DC.namespace, 1, 0, 1, 1))
    assert choose(offered, supported(AC_STATION, LABORATORY))[1] is None
