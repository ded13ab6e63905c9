"""Read-only pages for operators: contents, upcoming expiry, sessions and refusals.

They are rendered on the server and use no scripts, so they work in any browser, with a keyboard and with a
screen reader. The browser asks for the token as the password; the user name is ignored.
"""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from secc.operator.cpo.access import Caller, page_visitor
from secc.operator.cpo.database import StorageError
from secc.operator.cpo.register import Issued
from secc.operator.cpo.routes import Injected
from secc.operator.cpo.service import OperatorService
from secc.pki.profiles import Kind

router = APIRouter(include_in_schema=False)
Visitor = Annotated[Caller, Depends(page_visitor)]
_Search = Annotated[str, Query(max_length=64, pattern="^[ -~]*$")]

PAGES = (
    ("/", "Overview"),
    ("/contracts", "Contracts"),
    ("/expiring", "Expiring soon"),
    ("/stations", "Stations"),
    ("/sessions", "Sessions"),
    ("/refusals", "Refusals"),
    ("/audit", "Audit log"),
)
ROWS = 50
_FOLDER = Path(__file__).parent / "templates"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One number of the overview."""

    title: str
    value: int
    page: str
    urgent: bool = False


@router.get("/")
def overview(request: Request, service: Injected, visitor: Visitor) -> Response:
    """The main numbers, and what ends first."""
    now = service.clock()
    day = datetime.timedelta(days=1)
    refused = service.journal.refusal_counts(now - day)
    figures = [
        *_ends("Contracts", service.contracts.count_ending, now),
        *_ends("Station certificates", lambda a, b: service.register.count_ending(Kind.SECC_LEAF, a, b), now),
        Figure("Refused in 24 hours", sum(count for _, _, count in refused), "/refusals"),
    ]
    stations = service.register.ending(Kind.SECC_LEAF, now + 30 * day, limit=5)
    contracts = service.contracts.page(ending_by=now + 30 * day, limit=5)
    return _page(request, service, "overview.html", figures=figures, stations=stations, contracts=contracts)


@router.get("/contracts")
def contracts(
    request: Request, service: Injected, visitor: Visitor, search: _Search = "", after: _Search = ""
) -> Response:
    """All contracts, or the result of a search."""
    found = service.contracts.page(search=search.strip(), after=after, limit=ROWS)
    more = found[-1].key if len(found) == ROWS else ""
    return _page(request, service, "contracts.html", contracts=found, search=search, more=more)


@router.get("/expiring")
def expiring(
    request: Request, service: Injected, visitor: Visitor, days: Annotated[int, Query(ge=1, le=3650)] = 30
) -> Response:
    """Contracts and certificates of stations that end soon."""
    until = service.clock() + datetime.timedelta(days=days)
    found = service.contracts.page(ending_by=until, limit=ROWS)
    stations = service.register.ending(Kind.SECC_LEAF, until, limit=ROWS)
    roots = [one for one in service.anchors.everything() if one[1].not_after <= until]
    return _page(
        request, service, "expiring.html", contracts=found, stations=stations, roots=roots, days=days
    )


@router.get("/stations")
def stations(request: Request, service: Injected, visitor: Visitor, search: _Search = "") -> Response:
    """Certificates of stations."""
    found: tuple[Issued, ...]
    if search.strip():
        found = service.register.of_owner(search.strip())
    else:
        found = service.register.ending(Kind.SECC_LEAF, _far(service), limit=ROWS)
    return _page(request, service, "stations.html", stations=found, search=search)


@router.get("/sessions")
def sessions(request: Request, service: Injected, visitor: Visitor) -> Response:
    """Charging sessions."""
    return _page(request, service, "sessions.html", sessions=service.journal.sessions(ROWS))


@router.get("/refusals")
def refusals(request: Request, service: Injected, visitor: Visitor) -> Response:
    """Refused requests, with reasons."""
    week = service.clock() - datetime.timedelta(days=7)
    counts = service.journal.refusal_counts(week)
    return _page(request, service, "refusals.html", refusals=service.journal.refusals(ROWS), counts=counts)


@router.get("/audit")
def audit(request: Request, service: Injected, visitor: Visitor) -> Response:
    """Changes and who made them."""
    return _page(request, service, "audit.html", notes=service.journal.notes(limit=ROWS))


@router.get("/style.css")
def style() -> Response:
    """The style sheet."""
    return Response(
        (_FOLDER / "style.css").read_bytes(), media_type="text/css", headers={"Cache-Control": "max-age=60"}
    )


def problem_page(service: OperatorService, path: str, error: StorageError) -> Response:
    """Page while the database is not available."""
    return _rendered(service, path, "problem.html", 503, error=str(error))


def is_page(path: str) -> bool:
    """Return True for the path of a page, False for the API."""
    return path in {one for one, _ in PAGES}


def _ends(what: str, count: Any, now: datetime.datetime) -> list[Figure]:
    week, month = now + datetime.timedelta(days=7), now + datetime.timedelta(days=30)
    long_ago = now - datetime.timedelta(days=3650)
    ended = count(long_ago, now)
    soon = count(now, week)
    return [
        Figure(f"{what} ended", ended, "/expiring", urgent=ended > 0),
        Figure(f"{what}: end in 7 days", soon, "/expiring?days=7", urgent=soon > 0),
        Figure(f"{what}: end in 30 days", count(now, month), "/expiring"),
    ]


def _far(service: OperatorService) -> datetime.datetime:
    return service.clock() + datetime.timedelta(days=3650)


def _page(request: Request, service: OperatorService, template: str, **values: object) -> Response:
    return _rendered(service, request.url.path, template, 200, **values)


def _rendered(service: OperatorService, path: str, template: str, status: int, **values: object) -> Response:
    text = _ENVIRONMENT.get_template(template).render(
        pages=PAGES, path=path, operator=service.settings.operator, now=service.clock(), **values
    )
    return HTMLResponse(text, status_code=status, headers=_HEADERS)


def _left(end: datetime.datetime, now: datetime.datetime) -> str:
    """Return the remaining time as text."""
    seconds = (end - now).total_seconds()
    if seconds <= 0:
        return "ended"
    days = int(seconds // 86400)
    return f"{days} days" if days > 1 else ("1 day" if days == 1 else "today")


def _urgency(end: datetime.datetime, now: datetime.datetime) -> str:
    days = (end - now).total_seconds() / 86400
    return "ended" if days <= 0 else "urgent" if days <= 7 else "soon" if days <= 30 else "fine"


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["left"] = _left
_ENVIRONMENT.filters["urgency"] = _urgency
