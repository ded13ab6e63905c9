"""The oracle of a session that only reads the state of charge: nothing of it may ever energise the outlet."""

from __future__ import annotations

from secc.session.battery_events import BatteryRead, SocReadingBegun
from secc.session.contract_events import ContractRefused
from secc.session.inputs import Input
from secc.session.outputs import EndSession, Notice, OpenContactor, Output, Send, SetOutput
from tests.support.outlet_rules import require
from tests.support.safety import SafetyOracle

_HARMLESS = (Send, OpenContactor, Notice, EndSession, SocReadingBegun, BatteryRead, ContractRefused)


class SocOracle(SafetyOracle):
    """Feed it every (now, input, outputs) of one session, in order; of either protocol."""

    def step(self, now: float, event: Input, outputs: tuple[Output, ...]) -> None:
        for output in outputs:
            off = output == SetOutput(0.0, 0.0)
            require(off or isinstance(output, _HARMLESS), "INV-10", f"{output} in a session without energy")
            require(not self.ended, "INV-16", f"{output} after the end")
            if isinstance(output, EndSession):
                require(OpenContactor() in outputs, "INV-03", "an end without an open contactor")
                require(output.only_read, "INV-36", "an end that does not say that it only read")
                self.ended = True
