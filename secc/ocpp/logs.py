"""Logs that the CSMS requests: what the back end has reported, and its security events (OCPP N01)."""

from __future__ import annotations

import asyncio
import collections
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.dialect import to_iso
from secc.ocpp.model import SecurityEvent
from secc.ocpp.ports import LogKind, LogUploader
from secc.ocpp.runtime import RuntimeSettings

__all__ = ["HttpUploader", "LogBook", "LogReports", "LogUploads"]

MOST_LINES = 10_000


class LogBook:
    """The last texts of the log and the last security events, in memory."""

    def __init__(self) -> None:
        self._lines: dict[LogKind, collections.deque[tuple[float, str]]] = {
            kind: collections.deque(maxlen=MOST_LINES) for kind in LogKind
        }

    def note(self, at: float, text: str) -> None:
        """Add a text to the diagnostics log."""
        self._lines[LogKind.DIAGNOSTICS].append((at, text))

    def security(self, event: SecurityEvent) -> None:
        """Add an event to the security log."""
        self._lines[LogKind.SECURITY].append((event.at, f"{event.kind} {event.text}".rstrip()))

    def content(self, kind: LogKind, oldest: float | None, latest: float | None) -> bytes:
        """Return the lines between two times in Unix seconds; None: without that bound."""
        begin, end = oldest or 0.0, float("inf") if latest is None else latest
        lines = (f"{to_iso(at)} {text}\n" for at, text in self._lines[kind] if begin <= at <= end)
        return "".join(lines).encode()


class LogReports:
    """Texts of a back end for the log: kept in the log book and passed to a receiver."""

    def __init__(self, receiver: Callable[[str], None]) -> None:
        self.book = LogBook()
        self.receiver = receiver

    def __call__(self, text: str) -> None:
        """Report a text."""
        self.book.note(time.time(), text)
        self.receiver(text)


class HttpUploader(LogUploader):
    """Stores logs by HTTP PUT."""

    def __init__(self, settings: RuntimeSettings, *, limit: float = 60.0) -> None:
        """`limit` in seconds for one upload; `ocpp.ca` also verifies the server of the URL."""
        self._settings = settings
        self._limit = limit

    async def upload(self, location: str, name: str, content: bytes) -> None:
        await asyncio.to_thread(self._put, location, name, content)

    def _put(self, location: str, name: str, content: bytes) -> None:
        parts = urllib.parse.urlsplit(location)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{parts.scheme or 'no scheme'}: expected http or https")
        url = location + urllib.parse.quote(name) if parts.path.endswith("/") else location
        request = urllib.request.Request(
            url, data=content, method="PUT", headers={"Content-Type": "text/plain; charset=utf-8"}
        )
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if parts.scheme == "https":
            ca = self._settings.ocpp.ca
            context = ssl.create_default_context(cafile=None if ca is None else str(ca))
            handlers.append(urllib.request.HTTPSHandler(context=context))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=self._limit):
                pass
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise PermissionError(str(error)) from error
            raise OSError(str(error)) from error


class LogUploads:
    """Uploads of one station, one at a time; a new one cancels the one in progress."""

    def __init__(
        self,
        conversation: CsmsConversation,
        book: LogBook,
        uploader: LogUploader,
        *,
        report: Callable[[str], None],
        announce: Callable[[str, int | None], None],
    ) -> None:
        """`announce` sends LogStatusNotification: status and request id."""
        self.status = "Idle"
        self.request_id: int | None = None
        self._conversation = conversation
        self._book = book
        self._uploader = uploader
        self._report = report
        self._announce = announce
        self._task: asyncio.Task[None] | None = None

    def start(
        self,
        kind: LogKind,
        location: str,
        request_id: int | None,
        *,
        oldest: float | None = None,
        latest: float | None = None,
        retries: int = 0,
        interval: float = 10.0,
    ) -> tuple[str, str]:
        """Start an upload; returns Accepted or AcceptedCanceled, and the name of the file."""
        canceled = self._cancel()
        name = f"{self._conversation.identity}-{kind.value}-{int(self._conversation.now)}.txt"
        content = self._book.content(kind, oldest, latest)
        self.request_id = request_id
        self._task = asyncio.get_running_loop().create_task(
            self._upload(location, name, content, max(0, min(retries, 100)), max(1.0, interval))
        )
        return ("AcceptedCanceled" if canceled else "Accepted"), name

    async def close(self) -> None:
        """Cancel the upload in progress."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])

    def _cancel(self) -> bool:
        if self._task is None or self._task.done():
            return False
        self._task.cancel()
        self._announce("AcceptedCanceled", self.request_id)
        return True

    async def _upload(self, location: str, name: str, content: bytes, retries: int, interval: float) -> None:
        await asyncio.sleep(0.01)  # the answer to the request is sent first
        self._set("Uploading")
        for attempt in range(retries + 1):
            try:
                await self._uploader.upload(location, name, content)
            except PermissionError as error:
                self._failed("PermissionDenied", error)
                return
            except ValueError as error:
                self._failed("NotSupportedOperation", error)
                return
            except OSError as error:
                self._report(f"log upload: {error}")
                if attempt < retries:
                    await asyncio.sleep(interval)
            else:
                self._set("Uploaded")
                self.status, self.request_id = "Idle", None
                return
        self._failed("UploadFailure", None)

    def _failed(self, status: str, error: BaseException | None) -> None:
        if error is not None:
            self._report(f"log upload: {error}")
        self._set(status)
        self.status, self.request_id = "Idle", None

    def _set(self, status: str) -> None:
        self.status = status
        self._announce(status, self.request_id)
