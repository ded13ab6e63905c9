"""What keeps a modem from serving a station is recognised from its answers."""

from __future__ import annotations

import pytest

from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.fitness import Shortcoming, shortcomings
from secc.slac.parameters import CcoMode, ModuleReadCnf, ModuleReadReq, SlacRole, cco_mode, slac_role
from tests.support.matching import EV, EVSE, MODEM, Bench


@pytest.mark.parametrize(
    ("firmware", "role", "cco", "found"),
    [
        ("MAC-QCA7000-1.1.0.727", SlacRole.EVSE, CcoMode.ALWAYS, ()),
        ("MAC-QCA7005-1.1.0.730", None, None, ()),
        ("MAC-QCA7005-1.1.0.730", SlacRole.EV, CcoMode.NEVER, ("EV_ROLE", "NO_COORDINATOR")),
        ("MAC-QCA7005-1.1.0.730", SlacRole.OFF, CcoMode.AUTO, ("SLAC_OFF", "MAY_NOT_COORDINATE")),
        ("MAC-QCA7420-1.4.0.20", None, None, ("WRONG_CHIP",)),
        ("BootLoader", None, None, ("NO_FIRMWARE",)),
        ("", None, None, ()),
    ],
)
def test_each_shortcoming_is_recognised(
    firmware: str, role: SlacRole | None, cco: CcoMode | None, found: tuple[str, ...]
) -> None:
    assert tuple(reason.name for reason in shortcomings("", firmware, role, cco)) == found


def test_the_name_of_the_hardware_counts_as_well() -> None:
    assert shortcomings("QCA7420", "", None, None) == (Shortcoming.WRONG_CHIP,)


def read(bench: Bench, offset: int, data: bytes, status: int = 0) -> None:
    bench.hear(MODEM, EVSE, ModuleReadCnf(status, offset, data))


def test_the_role_of_a_qualcomm_modem_is_read_once_it_is_known() -> None:
    bench = Bench()
    bench.give_vendor()
    assert bench.take() == [ModuleReadReq(0xF4), ModuleReadReq(0x1650)]
    bench.give_vendor()
    assert bench.take() == []


def test_a_modem_of_an_ev_is_reported_once_with_each_reason() -> None:
    bench = Bench()
    bench.give_vendor()
    bench.told.clear()
    for _ in range(2):
        read(bench, 0xF4, bytes((1, 0, 0, 0)))
        read(bench, 0x1650, bytes((0, 0, 0, 1)))
    found = bench.all_told(e.ModemUnfit)
    assert found == [e.ModemUnfit(Shortcoming.NO_COORDINATOR), e.ModemUnfit(Shortcoming.EV_ROLE)]
    assert (bench.matching.modem.role, bench.matching.modem.cco) == (SlacRole.EV, CcoMode.NEVER)


def test_a_modem_that_refuses_to_be_read_has_no_known_role() -> None:
    bench = Bench()
    bench.give_vendor()
    read(bench, 0x1650, bytes((0, 0, 0, 1)), status=0x10)
    assert bench.matching.modem.role is None
    assert bench.all_told(e.ModemUnfit) == []


def test_the_role_is_taken_from_the_modem_only() -> None:
    bench = Bench()
    bench.give_vendor()
    bench.hear(EV, EVSE, ModuleReadCnf(0, 0x1650, bytes((0, 0, 0, 1))))
    assert bench.matching.modem.role is None


def test_a_boot_loader_is_not_asked_for_parameters_and_reported() -> None:
    bench = Bench(armed=False)
    bench.hear(MODEM, EVSE, v.SoftwareVersionCnf(0, 0x22, b"BootLoader\0"))
    assert bench.take() == []
    assert bench.all_told(e.ModemUnfit) == [e.ModemUnfit(Shortcoming.NO_FIRMWARE)]


def test_the_firmware_of_a_lumissil_modem_is_named() -> None:
    bench = Bench()
    bench.hear(MODEM, EVSE, v.LumissilVersionCnf(firmware=(1, 0, 7, 21, 0)))
    assert bench.matching.modem.firmware == "1.0.7.21.0"
    assert bench.take() == []


def test_values_that_are_no_role_are_unknown() -> None:
    assert slac_role(ModuleReadCnf(0, 0x1650, bytes((0, 0, 0, 9)))) is None
    assert cco_mode(ModuleReadCnf(0, 0xF4, bytes((9, 0, 0, 0)))) is None
    assert slac_role(ModuleReadCnf(0, 0x1650, b"\0\0\0")) is None
    assert slac_role(ModuleReadCnf(0, 0x1650, bytes((0, 0, 0, 2)), module=1)) is None


def test_an_unfit_modem_is_used_all_the_same() -> None:
    bench = Bench()
    bench.give_vendor()
    read(bench, 0x1650, bytes((0, 0, 0, 1)))
    assert isinstance(bench.match(), m.SlacMatchCnf)
