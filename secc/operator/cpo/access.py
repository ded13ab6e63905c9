"""Access control: bearer tokens and what their holders may do. Only hashes of tokens are stored."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import math
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from secc.operator.cpo.settings import Access, Token

if TYPE_CHECKING:
    from secc.operator.cpo.service import OperatorService

_IMPLIED = {
    Access.ADMIN: frozenset(Access),
    Access.OPERATOR: frozenset({Access.OPERATOR}),
    Access.STATION: frozenset({Access.STATION}),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a route."""

    name: str
    access: frozenset[Access]
    station: str = ""
    """Station that the caller speaks for; empty: all stations."""

    def must_speak_for(self, station: str) -> None:
        """Raise 403 for the token of another station."""
        if self.station and self.station != station:
            raise HTTPException(403, f"this token speaks for {self.station} only")


def new_token() -> tuple[str, str]:
    """Return a token, and its SHA-256 for the settings."""
    token = secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()


def caller_of(tokens: tuple[Token, ...], given: str | None) -> Caller | None:
    """Return the holder of a token; None for an unknown one."""
    if given is None:
        return None
    shown = hashlib.sha256(given.encode()).hexdigest()
    found = [token for token in tokens if hmac.compare_digest(token.sha256, shown)]
    return Caller(found[0].name, implied(found[0].access), found[0].station) if found else None


def implied(access: tuple[Access, ...]) -> frozenset[Access]:
    """Return everything that these kinds of access allow."""
    return frozenset().union(*(_IMPLIED[one] for one in access))


def needs(access: Access) -> Any:
    """Dependency: the caller with this access; raises 401, 403 or 429 otherwise."""

    def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Caller:
        given = credentials.credentials if credentials is not None else None
        service: OperatorService = request.app.state.service
        if service.settings.open:
            must_be_from_here(request)
            return ANYONE
        caller = caller_of(service.settings.tokens, given)
        if caller is None:
            if given is not None:
                slow_down(request, "token")
            raise HTTPException(401, "a token is needed", headers={"WWW-Authenticate": "Bearer"})
        if access not in caller.access:
            raise HTTPException(403, f"the token of {caller.name} does not allow this")
        return caller

    return Depends(check)


def slow_down(request: Request, what: str, name: str = "") -> None:
    """Count a wrong token or password; raises 429 when there were too many, and records the first refusal.

    `name` is the login that was tried: its failures from all addresses count together.
    """
    service: OperatorService = request.app.state.service
    address = request.client.host if request.client is not None else ""
    callers = [f"{what} {address}", *([f"{what} of {name}"] if name else [])]
    must_wait(request, what, name)
    reached = [service.throttle.failed(one) for one in callers]
    if any(reached):
        text = f"wrong too often from {address}: further attempts are refused for a minute"
        service.journal.refuse(what, address, name, "too_many", text, service.clock())


def must_wait(request: Request, what: str, name: str = "") -> None:
    """Raise 429 while too many attempts have failed."""
    service: OperatorService = request.app.state.service
    address = request.client.host if request.client is not None else ""
    callers = [f"{what} {address}", *([f"{what} of {name}"] if name else [])]
    if seconds := max(service.throttle.wait(one) for one in callers):
        wait = math.ceil(seconds)
        raise HTTPException(
            429, f"wrong too often, try again in {wait} s", headers={"Retry-After": str(wait)}
        )


def must_be_from_here(request: Request) -> None:
    """Raise 403 unless the request is from a program on this machine.

    A page that a browser has loaded from elsewhere is refused.
    """
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if request.url.hostname in _LOOPBACK and (origin is None or origin.partition("://")[2] == host):
        return
    raise HTTPException(
        403, "without tokens only programs on this machine have access, and no page of another site"
    )


ANYONE = Caller("anonymous", frozenset(Access))
"""Without tokens and logins, any caller on loopback may do everything."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_BEARER: Callable[..., Any] = HTTPBearer(auto_error=False, description="`secc cpo token` creates one")
