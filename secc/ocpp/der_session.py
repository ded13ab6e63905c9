"""What DER controls mean to the EV of a session in AC_DER_IEC, and what the EV reports (2.1, block R)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from secc.messages import iso20_ac_der_iec
from secc.messages.numbers import number
from secc.ocpp import der_rules
from secc.ocpp.attached import AttachedStation
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.der_control import DerControls
from secc.ocpp.der_model import DerControl
from secc.ocpp.dialect import to_iso
from secc.ocpp.model import Payload
from secc.records import Direction, MessageRecord
from secc.session.grid import GridCode, GridTargets
from secc.settings.ocpp import OcppVersion

__all__ = ["DerSession"]


class DerSession:
    """Follows the sessions of one outlet.

    The functions of a session are those of its beginning: one that is added acts from the next session on.
    New values of a function, and set-points, reach the EV of the running session.
    """

    def __init__(
        self,
        controls: DerControls,
        attached: AttachedStation,
        conversation: CsmsConversation,
        report: Callable[[str], None],
    ) -> None:
        self._controls = controls
        self._attached = attached
        self._conversation = conversation
        self._report = report
        self._ev_watts: float | None = None
        self._targets = GridTargets()
        self._code: GridCode | None = None
        """The rules of the running session; None: none, or none that can change."""
        self._running = False
        """A session of AC_DER_IEC is running."""
        self._condition = 0
        self._left_out: set[tuple[str, str]] = set()
        controls.changed = self.apply

    def begin(self) -> GridCode | None:
        """Return the rules for a session that begins; None without a function: the EV must not feed."""
        self._ev_watts = None
        acting = self._controls.acting
        self._left_out.clear()
        self._running, self._targets, self._code = True, GridTargets(), self._rules(acting)
        self.apply()
        return self._code

    def _rules(self, acting: Mapping[str, DerControl]) -> GridCode | None:
        stored = frozenset(one.kind for one in self._controls.state.controls)
        return der_rules.code_of(acting, stored, self._controls.ratings, self._leave_out)

    def session_over(self) -> None:
        """The session of the EV has ended, and what it has seen of the grid with it."""
        self.event(0)
        self._running = False

    def _leave_out(self, control: DerControl, why: str) -> None:
        if (control.id, why) not in self._left_out:
            self._left_out.add((control.id, why))
            self._report(f"{control.kind} {control.id} does not act: {why}")

    def seen(self, record: MessageRecord) -> None:
        """Note the rating of the EV, to which LimitMaxDischarge refers."""
        request = record.message
        if record.direction is Direction.RECEIVED and isinstance(
            request, iso20_ac_der_iec.ACChargeParameterDiscoveryReq
        ):
            mode = request.ac_cpd_req_energy_transfer_mode
            if isinstance(mode, iso20_ac_der_iec.DERACCPDReqEnergyTransferMode):
                self._ev_watts = _watts(mode)
                self.apply()

    def apply(self) -> None:
        """Pass on what acts now, if it differs from what the station has."""
        station = self._attached.station
        if station is None or not self._running:
            return
        acting = self._controls.acting
        targets = der_rules.targets_of(acting, self._controls.ratings, self._ev_watts)
        if targets != self._targets:
            self._targets = targets
            station.set_grid_targets(targets)
        code = self._rules(acting)
        if code is None or self._code is None:
            return
        try:
            code = self._code.adapted(code)
        except ValueError as error:
            self._report(f"new values of DER controls wait for the next session: {error}")
            self._code = None
            return
        if code != self._code:
            self._code = code
            station.set_grid_code(code)

    def event(self, condition: int) -> None:
        """The EV reports another GridEventCondition: an alarm, or its end at 0.

        The number has no meaning that the amendment and OCPP share. So the alarm names the control by which
        an inverter returns to service, and the number as text.
        """
        if condition == self._condition:
            return
        self._condition = condition
        body: Payload = {
            "controlType": "EnterService",
            "timestamp": to_iso(self._conversation.now),
            "extraInfo": f"GridEventCondition {condition}",
        }
        if condition == 0:
            body["alarmEnded"] = True
        self._conversation.notify("NotifyDERAlarm", body, (OcppVersion.V21,))


def _watts(mode: iso20_ac_der_iec.DERACCPDReqEnergyTransferMode) -> float:
    """Most power that the EV gives, in W, a magnitude over all phases."""
    parts = (
        mode.ev_maximum_discharge_power,
        mode.ev_maximum_discharge_power_l2,
        mode.ev_maximum_discharge_power_l3,
    )
    return sum(abs(number(part)) for part in parts if part is not None)
