"""The power line in a trace: accepted frames, and the actions of the station."""

import collections

from secc import pilot
from secc.pilot import Drive
from secc.slac import events as slac
from secc.trace.recorder import Recorder


class PowerLineLog:
    """Writes into a trace, if there is one, up to a limit: a flood does not fill the disk [INV-26]."""

    def __init__(self, recorder: Recorder | None) -> None:
        """`recorder` as of the station."""
        self._recorder = recorder
        self._written: collections.deque[float] = collections.deque(maxlen=_MOST)

    def heard(self, data: bytes, now: float) -> None:
        """A frame that the matching has accepted."""
        if self._recorder is not None and self._may(now):
            self._recorder.power_line(now, data=data)

    def done(self, output: object, now: float) -> None:
        """Anything the matching or the sequence of the pilot has ordered."""
        if self._recorder is None or not self._may(now):
            return
        if isinstance(output, slac.SendFrame):
            self._recorder.power_line(now, data=output.data, sent=True)
        elif words := _words(output):
            self._recorder.power_line(now, done=words)

    def _may(self, now: float) -> bool:
        if len(self._written) == _MOST and now - self._written[0] < 1.0:
            return False
        self._written.append(now)
        return True


_MOST = 200


def _words(output: object) -> str:
    match output:
        case slac.StateChanged(state):
            return f"[{state.name}]"
        case slac.RunReport():
            return f"run of {output.ev_mac.hex(':')}: {output.outcome.value}"
        case slac.LinkGone(reason):
            return f"no link: {reason}"
        case slac.ModemUnfit(reason):
            return reason.value
        case slac.ModemReset(why):
            return f"modem reset: {why}"
        case slac.KeyLost():
            return "the modem has lost its key"
        case slac.SleepModem():
            return "modem sleeps"
        case slac.WakeModem():
            return "modem wakes"
        case pilot.Show(signal):
            return f"pilot {signal.duty:.0%}" if signal.drive is Drive.PWM else f"pilot {signal.drive.value}"
        case pilot.BasicCharging(allowed):
            return f"basic charging {'allowed' if allowed else 'withdrawn'}"
    return ""
