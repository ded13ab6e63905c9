"""Settings and state that a CSMS may read and change: variables of 2.x, configuration keys of 1.6."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from secc.ocpp.attached import AttachedStation
from secc.ocpp.background import BackgroundTasks
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.model import Payload
from secc.ocpp.network import NetworkProfiles
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.signing import Signing
from secc.ocpp.transactions import Transactions
from secc.session.outlet import EvseSnapshot
from secc.settings.config import SeccConfig

__all__ = ["Variable", "VariableContext", "Variables", "component_of", "find", "variable_of"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable, with its names in both versions."""

    component: str
    name: str
    read: Callable[[VariableContext], str] | None
    """None: write-only."""
    write: Callable[[VariableContext, str], None] | None = None
    """None: read-only. Raises ValueError for an invalid value."""
    key: str = ""
    """Configuration key of 1.6; empty: none."""
    kind: str = "string"
    """dataType of OCPP."""
    instance: str = ""
    evse: int | None = None
    connector: int | None = None
    unit: str = ""
    least: float | None = None
    most: float | None = None
    options: str = ""
    """Allowed values of a list, separated by commas."""
    monitored: bool = False
    """The CSMS may set monitors."""
    constant: bool = False
    reboot: bool = False
    """A new value takes effect after a reset."""
    exists: Callable[[VariableContext], bool] = lambda _: True
    """Whether a station with these settings has the variable."""

    @property
    def label(self) -> str:
        """Key of the stored value."""
        return f"{self.component}.{self.name}" + (f"[{self.instance}]" if self.instance else "")

    @property
    def mutability(self) -> str:
        """As in a report."""
        if self.read is None:
            return "WriteOnly"
        return "ReadOnly" if self.write is None else "ReadWrite"

    @property
    def numeric(self) -> bool:
        """Thresholds can be set."""
        return self.kind in ("integer", "decimal")


@dataclasses.dataclass(slots=True)
class VariableContext:
    """The parts of a back end that variables read and change."""

    config: SeccConfig
    settings: RuntimeSettings
    conversation: CsmsConversation
    transactions: Transactions
    signing: Signing
    background: BackgroundTasks
    limits: ChargingLimits
    attached: AttachedStation
    network: NetworkProfiles
    services: frozenset[str] = frozenset()
    """Names of the services that the integrator provides."""
    connector_type: str = ""

    @property
    def snapshot(self) -> EvseSnapshot | None:
        """State of the outlet."""
        return self.attached.snapshot


def component_of(one: Variable) -> Payload:
    """Return ComponentType."""
    body: Payload = {"name": one.component}
    if one.evse is not None:
        body["evse"] = {"id": one.evse}
        if one.connector is not None:
            body["evse"]["connectorId"] = one.connector
    return body


def variable_of(one: Variable) -> Payload:
    """Return VariableType."""
    return {"name": one.name, **({"instance": one.instance} if one.instance else {})}


def find(table: tuple[Variable, ...], component: Payload, variable: Payload) -> Variable | str:
    """Return a variable, or UnknownComponent or UnknownVariable."""
    there = [one for one in table if _is_component(one, component)]
    if not there:
        return "UnknownComponent"
    name, instance = variable["name"].casefold(), variable.get("instance", "").casefold()
    found = (one for one in there if (one.name.casefold(), one.instance.casefold()) == (name, instance))
    return next(found, "UnknownVariable")


def _is_component(one: Variable, component: Payload) -> bool:
    if one.component.casefold() != component["name"].casefold() or component.get("instance"):
        return False
    where = component.get("evse", {})
    if (one.evse, one.connector) == (where.get("id"), where.get("connectorId")):
        return True
    return one.component == "ISO15118Ctrlr" and where == {"id": 1}  # it may be listed for station or EVSE


class Variables:
    """Reads and changes the variables of one station."""

    def __init__(
        self, table: tuple[Variable, ...], context: VariableContext, report: Callable[[str], None]
    ) -> None:
        self.table = tuple(one for one in table if one.exists(context))
        self.context = context
        self._report = report

    def find_key(self, key: str) -> Variable | None:
        """Return a variable by its key in 1.6."""
        return next((one for one in self.table if one.key and one.key.casefold() == key.casefold()), None)

    def value(self, variable: Variable) -> str | None:
        """Return the present value; None for a write-only one."""
        return None if variable.read is None else variable.read(self.context)[:_LONGEST]

    def change(self, variable: Variable, value: str) -> str:
        """Return Accepted, RebootRequired or Rejected; an accepted value is stored."""
        if variable.write is None:
            return "Rejected"
        try:
            variable.write(self.context, value)
        except (ValueError, OSError) as error:
            self._report(f"{variable.label} is not changed: {error}")
            return "Rejected"
        if variable.read is not None:  # secrets are in separate files
            self.context.settings.overrides[variable.label] = value
            overrides = dict(self.context.settings.overrides)
            self.context.conversation.queue.enqueue((), {"variables": overrides})
        return "RebootRequired" if variable.reboot else "Accepted"

    def restore(self) -> None:
        """Apply the stored values after a restart."""
        overrides = self.context.settings.overrides
        for variable in self.table:
            value = overrides.get(variable.label)
            if value is None or variable.write is None:
                continue
            try:
                variable.write(self.context, value)
            except (ValueError, OSError):
                del overrides[variable.label]


_LONGEST = 2500
