"""The boundary to integrator code: every result is a valid value or an IntegrationError."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import inspect
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc import ports
from secc.boundary import results, values
from secc.boundary.abilities import BACKEND, CONTROLLER, MODEM, OCSP_SOURCE
from secc.errors import IntegrationError
from secc.messages.iso2 import SalesTariff
from secc.pki.contract import Evidence
from secc.pki.expiry import Expiry
from secc.pki.provisioning import ProvisioningAnswer
from secc.pki.revocation import RevocationStatus
from secc.pki.vehicle import VehicleStatus
from secc.session.outlet import ControlPilot, EvseSnapshot, MeterReading
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from secc.settings.services import ServiceParameter, ServiceParameterSet, ValueAddedService
from tests.support.values import forced, has_fields, names

MOMENT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Two(float):
    """A number that pretends to be another one."""

    def __float__(self) -> float:
        return math.inf


class Angry:
    """Raises on every access."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]


class Small(enum.IntEnum):
    ONE = 1


NOT_A_NUMBER: list[object] = [
    *(True, False, "32", b"32", "", None, [], (1.0,), {}, object(), Angry(), 1j),
    *(decimal.Decimal(5), fractions.Fraction(5), lambda: 5, float, ControlPilot.A),
    *(math.nan, math.inf, -math.inf, 1e308, -1e308, 10**400, -(10**400), 10**5000, -1, -0.001, 10_000_001),
]
NO_POWER_LIMIT = [value for value in NOT_A_NUMBER if value is not None]


@pytest.mark.parametrize("value", NO_POWER_LIMIT, ids=range(len(NO_POWER_LIMIT)))
def test_what_is_no_power_is_refused_with_method_value_and_range(value: object) -> None:
    with pytest.raises(IntegrationError) as caught:
        results.power_limit("limit_power", value)
    assert str(caught.value).startswith("limit_power: max_power is ")
    assert str(caught.value).endswith(", expected None or a number from 0 to 10000000 W")
    assert len(str(caught.value)) < 220


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (None, None),
        (0, 0.0),
        (-0.0, 0.0),
        (5000, 5000.0),
        (3680.5, 3680.5),
        (10_000_000, 1e7),
        (Small.ONE, 1.0),
    ],
)
def test_a_power_becomes_a_plain_float(value: object, made: float | None) -> None:
    found = results.power_limit("limit_power", value)
    assert found == made
    assert type(found) in (float, type(None))


def test_a_number_that_pretends_to_be_another_counts_as_what_it_is() -> None:
    found = results.power_limit("limit_power", Two(2.0))
    assert (found, type(found)) == (2.0, float)


def test_a_text_for_a_log_is_cut_and_escaped_and_never_refused() -> None:
    assert results.reason("stop_charging", "line\nline \ud800") == "line\\nline \\ud800"
    assert len(results.reason("stop_charging", "x" * 1_000_000)) == 200
    with pytest.raises(IntegrationError, match=r"^stop_charging: reason is 5, expected a text$"):
        results.reason("stop_charging", 5)


# --- nothing is forgotten ----------------------------------------------------------------------------------

CHECKED = {
    EvseSnapshot: results.SNAPSHOT,
    MeterReading: results.METER,
    ScheduleOffer: results.OFFER,
    PowerSchedule: results.SCHEDULE,
    PowerStep: results.STEP,
    ValueAddedService: results.SERVICE,
    ServiceParameterSet: results.PARAMETER_SET,
    ServiceParameter: results.PARAMETER,
    Evidence: results.EVIDENCE,
    ProvisioningAnswer: results.PROVISIONED,
    VehicleStatus: results.VEHICLE_STATUS,
    Expiry: results.EXPIRY,
}


_STEP = PowerStep(0, 1.0)
_SCHEDULE = PowerSchedule(1, (_STEP,), 60)
EXAMPLES: dict[type[Any], Any] = {
    EvseSnapshot: EvseSnapshot(control_pilot=ControlPilot.B),
    MeterReading: MeterReading("M1", 1000),
    ScheduleOffer: ScheduleOffer((_SCHEDULE,)),
    PowerSchedule: _SCHEDULE,
    PowerStep: _STEP,
    ValueAddedService: ValueAddedService(id=60_000),
    ServiceParameterSet: ServiceParameterSet(id=1, parameters=(ServiceParameter(name="P", number=1),)),
    ServiceParameter: ServiceParameter(name="P", number=1),
    Evidence: Evidence(),
    ProvisioningAnswer: ProvisioningAnswer(b"1"),
    VehicleStatus: VehicleStatus(RevocationStatus.GOOD),
    Expiry: Expiry("root", "R", datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC), 1),
}


@pytest.mark.parametrize("kind", CHECKED, ids=lambda kind: kind.__name__)
def test_each_field_is_checked(kind: type[Any]) -> None:
    check: Any = getattr(CHECKED[kind], "made", lambda: CHECKED[kind])()
    assert check.fields == set(names(kind))


def test_each_method_of_each_port_has_a_check_for_its_result() -> None:
    methods = {
        name
        for port in vars(ports).values()
        if inspect.isclass(port) and port.__module__ == ports.__name__
        for name in vars(port)
        if not name.startswith("_")
    }
    assert methods == set(results.RESULTS)


def test_each_port_belongs_to_the_role_of_an_object() -> None:
    known = {method.name for role in (CONTROLLER, BACKEND, MODEM, OCSP_SOURCE) for method in role.known}
    assert known | {"crl"} == set(results.RESULTS)  # revocation lists are fetched by our own code only


# --- snapshots ---------------------------------------------------------------------------------------------

GOOD = EvseSnapshot(control_pilot=ControlPilot.C, utc=1.8e9, present_voltage=398.5, present_current=0.0)


def snapshot(value: object) -> EvseSnapshot:
    return values.accept("snapshot", results.SNAPSHOT, value)


def test_a_good_snapshot_is_passed_on_as_it_is() -> None:
    assert snapshot(GOOD) is GOOD


def test_whole_numbers_in_a_snapshot_become_floats() -> None:
    found = snapshot(msgspec.structs.replace(GOOD, present_voltage=400, max_power=11_000))
    assert (found.present_voltage, found.max_power) == (400.0, 11_000.0)
    assert type(found.present_voltage) is type(found.max_power) is float


class Wider(EvseSnapshot, frozen=True, kw_only=True):
    """With something for the integrator alone."""

    temperature: float = 20.0


def test_a_snapshot_of_a_subclass_is_passed_on_as_a_plain_one() -> None:
    found = snapshot(Wider(control_pilot=ControlPilot.B, present_voltage=5.0))
    assert type(found) is EvseSnapshot
    assert found == EvseSnapshot(control_pilot=ControlPilot.B, present_voltage=5.0)


def test_a_snapshot_of_a_subclass_with_a_bad_field_is_refused() -> None:
    with pytest.raises(IntegrationError, match="snapshot: max_power is nan"):
        snapshot(Wider(control_pilot=ControlPilot.B, max_power=math.nan))


def spoiled(meter: MeterReading, **fields: object) -> MeterReading:
    """A reading whose own rules were got round."""
    spoiled_one: MeterReading = forced(meter, fields)
    return spoiled_one


METER = MeterReading("M1", 1000)
BAD_FIELDS: list[tuple[str, object]] = [
    *(("control_pilot", value) for value in ("C", None, 3, True, ControlPilot)),
    *(("utc", value) for value in (None, "now", math.nan, math.inf, -1.0, 1e12, MOMENT)),
    *(("present_voltage", value) for value in (None, "400", True, math.nan, math.inf, -61.0, 1e308, 10**400)),
    *(("present_current", value) for value in (None, "1", False, math.nan, -math.inf, -1e5, 1e308)),
    *(("present_power", value) for value in ("1", False, math.nan, math.inf, -1e8)),
    *(("phase_powers", value) for value in (1.0, (1.0, 2.0), (1.0,) * 4)),
    *(("contactor_closed", value) for value in (0, 1, "closed", math.nan)),
    *(("ready", value) for value in (None, 1, "yes")),
    *(
        (name, value)
        for name in ("max_voltage", "max_current", "max_power")
        for value in (-1.0, math.nan, "5")
    ),
    *((name, value) for name in ("max_voltage", "max_current", "max_power") for value in (math.inf, True)),
    *(("fault", value) for value in ("emergency stop", True, 0, RuntimeError("x"))),
    *(("isolation", value) for value in ("Valid", None, 0)),
    *(("meter", value) for value in (5, "M1", ("M1", 1000), {"energy": 5})),
    *(("meter", spoiled(METER, meter_id=value)) for value in ("", "x" * 33, "\ud800", "a\0b", b"M1", None)),
    *(("meter", spoiled(METER, energy=value)) for value in (-1, 2**64, 1.5, True, None, "5")),
    *(("meter", spoiled(METER, utc=value)) for value in (1.5, 2**63, "5")),
    *(("meter", spoiled(METER, signature=value)) for value in (b"x" * 65, "x", bytearray(5))),
    *(("meter", spoiled(METER, status=value)) for value in (2**15, 1.0, True)),
    *(("meter", spoiled(METER, exported=value)) for value in (-1, 2**64, 1.5, True, "5")),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS, ids=range(len(BAD_FIELDS)))
def test_a_snapshot_with_a_bad_field_is_refused_and_the_field_named(field: str, value: object) -> None:
    with pytest.raises(IntegrationError, match=rf"^snapshot: {field}(\.\w+)? is .*, expected "):
        snapshot(msgspec.structs.replace(GOOD, **{field: value}))


@pytest.mark.parametrize("value", [None, 5, "B", object(), Angry(), {"control_pilot": "B"}, EvseSnapshot])
def test_what_is_no_snapshot_is_refused(value: object) -> None:
    with pytest.raises(IntegrationError, match="expected an object of EvseSnapshot"):
        snapshot(value)


# --- schedules and services --------------------------------------------------------------------------------


def offer(**fields: object) -> ScheduleOffer:
    """One schedule, whose own rules are got round."""
    made = forced(PowerSchedule(1, (PowerStep(0, 11_000.0),), 3600), fields)
    return ScheduleOffer((made,))


def step(start: Any, max_power: Any) -> PowerStep:
    return PowerStep(start, max_power)


TARIFF = SalesTariff(sales_tariff_id=1, sales_tariff_entry=())


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"schedule_id": True}, "schedules[0].schedule_id is True"),
        ({"schedule_id": "1"}, "schedules[0].schedule_id is '1'"),
        ({"schedule_id": 256}, "schedules[0].schedule_id is 256"),
        ({"duration": 1.5}, "schedules[0].duration is 1.5"),
        ({"duration": 0}, "schedules[0].duration is 0"),
        ({"steps": ()}, "schedules[0] is PowerSchedule"),
        ({"steps": 5}, "schedules[0].steps is 5"),
        ({"steps": (PowerStep(0, 1.0),) * 1025}, "schedules[0].steps is "),
        ({"steps": (PowerStep(0, math.nan),)}, "schedules[0].steps[0].max_power is nan"),
        ({"steps": (PowerStep(0, 5.0), step(60, "5"))}, "schedules[0].steps[1].max_power is '5'"),
        ({"steps": (step(0.5, 5.0),)}, "schedules[0].steps[0].start is 0.5"),
        ({"steps": (PowerStep(0, 5.0), PowerStep(0, 5.0))}, "schedules[0] is PowerSchedule"),
        ({"tariff": "cheap"}, "schedules[0].tariff is 'cheap'"),
        ({"tariff": TARIFF}, "schedules[0].tariff is SalesTariff"),
    ],
)
def test_schedules_that_no_ev_could_get_are_refused(fields: dict[str, object], names: str) -> None:
    with pytest.raises(IntegrationError) as caught:
        values.accept("schedules", results.OFFER, offer(**fields))
    assert str(caught.value).startswith(f"schedules: {names}")


def test_a_list_of_steps_becomes_a_tuple_that_cannot_be_changed() -> None:
    steps = [PowerStep(0, 11_000)]
    found = values.accept("schedules", results.OFFER, offer(steps=steps))
    steps.clear()
    assert found.schedules[0].steps == (PowerStep(0, 11_000.0),)


def forged_service(**fields: object) -> ValueAddedService:
    """One that was changed after it was made: the class itself refuses such values."""
    service = ValueAddedService(id=60_000)
    for name, value in fields.items():
        object.__setattr__(service, name, value)
    return service


@pytest.mark.parametrize(
    "services",
    [
        5,
        "services",
        [5],
        [None],
        {"id": 5},
        iter([]),
        [ValueAddedService(id=60_000)] * 256,
        [ValueAddedService(id=60_000, name="\ud800")],
        [forged_service(free=1)],
        [forged_service(category="Internet")],
    ],
    ids=range(10),
)
def test_what_is_no_list_of_services_is_refused(services: object) -> None:
    with pytest.raises(IntegrationError, match=r"^value_added_services: "):
        values.accept("value_added_services", results.RESULTS["value_added_services"], services)


def test_an_expiry_without_a_time_zone_is_refused() -> None:
    naive = Expiry("contract", "DE1", MOMENT.replace(tzinfo=None), 7)
    with pytest.raises(IntegrationError, match=r"^expiring: \[0\]\.not_after is .* with a time zone$"):
        values.accept("expiring", results.RESULTS["expiring"], [naive])


# --- any value at all --------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=70),
    st.binary(max_size=70),
    st.decimals(),
    st.integers(0, len(NOT_A_NUMBER) - 1).map(lambda number: NOT_A_NUMBER[number]),
    st.sampled_from(ControlPilot),
    st.builds(Two, st.floats()),
    st.just(Small.ONE),
)


def lying(kind: type[Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of a class of values with anything in their fields."""
    return st.fixed_dictionaries(dict.fromkeys(names(kind), values)).map(
        lambda fields: forced(EXAMPLES[kind], fields)
    )


PARTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        *(lying(kind, inner) for kind in (MeterReading, PowerStep, PowerSchedule, ServiceParameter)),
    ),
    max_leaves=12,
)
ANYTHING = st.one_of(PARTS, *(lying(kind, PARTS) for kind in CHECKED))


def sound(value: object) -> bool:
    """Nothing in it could surprise the session."""
    if isinstance(value, float):
        return type(value) is float and math.isfinite(value)
    if has_fields(type(value)):
        return all(sound(getattr(value, name)) for name in names(type(value)))
    if isinstance(value, tuple):
        return all(map(sound, value))
    plain = type(value) in (bool, int, str, bytes, datetime.datetime, type(None))
    return plain or isinstance(value, enum.Enum | SalesTariff)


@given(method=st.sampled_from(sorted(results.RESULTS)), value=ANYTHING)
def test_any_result_is_sound_or_refused(method: str, value: object) -> None:
    refused = ""
    try:
        found = values.accept(method, results.RESULTS[method], value)
    except IntegrationError as error:
        refused, found = str(error), None
    assert sound(found)
    assert not refused or (refused.startswith(f"{method}: ") and refused.isprintable())


@given(value=ANYTHING)
def test_any_power_limit_is_sound_or_refused(value: object) -> None:
    try:
        found = results.power_limit("limit_power", value)
    except IntegrationError:
        return
    assert found is None or (type(found) is float and 0 <= found <= 1e7)


@given(value=ANYTHING)
def test_anything_can_be_shown_on_one_short_line(value: object) -> None:
    assert len(values.shown(value)) <= 120
    assert values.shown(value).isprintable()


@given(
    voltage=st.floats(-60.0, 5000.0),
    current=st.floats(-60.0, 10_000.0),
    limit=st.none() | st.floats(0.0, 1e7),
    pilot=st.sampled_from(ControlPilot),
    closed=st.none() | st.booleans(),
)
def test_any_snapshot_in_range_is_accepted_unchanged(
    voltage: float, current: float, limit: float | None, pilot: ControlPilot, closed: bool | None
) -> None:
    made = EvseSnapshot(
        control_pilot=pilot,
        present_voltage=voltage,
        present_current=current,
        max_power=limit,
        contactor_closed=closed,
    )
    assert snapshot(made) is made
