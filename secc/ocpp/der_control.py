"""The DER controls of one outlet: stored, followed over time, passed to the EV, reported (2.1, block R)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from secc.messages import iso20_ac_der_iec
from secc.messages.iso20_common import RationalNumber
from secc.ocpp import der_model, der_rules
from secc.ocpp.attached import AttachedStation
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.der_model import DerControl, DerState
from secc.ocpp.dialect import to_iso
from secc.ocpp.model import OutgoingCall, Payload
from secc.records import Direction, MessageRecord
from secc.session.grid import GridCode, GridTargets
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppVersion

__all__ = ["DerControls"]

_STATE = "der"
"""Name of the state in the store."""


class DerControls:
    """Holds the controls; `der_model` decides which one acts, `der_rules` what it means to an EV.

    The functions of a session are those of its beginning: one that is added acts from the next session on.
    New values of a function, and set-points, reach the EV of the running session.
    """

    def __init__(
        self,
        config: SeccConfig,
        attached: AttachedStation,
        conversation: CsmsConversation,
        report: Callable[[str], None],
    ) -> None:
        self.supported = der_rules.supported(config)
        """DERControlEnumType that this outlet supports."""
        self.state = DerState()
        self._ratings = der_rules.ratings_of(config)
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

    # --- requests of the CSMS ------------------------------------------------------------------------------

    def set(self, body: Payload) -> tuple[str, str, list[str]]:
        """Store a control; returns the status, the reason of a refusal, and the ids that are superseded."""
        kind, now = body["controlType"], self._conversation.now
        if kind not in self.supported:  # R04.FR.01
            return "NotSupported", f"{kind} is not supported", []
        try:
            control = der_model.read_control(body, now)
            der_rules.check_control(control, self._ratings)
            controls = der_model.added(der_model.unexpired(self.state.controls, now), control)
            self._check_together(controls, control, now)
        except ValueError as error:
            return "Rejected", str(error), []
        below, above = der_model.apart(control, controls)
        self._change(controls)
        return "Accepted", "", [control.id] if above else below

    def _check_together(self, controls: Sequence[DerControl], new: DerControl, now: float) -> None:
        """The new control must not contradict those that act when it begins."""
        moment = now if new.start is None else max(now, new.start)
        acting = der_model.acting(controls, moment)
        if acting.get(new.kind) is not new:
            return

        def refused(control: DerControl, why: str) -> None:
            raise ValueError(f"{control.kind} {control.id}: {why}")

        der_rules.code_of(acting, frozenset(acting), self._ratings, refused)

    def selected(self, *, default: bool | None, kind: str | None, id_: str | None) -> list[DerControl]:
        """Return the controls that are stored; None selects all."""
        wanted = ((default, "default"), (kind, "kind"), (id_, "id"))
        controls = der_model.unexpired(self.state.controls, self._conversation.now)
        return [
            one
            for one in controls
            if all(value is None or getattr(one, name) == value for value, name in wanted)
        ]

    def clear(self, *, default: bool, kind: str | None, id_: str | None) -> bool:
        """Remove controls; returns whether there were any."""
        found = self.selected(default=default, kind=kind, id_=id_)
        if found:
            self._change(tuple(one for one in self.state.controls if one not in found))
        return bool(found)

    def described(self, control: DerControl) -> tuple[str, Payload]:
        """Return field and element of ReportDERControlRequest for one control."""
        field = der_model.field_of(control.kind)
        inner = "fixedPF" if control.kind.startswith("FixedPF") else field
        body: Payload = {"id": control.id, inner: control.body}
        if field not in ("enterService", "gradient"):
            now = self._conversation.now
            body["isDefault"] = control.default
            taken = der_model.superseded_by(control, self.state.controls, now)
            body["isSuperseded"] = taken is not None
        if field == "curve":
            body["curveType"] = control.kind
        return field, body

    # --- over time -----------------------------------------------------------------------------------------

    def restore(self, stored: object) -> None:
        """Take what the store has; raises msgspec.ValidationError."""
        self.state = msgspec.convert(stored or {}, DerState)

    def observe(self) -> None:
        """Follow the times of the controls: report what begins and ends, pass on what is due. Call it
        periodically."""
        if self.supported and (self.state.controls or self.state.started):
            self._follow(self.state.controls)
        self._apply()

    def _change(self, controls: tuple[DerControl, ...]) -> None:
        self._left_out.clear()
        self._follow(controls, stored=True)
        self._apply()

    def _follow(self, controls: tuple[DerControl, ...], *, stored: bool = False) -> None:
        """R04.FR.20 to R04.FR.22. State and reports are stored together, so none is lost or repeated."""
        now = self._conversation.now
        left = der_model.unexpired(controls, now)
        acting = [one.id for one in der_model.acting(left, now).values() if not one.default]
        ended = [id_ for id_ in self.state.started if id_ not in acting]
        begun = [id_ for id_ in acting if id_ not in self.state.started]
        if not stored and len(left) == len(self.state.controls) and not ended and not begun:
            return
        calls = [_started(id_, now, started=False) for id_ in ended]
        for id_ in begun:
            taken = [
                one.id for one in left if one.id in ended and der_model.superseded_by(one, left, now) == id_
            ]
            calls.append(_started(id_, now, started=True, superseded=taken))
        self.state = DerState(controls=left, started=tuple(acting))
        self._conversation.queue.enqueue(calls, {_STATE: self.state})

    # --- the EV --------------------------------------------------------------------------------------------

    def code(self) -> GridCode | None:
        """Return the rules for a session that begins; None without a function: the EV must not feed."""
        self._ev_watts = None
        acting = der_model.acting(self.state.controls, self._conversation.now)
        self._running, self._targets, self._code = True, GridTargets(), self._rules(acting)
        self._apply()
        return self._code

    def _rules(self, acting: Mapping[str, DerControl]) -> GridCode | None:
        stored = frozenset(one.kind for one in self.state.controls)
        return der_rules.code_of(acting, stored, self._ratings, self._leave_out)

    def session_over(self) -> None:
        """The session of the EV has ended."""
        self._running, self._condition = False, 0

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
                self._apply()

    def _apply(self) -> None:
        """Pass on what acts now, if it differs from what the station has."""
        station = self._attached.station
        if station is None or not self._running:
            return
        acting = der_model.acting(self.state.controls, self._conversation.now)
        targets = der_rules.targets_of(acting, self._ratings, self._ev_watts)
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


def _started(id_: str, now: float, *, started: bool, superseded: Sequence[str] = ()) -> OutgoingCall:
    body: Payload = {"controlId": id_, "started": started, "timestamp": to_iso(now)}
    if superseded:
        body["supersededIds"] = list(superseded)
    return OutgoingCall(action="NotifyDERStartStop", body=body, versions=(OcppVersion.V21.value,))


def _watts(mode: iso20_ac_der_iec.DERACCPDReqEnergyTransferMode) -> float:
    """Most power that the EV gives, in W, a magnitude over all phases."""
    parts = (
        mode.ev_maximum_discharge_power,
        mode.ev_maximum_discharge_power_l2,
        mode.ev_maximum_discharge_power_l3,
    )
    return sum(abs(_value(part)) for part in parts if part is not None)


def _value(number: RationalNumber) -> float:
    return number.value * 10.0**number.exponent
