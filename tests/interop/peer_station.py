"""The independent station: the SECC of the package `iso15118`, in its own virtual environment.

Its simulator does nothing for an EV: the voltage stays where it is and AC has no set-point. The program below
gives it an output that follows what the EV asks for; messages and order of the session stay its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from types import TracebackType

from tests.interop.cable import End

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-interop/bin/python"
SDP_PORT = "3B0E"  # 15118, as the kernel writes it

PROGRAM = """
import asyncio, pathlib
from iso15118.secc import SECCHandler
from iso15118.secc.controller.interface import ServiceStatus
from iso15118.secc.controller.simulator import SimEVSEController
from iso15118.secc.secc_settings import Config
from iso15118.shared.exificient_exi_codec import ExificientEXICodec


class Controller(SimEVSEController):
    async def send_charging_command(self, voltage, current, is_precharge=False, is_session_bpt=False):
        outlet = self.evse_data_context  # its flags of pre-charge and of both directions are mixed up
        outlet.present_current = current or 0
        if not current and voltage is not None:
            outlet.present_voltage = voltage

    async def get_ac_charge_loop_params_v20(self, *arguments):
        limits = self.evse_data_context.session_limits.ac_limits
        watts = float(pathlib.Path("ac_power").read_text())
        limits.max_charge_power, limits.max_discharge_power = max(watts, 0.0), max(-watts, 0.0)
        return await super().get_ac_charge_loop_params_v20(*arguments)

    async def stop_charger(self):
        self.evse_data_context.present_voltage = self.evse_data_context.present_current = 0


async def main():
    config = Config()
    config.load_envs()
    controller = Controller()
    await controller.set_status(ServiceStatus.STARTING)
    handler = SECCHandler(exi_codec=ExificientEXICodec(), evse_controller=controller, config=config)
    await handler.start(config.iface)


asyncio.run(main())
"""

_REASON = re.compile(r"comm_session \(\d+\): Reason: (.*)")


class PeerStation:
    """Context manager: one run of that station at the end of a cable, in ISO 15118-20 without TLS."""

    def __init__(self, end: End, directory: Path) -> None:
        self._end = end
        self._directory = directory
        self.log = directory / "station.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PeerStation:
        self._directory.mkdir(parents=True, exist_ok=True)
        self.set_ac_power(11_000.0)
        environment = os.environ | {
            "NETWORK_INTERFACE": self._end.interface,
            "PROTOCOLS": "ISO_15118_20_AC,ISO_15118_20_DC",
            "AUTH_MODES": "EIM",
            "ENABLE_TLS_1_3": "False",
            "LOG_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._end.command(str(PYTHON), "-c", PROGRAM),
                cwd=self._directory,
                env=environment,
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
        self._process.kill()
        self._process.wait()

    def set_ac_power(self, watts: float) -> None:
        """What the station sets in the AC loop; below zero it asks for discharging."""
        (self._directory / "ac_power").write_text(str(watts))

    @property
    def ends(self) -> list[str]:
        """Why each of its sessions has ended, in its words."""
        return _REASON.findall(self.log.read_text(errors="replace"))

    def _wait_until_ready(self, pid: int, seconds: float = 60.0) -> None:
        """Ready is when the SDP socket is bound; its Java machine takes its time."""
        limit = time.monotonic() + seconds
        while f":{SDP_PORT} " not in Path(f"/proc/{pid}/net/udp6").read_text():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"that station did not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.05)
