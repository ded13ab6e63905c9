"""Our scripted EV at a station that is not ours: the EVSE session of the PyPI package pyslac. Linux, root.

`python -m tests.interop.pyslac_session` prints what came of it as JSON. pyslac runs in `.venv-pyslac` on a
cable to a simulated modem. It has no session for the EV: its example of one listens to nothing.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from secc.cli import netns
from secc.errors import SeccError
from secc.sim import BridgedPowerLine, SlacEv
from secc.station.raw_modem import RawModem
from tests.support.messages import ROOT

PYSLAC = ROOT / ".venv-pyslac" / "bin" / "python"
MODEMS = {netns.STATION_MODEM: bytes.fromhex("0200000000aa"), netns.EV_MODEM: bytes.fromhex("0200000000ab")}
STATION = """
import asyncio, sys
from pyslac import session as of_pyslac
from pyslac.environment import Config
from pyslac.session import SlacEvseSession, SlacSessionController

of_pyslac.SLAC_SETTLE_TIME = 0.2  # ten seconds for a modem that has to restart

class Controller(SlacSessionController):
    async def notify_matching_ongoing(self, evse_id):
        pass
    async def enable_hlc_charging(self, evse_id):
        pass

async def main():
    config = Config(slac_init_timeout=20, slac_atten_results_timeout=None, log_level="INFO")
    session = SlacEvseSession("DE*XYZ*E1", sys.argv[1], config)
    await session.evse_set_key()
    print("armed", flush=True)
    controller = Controller()
    await controller.process_cp_state(session, "B")
    for _ in range(200):
        await asyncio.sleep(0.1)
        if session.state == 2:
            break
    print("matched" if session.state == 2 else f"state {session.state}", session.nid.hex(), flush=True)

asyncio.run(main())
"""


async def _meet() -> dict[str, object]:
    async with BridgedPowerLine(MODEMS):
        station = await asyncio.create_subprocess_exec(
            *(str(PYSLAC), "-c", STATION, netns.STATION_END),
            stdout=asyncio.subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert station.stdout is not None
            async with asyncio.timeout(30.0):
                armed = (await station.stdout.readline()).decode().split()
                if armed != ["armed"]:
                    return {"error": f"pyslac did not start: {armed}"}
                await asyncio.sleep(0.5)
                matched = await SlacEv(RawModem(netns.EV_END)).match(patience=10.0)
                told = (await station.stdout.readline()).decode().split()
            return {
                "ours": matched.nid.hex(),
                "theirs": told,
                "attenuation": list(matched.attenuation.values()),
            }
        finally:
            if station.returncode is None:
                station.kill()
            await station.wait()


def main() -> int:
    """A network of one's own, then the meeting."""
    try:
        netns.lay_power_line()
        netns.raise_host_end(netns.EV_END)
        print(json.dumps(asyncio.run(_meet())))
    except (SeccError, TimeoutError) as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
