"""Services and parameter sets: what is offered, in which order."""

import dataclasses

import pytest

from secc.messages.iso20_common import ServiceParameterList
from secc.session.iso20 import services
from secc.session.iso20.services import ControlMode, MobilityNeeds, Service
from secc.settings import AcConfig, EnergyConfig, EnergyMode, Iso20Config, SeccConfig

AC = SeccConfig(evse_id="DE*AAA*E1")
DC = SeccConfig(evse_id="DE*AAA*E2", energy=EnergyConfig(modes=(EnergyMode.DC_EXTENDED, EnergyMode.DC_CORE)))


def with_iso20(config: SeccConfig, **values: object) -> SeccConfig:
    return dataclasses.replace(config, iso20=Iso20Config(**values))  # type: ignore[arg-type]


def values(parameters: ServiceParameterList) -> list[dict[str, object]]:
    return [
        {one.name: one.finite_string if one.int_value is None else one.int_value for one in each.parameter}
        for each in parameters.parameter_set
    ]


@pytest.mark.parametrize(
    ("config", "dc", "export", "expected"),
    [
        (AC, False, False, [Service.AC]),
        (AC, False, True, [Service.AC, Service.AC_BPT]),
        (DC, True, False, [Service.DC]),
        (DC, True, True, [Service.DC, Service.DC_BPT]),
        (with_iso20(DC, mcs=True), True, True, [Service.MCS, Service.MCS_BPT]),
    ],
)
def test_charging_stands_before_both_directions(
    config: SeccConfig, dc: bool, export: bool, expected: list[Service]
) -> None:
    assert list(services.offered(config, dc=dc, export=export)) == expected


@pytest.mark.req("V2G20-2656")
@pytest.mark.parametrize("config", [AC, DC, with_iso20(DC, mcs=True)])
def test_each_energy_service_has_both_control_modes_and_the_safest_first(config: SeccConfig) -> None:
    for sets in services.offered(config, dc=config.energy.offers_dc, export=True).values():
        assert {one.control for one in sets} == {ControlMode.SCHEDULED, ControlMode.DYNAMIC}
        assert (sets[0].control, sets[0].needs) == (ControlMode.SCHEDULED, MobilityNeeds.EV)
        assert [one.number for one in sets] == list(range(1, len(sets) + 1))


@pytest.mark.req("V2G20-2663", "V2G20-2666")
@pytest.mark.parametrize("config", [AC, DC])
def test_the_station_supplies_the_needs_only_in_dynamic_mode(config: SeccConfig) -> None:
    config = with_iso20(config, mobility_needs=True)
    for sets in services.offered(config, dc=config.energy.offers_dc, export=True).values():
        chosen = [one.control for one in sets if one.needs is MobilityNeeds.STATION]
        assert set(chosen) == {ControlMode.DYNAMIC}
    without = services.offered(with_iso20(config), dc=config.energy.offers_dc, export=True)
    assert all(one.needs is MobilityNeeds.EV for sets in without.values() for one in sets)


def test_an_ac_outlet_with_one_and_three_phases_offers_both_connectors() -> None:
    sets = services.offered(AC, dc=False, export=False)[Service.AC]
    assert [one.phases for one in sets] == [3, 3, 1, 1]
    single = EnergyConfig(modes=(EnergyMode.AC_SINGLE_PHASE_CORE,))
    sets = services.offered(dataclasses.replace(AC, energy=single), dc=False, export=False)[Service.AC]
    assert [one.phases for one in sets] == [1, 1]


def test_parameters_of_ac() -> None:
    config = dataclasses.replace(AC, energy=EnergyConfig(ac=AcConfig(nominal_voltage=230.0)))
    sets = services.offered(config, dc=False, export=False)[Service.AC]
    assert values(services.energy_parameters(config, Service.AC, sets[:1])) == [
        {"Connector": 2, "ControlMode": 1, "MobilityNeedsMode": 1, "EVSENominalVoltage": 230, "Pricing": 0}
    ]


@pytest.mark.req("V2G20-1357")
def test_parameters_of_dc() -> None:
    sets = services.offered(DC, dc=True, export=False)[Service.DC]
    assert values(services.energy_parameters(DC, Service.DC, sets)) == [
        {"Connector": 2, "ControlMode": 1, "MobilityNeedsMode": 1, "Pricing": 0},
        {"Connector": 2, "ControlMode": 2, "MobilityNeedsMode": 1, "Pricing": 0},
    ]


@pytest.mark.req("V2G20-1361")
def test_parameters_of_both_directions() -> None:
    sets = services.offered(AC, dc=False, export=True)[Service.AC_BPT]
    first = values(services.energy_parameters(AC, Service.AC_BPT, sets))[0]
    assert first["BPTChannel"] == first["GeneratorMode"] == first["GridCodeIslandingDetectionMethod"] == 1
    dc = services.offered(DC, dc=True, export=True)[Service.DC_BPT]
    assert (
        "GridCodeIslandingDetectionMethod"
        not in values(services.energy_parameters(DC, Service.DC_BPT, dc))[0]
    )


def test_the_internet_service_names_protocol_and_port() -> None:
    assert values(services.internet_parameters((3, 4))) == [
        {"Protocol": "http", "Port": 80},
        {"Protocol": "https", "Port": 443},
    ]
