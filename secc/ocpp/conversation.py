"""Boot, heartbeat and requests on the connection to the CSMS, independent of the state of the outlet."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from secc.certificate_files import CertificateFiles
from secc.ocpp.background import cancel_and_wait
from secc.ocpp.client_chain import Probation
from secc.ocpp.clock import CsmsClock
from secc.ocpp.dialect import EventAnswer, OcppDialect, Request, StationLabel
from secc.ocpp.link import CsmsLink
from secc.ocpp.model import OutgoingCall, Payload, Registration, SecurityEvent, TransactionEvent
from secc.ocpp.network import NetworkProfiles
from secc.ocpp.queue import OutgoingQueue
from secc.ocpp.rpc import CallFailed, Handler, NoAnswer
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.store import Store
from secc.ocpp.v16 import V16
from secc.ocpp.v21 import V21
from secc.ocpp.v201 import V201
from secc.settings.ocpp import OcppConfig, OcppVersion

__all__ = ["CsmsConversation"]

DIALECTS: dict[OcppVersion, OcppDialect] = {
    OcppVersion.V21: V21(),
    OcppVersion.V201: V201(),
    OcppVersion.V16: V16(),
}


VERSIONS_2 = (OcppVersion.V21, OcppVersion.V201)


class CsmsConversation:
    """The conversation of one station with its CSMS; `run` until cancelled."""

    def __init__(
        self,
        settings: RuntimeSettings,
        network: NetworkProfiles,
        identity: str,
        label: StationLabel,
        store: Store,
        *,
        handle: Handler,
        accepted: Callable[[], None],
        answered: Callable[[TransactionEvent, EventAnswer], None],
        report: Callable[[str], None],
        on_message: Callable[[bool, str], None] = lambda _sent, _text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`accepted` is called when the CSMS accepts the station after a boot, or after it was away for
        longer than `ocpp.offline_threshold`; `answered` for each event it accepts.

        `handle` answers calls of the CSMS, `report` receives texts for the log, `on_message` every message.
        """
        config = settings.ocpp
        self.identity = identity
        """Name of the station at the CSMS."""
        self.network = network
        self.dialect: OcppDialect = DIALECTS[config.versions[0]]
        """Of the present connection, or of the last one."""
        self.online = False
        """The CSMS has accepted the station on this connection."""
        self.interval = 300.0
        """Seconds between heartbeats."""
        self.clock = CsmsClock(clock, follow=config.follow_clock, report=report, ticks=time.monotonic)
        self.queue = OutgoingQueue(settings, store, answered=answered, report=report)
        self._online_until = self.now
        self._boot_reason: str | None = "PowerUp"
        self._settings = settings
        self._label = label
        self._handle = handle
        self._accepted = accepted
        self._report = report
        self._registration: Registration | None = None
        self._is_online, self._boot_now = asyncio.Event(), asyncio.Event()
        self._interval_changed = asyncio.Event()
        self._boot_pause = config.reconnect_longest
        self.link = CsmsLink(
            network,
            identity,
            handle=self._command,
            opened=self._opened,
            report=report,
            on_message=on_message,
            probation=_probation(config, clock),
            restored=self._certificate_restored,
        )

    @property
    def now(self) -> float:
        """Unix seconds, by the clock of the CSMS where the two differ."""
        return self.clock.now

    @property
    def offline_for(self) -> float:
        """Seconds since the CSMS was connected last, or since the start; 0 while it is connected."""
        return 0.0 if self.online else max(0.0, self.now - self._online_until)

    async def until_online(self, seconds: float) -> bool:
        """Wait at most this time until the CSMS accepts the station; returns whether it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_online.wait()
        return self.online

    async def ask(self, request: Request, *, patience: float | None = None) -> Payload:
        """Send a request now. Raises CallFailed, or NoAnswer, also while the station is not accepted.

        `patience`, in seconds, includes the wait for calls before this one.
        """
        if not self.online:
            raise NoAnswer("the CSMS is not connected")
        try:
            async with asyncio.timeout(patience):
                return await self.link.call(*request)
        except TimeoutError:
            raise NoAnswer(f"{request[0]}: no answer within {patience:g} s") from None

    async def ask_or_report(self, request: Request) -> Payload | None:
        """Send a request now; a failure is reported and returns None."""
        try:
            return await self.ask(request)
        except (NoAnswer, CallFailed) as error:
            self._report(f"{request[0]}: {error}")
            return None

    def notify(self, action: str, body: Payload, versions: tuple[OcppVersion, ...] = VERSIONS_2) -> None:
        """Enqueue a report that must reach the CSMS, for the named versions."""
        call = OutgoingCall(action=action, body=body, versions=tuple(one.value for one in versions))
        self.queue.enqueue([call])

    async def boot_again(self, reason: str) -> None:
        """Send BootNotification over a new connection."""
        self._boot_reason = reason
        await self.link.drop(f"boot again: {reason}")

    def boot_with(self, reason: str) -> None:
        """Send the first BootNotification with this reason instead of PowerUp; an empty text changes
        nothing."""
        self._boot_reason = reason or self._boot_reason

    def announce(self) -> None:
        """Send BootNotification now, if the CSMS has not accepted the station yet."""
        self._boot_now.set()

    async def beat(self) -> None:
        """Send one heartbeat; the answer has the time of the CSMS."""
        try:
            await self._heartbeat()
        except CallFailed as error:
            self._report(f"Heartbeat: {error}")

    async def run(self) -> None:
        """Run until cancelled; what is enqueued by then is stored."""
        await self.queue.load()
        tasks = [asyncio.create_task(self.queue.write()), asyncio.create_task(self.link.run())]
        try:
            await asyncio.gather(*tasks)
        finally:
            try:
                await cancel_and_wait(tasks)
            finally:
                await self.queue.close()

    # --- the connection ------------------------------------------------------------------------------------

    def _certificate_restored(self, why: str) -> None:
        self.queue.enqueue([SecurityEvent("InvalidChargingStationCertificate", self.now, why)])

    async def _command(self, action: str, payload: Payload) -> Payload:
        if self._registration in (None, Registration.REJECTED):
            raise CallFailed("SecurityError", "not registered")
        return await self._handle(action, payload)

    async def _opened(self, version: OcppVersion) -> None:
        """Use a connection until it ends."""
        self.dialect = DIALECTS[version]
        if self._boot_reason is None:  # accepted before: the CSMS may call at once (OCPP B04)
            self._registration = Registration.ACCEPTED
        try:
            away, booting = self.offline_for, self._boot_reason is not None
            await self._boot()
            self.online = True
            self._is_online.set()
            if booting or away >= self._settings.ocpp.offline_threshold:  # OCPP B04.FR.01, B04.FR.02
                self._accepted()
            async with asyncio.TaskGroup() as group:
                group.create_task(self.queue.send(self.dialect, self.link.call))
                group.create_task(self._beat())
        except* NoAnswer as errors:
            self._report(f"connection closed: {errors.exceptions[0]}")
        finally:
            self._online_until = self.now
            self.online = False
            self._is_online.clear()
            self._registration = None

    async def _boot(self) -> None:
        """Return when the CSMS accepts the station; later connections need only a heartbeat (OCPP B04)."""
        if self._boot_reason is None:
            with contextlib.suppress(CallFailed):
                await self._heartbeat()
                return
        while not await self._boot_once(self._boot_reason or "Unknown"):
            self._boot_now.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._boot_pause):
                    await self._boot_now.wait()
        self._boot_reason = None

    async def _boot_once(self, reason: str) -> bool:
        """Return whether the CSMS accepts.

        Otherwise report its answer and note the pause until the next try.
        """
        self._boot_pause = self._settings.ocpp.reconnect_longest
        try:
            body = await self.link.call(*self.dialect.boot(self._label, reason))
        except CallFailed as error:
            self._report(f"BootNotification: {error}")
            return False
        answer = self.dialect.read_boot(body)
        self._registration = answer.status
        self.clock.adjust(answer.now)
        if answer.status is Registration.ACCEPTED:
            self.interval = answer.interval or 300.0
            return True
        self._report(f"BootNotification: {answer.status.value}")
        self._boot_pause = answer.interval or self._boot_pause
        return False

    async def _beat(self) -> None:
        while True:
            self._interval_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.interval):
                    await self._interval_changed.wait()
                continue
            await self.beat()

    def change_interval(self, seconds: float) -> None:
        """Change the seconds between heartbeats, at once."""
        self.interval = seconds
        self._interval_changed.set()

    async def _heartbeat(self) -> None:
        self.clock.adjust(self.dialect.read_heartbeat(await self.link.call("Heartbeat", {})))


def _probation(config: OcppConfig, clock: Callable[[], float]) -> Probation | None:
    chain, key = config.client_certificate, config.client_key
    if config.security_profile != 3 or chain is None or key is None:
        return None
    return Probation(CertificateFiles(chain, key), clock)
