"""What an OCPP back end stored before the station restarted."""

from __future__ import annotations

import contextlib

import msgspec

from secc.ocpp.authorising import Memory
from secc.ocpp.commands import Commands
from secc.ocpp.firmware import InstallingFirmware
from secc.ocpp.monitoring import VariableMonitor
from secc.ocpp.network import NetworkProfile
from secc.ocpp.parts import OcppParts
from secc.ocpp.profile_model import ChargingProfile
from secc.ocpp.reservations import Reservation
from secc.ocpp.tariff_store import TariffState
from secc.ocpp.transactions import OpenTransaction


def restore(parts: OcppParts, commands: Commands) -> None:
    """Restore what is stored; what cannot be read is left at its default."""
    store = parts.store
    with contextlib.suppress(msgspec.ValidationError):
        parts.transactions.open = msgspec.convert(store.get("transaction"), OpenTransaction | None)
    with contextlib.suppress(msgspec.ValidationError):
        parts.limits.profiles = msgspec.convert(store.get("profiles") or (), tuple[ChargingProfile, ...])
    with contextlib.suppress(msgspec.ValidationError):
        parts.authorizer.memory = msgspec.convert(store.get("memory") or {}, Memory)
    with contextlib.suppress(msgspec.ValidationError):
        parts.settings.overrides = msgspec.convert(store.get("variables") or {}, dict[str, str])
    with contextlib.suppress(msgspec.ValidationError):
        parts.outlet.reservations.present = msgspec.convert(store.get("reservation"), Reservation | None)
    with contextlib.suppress(msgspec.ValidationError):
        parts.authorizer.tariffs.state = msgspec.convert(store.get("tariffs") or {}, TariffState)
    with contextlib.suppress(msgspec.ValidationError):
        parts.der.restore(store.get("der"))
    with contextlib.suppress(msgspec.ValidationError):
        monitors = msgspec.convert(store.get("monitors") or [], list[VariableMonitor])
        commands.diagnostics.monitors.installed = {one.id: one for one in monitors}
    with contextlib.suppress(msgspec.ValidationError):
        slots = msgspec.convert(store.get("network") or {}, dict[str, NetworkProfile])
        parts.network.slots = {int(slot): one for slot, one in slots.items()}
    with contextlib.suppress(msgspec.ValidationError):
        monitoring = msgspec.convert(store.get("monitoring") or ("All", 9), tuple[str, int])
        parts.settings.monitoring_base, parts.settings.monitoring_level = monitoring
    with contextlib.suppress(msgspec.ValidationError):
        installing = msgspec.convert(store.get("firmware"), InstallingFirmware | None)
        parts.conversation.boot_with(commands.services.firmware.recover(installing))
    parts.settings.reserved = parts.outlet.reservations.present is not None
    parts.settings.listed = len(parts.authorizer.memory.listed)
    parts.settings.operative = store.get("operative") is not False
    commands.variables.restore()
