"""The battery of the EV at the outlet: whether it is asked for its state of charge, and what it reported.

One reading per plug-in: the first session, where `[soc]` wants it. What an EV reports in an ordinary session
(DC, and ISO 15118-20) is followed as well. Both reach the back end, one call after the other.
"""

from __future__ import annotations

import asyncio
import ipaddress

import msgspec

from secc.boundary.backend import checked_backend
from secc.boundary.calls import Complaints
from secc.ports import Backend
from secc.session.battery_events import EvBattery, SocReading, state_of_charge
from secc.session.machine import Session
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import EndSession
from secc.settings.config import SeccConfig


class BatteryWatch:
    """One per station."""

    def __init__(self, config: SeccConfig, backend: Backend, reports: Complaints) -> None:
        self._config = config
        self._reports = reports
        self._backend = checked_backend(backend).batteries
        self._asked = False
        self._waiting: EvBattery | None = None
        self._task: asyncio.Task[None] | None = None
        self.battery: EvBattery | None = None
        """The last report of the EV that is plugged in; None: none yet."""

    def reading(self, peer: str) -> SocReading:
        """Whether the session that begins now only reads; `peer` is the address of the EV."""
        soc = self._config.soc
        if not soc.read or self._asked:
            return SocReading.OFF
        return SocReading.DECLINE if soc.declines(modem_address(peer)) else SocReading.ASK

    def observe(self, snapshot: EvseSnapshot) -> None:
        """An unplugged cable ends what is known of the EV."""
        if not snapshot.control_pilot.connected:
            self._asked, self.battery = False, None

    def session_ended(self, end: EndSession) -> None:
        """One attempt per plug-in, successful or not."""
        self._asked = self._asked or end.only_read or end.established

    def read(self, battery: EvBattery) -> None:
        """The EV has reported its battery: keep it, and pass it on to the back end."""
        if battery == self.battery:
            return
        self.battery = battery
        if self._backend is None:
            return
        self._waiting = battery
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._report())

    def heard(self, message: msgspec.Struct, session: Session) -> None:
        """A message of an ordinary session: follow the state of charge in it."""
        soc = state_of_charge(message)
        if soc is None or not 0 <= soc <= _MOST or not session.dialect.energises:
            return
        evccid, protocol = "" if session.ev is None else session.ev.evccid, session.dialect.name
        before = self.battery
        if before is None or before.evccid != evccid:
            before = EvBattery(soc=int(soc), evccid=evccid, protocol=protocol)
        self.read(msgspec.structs.replace(before, soc=int(soc), protocol=protocol))

    async def stop(self) -> None:
        """Cancel the call in progress."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1.0)

    async def _report(self) -> None:
        """The latest report; those that come meanwhile replace the one that waits."""
        while (latest := self._waiting) is not None and self._backend is not None:
            self._waiting = None
            try:
                async with asyncio.timeout(self._config.timing.backend_call):
                    await self._backend.battery_read(self._config.evse_id, latest)
            except Exception as error:
                late = isinstance(error, TimeoutError)
                self._reports.complaint(f"battery_read: {'no answer in time' if late else repr(error)}")


def modem_address(peer: str) -> bytes:
    """The address of the modem in a link-local address that was made from it (modified EUI-64); empty for
    another one.

    >>> modem_address("fe80::5ec:daff:fe06:c772%eth1").hex(":")
    '07:ec:da:06:c7:72'
    """
    try:
        packed = ipaddress.IPv6Address(peer.partition("%")[0].strip("[]")).packed
    except ValueError:
        return b""
    if packed[:8] != _LINK_LOCAL or packed[11:13] != b"\xff\xfe":
        return b""
    return bytes([packed[8] ^ 2]) + packed[9:11] + packed[13:16]


_MOST = 100
_LINK_LOCAL = bytes.fromhex("fe80000000000000")
