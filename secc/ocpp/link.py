"""The WebSocket to the CSMS: connects, reconnects, and forwards calls.

Security profiles: 1 password, 2 password over TLS, 3 TLS with a client certificate. TLS 1.2 or newer is used,
and the name of the server is checked. Pauses between attempts double, with jitter, so that after an outage
the stations do not all connect at the same time.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import random
import ssl
import urllib.parse
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from secc.errors import CertificateError, ConfigError
from secc.ocpp.client_chain import Probation
from secc.ocpp.model import Payload
from secc.ocpp.network import NetworkProfiles
from secc.ocpp.rpc import Handler, NoAnswer, Rpc
from secc.settings.ocpp import OcppConfig, OcppVersion


def pause(failures: int, first: float, longest: float, chance: float) -> float:
    """Return the seconds until the next attempt after this number of failures; `chance` is in 0..1."""
    full = min(first * 2.0 ** min(failures, 32), longest)
    return full * (0.5 + 0.5 * chance)


class CsmsLink:
    """The connection of one station; run `run` in a task."""

    def __init__(
        self,
        network: NetworkProfiles,
        identity: str,
        *,
        handle: Handler,
        opened: Callable[[OcppVersion], Awaitable[None]],
        report: Callable[[str], None],
        on_message: Callable[[bool, str], None] = lambda _sent, _text: None,
        chance: Callable[[], float] = random.random,
        probation: Probation | None = None,
        restored: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """`opened` runs while a connection is open, and may close it by returning.

        `report` receives texts for the log, `on_message` every message. `probation` judges a new client
        certificate by its connections; `restored` is called when the previous certificate is in use again.
        """
        self._probation = probation
        self._restored = restored
        self._network = network
        self._identity = identity
        self._handle = handle
        self._opened = opened
        self._report = report
        self._on_message = on_message
        self._chance = chance
        self._answered: collections.OrderedDict[str, str] = collections.OrderedDict()
        self._rpc: Rpc | None = None
        self._socket: ClientConnection | None = None
        self._failures = 0
        self._established = False
        self._reported = ""

    @property
    def connected(self) -> bool:
        """There is a connection; this does not mean that the CSMS has accepted the station."""
        return self._rpc is not None

    async def call(self, action: str, payload: Payload, *, message_id: str | None = None) -> Payload:
        """Send a call, see `Rpc.call`; raises NoAnswer without a connection."""
        rpc, socket = self._rpc, self._socket
        if rpc is None or socket is None:
            raise NoAnswer("not connected")
        return await rpc.call(
            action, payload, patience=self._network.config().call_timeout, message_id=message_id
        )

    async def drop(self, reason: str) -> None:
        """Close the connection; `run` opens the next one."""
        if self._socket is not None:
            self._report_once(f"connection closed: {reason}")
            self._socket.transport.abort()

    async def run(self) -> None:
        """Connect and stay connected, until cancelled."""
        if self._probation is not None:
            await self._on_probation(self._probation.recover)
        while True:
            try:
                await self._connect_once()
                reason = "closed by the CSMS"
            except Exception as error:  # any error, also a defect: connect again
                reason = _what(error)
                await self._judge(error)
            config = self._network.config()
            seconds = pause(self._failures, config.reconnect_first, config.reconnect_longest, self._chance())
            self._failures += 1
            if not self._established:
                self._network.failed()
            self._report_once(f"not connected: {reason}")
            await asyncio.sleep(seconds)

    async def _judge(self, error: Exception) -> None:
        """A connection has failed: check whether a new client certificate is the reason."""
        if self._probation is None or self._established:
            return
        if why := await self._on_probation(self._probation.failed, error):
            self._report_once(f"the previous client certificate is in use again: {why}")
            self._restored(why)

    async def _on_probation(self, step: Callable[..., str | None], *arguments: object) -> str:
        try:
            return await asyncio.to_thread(step, *arguments) or ""
        except (OSError, CertificateError) as error:
            self._report_once(f"client certificate: {error}")
            return ""

    async def _connect_once(self) -> None:
        config, self._established = self._network.config(), False
        secure = config.url.startswith("wss:")
        context = await asyncio.to_thread(tls_context, config) if secure else None
        socket = await connect(
            address(config, self._identity),
            subprotocols=[Subprotocol(version.subprotocol) for version in config.versions],
            additional_headers=await asyncio.to_thread(credentials, config, self._identity),
            ssl=context,
            proxy=None,
            compression=None,
            open_timeout=config.connect_timeout,
            ping_interval=config.ping_interval,
            ping_timeout=config.ping_interval,
            close_timeout=1.0,
            max_size=config.max_message,
        )
        try:
            self._established = True
            self._network.succeeded()
            if self._probation is not None:
                await self._on_probation(self._probation.succeeded)
            version = _agreed(socket.subprotocol, config)
            await self._use(socket, version)
        finally:
            socket.transport.abort()

    async def _use(self, socket: ClientConnection, version: OcppVersion) -> None:
        rpc = Rpc(socket.send, version, self._handle, answered=self._answered, on_message=self._on_message)
        self._rpc, self._socket = rpc, socket
        self._report_once(f"connected, OCPP {version.value}")
        opened = asyncio.ensure_future(self._opened(version))
        reading = asyncio.create_task(self._read(socket, rpc))
        try:
            done, _ = await asyncio.wait([opened, reading], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._rpc = self._socket = None
            rpc.close("the connection is closed")
            for task in (opened, reading):
                task.cancel()
            await asyncio.wait([opened, reading])

    async def _read(self, socket: ClientConnection, rpc: Rpc) -> None:
        async for message in socket:
            self._failures = 0  # the CSMS is working
            if isinstance(message, str):
                rpc.receive(message)

    def _report_once(self, text: str) -> None:
        """Report a text unless it repeats the last one."""
        if text != self._reported:
            self._reported = text
            self._report(text)


def address(config: OcppConfig, identity: str) -> str:
    """Return the URL with the identity as its last part."""
    return f"{config.url.rstrip('/')}/{urllib.parse.quote(identity, safe='')}"


def credentials(config: OcppConfig, identity: str) -> dict[str, str]:
    """Return the header for profiles 1 and 2; reads the file, as the CSMS may have changed the password."""
    if config.security_profile not in (1, 2) or config.password_file is None:
        return {}
    try:
        password = config.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"ocpp.password_file: {error}") from error
    text = base64.b64encode(f"{identity}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def tls_context(config: OcppConfig) -> ssl.SSLContext:
    """Return the TLS context for profiles 2 and 3. Raises ConfigError, which names the file."""
    try:
        context = ssl.create_default_context(cafile=None if config.ca is None else str(config.ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ocpp.ca: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.security_profile == 3:
        try:
            context.load_cert_chain(str(config.client_certificate), str(config.client_key))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"ocpp.client_certificate: {error}") from error
    return context


def _what(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _agreed(subprotocol: str | None, config: OcppConfig) -> OcppVersion:
    for version in config.versions:
        if version.subprotocol == subprotocol:
            return version
    offered = ", ".join(version.value for version in config.versions)
    raise ConfigError(f"the CSMS supports none of the versions {offered}") from None
