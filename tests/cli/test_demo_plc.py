"""The whole chain between two network namespaces; needs root and veth interfaces."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces and packet sockets need root")
@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this kernel has no IPv6")
def test_a_car_is_matched_and_charges_by_contract_across_two_networks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "secc", "demo", "--plc", "--plain-text", "--loops", "3"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    if "needs root" in done.stderr or "Operation not supported" in done.stderr:
        pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("outcome matched", "CertificateInstallationRes", "PaymentDetailsRes", "SessionStopRes"):
        assert words in done.stdout


def test_without_root_the_demonstration_says_what_it_needs() -> None:
    if os.geteuid() == 0:
        pytest.skip("this is about people who are not root")
    done = subprocess.run(
        [sys.executable, "-m", "secc", "demo", "--plc"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "root" in done.stderr
