"""A session of ISO 15118-20 in each state."""

from __future__ import annotations

from collections.abc import Callable

from secc.messages.iso20_common import Processing
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.states import SideState
from secc.session.outlet import ControlPilot
from secc.session.streams import Stream
from secc.settings import SeccConfig
from tests.support import iso20 as r
from tests.support.installation import InstallationBench
from tests.support.iso20 import AC, DC, Bench20
from tests.support.iso20_config import with_iso20
from tests.support.metering20 import INTERVAL, LONG, METERED_DC, METERED_ONCE, MeteredBench
from tests.support.pnc20 import PNC_DC, PncBench20

STANDBY_AC, STANDBY_DC = with_iso20(AC, standby=True), with_iso20(DC, standby=True)
PARKING_AC, PARKING_DC = with_iso20(AC, parking=(1, 5)), with_iso20(DC, parking=(1, 5))
Way = tuple[SeccConfig, Callable[[Bench20], object]]


def _awaiting_pilot_ac(bench: Bench20) -> None:
    bench.to_power_on_ac().ask(r.start())


def _closing(bench: Bench20) -> None:
    bench.to_power_on_ac().outlet(control_pilot=ControlPilot.C)
    bench.ask(r.start())


def _loop_ac(bench: Bench20) -> None:
    bench.to_first_loop_ac().ask(r.ac_loop())


def _new_schedule_ac(bench: Bench20) -> None:
    _loop_ac(bench)
    bench.ask(r.renegotiate())


def _new_profile_ac(bench: Bench20) -> None:
    _new_schedule_ac(bench)
    bench.ask(r.scheduled())


def _awaiting_pilot_dc(bench: Bench20) -> None:
    bench.to_cable_check().ask(r.cable_check())


def _cable_check_result(bench: Bench20) -> None:
    bench.to_cable_check().outlet(control_pilot=ControlPilot.C)
    bench.ask(r.cable_check())


def _pre_charge_again(bench: Bench20) -> None:
    bench.to_pre_charge().ask(r.pre_charge(processing=Processing.ONGOING))


def _awaiting_voltage(bench: Bench20) -> None:
    bench.to_power_on_dc().outlet(present_voltage=250.0)
    bench.ask(r.start())


def _loop_dc(bench: Bench20) -> None:
    bench.to_first_loop_dc().ask(r.dc_loop())


def _new_schedule_dc(bench: Bench20) -> None:
    _loop_dc(bench)
    bench.ask(r.renegotiate())


def _new_profile_dc(bench: Bench20) -> None:
    _new_schedule_dc(bench)
    bench.ask(r.scheduled())


def _standby_ac(bench: Bench20) -> None:
    _loop_ac(bench)
    bench.ask(r.standby())
    bench.outlet(contactor_closed=False)


def _standby_dc(bench: Bench20) -> None:
    _loop_dc(bench)
    bench.ask(r.standby())


def _welding(bench: Bench20) -> None:
    _loop_dc(bench)
    bench.ask(r.stop())


def _session_stop(bench: Bench20) -> None:
    _welding(bench)
    bench.ask(r.welding())


def _certificate(bench: Bench20) -> None:
    assert isinstance(bench, InstallationBench)
    bench.to_certificate()


def _parked(bench: Bench20, service: int) -> None:
    bench.to_selection(service).ask(r.selection(service, 1, (66, 1)))


def _leaving(bench: Bench20) -> None:
    bench.to_selection().ask(r.selection(2, 1, (66, 5)))
    bench.ask(r.dc_parameters())
    bench.ask(r.scheduled())
    bench.prepare()
    for request in (r.start(), r.dc_loop(), r.stop(), r.welding()):
        bench.ask(request)


def _ended(bench: Bench20) -> None:
    bench.to_authorization().ask(r.session_stop())


def _judging(bench: Bench20) -> None:
    assert isinstance(bench, PncBench20)
    bench.to_authorization()
    bench.send(bench.car.request(bench.challenge))


WAYS: dict[S, Way] = {
    S.WAIT_SESSION_SETUP: (DC, lambda _: None),
    S.WAIT_AUTHORIZATION_SETUP: (DC, lambda bench: bench.ask(r.session_setup(), bytes(8))),
    S.WAIT_AUTHORIZATION: (DC, Bench20.to_authorization),
    S.JUDGING_CONTRACT: (PNC_DC, _judging),
    S.WAIT_CERTIFICATE: (DC, _certificate),
    S.WAIT_SERVICE_DISCOVERY: (DC, Bench20.to_services),
    S.WAIT_SERVICE_DETAIL: (DC, lambda bench: bench.to_services().ask(r.service_discovery())),
    S.WAIT_SERVICE_SELECTION: (DC, Bench20.to_selection),
    S.WAIT_CHECK_IN_AC: (PARKING_AC, lambda bench: _parked(bench, 1)),
    S.WAIT_CHECK_IN_DC: (PARKING_DC, lambda bench: _parked(bench, 2)),
    S.WAIT_PARAMETERS_AC: (AC, lambda bench: bench.to_parameters(1)),
    S.WAIT_SCHEDULE_AC: (AC, lambda bench: bench.to_schedule(1)),
    S.WAIT_POWER_ON_AC: (AC, Bench20.to_power_on_ac),
    S.AWAITING_PILOT_AC: (AC, _awaiting_pilot_ac),
    S.CLOSING_CONTACTOR: (AC, _closing),
    S.WAIT_FIRST_LOOP_AC: (AC, Bench20.to_first_loop_ac),
    S.WAIT_LOOP_AC: (AC, _loop_ac),
    S.WAIT_NEW_SCHEDULE_AC: (AC, _new_schedule_ac),
    S.WAIT_NEW_PROFILE_AC: (AC, _new_profile_ac),
    S.WAIT_STANDBY_AC: (STANDBY_AC, _standby_ac),
    S.WAIT_PARAMETERS_DC: (DC, Bench20.to_parameters),
    S.WAIT_SCHEDULE_DC: (DC, Bench20.to_schedule),
    S.WAIT_CABLE_CHECK: (DC, Bench20.to_cable_check),
    S.AWAITING_PILOT_DC: (DC, _awaiting_pilot_dc),
    S.WAIT_CABLE_CHECK_RESULT: (DC, _cable_check_result),
    S.WAIT_PRE_CHARGE: (DC, Bench20.to_pre_charge),
    S.WAIT_PRE_CHARGE_AGAIN: (DC, _pre_charge_again),
    S.WAIT_POWER_ON_DC: (DC, Bench20.to_power_on_dc),
    S.AWAITING_VOLTAGE: (DC, _awaiting_voltage),
    S.WAIT_FIRST_LOOP_DC: (DC, Bench20.to_first_loop_dc),
    S.WAIT_LOOP_DC: (DC, _loop_dc),
    S.WAIT_NEW_SCHEDULE_DC: (DC, _new_schedule_dc),
    S.WAIT_NEW_PROFILE_DC: (DC, _new_profile_dc),
    S.WAIT_STANDBY_DC: (STANDBY_DC, _standby_dc),
    S.WAIT_WELDING: (DC, _welding),
    S.WAIT_CHECK_OUT: (PARKING_DC, _leaving),
    S.WAIT_SESSION_STOP: (DC, _session_stop),
    S.ENDED: (DC, _ended),
}


def _exchange_beside(bench: Bench20) -> None:
    _loop_dc(bench)
    bench.beside(r.dc_parameters())


def _profile_beside(bench: Bench20) -> None:
    _exchange_beside(bench)
    bench.beside(r.scheduled())


def _metering(seconds: float) -> Callable[[Bench20], object]:
    def way(bench: Bench20) -> None:
        assert isinstance(bench, MeteredBench)
        bench.in_loop()
        bench.for_seconds(seconds)

    return way


def _confirmed(bench: Bench20) -> None:
    _metering(INTERVAL)(bench)
    assert isinstance(bench, MeteredBench)
    bench.confirm()


SIDE_WAYS: dict[SideState, tuple[Stream, SeccConfig, Callable[[Bench20], object]]] = {
    SideState.SCHEDULE_AC: (Stream.SCHEDULE, AC, _loop_ac),
    SideState.SCHEDULE_DC: (Stream.SCHEDULE, DC, _loop_dc),
    SideState.SCHEDULE_EXCHANGE: (Stream.SCHEDULE, DC, _exchange_beside),
    SideState.SCHEDULE_PROFILE: (Stream.SCHEDULE, DC, _profile_beside),
    SideState.METERING_IDLE: (Stream.METERING, METERED_DC, _confirmed),
    SideState.METERING_REQUESTED: (Stream.METERING, METERED_DC, _metering(INTERVAL)),
    SideState.METERING_LATE: (Stream.METERING, METERED_ONCE, _metering(LONG + 11.0)),
}


def in_side_state(state: SideState, config: SeccConfig | None = None) -> Bench20:
    """A bench with a side stream in this state."""
    _, usual, way = SIDE_WAYS[state]
    made = MeteredBench if usual.pnc.receipt_interval is not None else Bench20
    bench = made(config or usual)
    way(bench)
    return bench


def in_state(state: S, config: SeccConfig | None = None) -> Bench20:
    """A bench in this state."""
    usual, way = WAYS[state]
    with_contracts = state in (S.WAIT_AUTHORIZATION, S.WAIT_CERTIFICATE)
    kind = InstallationBench if with_contracts else PncBench20 if state is S.JUDGING_CONTRACT else Bench20
    bench = kind(config or usual)
    way(bench)
    return bench
