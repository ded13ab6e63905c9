"""The DER controls of one outlet: stored, followed over time, reported (2.1, block R)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from secc.ocpp import der_model, der_rules
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.der_model import DerControl, DerState
from secc.ocpp.dialect import to_iso
from secc.ocpp.model import OutgoingCall, Payload
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppVersion

__all__ = ["DerControls"]

_STATE = "der"
"""Name of the state in the store."""


class DerControls:
    """Holds the controls; `der_model` decides which one acts, `der_rules` what it means to an EV, and
    `der_session` passes it on."""

    def __init__(self, config: SeccConfig, conversation: CsmsConversation) -> None:
        self.supported = der_rules.supported(config)
        """DERControlEnumType that this outlet supports."""
        self.ratings = der_rules.ratings_of(config)
        """What percentages refer to."""
        self.state = DerState()
        self.changed: Callable[[], None] = lambda: None
        """Called when controls may act that did not, and periodically."""
        self._conversation = conversation

    @property
    def acting(self) -> dict[str, DerControl]:
        """The control of each type that acts now."""
        return der_model.acting(self.state.controls, self._conversation.now)

    # --- requests of the CSMS ------------------------------------------------------------------------------

    def set(self, body: Payload) -> tuple[str, str, list[str]]:
        """Store a control; returns the status, the reason of a refusal, and the ids that are superseded."""
        kind, now = body["controlType"], self._conversation.now
        if kind not in self.supported:  # R04.FR.01
            return "NotSupported", f"{kind} is not supported", []
        try:
            control = der_model.read_control(body, now)
            der_rules.check_control(control, self.ratings)
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

        der_rules.code_of(acting, frozenset(acting), self.ratings, refused)

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
        self.changed()

    def _change(self, controls: tuple[DerControl, ...]) -> None:
        self._follow(controls, stored=True)
        self.changed()

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


def _started(id_: str, now: float, *, started: bool, superseded: Sequence[str] = ()) -> OutgoingCall:
    body: Payload = {"controlId": id_, "started": started, "timestamp": to_iso(now)}
    if superseded:
        body["supersededIds"] = list(superseded)
    return OutgoingCall(action="NotifyDERStartStop", body=body, versions=(OcppVersion.V21.value,))
