"""What `secc doctor` checks of the modem: driver, privileges, chip, role, key and link status."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from secc.cli.diagnosis import Diagnosis, Grade
from secc.errors import FramingError, LinkError
from secc.settings.config import SeccConfig
from secc.settings.slac import LinkStatus
from secc.slac import events as slac
from secc.slac import vendor
from secc.slac.fitness import Shortcoming, shortcomings
from secc.slac.frames import LOCAL_MODEM, Frame, decode, encode
from secc.slac.get_key import GetKeyCnf, GetKeyReq
from secc.slac.matching import Matching
from secc.slac.messages import SetKeyCnf
from secc.slac.parameters import SlacRole
from secc.slac.vendor import Vendor
from secc.station.raw_modem import RawModem

# --- before a frame is sent ---------------------------------------------------------------------------------


def missing_interface(name: str, known: list[str]) -> Diagnosis:
    """An interface that does not exist; with a QCA7000 on SPI usually a matter of its driver."""
    advice = f"existing interfaces: {', '.join(known)}"
    for device, bound in _spi_modems():
        if bound:
            advice += (
                f"; qca_spi drives {device} but has no interface, see dmesg: a wrong signature means wiring, "
            )
            advice += "SPI mode 3, clock or reset"
        else:
            advice += f"; a QCA7000 on {device} has no driver: modprobe qca_spi"
    return Diagnosis("interface", Grade.BAD, f"{name} does not exist", advice)


def _spi_modems() -> Iterator[tuple[str, bool]]:
    """Modems on SPI of which the kernel has been informed, and whether their driver is loaded."""
    with contextlib.suppress(OSError):
        for device in sorted(SPI_DEVICES.iterdir()):
            if "qca7000" in (device / "modalias").read_text():
                yield device.name, (device / "driver").exists()


def driver(name: str) -> Iterator[Diagnosis]:
    """Driver and address of the interface, where the kernel reports them."""
    interface = INTERFACES / name
    with contextlib.suppress(OSError):
        yield Diagnosis("driver", Grade.GOOD, os.path.basename(os.readlink(interface / "device" / "driver")))
    with contextlib.suppress(OSError):
        if (interface / "addr_assign_type").read_text().strip() == _RANDOM:
            advice = "set local-mac-address in the device tree, or the address in the network configuration"
            yield Diagnosis("address", Grade.NOTE, f"{name} has a new random address at each start", advice)


SPI_DEVICES = Path("/sys/bus/spi/devices")
INTERFACES = Path("/sys/class/net")
_RANDOM = "1"  # NET_ADDR_RANDOM


def _may_open_packet_sockets() -> bool:
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = STATUS.read_text().partition("CapEff:")[2].split()[0]
        return bool(int(status, 16) >> _CAP_NET_RAW & 1)
    return True


STATUS = Path("/proc/self/status")
_CAP_NET_RAW = 13


# --- the modem ----------------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class ModemFacts:
    """What a modem has answered."""

    found: slac.ModemFound
    armed: bool = False
    refused: int | None = None
    answers_link: bool = False
    answers_key: bool = False
    confirming: set[bytes] = dataclasses.field(default_factory=set)
    """Addresses that have confirmed a key."""

    @property
    def complete(self) -> bool:
        """Whether there is nothing more to wait for."""
        named = self.found.vendor is Vendor.LUMISSIL or self.found.role is not None
        return self.armed and named and self.answers_link and self.answers_key


def modem(settings: SeccConfig) -> Iterator[Diagnosis]:
    """Check the modem. It gets a new network key."""
    if not settings.slac.enabled:
        yield Diagnosis("modem", Grade.NOTE, "not checked: [slac] is not enabled")
        return
    yield from driver(settings.interface)
    try:
        facts = asyncio.run(_ask(settings))
    except LinkError as error:
        missing = not _may_open_packet_sockets()
        advice = "run as root, or give the program CAP_NET_RAW" if missing else ""
        yield Diagnosis("modem", Grade.BAD, str(error), advice)
        return
    found = facts.found
    if not found.mac:
        advice = (
            "check its supply and the interface, and that its firmware is loaded, from flash or from here"
        )
        yield Diagnosis("modem", Grade.BAD, "no modem answers on the interface", advice)
        return
    names = " ".join(name for name in (found.hardware, found.firmware) if name) or "no name"
    yield Diagnosis("modem", Grade.GOOD, f"{found.mac.hex(':')}, {found.vendor or 'unknown maker'}, {names}")
    if len(facts.confirming) > 1:
        others = ", ".join(mac.hex(":") for mac in sorted(facts.confirming))
        advice = "only one modem may be on the interface; or set slac.modem_mac"
        yield Diagnosis("modem", Grade.BAD, f"several devices confirm the key: {others}", advice)
    lacking = shortcomings(found.hardware, found.firmware, found.role, found.cco)
    for reason in lacking:
        grade = Grade.NOTE if reason is Shortcoming.MAY_NOT_COORDINATE else Grade.BAD
        yield Diagnosis("role", grade, reason.value, ADVICE[reason])
    if found.role is SlacRole.EVSE and not lacking:
        yield Diagnosis("role", Grade.GOOD, "configured for a station, always coordinator")
    if Shortcoming.NO_FIRMWARE not in lacking:
        yield from _key(facts)
        yield from _link(facts, settings.slac.link_status)


_PARAMETERS = "write a parameter block for a station into the modem: SLAC role EVSE, CCo always"
ADVICE = {
    Shortcoming.NO_FIRMWARE: "program its flash, or run the program that loads firmware from this host",
    Shortcoming.WRONG_CHIP: "use a modem with QCA7000, QCA7005, QCA7006 or CG5317",
    Shortcoming.EV_ROLE: _PARAMETERS,
    Shortcoming.SLAC_OFF: _PARAMETERS,
    Shortcoming.NO_COORDINATOR: _PARAMETERS,
    Shortcoming.MAY_NOT_COORDINATE: _PARAMETERS,
}
"""What to do about each shortcoming."""


def _key(facts: ModemFacts) -> Iterator[Diagnosis]:
    if facts.armed:
        kept = "" if facts.answers_key else "; whether it keeps it while no car is there cannot be read"
        yield Diagnosis("key", Grade.GOOD, f"the modem accepts a network key{kept}")
    elif facts.refused is not None:
        advice = "see slac.set_key_result: 1 is success with Qualcomm modems"
        text = f"the modem refuses a network key with result {facts.refused}"
        yield Diagnosis("key", Grade.BAD, text, advice)
    else:
        advice = "check whether another process sets its key; a modem that hangs needs a reset"
        yield Diagnosis("key", Grade.BAD, "the modem does not confirm a network key", advice)


def _link(facts: ModemFacts, wanted: LinkStatus) -> Iterator[Diagnosis]:
    if not facts.armed or facts.answers_link or wanted is LinkStatus.OFF:
        return
    if wanted is LinkStatus.REQUIRED:
        advice = 'set slac.link_status = "auto": with "required" no car is served'
        yield Diagnosis("link status", Grade.BAD, "the modem does not report its link", advice)
    else:
        yield Diagnosis("link status", Grade.NOTE, "no link status: the link is assumed to be up")


# --- the conversation ---------------------------------------------------------------------------------------


async def _ask(settings: SeccConfig) -> ModemFacts:
    """Run the start of the matching, then ask for link status and key."""
    loop = asyncio.get_running_loop()
    line = RawModem(settings.interface)
    matching = Matching(settings.slac, evse_mac=line.open(), random_bytes=os.urandom)
    facts = ModemFacts(matching.modem)
    end, asked = loop.time() + MODEM_TIME, False
    outputs = matching.handle(slac.ModemOpened(), loop.time())
    try:
        while not facts.complete and loop.time() < end:
            _note(facts, line, outputs)
            facts.found = matching.modem
            if facts.armed and matching.vendor is not None and not asked:
                asked = True
                _ask_more(line, matching)
            data = await _next(line, min(end, matching.deadline or end))
            event = slac.SlacTick() if data is None else slac.FrameReceived(data)
            outputs = matching.handle(event, loop.time())
            if data is not None:
                _note_answer(facts, data)
    finally:
        line.close()
    facts.found = matching.modem
    return facts


MODEM_TIME = 3.0  # s


async def _next(line: RawModem, until: float) -> bytes | None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            return await line.receive()
    return None


def _note(facts: ModemFacts, line: RawModem, outputs: tuple[slac.Output, ...]) -> None:
    for output in outputs:
        match output:
            case slac.SendFrame():
                line.send(output.data)
            case slac.Armed():
                facts.armed = True
            case slac.KeyRefused():
                facts.refused = output.result


def _ask_more(line: RawModem, matching: Matching) -> None:
    lumissil = matching.vendor is Vendor.LUMISSIL
    for message in (
        vendor.LumissilLinkReq() if lumissil else vendor.LinkStatusReq(),
        GetKeyReq(matching.key.nid),
    ):
        line.send(encode(Frame(LOCAL_MODEM, matching.evse_mac, message)))


def _note_answer(facts: ModemFacts, data: bytes) -> None:
    with contextlib.suppress(FramingError):
        match decode(data).message:
            case vendor.LinkStatusCnf() | vendor.LumissilLinkCnf():
                facts.answers_link = True
            case GetKeyCnf(result=0):
                facts.answers_key = True
            case SetKeyCnf():
                facts.confirming.add(data[6:12])
