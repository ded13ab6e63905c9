"""The packet socket of the modem with a real interface; needs root, for a separate network namespace."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, socket, subprocess

from secc.station.raw_modem import RawModem

def run(*argv):
    subprocess.run(argv, check=True, capture_output=True)

run("ip", "link", "add", "station0", "type", "veth", "peer", "name", "wire0")
for name in ("station0", "wire0"):
    run("ip", "link", "set", name, "up")

async def main():
    modem = RawModem("station0")
    mac = modem.open()
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.bind(("wire0", 0))
    def frame(tag, mark):
        return mac + bytes.fromhex("0200000000e1") + tag + b"\\x88\\xe1" + mark.ljust(46, b"\\0")
    for vid in (0, 1, 100):
        wire.send(frame(b"\\x81\\x00" + vid.to_bytes(2, "big"), b"tagged"))
    wire.send(frame(b"\\x81\\x00\\xe0\\x00", b"tagged"))
    wire.send(frame(b"", b"plain"))
    async with asyncio.timeout(5.0):
        data = await modem.receive()
    print(data[14:20].rstrip(b"\\0").decode())

asyncio.run(main())
"""


def namespaces() -> bool:
    done = subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True)
    return os.geteuid() == 0 and done.returncode == 0


@pytest.mark.skipif(not namespaces(), reason="needs root and network namespaces")
def test_a_frame_with_a_vlan_tag_is_dropped() -> None:
    argv = ["unshare", "--net", sys.executable, "-c", PROGRAM]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("plain\n", "")
