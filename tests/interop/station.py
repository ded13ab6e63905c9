"""`secc serve` as a process at the station's end of the cable."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tests.interop.cable import End

ROOT = Path(__file__).resolve().parents[2]
SECC = ROOT / ".venv/bin/secc"
SDP_PORT = "3B0E"  # 15118, as the kernel writes it


class ServedStation:
    """Context manager: one `secc serve` with a simulated EVSE, stopped at the end like any service."""

    def __init__(
        self, end: End, directory: Path, *, configuration: str, arguments: tuple[str, ...] = ()
    ) -> None:
        self._arguments = arguments
        self._end = end
        self._directory = directory
        self._configuration = configuration
        self.log = directory / "station.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ServedStation:
        self._directory.mkdir(parents=True, exist_ok=True)
        settings = self._directory / "station.toml"
        settings.write_text(self._configuration)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._end.command(str(SECC), "serve", "--json", "--config", str(settings), *self._arguments),
                cwd=self._directory,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready(self._process.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process still serves."""
        return self._process is not None and self._process.poll() is None

    @property
    def ends(self) -> list[str]:
        """Why each of its sessions has ended, in order."""
        found = (record for record in self._records() if record.get("name") == "EndSession")
        return [str(record["reason"]) for record in found]

    @property
    def demand_response_times(self) -> list[float]:
        """Seconds from the last byte of a CurrentDemandReq to its response, rising."""
        found = (record for record in self._records() if record.get("name") == "CurrentDemandRes")
        return sorted(float(str(record["response_time"])) for record in found)

    @property
    def peak_memory(self) -> int:
        """Bytes resident at most so far."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024

    def wait_for_end(self, number: int, seconds: float = 20.0) -> None:
        """Return once so many sessions have ended."""
        limit = time.monotonic() + seconds
        while len(self.ends) < number:
            if time.monotonic() > limit:
                raise TimeoutError(f"{len(self.ends)} sessions have ended: {self.log}")
            time.sleep(0.05)

    def _records(self) -> Iterator[dict[str, object]]:
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                yield json.loads(line)

    def _wait_until_ready(self, pid: int, seconds: float = 15.0) -> None:
        """Ready is when the SDP socket is bound, seen from outside: no word of its output is relied on."""
        limit = time.monotonic() + seconds
        while f":{SDP_PORT} " not in Path(f"/proc/{pid}/net/udp6").read_text():
            if not self.alive or time.monotonic() > limit:
                raise RuntimeError(f"secc serve did not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.02)
