"""Pages as HTML: templates, headers, and how values appear in them.

Pages are rendered on the server and use no scripts, so they work in any browser, with a keyboard and with a
screen reader.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from secc.operator.cpo.logins import PageVisitor

PAGES = (
    ("/", "Overview"),
    ("/contracts", "Contracts"),
    ("/stations", "Stations"),
    ("/expiring", "Certificates"),
    ("/sessions", "Sessions"),
    ("/refusals", "Refusals"),
    ("/audit", "Audit log"),
    ("/api", "API"),
)
FOLDER = Path(__file__).parent / "templates"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # "no-referrer" makes browsers hide the origin of a form
    "X-Content-Type-Options": "nosniff",
}
_API = ("/v1/", "/.well-known/", "/ocsp", "/crl/", "/health/", "/metrics", "/openapi.json")


def is_page(path: str) -> bool:
    """Return True for the path of a page, False for the API."""
    return not path.startswith(_API)


def page(
    request: Request, visitor: PageVisitor | None, template: str, *, status: int = 200, **values: object
) -> Response:
    """Return a page; `visitor` is None before the login."""
    service = request.app.state.service
    notice = request.session.pop("notice", "") if visitor is not None and status == 200 else ""
    text = _ENVIRONMENT.get_template(template).render(
        pages=PAGES,
        path=request.url.path,
        operator=service.settings.operator,
        now=service.clock(),
        visitor=visitor,
        is_open=service.settings.open,
        notice=notice,
        **values,
    )
    return HTMLResponse(text, status_code=status, headers=_HEADERS)


def problem(
    request: Request, title: str, text: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a page about an error."""
    answer = page(request, None, "problem.html", status=status, title=title, text=text)
    answer.headers.update(headers or {})
    return answer


def done(request: Request, notice: str, target: str) -> Response:
    """Return to a page after a change; `notice` appears there once."""
    request.session["notice"] = notice
    return RedirectResponse(target, status_code=303)


def left(end: datetime.datetime, now: datetime.datetime) -> str:
    """Return the remaining time as text."""
    seconds = (end - now).total_seconds()
    if seconds <= 0:
        return "ended"
    days = int(seconds // 86400)
    if days > 730:
        return f"{days // 365} years"
    return f"{days} days" if days > 1 else ("1 day" if days == 1 else "today")


def urgency(end: datetime.datetime, now: datetime.datetime) -> str:
    """Return the class of a mark: `ended`, `urgent`, `soon` or `fine`."""
    days = (end - now).total_seconds() / 86400
    return "ended" if days <= 0 else "urgent" if days <= 7 else "soon" if days <= 30 else "fine"


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["left"] = left
_ENVIRONMENT.filters["urgency"] = urgency
