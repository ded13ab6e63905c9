"""Reading the kernel's address table."""

import asyncio
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from secc.station import interface as module
from secc.station.interface import LinkLocal, find_link_local, link_local_now
from tests.support.fasttime import play_fast

TABLE = """\
00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000002 04 40 00 82     eth0
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
fe8000000000000000fc00fffe000002 05 40 20 c0     eth1
fe8000000000000000fc00fffe000003 06 40 20 88     eth2
fe8000000000000000fc00fffe000004 07 40 20 c0     eth3
fe8000000000000000fc00fffe000005 07 40 20 80     eth3
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "if_inet6"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("interface", "found"),
    [
        ("eth0", LinkLocal("eth0", IPv6Address("fe80::fc:ff:fe00:1"), 4)),
        ("eth1", None),
        ("eth2", None),
        ("eth3", LinkLocal("eth3", IPv6Address("fe80::fc:ff:fe00:5"), 7)),
        ("lo", LinkLocal("lo", IPv6Address("::1"), 0)),
        ("eth9", None),
    ],
    ids=["usable", "tentative", "duplicate", "second usable", "loopback", "absent"],
)
@pytest.mark.threat("SDP-11")
def test_only_a_usable_address_is_found(table: Path, interface: str, found: LinkLocal | None) -> None:
    assert find_link_local(interface, table=table) == found


def test_without_ipv6_there_is_no_address(tmp_path: Path) -> None:
    assert find_link_local("eth0", table=tmp_path / "absent") is None


def test_the_loopback_interface_of_this_machine_is_found() -> None:
    assert find_link_local("lo") == LinkLocal("lo", IPv6Address("::1"), 0)


def test_outlets_that_look_at_the_same_moment_share_one_reading(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INET6_TABLE", table)

    async def scenario() -> None:
        assert link_local_now("eth0") == LinkLocal("eth0", IPv6Address("fe80::fc:ff:fe00:1"), 4)
        monkeypatch.setattr(module, "INET6_TABLE", table.with_name("absent"))
        assert link_local_now("lo") == LinkLocal("lo", IPv6Address("::1"), 0)
        await asyncio.sleep(0.05)
        assert link_local_now("eth0") is None

    play_fast(scenario(), sockets=False)
