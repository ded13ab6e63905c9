"""Logs that the CSMS asks for."""

from __future__ import annotations

import pytest

from secc.ocpp.ports import StationServices
from tests.ocpp.support import V201, ask, bodies, knowing, served


class Shelf:
    """Keeps what is uploaded; fails as often as it is set to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.files: dict[str, bytes] = {}

    async def upload(self, location: str, name: str, content: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.files[name] = content


@pytest.mark.parametrize(
    ("failures", "last"),
    [
        ((), "Uploaded"),
        ((OSError("busy"),), "Uploaded"),
        ((PermissionError("no"),), "PermissionDenied"),
        ((ValueError("gopher"),), "NotSupportedOperation"),
        ((OSError("busy"), OSError("busy")), "UploadFailure"),
    ],
)
async def test_a_log_is_uploaded_or_the_reason_is_reported(
    failures: tuple[Exception, ...], last: str
) -> None:
    shelf = Shelf(*failures)
    csms = knowing(version=V201)
    log = {"remoteLocation": "http://127.0.0.1/"}
    order = {"logType": "DiagnosticsLog", "requestId": 8, "log": log, "retries": 1, "retryInterval": 0}

    final = {"status": last, "requestId": 8}

    async with served(csms, StationServices(uploader=shelf)):
        answer = await ask(csms, "GetLog", order)
        await csms.until(lambda: bodies(csms, "LogStatusNotification")[-1:] == [final])
    assert answer["status"] == "Accepted"
    if last == "Uploaded":
        assert b"connected, OCPP 2.0.1" in shelf.files[answer["filename"]]
