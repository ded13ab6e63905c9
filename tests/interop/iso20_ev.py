"""The independent EV in ISO 15118-20: the EVCC of the package `iso15118`, in its own virtual environment.

Its simulator asks for a pre-charge of 20 kV, takes the first parameter set and has a Java codec that misses
its own 0.5 s; the program below gives it a battery of 380 V, the control mode of the run, and more patience.
Messages and order of the session stay its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.interop.cable import End
from tests.interop.ev import IndependentEv, Verdict

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-interop/bin/python"

PROGRAM = """
import asyncio, os, sys
import iso15118.shared.states as states
from iso15118.evcc import Config, EVCCHandler
from iso15118.evcc.controller.simulator import SimEVController
from iso15118.evcc.evcc_config import load_from_file
from iso15118.shared.exificient_exi_codec import ExificientEXICodec
from iso15118.shared.messages.iso15118_20.common_types import RationalNumber

usual = states.State.create_next_message


def patient(self, state, message, timeout, *more, **named):
    return usual(self, state, message, 20 * timeout, *more, **named)


states.State.create_next_message = patient


class Controller(SimEVController):
    async def get_present_voltage(self):
        return RationalNumber(exponent=0, value=380)

    get_target_voltage = get_present_voltage

    async def select_energy_service_v20(self, services):
        chosen = await super().select_energy_service_v20(services)
        for service in services:
            for one in service.parameter_sets:
                values = {parameter.name: parameter.int_value for parameter in one.parameters}
                wanted = values["ControlMode"] == int(os.environ["EV_CONTROL"])
                if wanted and service.service == chosen.service:
                    chosen.parameter_set = one
                    return chosen
        raise RuntimeError("no parameter set with the wanted control mode")


async def main():
    config = Config()
    config.load_envs()
    settings = await load_from_file(sys.argv[1])
    await EVCCHandler(
        evcc_config=settings,
        iface=config.iface,
        exi_codec=ExificientEXICodec(),
        ev_controller=Controller(settings),
    ).start()


asyncio.run(main())
"""


class IndependentIso20Ev(IndependentEv):
    """One run of that EV at one end of a cable, without TLS."""

    def __init__(self, end: End, directory: Path, *, service: str, dynamic: bool) -> None:
        super().__init__(end, directory, mode=service, tls=False)
        self._settings |= {
            "supportedProtocols": [f"ISO_15118_20_{service[:2]}"],
            "supportedEnergyServices": [service],
        }
        del self._settings["energyTransferMode"]
        self._control = "2" if dynamic else "1"

    def start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        settings = self._directory / "ev.json"
        settings.write_text(json.dumps(self._settings))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._end.command(str(PYTHON), "-c", PROGRAM, str(settings)),
                cwd=self._directory,
                env=os.environ | self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        return {
            "NETWORK_INTERFACE": self._end.interface,
            "PKI_PATH": str(self._directory),
            "PYTHONUNBUFFERED": "1",
            "EV_CONTROL": self._control,
        }


__all__ = ["IndependentIso20Ev", "Verdict"]
