"""How rows of the device model are made, and how their values are written."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

from secc.ocpp.transactions import MEASURANDS
from secc.ocpp.variables import Variable, VariableContext
from secc.private_files import write_private

Read = Callable[[VariableContext], str]
Write = Callable[[VariableContext, str], None]


# --- reading and writing -----------------------------------------------------------------------------------


def _flag(text: str) -> bool:
    if text.casefold() not in ("true", "false"):
        raise ValueError(f"{text!r}, expected true or false")
    return text.casefold() == "true"


def _bounded(text: str, least: int, most: int) -> int:
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"{number}, expected {least} to {most}")
    return number


def said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def flag(component: str, name: str, field: str, key: str = "") -> Variable:
    """A flag of `[ocpp]` that the CSMS may change."""

    def write(context: VariableContext, value: str) -> None:
        context.settings.change(field, _flag(value))

    return Variable(
        component=component,
        name=name,
        key=key,
        read=lambda one: said(getattr(one.settings.ocpp, field)),
        write=write,
        kind="boolean",
    )


def number(
    component: str, name: str, field: str, least: int, most: int, *, key: str = "", instance: str = ""
) -> Variable:
    """A number of `[ocpp]` that the CSMS may change, in seconds or a count."""

    def write(context: VariableContext, value: str) -> None:
        context.settings.change(
            field, type(getattr(context.settings.ocpp, field))(_bounded(value, least, most))
        )

    return Variable(
        component=component,
        name=name,
        key=key,
        instance=instance,
        read=lambda one: f"{getattr(one.settings.ocpp, field):g}",
        write=write,
        kind="integer",
        least=least,
        most=most,
    )


def decimal(component: str, name: str, field: str, *, instance: str = "", unit: str = "W") -> Variable:
    """A number with a sign of `[ocpp]` that the CSMS may change."""

    def write(context: VariableContext, value: str) -> None:
        context.settings.change(field, float(value))

    return Variable(
        component=component,
        name=name,
        instance=instance,
        unit=unit,
        read=lambda one: f"{getattr(one.settings.ocpp, field):g}",
        write=write,
        kind="decimal",
    )


def fixed(
    component: str, name: str, value: object, kind: str, *, instance: str = "", unit: str = "", key: str = ""
) -> Variable:
    """A property that does not change."""
    text = said(value)
    return Variable(
        component=component,
        name=name,
        key=key,
        read=lambda _: text,
        kind=kind,
        instance=instance,
        unit=unit,
        constant=True,
        most=float(text) if kind == "integer" else None,
    )


def state_row(
    component: str,
    name: str,
    read: Read,
    kind: str = "string",
    *,
    write: Write | None = None,
    key: str = "",
    options: str = "",
    limits: tuple[float, float] | None = None,
) -> Variable:
    least, most = (None, None) if limits is None else limits
    return Variable(
        component=component,
        name=name,
        read=read,
        write=write,
        kind=kind,
        key=key,
        options=options,
        least=least,
        most=most,
    )


# --- special values ----------------------------------------------------------------------------------------


def set_heartbeat(context: VariableContext, value: str) -> None:
    context.conversation.change_interval(float(_bounded(value, 1, 86_400)))


def set_meter_interval(context: VariableContext, value: str) -> None:
    context.transactions.interval = float(_bounded(value, 1, 86_400))


def set_aligned(context: VariableContext, value: str) -> None:
    context.transactions.aligned = float(_bounded(value, 0, 86_400))


def set_central(context: VariableContext, value: str) -> None:
    """Change central validation; the CSMS cannot enable what the configuration does not allow."""
    wanted = _flag(value)
    if wanted and not context.config.pnc.central_validation:
        raise ValueError("pnc.central_validation is off")
    context.settings.central_validation = wanted


def set_wait(context: VariableContext, value: str) -> None:
    context.signing.wait = float(_bounded(value, 1, 86_400))


def set_repeats(context: VariableContext, value: str) -> None:
    context.signing.repeats = _bounded(value, 0, 100)


def set_attempts(context: VariableContext, value: str) -> None:
    context.network.attempts = _bounded(value, 1, 100)


def set_priority(context: VariableContext, value: str) -> None:
    context.network.set_priority(value)


def set_password(context: VariableContext, value: str) -> None:
    path = context.settings.ocpp.password_file
    if path is None or not 8 <= len(value) <= 64:
        raise ValueError(f"{len(value)} characters, expected 8 to 64, and ocpp.password_file must be set")
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    write_private(new, value.encode())
    os.replace(new, path)
    context.background.spawn(context.conversation.link.drop("a new password"))


def measurands(name: str, use: str, component: str = "SampledDataCtrlr", key: str = "") -> Variable:
    """Which values are measured for a purpose."""

    def write(context: VariableContext, value: str) -> None:
        wanted = tuple(dict.fromkeys(one.strip() for one in value.split(",") if one.strip()))
        unknown = [one for one in wanted if one not in MEASURANDS]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: not measured here")
        context.transactions.measurands = {**context.transactions.measurands, use: wanted}

    return Variable(
        component=component,
        name=name,
        key=key,
        read=lambda one: ",".join(one.transactions.measurands[use]),
        write=write,
        kind="MemberList",
        options=",".join(MEASURANDS),
    )


def live(component: str, name: str, read: Read, kind: str, *, place: int, **named: object) -> Variable:
    """State of the station (`place` 0), its EVSE (1) or its connector (2), which may be monitored."""
    return dataclasses.replace(
        Variable(component=component, name=name, read=read, kind=kind, monitored=True),
        evse=1 if place else None,
        connector=1 if place == 2 else None,
        **named,  # type: ignore[arg-type]
    )
