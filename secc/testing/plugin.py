"""The pytest plug-in: fixtures that try a controller, and that let a simulated EV charge at it.

Loaded by pytest itself once `secc` is installed. It imports the station only when a fixture is used.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from secc.session.outlet import ControlPilot
    from secc.settings.config import SeccConfig
    from secc.sim import EvResult
    from secc.testing import ControllerReport, Rig

__all__ = ["Charge", "ControllerCheck", "charge", "controller_check", "pytest_addoption"]


class ControllerCheck(Protocol):
    """What the fixture `controller_check` is."""

    def __call__(
        self,
        factory: Callable[[], object],
        config: SeccConfig | None = None,
        *,
        dc: bool | None = None,
        energise: bool | None = None,
        voltage: float | None = None,
        rig: Callable[[object], Rig] | None = None,
    ) -> ControllerReport:
        """Try the controller that `factory` returns. Raises AssertionError with every row that failed.

        `energise` None: only with the option `--secc-energise`. `rig` is called with the controller.
        """
        ...


class Charge(Protocol):
    """What the fixture `charge` is."""

    def __call__(
        self,
        factory: Callable[[], object],
        config: SeccConfig | None = None,
        *,
        pilot: Callable[[object, ControlPilot], None],
        dc: bool | None = None,
        loops: int = 5,
    ) -> EvResult:
        """A whole session on the loopback interface: a station around the controller, and a simulated EV.

        `pilot` is called with the controller and the state that the EV shows. Raises AssertionError when the
        session does not come to its end.
        """
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--secc-energise`."""
    parser.getgroup("secc").addoption(
        "--secc-energise",
        action="store_true",
        help="controller_check may switch power on: only where the hardware is prepared for it",
    )


@pytest.fixture
def controller_check(request: pytest.FixtureRequest) -> ControllerCheck:
    """Try a controller against its contract, without a car."""
    import asyncio

    from secc.testing import Rig, check_controller

    allowed = bool(request.config.getoption("--secc-energise"))

    def check(
        factory: Callable[[], object],
        config: SeccConfig | None = None,
        *,
        dc: bool | None = None,
        energise: bool | None = None,
        voltage: float | None = None,
        rig: Callable[[object], Rig] | None = None,
    ) -> ControllerReport:
        async def checked() -> ControllerReport:
            controller = factory()
            return await check_controller(
                controller,
                config,
                dc=dc,
                energise=allowed if energise is None else energise,
                voltage=voltage,
                rig=Rig() if rig is None else rig(controller),
            )

        report = asyncio.run(checked())
        report.raise_for_failures()
        return report

    return check


@pytest.fixture
def charge() -> Charge:
    """Let a simulated EV charge at a controller."""
    import asyncio

    def charged(
        factory: Callable[[], object],
        config: SeccConfig | None = None,
        *,
        pilot: Callable[[object, ControlPilot], None],
        dc: bool | None = None,
        loops: int = 5,
    ) -> EvResult:
        from secc.testing.session import one_session

        result = asyncio.run(
            one_session(factory, config, pilot=pilot, dc=dc, loops=loops, sdp_port=_free_port())
        )
        assert result.completed, f"the session did not come to its end: {result.error}"
        return result

    return charged


def _free_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("::", 0))
        return int(probe.getsockname()[1])
