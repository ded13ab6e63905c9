"""Pages for operators that only read: what needs attention, contents, certificates over time, the API."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from secc.operator.cpo import forms, picture
from secc.operator.cpo.actions import CONTRACT_ACTIONS, contract_of
from secc.operator.cpo.api_page import bodies_of, calls_of
from secc.operator.cpo.logins import PageFields, Visitor, form_secret, local_target, log_in, log_out
from secc.operator.cpo.register import Issued
from secc.operator.cpo.rendering import FOLDER, page
from secc.operator.cpo.routes import Injected
from secc.operator.cpo.service import OperatorService
from secc.pki.identifiers import EMAID, normal_emaid
from secc.pki.profiles import Kind
from secc.site.store import Status

router = APIRouter(include_in_schema=False)
_Search = Annotated[str, Query(max_length=64, pattern="^[ -~]*$")]
ROWS = 50
DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True, slots=True)
class PageFigure:
    """One number of the overview."""

    title: str
    value: int
    page: str


@router.get("/")
def overview(request: Request, service: Injected, visitor: Visitor) -> Response:
    """What needs attention, then totals, then what ends first."""
    now = service.clock()
    return page(
        request,
        visitor,
        "overview.html",
        attention=[one for one in _attention(service, now) if one.value],
        figures=_totals(service, now),
        stations=service.register.ending(Kind.SECC_LEAF, now + 30 * DAY, limit=5),
        contracts=service.contracts.page(ending_by=now + 30 * DAY, limit=5),
    )


@router.get("/search")
def search(request: Request, service: Injected, visitor: Visitor, q: _Search = "") -> Response:
    """Contracts, stations and certificates by the beginning of an eMAID, PCID or name, or by serial."""
    text = q.strip()
    serial = int(text, 16) if text and all(one in "0123456789abcdef" for one in text.lower()) else None
    return page(
        request,
        visitor,
        "search.html",
        search=text,
        contracts=service.contracts.page(search=text, limit=ROWS) if text else (),
        stations=service.register.stations(text, limit=ROWS) if text else (),
        certificates=() if serial is None else service.register.by_serial(serial),
    )


@router.get("/contracts")
def contracts(
    request: Request, service: Injected, visitor: Visitor, search: _Search = "", after: _Search = ""
) -> Response:
    """All contracts, or the result of a search."""
    found = service.contracts.page(search=search.strip(), after=after, limit=ROWS)
    more = found[-1].key if len(found) == ROWS else ""
    return page(request, visitor, "contracts.html", contracts=found, search=search, more=more)


@router.get("/contracts/{emaid}")
def contract(
    request: Request, service: Injected, visitor: Visitor, emaid: Annotated[forms.Emaid, Path()]
) -> Response:
    """One contract with everything about it, and what can be done with it."""
    found = contract_of(service, emaid)
    return page(
        request,
        visitor,
        "contract.html",
        contract=found,
        warning=EMAID.parse(found.emaid).warning,
        actions=[one for one in CONTRACT_ACTIONS.values() if found.status in one.offered],
        certificates=service.certificates_of(found)[:ROWS],
        sessions=service.journal.sessions(10, emaid=found.emaid),
        refusals=service.journal.refusals(10, identity=found.emaid),
        notes=service.journal.notes(subject=found.emaid, limit=10),
    )


@router.get("/expiring")
def expiring(
    request: Request, service: Injected, visitor: Visitor, days: Annotated[int, Query(ge=1, le=3650)] = 30
) -> Response:
    """Certificates over time, and those that end soon."""
    now = service.clock()
    until = now + days * DAY
    roots = service.anchors.everything()
    trees = [*((kind, root) for kind, root, _ in roots), *service.hierarchy]
    charts = {
        "Contracts that end": picture.months(service.contracts.count_ending, now),
        "Station certificates that end": picture.months(_station_ends(service), now),
    }
    return page(
        request,
        visitor,
        "expiring.html",
        contracts=service.contracts.page(ending_by=until, limit=ROWS),
        stations=service.register.ending(Kind.SECC_LEAF, until, limit=ROWS),
        roots=[one for one in roots if one[1].not_after <= until],
        days=days,
        lines=picture.lifelines(trees, _branches(service), now),
        ticks=picture.ticks(now),
        today=picture.today(now),
        charts=charts,
    )


@router.get("/stations")
def stations(request: Request, service: Injected, visitor: Visitor, search: _Search = "") -> Response:
    """Certificates of stations."""
    found: tuple[Issued, ...]
    if search.strip():
        found = service.register.stations(search.strip(), limit=ROWS)
    else:
        found = service.register.ending(Kind.SECC_LEAF, service.clock() + 3650 * DAY, limit=ROWS)
    return page(request, visitor, "stations.html", stations=found, search=search)


@router.get("/stations/{station:path}")
def station(
    request: Request, service: Injected, visitor: Visitor, station: Annotated[forms.Name, Path()]
) -> Response:
    """One station: all its certificates, its sessions and the changes about it."""
    found = tuple(one for one in service.register.of_owner(station) if one.kind is Kind.SECC_LEAF)
    held = service.journal.sessions(10, station=station)
    if not found and not held:
        raise HTTPException(404, "no such station")
    notes = service.journal.notes(subject=station, limit=10)
    return page(
        request,
        visitor,
        "station.html",
        station=station,
        certificates=found[:ROWS],
        sessions=held,
        notes=notes,
    )


@router.get("/sessions")
def sessions(
    request: Request,
    service: Injected,
    visitor: Visitor,
    emaid: _Search = "",
    doubtful: Annotated[bool, Query()] = False,
) -> Response:
    """Charging sessions."""
    found = service.journal.sessions(ROWS, emaid=normal_emaid(emaid.strip()), doubtful=doubtful)
    return page(request, visitor, "sessions.html", sessions=found, doubtful=doubtful, emaid=emaid)


@router.get("/refusals")
def refusals(request: Request, service: Injected, visitor: Visitor) -> Response:
    """Refused requests, with reasons."""
    counts = service.journal.refusal_counts(service.clock() - 7 * DAY)
    found = service.journal.refusals(ROWS)
    return page(request, visitor, "refusals.html", refusals=found, counts=counts)


@router.get("/audit")
def audit(
    request: Request,
    service: Injected,
    visitor: Visitor,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> Response:
    """Changes and who made them."""
    found = service.journal.notes(before=before, limit=ROWS)
    return page(request, visitor, "audit.html", notes=found, more=found[-1].id if len(found) == ROWS else 0)


@router.get("/api")
def api(request: Request, visitor: Visitor) -> Response:
    """The calls of the API, from the OpenAPI document of this service."""
    document = request.app.openapi()
    return page(request, visitor, "api.html", groups=calls_of(document), bodies=bodies_of(document))


@router.get("/style.css")
def style() -> Response:
    """The style sheet."""
    return Response(
        (FOLDER / "style.css").read_bytes(), media_type="text/css", headers={"Cache-Control": "max-age=60"}
    )


# --- login ------------------------------------------------------------------------------------------------


@router.get("/login")
def login_form(request: Request, service: Injected, to: _Search = "/") -> Response:
    """Ask for name and password."""
    if service.settings.open:
        return RedirectResponse("/", status_code=303)
    secret = form_secret(request)
    return page(request, None, "login.html", to=local_target(to), secret=secret, failed=False, name="")


@router.post("/login")
def login(request: Request, fields: PageFields) -> Response:
    """Check name and password, and continue where the visitor wanted to go."""
    to, name = local_target(fields.get("to", "/")), fields.get("name", "")[:64]
    if log_in(request, name, fields.get("password", "")):
        return RedirectResponse(to, status_code=303)
    secret = form_secret(request)
    return page(request, None, "login.html", status=401, to=to, secret=secret, failed=True, name=name)


@router.post("/logout")
def logout(request: Request, visitor: Visitor, fields: PageFields) -> Response:
    """End the login of this browser."""
    log_out(request)
    return RedirectResponse("/login", status_code=303)


# --- parts ------------------------------------------------------------------------------------------------


def _attention(service: OperatorService, now: datetime.datetime) -> list[PageFigure]:
    """What a person should look at, most urgent first; the caller omits zeros."""
    station_ends = _station_ends(service)
    recent = service.journal.notes(limit=500)
    failed = [one for one in recent if one.what == "renewal failed" and one.at >= now - DAY]
    authorities = [one.not_after for _, one in service.hierarchy]
    authorities += [root.not_after for _, root, _ in service.anchors.everything()]
    refused = service.journal.refusal_counts(now - DAY)
    return [
        PageFigure("contracts ended", service.contracts.count_ending(now - 3650 * DAY, now), "/expiring"),
        PageFigure("station certificates ended", station_ends(now - 3650 * DAY, now), "/expiring"),
        PageFigure(
            "contracts end in 7 days", service.contracts.count_ending(now, now + 7 * DAY), "/expiring?days=7"
        ),
        PageFigure(
            "station certificates end in 7 days", station_ends(now, now + 7 * DAY), "/expiring?days=7"
        ),
        PageFigure(
            "authorities and roots end in 90 days",
            sum(end <= now + 90 * DAY for end in authorities),
            "/expiring?days=90",
        ),
        PageFigure("renewals failed in 24 hours", len(failed), "/audit"),
        PageFigure("refusals in 24 hours", sum(count for _, _, count in refused), "/refusals"),
        PageFigure(
            "sessions with doubtful readings in 7 days",
            service.journal.doubtful(now - 7 * DAY),
            "/sessions?doubtful=true",
        ),
    ]


def _totals(service: OperatorService, now: datetime.datetime) -> list[PageFigure]:
    contracts, held = service.contracts.totals(), service.journal.session_totals(now - DAY)
    leaves = sum(one.count for one in service.register.in_use(Kind.SECC_LEAF))
    return [
        PageFigure("contracts active", contracts[Status.ACTIVE.value], "/contracts"),
        PageFigure(
            "contracts blocked or canceled",
            contracts[Status.BLOCKED.value] + contracts[Status.CANCELED.value],
            "/contracts",
        ),
        PageFigure("cars with a contract", contracts["cars"], "/contracts"),
        PageFigure("station certificates in use", leaves, "/stations"),
        PageFigure("sessions in 24 hours", held.count, "/sessions"),
        PageFigure("of these charging now", held.charging, "/sessions"),
        PageFigure("kWh in 24 hours", round(held.energy_wh / 1000), "/sessions"),
    ]


def _station_ends(service: OperatorService) -> Callable[[datetime.datetime, datetime.datetime], int]:
    return lambda begin, end: service.register.count_ending(Kind.SECC_LEAF, begin, end)


def _branches(service: OperatorService) -> list[picture.Branch]:
    found = []
    for kind, what in ((Kind.SECC_LEAF, "stations"), (Kind.CONTRACT_LEAF, "contracts")):
        for one in service.register.in_use(kind):
            title = f"{what}: {one.count:,}, the first ends {one.first_end:%Y-%m-%d}"
            found.append(picture.Branch(title, one.issuer, kind, one.first, one.last_end))
    return found
