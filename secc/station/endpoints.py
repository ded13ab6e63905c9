"""The listeners of a station and their announcement: one per security mode that the policy allows.

They are opened with the link, announced by discovery, and replaced by new ones after each session; during a
setup phase the same request gets the same answer. They are bound only to the link-local address of the
charging interface.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from secc.errors import LinkError
from secc.sdp import Endpoint, SdpResponder
from secc.settings.config import SeccConfig
from secc.settings.tls import TlsPolicy
from secc.station.interface import LinkLocal
from secc.station.listener import Listener

Accept = Callable[[socket.socket, str, bool], None]
"""Takes a connected socket, the peer's address, and whether it came for TLS."""


class Endpoints:
    """One per station."""

    def __init__(self, config: SeccConfig, responder: SdpResponder, accept: Accept) -> None:
        """`responder` announces the open listeners; `accept` takes their connections."""
        self._config = config
        self._responder = responder
        self._accept = accept
        self._listeners: list[Listener] = []
        self._retired: list[Listener] = []
        self.announced: Endpoint | None = None
        """What discovery announces; None while there is nothing to announce."""

    @property
    def open(self) -> bool:
        """Something is listened on."""
        return bool(self._listeners)

    def open_on(self, link: LinkLocal) -> str:
        """Listen and announce; returns the ports as text. Raises LinkError, and listens on nothing."""
        network, policy = self._config.network, self._config.tls.policy
        plain_port = tls_port = None
        try:
            if policy is not TlsPolicy.REQUIRED:
                plain_port = self._listen(link, network.tcp_port, secure=False)
            if policy is not TlsPolicy.OFF:
                tls_port = self._listen(link, network.tls_port, secure=True)
        except LinkError:
            self.close()
            raise
        self.announced = Endpoint(link.address, link.scope_id, plain_port=plain_port, tls_port=tls_port)
        self._responder.activate(self.announced)
        ports = f"plain {plain_port}" * (plain_port is not None) + f" TLS {tls_port}" * (tls_port is not None)
        return ports.strip()

    def retire(self) -> None:
        """New ports for the next session; an EV that has just received the old ones may still connect.

        Ports that are configured stay open.
        """
        if self._config.network.tcp_port == self._config.network.tls_port == 0:
            for listener in self._listeners:
                listener.retire()
            self._retired = [*(one for one in self._retired if not one.closed), *self._listeners]
            self._listeners, self.announced = [], None

    def close(self) -> None:
        """Announce nothing, listen on nothing."""
        self._responder.deactivate()
        self.announced = None
        for listener in [*self._listeners, *self._retired]:
            listener.close()
        self._listeners.clear()
        self._retired.clear()

    def _listen(self, link: LinkLocal, port: int, *, secure: bool) -> int:
        def accept(connected: socket.socket, address: str) -> None:
            self._accept(connected, address, secure)

        listener = Listener(link, accept, port=port)
        self._listeners.append(listener)
        return listener.port
