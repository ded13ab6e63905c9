"""What the CSMS may ask for: the part that both versions share, and which module answers which message."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from secc.errors import SeccError
from secc.ocpp import profiles
from secc.ocpp.certificates import CHAIN, chain_data, hash_data
from secc.ocpp.dialect import to_iso
from secc.ocpp.rpc import CallFailed
from secc.ocpp.words import (
    ListEntry,
    Payload,
    Profile,
    ProfileFilter,
    Purpose,
    SecurityEvent,
    StopReason,
    Trigger,
)
from secc.pki.certificates import Certificate, read_chain
from secc.settings.ocpp import OcppVersion
from secc.settings.tls import TlsPolicy
from secc.station.tls import load_trust

if TYPE_CHECKING:
    from secc.ocpp.backend import OcppBackend

Answer = Awaitable[Payload] | Payload
Handler = Callable[["Commands", Payload], Answer]


class Commands:
    """One per back end."""

    def __init__(self, backend: OcppBackend) -> None:
        self.backend = backend

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Raises CallFailed for what is not supported."""
        from secc.ocpp import commands16, commands201

        v16 = self.backend.talk.dialect.version is OcppVersion.V16
        table = commands16.HANDLERS if v16 else commands201.HANDLERS
        handler = table.get(action)
        if handler is None:
            raise CallFailed("NotSupported", f"{action} is not supported")
        answer = handler(self, payload)
        return answer if isinstance(answer, dict) else await answer

    # --- transactions --------------------------------------------------------------------------------------

    @property
    def may_start(self) -> bool:
        """The CSMS may start a transaction: it has accepted the station (OCPP B02.FR.05), and none runs."""
        backend = self.backend
        return backend.talk.online and backend.operative and backend.transactions.open is None

    def stop_transaction(self, transaction: str) -> str:
        """Accepted when it runs here and the CSMS has accepted the station."""
        running = self.backend.transactions.open
        if not self.backend.talk.online:
            return "Rejected"
        if not transaction or running is None or running.id != transaction:
            return "Rejected"
        self.backend.stop(Trigger.REMOTE_STOP, StopReason.REMOTE, "stopped by the CSMS")
        return "Accepted"

    def reset(self, *, at_once: bool) -> str:
        """Accepted, or Scheduled for the end of the transaction."""
        backend = self.backend
        if backend.transactions.open is None:
            backend.reset("RemoteReset")
            return "Accepted"
        backend.reset_when_idle = True
        if at_once:
            backend.stop(Trigger.RESET, StopReason.IMMEDIATE_RESET, "reset by the CSMS")
            return "Accepted"
        return "Scheduled"

    def change_availability(self, *, operative: bool) -> str:
        """A running transaction goes on; the next one is refused."""
        backend = self.backend
        backend.operative = operative
        backend.keep(operative=operative)
        if not operative and backend.transactions.open is not None:
            return "Scheduled"
        backend.tell_status()
        return "Accepted"

    # --- profiles ------------------------------------------------------------------------------------------

    def set_profile(self, profile: Profile) -> str:
        """The reason of a refusal, or nothing."""
        backend = self.backend
        if profile.evse not in (0, 1):
            return "no such EVSE"
        if profile.purpose is Purpose.EXTERNAL:
            return "not for the CSMS to set"
        kept = profiles.added(backend.profiles, profile, backend.running)
        if isinstance(kept, str):
            return kept
        backend.profiles = kept
        backend.profiles_changed()
        return ""

    def clear_profiles(self, which: ProfileFilter) -> bool:
        """Whether there were any."""
        backend = self.backend
        left = profiles.cleared(backend.profiles, which)
        if len(left) == len(backend.profiles):
            return False
        backend.profiles = left
        backend.profiles_changed()
        return True

    def composite(self, duration: float, unit: str) -> tuple[str, list[Payload]]:
        """When it begins, and its periods; without a profile the outlet's own limit."""
        backend = self.backend
        now, supply = backend.talk.now, backend.supply
        per_ampere = supply.voltage * supply.phases
        periods = []
        for step in profiles.composite(backend.profiles, supply, now, duration, backend.running):
            watts = supply.max_power if step.watts is None else min(step.watts, supply.max_power)
            limit = watts if unit == "W" else watts / per_ampere
            periods.append({"startPeriod": int(step.start - now), "limit": round(limit, 1)})
        return to_iso(now), periods

    # --- lists ---------------------------------------------------------------------------------------------

    def send_list(self, version: int, entries: list[ListEntry], *, full: bool) -> str:
        """Accepted, Failed or VersionMismatch."""
        backend = self.backend
        if not backend.settings.local_list or len(entries) > _MOST_LISTED:
            return "Failed"
        if not backend.memory.update_list(version, entries, full=full):
            return "VersionMismatch"
        backend.keep(memory=backend.memory)
        return "Accepted"

    def clear_cache(self) -> str:
        """Accepted or Rejected."""
        backend = self.backend
        backend.memory.cached = {}
        backend.keep(memory=backend.memory)
        return "Accepted" if backend.settings.cache else "Rejected"

    # --- certificates --------------------------------------------------------------------------------------

    def certificate_signed(self, pem: str, kind: str | None) -> str:
        """Accepted or Rejected; a rejection is a security event."""
        backend = self.backend
        problem = backend.signing.signed(pem, kind)
        if problem:
            event = SecurityEvent("InvalidChargingStationCertificate", backend.talk.now, problem)
            backend.talk.enqueue([event])
            backend.tell(f"CertificateSigned: {problem}")
        return "Rejected" if problem else "Accepted"

    async def install(self, purpose: str, pem: str) -> str:
        """Accepted, Rejected or Failed; trusted at once."""
        now = datetime.datetime.fromtimestamp(self.backend.talk.now, datetime.UTC)
        status = await asyncio.to_thread(self.backend.roots.install, purpose, pem, now)
        if status == "Accepted":
            self._renew_trust()
        return status

    async def delete(self, data: Payload) -> str:
        """Accepted, NotFound or Failed; not trusted any more."""
        status = await asyncio.to_thread(self.backend.roots.delete, data)
        if status == "Accepted":
            self._renew_trust()
        return status

    async def installed(self, purposes: list[str]) -> list[Payload]:
        """certificateHashDataChain."""
        found = await asyncio.to_thread(self.backend.roots.installed, purposes)
        told: list[Payload] = [
            {
                "certificateType": one.purpose,
                "certificateHashData": hash_data(one.certificate, one.certificate),
            }
            for one in found
        ]
        if not purposes or CHAIN in purposes:
            own = await asyncio.to_thread(self._own_chain)
            told += [own] if own is not None else []
        return told

    def _own_chain(self) -> Payload | None:
        tls = self.backend.config.tls
        if tls.certificate_chain is None:
            return None
        try:
            chain = read_chain(tls.certificate_chain.read_bytes())
            root = self._root_of(chain[-1])
        except (OSError, SeccError):
            return None
        return chain_data(chain, root)

    def _root_of(self, last: Certificate) -> Certificate | None:
        tls = self.backend.config.tls
        known = list(read_chain(tls.root.read_bytes())) if tls.root is not None else []
        known += [anchor.certificate for anchor in load_trust(self.backend.config.trust).anchors]
        return next((one for one in known if one.subject.same_as(last.issuer)), None)

    def _renew_trust(self) -> None:
        station = self.backend.station
        if station is None:
            return
        try:
            station.renew_tls()
        except SeccError as error:
            self.backend.tell(f"roots: {error}")

    # --- triggers ------------------------------------------------------------------------------------------

    def trigger(self, wanted: str) -> str:
        """Accepted or NotImplemented; it happens after the answer."""
        backend = self.backend
        match wanted:
            case "BootNotification":
                if backend.talk.online:
                    return "Rejected"  # it has been accepted (OCPP F06)
                backend.talk.announce()
            case "Heartbeat":
                self._soon(backend.spawn, backend.talk.beat)
            case "StatusNotification":
                self._later(backend.tell_status)
            case "MeterValues" | "TransactionEvent":
                self._later(self._tell_transaction)
            case "SignV2GCertificate":
                if backend.config.tls.policy is TlsPolicy.OFF:
                    return "Rejected"
                self._later(backend.certificate_wanted.set)
            case "SignChargingStationCertificate" | "SignCombinedCertificate":
                if backend.settings.client_key is None:
                    return "Rejected"
                self._soon(backend.spawn, backend.renew_client_certificate)
            case _:
                return "NotImplemented"
        return "Accepted"

    def _tell_transaction(self) -> None:
        backend = self.backend
        backend.write(backend.transactions.triggered(backend.talk.now, offline=not backend.talk.online))

    def _later(self, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(_AFTER_ANSWER, call)

    def _soon(self, spawn: Callable[..., None], call: Callable[[], Awaitable[None]]) -> None:
        asyncio.get_running_loop().call_later(_AFTER_ANSWER, lambda: spawn(call()))


_MOST_LISTED = 10_000
_AFTER_ANSWER = 0.01  # s
