"""The timers: each with its name in the standard, its value, and where it can be set."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
from typing import NamedTuple

from secc.connection import FRAME_TIME
from secc.messages import din as din_messages
from secc.messages import iso2
from secc.session.din.table import DIN
from secc.session.iso2.table import ISO2
from secc.session.states import Timer
from secc.settings import TimingConfig, TlsConfig
from secc.settings.slac import SlacConfig
from secc.slac import timing as slac_timing

INTRODUCTION = """# Timers

Made from `secc.settings`, `secc.session` and `secc.slac.timing`. Seconds. A timer of the standard can be set
because test stands and some cars need it; with another value the station does not conform. All of them run
on a monotonic clock, and only a complete, accepted request restarts the sequence timer."""


class Row(NamedTuple):
    """What the code does not know about a setting."""

    name: str
    """In the standard; empty for a bound of our own."""
    after: str
    """What happens when it is over."""


ROWS = {
    "communication_setup": Row("V2G_SECC_CommunicationSetup_Performance_Time", "the connection is closed"),
    "sequence": Row("V2G_SECC_Sequence_Timeout", "the session ends, output off"),
    "authorization": Row("V2G_SECC_Ongoing_Performance_Time", "the next AuthorizationReq is refused"),
    "revocation": Row("", "`pnc.revocation` decides"),
    "provisioning": Row("", "the request is refused"),
    "contract_answer": Row("", "`pnc.offline` decides"),
    "charge_parameters": Row(
        "V2G_SECC_Ongoing_Performance_Time", "the next ChargeParameterDiscoveryReq is refused"
    ),
    "cable_check": Row(
        "V2G_SECC_CableCheck_Performance_Time", "output off, the next CableCheckReq is refused"
    ),
    "pre_charge": Row("V2G_SECC_PreCharge_Performance_Time", "output off, unless the voltage is there"),
    "pre_charge_total": Row("", "output off, the next request is refused"),
    "voltage": Row("", "FAILED_PowerDeliveryNotApplied"),
    "voltage_reading": Row("", "the outlet is looked at again"),
    "discharge": Row("", "the outlet is blocked, the next request that needs it is refused"),
    "contactor_release": Row("", "the outlet is blocked; a start: FAILED_ContactorError"),
    "contactor_lost": Row("", "output off, the outlet is blocked"),
    "din_demand": Row("V2G_SECC_Sequence_Timeout of the charge loop", "the session ends, output off"),
    "contactor": Row("", "the contactor is opened, FAILED_ContactorError"),
    "pilot": Row("V2G_SECC_CPState_Detection_Timeout", "FAILED"),
    "answer_margin": Row("", "the answer leaves, with what is known"),
    "welding_detection": Row("", "the next WeldingDetectionReq is refused"),
    "stop_delay": Row("NotificationMaxDelay", "output off"),
    "stop_grace": Row("", "the next request that would go on is refused"),
    "close_delay": Row("", "the station closes the connection"),
    "lease": Row("", "the outlet switches itself off"),
    "lease_renewal": Row("", "the lease is renewed, the limits are applied again"),
    "minimum_pace": Row("", "the response leaves"),
    "renegotiate_after": Row("", "EVSENotification ReNegotiation, if it is worth it"),
    "pause": Row("", "the paused session is forgotten"),
    "backend_call": Row("", "the answer counts as none"),
    "controller_call": Row("", "a fault: output off"),
}


def page() -> str:
    """docs/reference/timers.md."""
    parts = [INTRODUCTION, "## Settings", _settings_table(), "## Where each runs", _states_table()]
    parts += ["## Performance times", _PERFORMANCE, _performance_table()]
    parts += ["## Matching and control pilot", _SLAC, _slac_table(), "## Fixed bounds", _bounds_table()]
    return "\n\n".join(parts) + "\n"


_PERFORMANCE = """How soon a response must leave after its request, V2G_SECC_Msg_Performance_Time. A car waits
half a second longer (5 s or 2 s; 0.25 s for CurrentDemandRes). A state that must answer and waits for the
outlet, the pilot or the back end answers `timing.answer_margin` before this time, with what is known then.
A late answer is counted as `secc_late_responses_total` among the
[metrics](../how-to/operate.md)."""

_SLAC = """Names and values of ISO 15118-3; `[slac]` sets two of them."""


def _settings_table() -> str:
    lines = ["| setting | value | name in the standard | from when to when | when it is over |"]
    lines.append("| --- | --- | --- | --- | --- |")
    docs = _docs(TimingConfig)
    for field in dataclasses.fields(TimingConfig):
        row = ROWS.get(field.name, Row("", ""))
        cells = [
            f"`timing.{field.name}`",
            f"{field.default:g}",
            row.name or "ours",
            docs[field.name],
            row.after,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _states_table() -> str:
    lines = ["| timer | states | requirements |", "| --- | --- | --- |"]
    for timer in Timer:
        rows = [rule for rule in ISO2.rules if rule.input is timer]
        states = [f"[{rule.state.name}](states.md#{rule.state.name.lower()})" for rule in rows]
        more = [rule for rule in DIN.rules if rule.input is timer]
        states += [f"DIN [{rule.state.name}](states-din.md#{rule.state.name.lower()})" for rule in more]
        rows += more
        ids = [rule.ids for rule in rows if rule.ids]
        if timer in ISO2.anywhere:
            states, ids = [*states, "every state"], [*ids, ISO2.anywhere[timer].ids]
        words = dict.fromkeys(" ".join(ids).split())
        lines.append(f"| `timing.{timer.value}` | {', '.join(states)} | {' '.join(words)} |")
    return "\n".join(lines)


def _performance_table() -> str:
    lines = ["| response | ISO 15118-2 | DIN SPEC 70121 |", "| --- | --- | --- |"]
    for response in iso2.PAIRS.values():
        name = response.__name__
        older = _DIN_NAMES.get(name, name)
        in_din = f"{DIN.due(older):g}" if hasattr(din_messages, older) else ""
        shown = name if older == name else f"{name}, {older}"
        lines.append(f"| {shown} | {ISO2.due(name):g} | {in_din} |")
    return "\n".join(lines)


_DIN_NAMES = {
    "PaymentServiceSelectionRes": "ServicePaymentSelectionRes",
    "AuthorizationRes": "ContractAuthenticationRes",
}


def _slac_table() -> str:
    lines = ["| name | value | meaning |", "| --- | --- | --- |"]
    tree = ast.parse(inspect.getsource(slac_timing)).body
    for constant, below in itertools.pairwise(tree):
        match constant, below:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                value = getattr(slac_timing, name)
                lines.append(f"| {name} | {value:g} | {_escaped(text)} |")
    docs = _docs(SlacConfig)
    for name in ("slac_init", "step_ef", "link_delay"):
        lines.append(f"| `slac.{name}` | {_default(SlacConfig, name)} | {docs[name]} |")
    return "\n".join(lines)


def _bounds_table() -> str:
    handshake = _default(TlsConfig, "handshake_timeout")
    return "\n".join(
        [
            "| bound | value | meaning |",
            "| --- | --- | --- |",
            f"| `secc.connection.FRAME_TIME` | {FRAME_TIME:g} | from the first byte of a frame to its last |",
            f"| `tls.handshake_timeout` | {handshake} | the whole handshake; can be set |",
        ]
    )


def _default(cls: type, name: str) -> str:
    return next(f"{field.default:g}" for field in dataclasses.fields(cls) if field.name == name)


def _docs(cls: type) -> dict[str, str]:
    """The docstring below each field."""
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in itertools.pairwise(body.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = _escaped(text)
    return found


def _escaped(text: str) -> str:
    return re.sub(r"\[(?=[A-Z0-9]+-[A-Z0-9-]*\d+\])", r"\\[", " ".join(text.split()).replace("|", r"\|"))
