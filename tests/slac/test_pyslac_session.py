"""The scripted EV is matched by an independent station, so the test EV follows the real protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.interop.pyslac_session import PYSLAC


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces and packet sockets need root")
@pytest.mark.skipif(not PYSLAC.exists(), reason="no .venv-pyslac here: `make oracles` makes it")
def test_pyslac_as_station_matches_the_simulated_ev_with_the_key_it_says() -> None:
    command = [sys.executable, "-m", "tests.interop.pyslac_session"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=55)
    result = json.loads(done.stdout)
    if "Operation not permitted" in str(result.get("error")):
        pytest.skip(f"no network namespaces here: {result['error']}")
    assert result["theirs"] == ["matched", result["ours"]]
