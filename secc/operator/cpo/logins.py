"""Logins to the pages: personal passwords or a token, a signed cookie, and a secret in every form.

The cookie (Starlette's SessionMiddleware, signed with itsdangerous) names the person, the time of the login
and a digest of their password hash: a changed password or a removed person ends the login. It is HttpOnly and
SameSite=Strict, and Secure with TLS. A form contains the secret of its login, so a page of another site
cannot submit one. Passwords are hashed with Argon2id (argon2-cffi).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import hmac
import secrets
import urllib.parse
from typing import TYPE_CHECKING, Annotated

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Depends, HTTPException, Request

from secc.operator.cpo.access import (
    ANYONE,
    Caller,
    caller_of,
    implied,
    must_be_from_here,
    must_wait,
    slow_down,
)
from secc.operator.cpo.settings import Access, CpoSettings

if TYPE_CHECKING:
    from secc.operator.cpo.service import OperatorService

FIELDS = 20
"""Most fields in a form."""
SHORTEST_PASSWORD = 12


class LoginNeeded(Exception):
    """The page needs a login; the application answers with a redirection."""


@dataclasses.dataclass(frozen=True, slots=True)
class PageVisitor:
    """The person in front of a page."""

    caller: Caller
    secret: str
    """Expected in every form of this login."""

    @property
    def name(self) -> str:
        """As in the audit log."""
        return self.caller.name

    @property
    def may_change(self) -> bool:
        """Whether the person has the access `admin`."""
        return Access.ADMIN in self.caller.access


def hash_password(password: str) -> str:
    """Return the Argon2id hash for the settings; raises ValueError for a short password."""
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"{len(password)} characters, expected at least {SHORTEST_PASSWORD}")
    return _HASHER.hash(password)


def page_visitor(request: Request) -> PageVisitor:
    """Dependency of a page: its visitor; raises LoginNeeded, or HTTPException 403."""
    service: OperatorService = request.app.state.service
    if service.settings.open:
        must_be_from_here(request)
        return PageVisitor(ANYONE, form_secret(request))
    caller = _logged_in(service, request.session)
    if caller is None:
        raise LoginNeeded
    if Access.OPERATOR not in caller.access:
        raise HTTPException(403, f"the token of {caller.name} does not allow this")
    return PageVisitor(caller, form_secret(request))


def page_admin(request: Request) -> PageVisitor:
    """Dependency of a page with a form: a visitor who may change things."""
    visitor = page_visitor(request)
    if not visitor.may_change:
        raise HTTPException(403, f"{visitor.name} may read, but not change anything")
    return visitor


async def page_form(request: Request) -> dict[str, str]:
    """Dependency of a submitted form: its fields, each once; raises HTTPException 400 or 403."""
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin is not None and origin.partition("://")[2] != host:
        raise HTTPException(403, "the form was submitted by a page of another site")
    try:
        text = (await request.body()).decode("ascii")
        fields = urllib.parse.parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS, errors="strict")
    except ValueError as error:
        raise HTTPException(400, "the form cannot be read") from error
    found = dict(fields)
    given = found.pop("secret", "")
    if not hmac.compare_digest(given.encode(), request.session.get("secret", "-").encode()):
        raise HTTPException(403, "the form has expired: open the page again")
    return found


def form_secret(request: Request) -> str:
    """Return the secret for the forms of this login; a new one at the first page."""
    secret = request.session.get("secret")
    if not isinstance(secret, str):
        secret = request.session["secret"] = secrets.token_urlsafe(24)
    return secret


def log_in(request: Request, name: str, password: str) -> bool:
    """Check name and password, or a token as the password; returns whether they are right.

    Raises HTTPException 429 after too many wrong ones.
    """
    service: OperatorService = request.app.state.service
    known = name if any(one.name == name for one in service.settings.logins) else ""
    must_wait(request, "login", known)
    holder = caller_of(service.settings.tokens, password)
    who = holder.name if holder is not None else (name if _password_fits(service, name, password) else "")
    if not who:
        slow_down(request, "login", known)
        return False
    address = request.client.host if request.client is not None else ""
    service.throttle.succeeded(f"login of {known}")
    service.journal.note(who, "login", who, f"from {address}", service.clock())
    request.session.clear()
    request.session.update(who=who, stamp=_stamp(service.settings, who), at=int(service.clock().timestamp()))
    form_secret(request)
    return True


def log_out(request: Request) -> None:
    """End the login of this browser."""
    request.session.clear()


def local_target(text: str) -> str:
    """Return a path on this site to continue at; `/` for anything else."""
    parts = urllib.parse.urlsplit(text)
    good = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.netloc
    return text if good and all(" " < one < "\x7f" for one in text) else "/"


def _logged_in(service: OperatorService, session: dict[str, object]) -> Caller | None:
    who, stamp, at = session.get("who"), session.get("stamp"), session.get("at")
    if not isinstance(who, str) or not isinstance(stamp, str) or not isinstance(at, int):
        return None
    settings = service.settings
    age = service.clock().timestamp() - at
    if not -60 <= age <= settings.login_hours * 3600:
        return None
    if not hmac.compare_digest(stamp, _stamp(settings, who)):
        return None
    access = [one.access for one in settings.tokens if one.name == who]
    access += [one.access for one in settings.logins if one.name == who]
    return Caller(who, implied(access[0])) if access else None


def _stamp(settings: CpoSettings, name: str) -> str:
    """Return a digest of the stored secret of a person: it changes with the password."""
    found = [one.password for one in settings.logins if one.name == name]
    found += [one.sha256 for one in settings.tokens if one.name == name]
    return hashlib.sha256(f"{name}\0{''.join(found)}".encode()).hexdigest()[:32]


def _password_fits(service: OperatorService, name: str, password: str) -> bool:
    """Check a password; an unknown name takes as long as a known one."""
    found = [one.password for one in service.settings.logins if one.name == name]
    try:
        _HASHER.verify(found[0] if found else _of_nobody(), password[:1000])
    except (VerificationError, InvalidHashError):
        return False
    return bool(found)


@functools.cache
def _of_nobody() -> str:
    return _HASHER.hash(secrets.token_urlsafe(16))


_HASHER = PasswordHasher()
Visitor = Annotated[PageVisitor, Depends(page_visitor)]
Changer = Annotated[PageVisitor, Depends(page_admin)]
PageFields = Annotated[dict[str, str], Depends(page_form)]
