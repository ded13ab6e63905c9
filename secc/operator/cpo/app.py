"""The HTTP application: routes, a common error format, limits, health and metrics."""

from __future__ import annotations

import contextlib
import os
import urllib.parse
from collections.abc import AsyncIterator

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException as StarletteHttpException
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secc.errors import CertificateError
from secc.operator.cpo import actions, admin, forms, pages, routes
from secc.operator.cpo.database import StorageError
from secc.operator.cpo.engine import Engine
from secc.operator.cpo.logins import LoginNeeded
from secc.operator.cpo.rendering import is_page, problem
from secc.operator.cpo.routes import Injected
from secc.operator.cpo.seals import read_secret
from secc.operator.cpo.service import OperatorService

__all__ = ["LimitBody", "MAX_BODY", "make_app"]

MAX_BODY = 65536
"""Bytes; much more than the largest request of a car in base64."""

ROUTERS = (routes.router, admin.router, pages.router, actions.router)


def make_app(service: OperatorService, engine: Engine | None = None) -> FastAPI:
    """Return the application of a service; `engine` runs its jobs meanwhile."""

    @contextlib.asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            if engine is not None:
                await stack.enter_async_context(engine.running())
            yield
        service.close()

    app = FastAPI(
        title="secc: provisioning service of a charging point operator",
        version="1",
        description="Contracts for cars, certificates for stations, and their life cycle.",
        lifespan=life,
        docs_url=None,  # the default page loads scripts from another site
        redoc_url=None,
    )
    app.state.service = service
    app.add_middleware(LimitBody, limit=MAX_BODY)
    _add_logins(app, service)
    app.add_exception_handler(StorageError, _storage)
    app.add_exception_handler(CertificateError, _certificate)
    app.add_exception_handler(RequestValidationError, _form)
    app.add_exception_handler(405, _method)
    app.add_exception_handler(StarletteHttpException, _refusal)
    app.add_exception_handler(LoginNeeded, _login)
    for router in ROUTERS:
        app.include_router(router)
    _add_health(app)
    return app


def _add_logins(app: FastAPI, service: OperatorService) -> None:
    settings = service.settings
    key = settings.session_key
    app.add_middleware(
        SessionMiddleware,
        secret_key=(os.urandom(32) if key is None else read_secret(key, "session_key")).hex(),
        session_cookie="secc_cpo",
        max_age=int(settings.login_hours * 3600),
        same_site="strict",
        https_only=settings.tls is not None,
    )


def _add_health(app: FastAPI) -> None:
    @app.get("/health/live", tags=["health"])
    def live() -> forms.Health:
        """Report that the process answers."""
        return forms.Health(status="live")

    @app.get("/health/ready", tags=["health"], responses={503: {"model": forms.Problem}})
    def ready(service: Injected) -> forms.Health:
        """Report that the database answers too."""
        if not service.database.ready():
            raise HTTPException(503, "the database does not answer")
        return forms.Health(status="ready")

    @app.get("/metrics", tags=["health"], response_class=Response, responses={503: {"model": forms.Problem}})
    def metrics(service: Injected) -> Response:
        """Return the metrics for Prometheus."""
        text = service.metrics.text(service.contracts, service.register, service.clock())
        return Response(text, media_type="text/plain; version=0.0.4")


async def _storage(request: Request, error: Exception) -> Response:
    if is_page(request.url.path):
        text = f"Nothing has been changed, and nothing can be shown until it is available again: {error}"
        return problem(request, "The database is not available", text, 503, {"Retry-After": "1"})
    return JSONResponse(
        {"detail": f"try again: {error}", "rule": "storage"}, status_code=503, headers={"Retry-After": "1"}
    )


async def _certificate(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CertificateError)
    return JSONResponse({"detail": str(error), "rule": error.rule}, status_code=422)


async def _form(request: Request, error: Exception) -> Response:
    """Describe what is wrong with a form, without repeating its content, which may be personal data."""
    assert isinstance(error, RequestValidationError)
    wrong = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    if is_page(request.url.path):
        return problem(request, "The address is not valid", "; ".join(wrong)[:1000], 422)
    return JSONResponse({"detail": "; ".join(wrong)[:1000], "rule": "form"}, status_code=422)


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHttpException)
    if is_page(request.url.path):
        title = _TITLES.get(error.status_code, "The request is refused")
        return problem(request, title, str(error.detail), error.status_code, error.headers)
    return await http_exception_handler(request, error)


_TITLES = {404: "Not found", 403: "Not allowed", 429: "Too many attempts"}


async def _login(request: Request, _error: Exception) -> Response:
    """Ask for a login, and return to the page afterwards."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = path if request.method == "GET" else "/"
    return RedirectResponse(f"/login?{urllib.parse.urlencode({'to': target[:64]})}", status_code=303)


async def _method(request: Request, _error: Exception) -> JSONResponse:
    """List the allowed methods of the path: each method is a separate route and knows only itself."""
    routers = (request.app.router, *ROUTERS)
    all_routes = [one for router in routers for one in router.routes if isinstance(one, Route)]
    found = [one for one in all_routes if one.matches(request.scope)[0] is not Match.NONE]
    allowed = sorted({method for one in found for method in one.methods or ()})
    return JSONResponse(
        {"detail": "Method Not Allowed"}, status_code=405, headers={"Allow": ", ".join(allowed)}
    )


class LimitBody:
    """Refuse bodies above the limit before they are read completely."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Entry point of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._limit:
            await JSONResponse({"detail": "the body is too large"}, status_code=413)(scope, receive, send)
            return
        await self._app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise HTTPException(413, "the body is too large")
            return message

        return counted
