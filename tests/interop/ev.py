"""The independent EV: the EVCC of the package `iso15118`, in its own virtual environment.

It exits with 0 even when its session failed, so what happened is read from its log.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.interop.cable import End

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-interop/bin/python"
V2G_ROOT = ROOT / "certs/testpki/v2g_root.pem"

_SENT = re.compile(r"comm_session \(\d+\): Sent (\w+)")
_RECEIVED = re.compile(r"comm_session \(\d+\): (\w+Res) received")
_REASON = re.compile(r"comm_session \(\d+\): Reason: (.*)")
_CODE = re.compile(r'"ResponseCode":"(\w+)"')

_GOOD_ENDS = ("Communication session terminated", "Communication session stopped successfully")
"""The words of that EV for the end of a session, by ISO 15118-2 and by DIN SPEC 70121."""

RETRIES: list[str] = []
"""Runs that were repeated because that EV missed one of its timeouts; printed at the end."""


@dataclass(frozen=True)
class Verdict:
    """What the log of one EV run says."""

    sent: tuple[str, ...]
    """Requests in the order in which they were sent."""
    received: tuple[str, ...]
    """Responses in the order in which they were accepted."""
    codes: frozenset[str]
    """All response codes seen."""
    reason: str
    """Why the EV ended its session, in its own words; empty when it never got one."""
    tls: bool
    """Whether its connection was TLS."""

    @property
    def completed(self) -> bool:
        """A whole session: stopped by the EV, each request answered, no negative response."""
        return (
            self.reason in _GOOD_ENDS
            and self.received[-1:] == ("SessionStopRes",)
            and len(self.sent) == len(self.received)
            and not any(code.startswith("FAILED") for code in self.codes)
        )

    @property
    def was_too_slow(self) -> bool:
        """The EV missed one of its timeouts: its JVM does so on a busy machine."""
        return self.reason.startswith("TimeoutError")


class IndependentEv:
    """One run of the EV at one end of a cable."""

    def __init__(
        self,
        end: End,
        directory: Path,
        *,
        mode: str,
        tls: bool,
        loops: int = 5,
        certificate_installation: bool = False,
        protocol: str = "ISO_15118_2",
    ) -> None:
        self._end = end
        self._directory = directory
        self._log = directory / "ev.log"
        self._settings = {
            "supportedProtocols": [protocol],
            "supportedEnergyServices": [mode[:2]],
            "energyTransferMode": mode,
            "isCertInstallNeeded": certificate_installation,
            "useTls": tls,
            "enforceTls": tls,
            "sdpRetryCycles": 1,
            "chargeLoopCycle": loops,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Plug in: SDP starts as soon as its Java machine is up."""
        self._directory.mkdir(parents=True, exist_ok=True)
        settings = self._directory / "ev.json"
        settings.write_text(json.dumps(self._settings))
        environment = os.environ | {
            "NETWORK_INTERFACE": self._end.interface,
            "PKI_PATH": str(self._trust()),
            "PYTHONUNBUFFERED": "1",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._end.command(str(PYTHON), "-m", "iso15118.evcc.main", str(settings)),
                cwd=self._directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float = 60.0) -> Verdict:
        """Let it finish by itself and read its log."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        return self.verdict()

    def kill(self) -> None:
        """Unplug without a word: the EV and its Java machine end at once."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait_until_sent(self, request: str, seconds: float = 30.0) -> None:
        """Return once the EV has sent `request`."""
        end = time.monotonic() + seconds
        while request not in self.verdict().sent:
            if time.monotonic() > end:
                raise TimeoutError(f"the EV has not sent {request}: {self._log}")
            time.sleep(0.05)

    def wait_until_logged(self, text: str, seconds: float = 30.0) -> None:
        """Return once `text` is in its log."""
        end = time.monotonic() + seconds
        while text not in self._log.read_text(errors="replace"):
            if time.monotonic() > end:
                raise TimeoutError(f"the EV has not logged {text!r}: {self._log}")
            time.sleep(0.05)

    def verdict(self) -> Verdict:
        """What its log says so far."""
        log = self._log.read_text(errors="replace")
        return Verdict(
            sent=tuple(_SENT.findall(log)),
            received=tuple(_RECEIVED.findall(log)),
            codes=frozenset(_CODE.findall(log)),
            reason="".join(_REASON.findall(log)[:1]),
            tls="Starting TLS client" in log,
        )

    def _trust(self) -> Path:
        """The layout in which it looks for the V2G root it trusts."""
        pki = self._directory / "pki"
        certificates = pki / "iso15118_2" / "certs"
        certificates.mkdir(parents=True, exist_ok=True)
        if V2G_ROOT.exists():
            shutil.copy(V2G_ROOT, certificates / "v2gRootCACert.pem")
        return pki
