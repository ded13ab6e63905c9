"""The controllers that we publish keep the contract: simulated outlets, examples, README, how-to."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from secc.sim import SimulatedAcEvse, SimulatedCable, SimulatedDcEvse
from secc.testing import ControllerReport, RowState, check_controller
from tests.support.fasttime import play_fast

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


class VirtualTime:
    """`time` for a module under test, on the clock of the loop."""

    time = staticmethod(time.time)

    @staticmethod
    def monotonic() -> float:
        return asyncio.get_running_loop().time()


class Board:
    """The driver that the README leaves to its reader."""

    closed = False
    until = 0.0

    def pilot(self) -> str:
        return "B"

    def feedback(self) -> bool:
        self.closed = self.closed and VirtualTime.monotonic() < self.until
        return self.closed

    def watchdog(self, seconds: float) -> None:
        self.closed = self.feedback()
        self.until = VirtualTime.monotonic() + seconds

    async def switch(self, on: bool) -> bool:
        self.closed = on
        return self.feedback() is on


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    named = {"monotonic": VirtualTime.monotonic} if "monotonic" in vars(module) else {"time": VirtualTime}
    vars(module).update(named)
    return module


def of_a_page(page: str, **given: object) -> dict[str, Any]:
    block = next(text for text in BLOCK.findall((ROOT / page).read_text()) if "def lease" in text)
    names: dict[str, Any] = {"__name__": "page"} | given
    exec(compile(block, page, "exec"), names)  # what it runs itself, it runs in real time
    names["time"] = VirtualTime
    return names


def own_controller() -> object:
    outlet = example("own_controller").MyOutlet(SimulatedCable())
    outlet.task = asyncio.get_running_loop().create_task(outlet.watchdog())
    return outlet


def plc_outlet() -> object:
    return example("plc_outlet").Outlet(SimulatedCable())


def of_the_readme() -> object:
    return of_a_page("README.md", Board=Board)["MyOutlet"]()


def check(make: Callable[[], object], *, dc: bool = False) -> ControllerReport:
    async def checked() -> ControllerReport:
        outlet = make()
        report = await check_controller(outlet, dc=dc, energise=True)
        if (task := getattr(outlet, "task", None)) is not None:
            task.cancel()
        return report

    return play_fast(checked(), sockets=False)


@pytest.mark.parametrize("make", [own_controller, plc_outlet, of_the_readme])
def test_a_published_outlet_keeps_the_contract(make: Callable[[], object]) -> None:
    report = check(make)
    report.raise_for_failures()
    assert report.state("lease-lapse") is report.state("make-safe-overtakes") is RowState.OK


def test_the_outlet_of_the_how_to_keeps_the_contract() -> None:
    names = of_a_page("docs/how-to/controller.md")  # before the check: its block runs a separate loop
    check(lambda: names["AcOutlet"](names["Board"]())).raise_for_failures()


@pytest.mark.parametrize(("make", "dc"), [(SimulatedAcEvse, False), (SimulatedDcEvse, True)])
def test_a_simulated_outlet_keeps_the_contract(make: Callable[..., object], dc: bool) -> None:
    report = check(lambda: make(clock=asyncio.get_running_loop().time), dc=dc)
    report.raise_for_failures()
    assert report.state("lease-lapse") is report.state("make-safe-overtakes") is RowState.OK
