"""Access control: bearer tokens and what their holders may do. Only hashes of tokens are stored."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from secc.operator.cpo.settings import Access, Token

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
    """Return the holder of a token.

    Without tokens in the settings, any caller on loopback may do everything.
    """
    if not tokens:
        return Caller("anonymous", frozenset(Access))
    if given is None:
        return None
    shown = hashlib.sha256(given.encode()).hexdigest()
    found = [token for token in tokens if hmac.compare_digest(token.sha256, shown)]
    if not found:
        return None
    token = found[0]
    return Caller(token.name, frozenset().union(*(_IMPLIED[one] for one in token.access)), token.station)


def needs(access: Access) -> Any:
    """Dependency: the caller with this access; raises 401 or 403 otherwise."""

    def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Caller:
        given = credentials.credentials if credentials is not None else None
        return _allowed(request, given, access, "Bearer")

    return Depends(check)


def page_visitor(request: Request) -> Caller:
    """Dependency for pages: the browser asks for the token as a password."""
    given: str | None = None
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:
            given = None
    return _allowed(request, given, Access.OPERATOR, 'Basic realm="secc", charset="UTF-8"')


def _allowed(request: Request, given: str | None, access: Access, challenge: str) -> Caller:
    tokens = request.app.state.service.settings.tokens
    if not tokens and not _from_here(request):
        raise HTTPException(
            403, "without tokens only programs on this machine have access, and no page of another site"
        )
    caller = caller_of(tokens, given)
    if caller is None:
        raise HTTPException(401, "a token is needed", headers={"WWW-Authenticate": challenge})
    if access not in caller.access:
        raise HTTPException(403, f"the token of {caller.name} does not allow this")
    return caller


def _from_here(request: Request) -> bool:
    """Return True for a program on this machine.

    False for a page that a browser has loaded from elsewhere.
    """
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    return request.url.hostname in _LOOPBACK and (origin is None or origin.partition("://")[2] == host)


_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_BEARER: Callable[..., Any] = HTTPBearer(auto_error=False, description="`secc cpo token` creates one")
