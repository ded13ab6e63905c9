"""ChargeParameterDiscovery: a table of conditions, parameters and declarations of the station."""

from __future__ import annotations

import math

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run, car, case, never
from secc.bench.trial import Trial
from secc.bench.verdict import Inconclusive
from secc.messages import iso2
from secc.messages.iso2 import EnergyTransferMode, EVSEProcessing, ResponseCode, UnitSymbol

GROUP = "ChargeParameterDiscovery"
MAX_ENTRIES = 12
"""MaxEntriesSAScheduleTuple in some cases: the minimum of the schema would be useless for a station."""

DAY = 86_400  # s
_SLACK = 1  # s, as both sides count whole seconds

_TABLE = {
    # number AC, number DC, condition, and further parameters
    (1, 1): "first",
    (2, 5): "renegotiation",
    (6, 6): "first departure",
    (7, 7): "EV",
    (8, 8): "first tariff",
    (9, 9): "renegotiation tariff",
    (10, 10): "first departure tariff",
    (11, 11): "EV tariff",
    (12, 12): "first entries",
    (13, 13): "first entries tariff",
    (14, 14): "first departure ongoing",
    (15, 15): "first entries departure tariff",
    (16, 16): "first entries departure",
    (17, 17): "EV departure",
    (18, 18): "EV departure tariff",
    (19, 19): "EV entries",
    (20, 20): "EV entries tariff",
    (21, 21): "EV entries departure tariff",
    (22, 22): "EV entries departure",
    (23, 23): "renegotiation departure",
    (24, 24): "renegotiation departure tariff",
    (25, 25): "renegotiation entries",
    (26, 26): "renegotiation entries tariff",
    (27, 27): "renegotiation entries departure tariff",
    (28, 28): "renegotiation entries departure",
    (29, 29): "station",
    (30, 30): "station tariff",
    (31, 31): "station departure",
    (32, 32): "station departure tariff",
    (33, 33): "station entries",
    (34, 34): "station entries tariff",
    (35, 35): "station entries departure tariff",
    (36, 36): "station entries departure",
}

_WHEN = {
    "first": "for the first time",
    "renegotiation": "in a renegotiation",
    "EV": "after a pause, ended by the EV",
    "station": "after a pause, ended by the station",
}


# --- schedules ---------------------------------------------------------------------------------------------


def check_schedules(
    trial: Trial, answer: iso2.ChargeParameterDiscoveryRes, *, at_least: int, entries: int | None
) -> None:
    """Check one to three schedules with different ids, each in order and long enough, in seconds."""
    schedules = answer.sa_schedules
    trial.check(isinstance(schedules, iso2.SAScheduleList), "SAScheduleList when finished [V2G2-905]", "none")
    assert isinstance(schedules, iso2.SAScheduleList)
    ids = [one.sa_schedule_tuple_id for one in schedules.sa_schedule_tuple]
    trial.check(len(ids) == len(set(ids)), "different SAScheduleTupleIDs [V2G2-300]", ids)
    trial.check(all(1 <= one <= 255 for one in ids), "SAScheduleTupleIDs in 1..255 [V2G2-773]", ids)
    for one in schedules.sa_schedule_tuple:
        steps = one.p_max_schedule.p_max_schedule_entry
        _check_steps(trial, steps, at_least=at_least, entries=entries)


def _check_steps(
    trial: Trial, steps: tuple[iso2.PMaxScheduleEntry, ...], *, at_least: int, entries: int | None
) -> None:
    starts = [step.time_interval.start for step in steps]
    durations = [step.time_interval.duration for step in steps]
    trial.check(starts[0] == 0, "a schedule that starts at 0", starts)
    trial.check(starts == sorted(set(starts)), "rising starts", starts)
    trial.check(
        all(d is None for d in durations[:-1]), "a duration at the last entry alone [V2G2-331]", durations
    )
    if entries is not None:
        trial.check(len(steps) <= entries, f"at most {entries} entries", len(steps))
    power = [(step.p_max.unit, step.p_max.value) for step in steps]
    good = all(unit is UnitSymbol.W and value >= 0 for unit, value in power)
    trial.check(good, "PMax in W, not negative [V2G2-832]", power)
    last = durations[-1]
    if last is not None:
        covered = starts[-1] + last
        trial.check(covered >= at_least, f"a schedule over {at_least} s", f"{covered} s")
    else:
        trial.remark("the last entry of the schedule has no duration: taken as unlimited")


def _check_tariff(trial: Trial, answer: iso2.ChargeParameterDiscoveryRes) -> None:
    """Check that the intervals of each tariff start at 0 and rise, and that it belongs to its schedule."""
    schedules = answer.sa_schedules
    assert isinstance(schedules, iso2.SAScheduleList)
    tariffs = [one.sales_tariff for one in schedules.sa_schedule_tuple]
    trial.check(any(tariff is not None for tariff in tariffs), "a SalesTariff, as declared", "none")
    for tariff in tariffs:
        if tariff is None:
            continue
        starts = [entry.time_interval.start for entry in tariff.sales_tariff_entry]
        trial.check(starts[0] == 0 and starts == sorted(set(starts)), "rising intervals from 0", starts)


# --- runs --------------------------------------------------------------------------------------------------


def _run(kind: str, when: str, words: frozenset[str]) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        selected = await _get_there(ev, when)
        # A resumed schedule is the old one, shortened by the elapsed time [V2G2-741] [V2G2-742].
        gone = math.ceil(trial.now - ev.negotiated) if selected is not None else 0
        entries = MAX_ENTRIES if "entries" in words else None
        departure = trial.target.ev.departure - gone if "departure" in words else None
        request = requests.parameters(ev.ev, ev.mode, departure=departure, entries=entries)
        if "ongoing" in words:
            first = await ev.expect(request)
            seen = first.evse_processing is EVSEProcessing.ONGOING
            trial.check(seen, "Ongoing at least once, as declared", first.evse_processing.value)
        answer = await ev.until_finished(request, trial.timers.ongoing)
        check_schedules(trial, answer, at_least=(departure or DAY - gone) - _SLACK, entries=entries)
        _check_limits(trial, answer, dc=ev.dc)
        if "tariff" in words:
            _check_tariff(trial, answer)
        if selected is not None:
            ids = [one.sa_schedule_tuple_id for one in answer.sa_schedules.sa_schedule_tuple]
            trial.check(selected in ids, f"SAScheduleTupleID {selected} offered again", ids)

    return run


async def _get_there(ev: BenchCar, when: str) -> int | None:
    """Walk to the point; returns the schedule that was selected before a pause."""
    match when:
        case "first":
            await ev.reach(Phase.PARAMETERS)
        case "renegotiation":
            await ev.reach(Phase.LOOP)
            await ev.renegotiate()
        case _:
            await ev.pause()
            await ev.wake()
            await ev.set_up(ev.session_id)
            if ev.last is None or ev.last.code != ResponseCode.OK_OLD_SESSION_JOINED.value:
                raise Inconclusive(f"the session was not joined: {ev.last}")
            selected = ev.schedule_id
            await ev.reach(Phase.PARAMETERS)
            return selected
    return None


def _check_limits(trial: Trial, answer: iso2.ChargeParameterDiscoveryRes, *, dc: bool) -> None:
    """Check for limits of the right kind that are not negative."""
    limits = answer.evse_charge_parameter
    wanted = iso2.DCEVSEChargeParameter if dc else iso2.ACEVSEChargeParameter
    trial.check(isinstance(limits, wanted), wanted.__name__, type(limits).__name__)
    values: dict[str, iso2.PhysicalValue | None]
    if isinstance(limits, iso2.DCEVSEChargeParameter):
        values = {
            "EVSEMaximumCurrentLimit": limits.evse_maximum_current_limit,
            "EVSEMaximumVoltageLimit": limits.evse_maximum_voltage_limit,
            "EVSEMaximumPowerLimit": limits.evse_maximum_power_limit,
        }
    else:
        assert isinstance(limits, iso2.ACEVSEChargeParameter)
        values = {
            "EVSENominalVoltage": limits.evse_nominal_voltage,
            "EVSEMaxCurrent": limits.evse_max_current,
        }
    for name, value in values.items():
        if value is not None:
            trial.check(value.value >= 0, f"{name} not negative", value.value)


def _wrong_mode(kind: str) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        await ev.reach(Phase.PARAMETERS)
        offered = ev.offered
        assert offered is not None
        modes = offered.charge_service.supported_energy_transfer_mode.energy_transfer_mode
        other = "AC" if ev.dc else "DC"
        left = [mode for mode in EnergyTransferMode if mode not in modes]
        if not left:
            raise Inconclusive("every energy transfer mode is offered")
        mode = next((one for one in left if one.value.startswith(other)), left[0])
        await ev.refused(requests.parameters(ev.ev, mode), ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE)

    return run


def _wrong_current(kind: str) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        await ev.reach(Phase.PARAMETERS)
        request = requests.parameters(ev.ev, ev.mode, max_current=-100.0)
        await ev.refused(request, ResponseCode.FAILED_WRONG_CHARGE_PARAMETER)

    return run


# --- cases -------------------------------------------------------------------------------------------------


def _from_table() -> list[Case]:
    made = []
    for numbers, row in _TABLE.items():
        when, *rest = row.split()
        words = frozenset(rest)
        for kind, number in zip(("AC", "DC"), numbers, strict=True):
            made.append(_one(kind, number, when, words))
    return made


def _one(kind: str, number: int, when: str, words: frozenset[str]) -> Case:
    title = _WHEN[when]
    title += ", with MaxEntriesSAScheduleTuple" if "entries" in words else ""
    title += ", with DepartureTime" if "departure" in words else ""
    expect = "OK/Finished within 60 s, schedules from 0 over "
    expect += "the time to departure" if "departure" in words else "24 h"
    expect += f", at most {MAX_ENTRIES} entries" if "entries" in words else ""
    expect += ", a SalesTariff" if "tariff" in words else ""
    expect += ", Ongoing before" if "ongoing" in words else ""
    expect += ", the selected schedule again" if when in ("EV", "station") else ""
    needs = {Need.EXTERNAL}
    needs |= {Need.TARIFF} if "tariff" in words else set()
    needs |= {Need.SLOW_SCHEDULES} if "ongoing" in words else set()
    needs |= {Need.PAUSE} if when == "EV" else set()
    needs |= {Need.WAKE} if when == "station" else set()
    run = never if when == "station" else _run(kind, when, words)
    ids = "V2G2-303 V2G2-304 V2G2-565 V2G2-905" + (" V2G2-741" if when in ("EV", "station") else "")
    return case(kind, GROUP, number, title, expect, run, *needs, ids=ids)


CASES: tuple[Case, ...] = (
    *_from_table(),
    *(
        case(
            *(kind, GROUP, number, title, f"{code.value}, TCP closed within 5 s", make(kind), Need.EXTERNAL),
            ids=ids,
        )
        for number_ac, number_dc, title, code, make, ids in (
            (
                *(4, 3, "a mode that is not offered, of the other kind"),
                *(ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE, _wrong_mode, "V2G2-476"),
            ),
            (
                *(5, 4, "a maximum current of -100 A"),
                *(ResponseCode.FAILED_WRONG_CHARGE_PARAMETER, _wrong_current, "V2G2-477"),
            ),
        )
        for kind, number in (("AC", number_ac), ("DC", number_dc))
    ),
)
