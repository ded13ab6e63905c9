"""The table of the matching, and random histories against it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secc.settings import Deviation
from secc.settings.slac import Validation
from secc.slac import events as e
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.frames import BROADCAST, Message
from secc.slac.get_key import GetKeyCnf
from secc.slac.parameters import ModuleReadCnf
from secc.slac.runs import MAX_RUNS
from secc.slac.states import SlacState
from secc.slac.table import RULES, TABLE
from tests.support.matching import EV, EV_2, EVSE, MODEM, RUN, RUN_2, Bench


def test_the_table_has_one_row_for_each_state_and_input() -> None:
    assert len(TABLE) == sum(len(row.states) for row in RULES)


EVENTS: tuple[e.Input, ...] = (
    e.ModemOpened(),
    e.ModemLost(),
    e.VehicleConnected(),
    e.VehicleConnected(expect_request=False),
    e.VehicleGone(),
    e.PilotMoved(True),
    e.PilotMoved(False),
    e.VehicleConnected(within=6.0),
    e.LeaveLink(),
    e.LeaveLink("D-LINK_ERROR", failed=True),
    e.LinkUsed(True),
    e.LinkUsed(False),
    e.PauseLink(),
    e.ResumeLink(),
    e.SlacTick(),
)
FRAMES: tuple[tuple[bytes, bytes, Message], ...] = tuple(
    (source, destination, message)
    for source, run in ((EV, RUN), (EV_2, RUN_2), (MODEM, RUN))
    for destination, message in (
        (BROADCAST, m.SlacParmReq(run)),
        (BROADCAST, m.StartAttenCharInd(run, source)),
        (BROADCAST, m.MnbcSoundInd(run, 3)),
        (BROADCAST, m.AttenProfileInd(EV, bytes([9] * 58))),
        (EVSE, m.AttenCharRsp(source, run)),
        (EVSE, m.ValidateReq(0, 0, 1)),
        (EVSE, m.ValidateReq(0, 5, 1)),
        (EVSE, m.SlacMatchReq(source, EVSE, run)),
        (EVSE, m.SetKeyCnf(1)),
        (EVSE, m.AmpMapReq(8, bytes(4))),
        (EVSE, m.AmpMapCnf(0)),
        (EVSE, v.LinkStatusCnf(0, 1)),
        (EVSE, v.LinkStatusCnf(0, 0)),
        (EVSE, v.SoftwareVersionCnf(0, 1, b"x")),
        (EVSE, v.LumissilLinkCnf(0, 0)),
        (EVSE, v.LumissilVersionCnf()),
        (EVSE, v.RestartCnf(0)),
        (EVSE, m.SetKeyCnf(0)),
        (EVSE, GetKeyCnf(1, bytes(7), bytes(16))),
        (EVSE, ModuleReadCnf(0, 0x1650, bytes((0, 0, 0, 1)))),
    )
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(EVENTS) | st.sampled_from(FRAMES) | st.binary(max_size=90),
            st.sampled_from([0.0, 0.001, 0.02, 0.1, 0.3, 0.7, 5.0, 13.0]),
        ),
        max_size=60,
    ),
    st.sets(st.sampled_from(("amplitude_map", "apply_amplitude_map", "sleep_on_pause"))),
    st.sets(st.sampled_from(Deviation)),
)
def test_random_histories_never_break_the_rules(
    history: list[tuple[e.Input | tuple[bytes, bytes, Message] | bytes, float]],
    switched_on: set[str],
    tolerate: set[Deviation],
) -> None:
    switches = dict.fromkeys(switched_on, True)
    bench = Bench(
        validation=Validation.ON, tolerate=tuple(tolerate), reset_after=1, key_check=5.0, **switches
    )
    acknowledged: set[bytes] = set()
    plugged = True
    for step, seconds in history:
        bench.wait(seconds)
        bench.take()
        if isinstance(step, bytes):
            bench.put(e.FrameReceived(step))
        elif isinstance(step, tuple):
            if isinstance(step[2], m.AttenCharRsp):
                acknowledged.add(step[0])
            bench.hear(*step)
        else:
            plugged = (plugged and not isinstance(step, e.VehicleGone)) or isinstance(
                step, e.VehicleConnected
            )
            bench.put(step)
        for message in bench.take():
            if isinstance(message, m.SlacMatchCnf):
                assert message.pev_mac in acknowledged
                assert plugged
        assert len(bench.matching.runs) <= MAX_RUNS
        assert not (
            bench.matching.asleep and bench.matching.state not in (SlacState.PAUSED, SlacState.RESUMING)
        )
        due = bench.matching.deadline
        assert due is None or due > bench.now - 1e-9


def _of_a_modem(frame: tuple[bytes, bytes, Message]) -> bool:
    return isinstance(frame[2], m.SetKeyCnf | v.SoftwareVersionCnf | v.LumissilVersionCnf | GetKeyCnf)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(EVENTS) | st.sampled_from([f for f in FRAMES if not _of_a_modem(f)]),
            st.sampled_from([0.0, 0.02, 0.3, 0.7, 5.0, 13.0]),
        ),
        max_size=40,
    ),
)
def test_after_any_history_the_next_car_is_matched(
    history: list[tuple[e.Input | tuple[bytes, bytes, Message], float]],
) -> None:
    """The modem confirms each key; whatever others have sent, the next car gets one in its first attempt."""
    bench = Confirming(reset_after=2, key_check=5.0)
    for step, seconds in history:
        bench.wait(seconds)
        bench.hear(*step) if isinstance(step, tuple) else bench.put(step)
    if bench.matching.state is SlacState.DOWN:
        bench.put(e.ModemOpened())
    for event in (e.LinkUsed(False), e.VehicleGone()):
        bench.put(event)
    bench.wait(3.0)  # a reset may just have begun
    bench.put(e.VehicleConnected())
    bench.wait(1.0)
    bench.match()


class Confirming(Bench):
    """With a modem that confirms each key at once."""

    def put(self, event: e.Input) -> None:
        before = len(self.sent)
        super().put(event)
        if any(isinstance(message, m.SetKeyReq) for message in self.sent[before:]):
            self.hear(MODEM, EVSE, m.SetKeyCnf(1))
