"""A simulated power line with HomePlug modems on it, for tests and demonstrations.

A modem stands between its host and the line. Management messages of matching pass from every modem to every
other one; all other traffic passes only between modems that have had the same key for a while. A sound is
measured by every modem that receives it, and reported to its host.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import random
import time
from collections.abc import Callable

from secc.errors import FramingError, LinkError
from secc.ports import PlcModem, SleepsModem
from secc.slac import messages as m
from secc.slac import vendor as v
from secc.slac.frames import BROADCAST, ETHERTYPE, LOCAL_MODEM, Frame, Message, decode, encode
from secc.slac.get_key import GetKeyCnf, GetKeyReq
from secc.slac.keys import nid_of
from secc.slac.parameters import CcoMode, ModuleReadCnf, ModuleReadReq, SlacRole
from secc.station.raw_modem import RawModem

__all__ = [
    "BridgedPowerLine",
    "Clock",
    "EvMatch",
    "Noise",
    "PowerLine",
    "SimulatedModem",
    "SimulatedPlc",
    "SlacEv",
]

Clock = Callable[[], float]


class Noise:
    """What a bad line does to frames between two modems; the same each time for the same seed."""

    def __init__(
        self, *, loss: float = 0.0, duplicates: float = 0.0, late: float = 0.0, seed: int = 0
    ) -> None:
        """Parts of all frames: lost, heard twice, and held back by up to 50 ms, so that others overtake."""
        self._loss, self._duplicates, self._late = loss, duplicates, late
        self._random = random.Random(seed)

    def arrivals(self) -> list[float]:
        """After how many seconds the next frame arrives, each time it does."""
        if self._random.random() < self._loss:
            return []
        times = 2 if self._random.random() < self._duplicates else 1
        late = self._random.random() < self._late
        return [self._random.uniform(0.0, _LATE) if late else 0.0 for _ in range(times)]


_LATE = 0.05


class PowerLine:
    """The wires between modems; `attenuation` in dB between two of them, by default the same everywhere."""

    def __init__(
        self,
        *,
        attenuation: Callable[[SimulatedModem, SimulatedModem], int] | None = None,
        join_time: float = 0.3,
        clock: Clock = time.monotonic,
        noise: Noise | None = None,
    ) -> None:
        """`join_time`: seconds from equal keys to a link. `noise` needs a running event loop."""
        self.attenuation = attenuation if attenuation is not None else (lambda sender, receiver: 20)
        self.modems: list[SimulatedModem] = []
        self.join_time = join_time
        self.clock = clock
        self._noise = noise

    def carry(self, deliver: Callable[[], None]) -> None:
        """Bring one frame to one modem, as well as the line can."""
        if self._noise is None:
            deliver()
            return
        for seconds in self._noise.arrivals():
            asyncio.get_running_loop().call_later(seconds, deliver)

    def attach(self, mac: bytes, to_host: Callable[[bytes], None]) -> SimulatedModem:
        """A new modem; `to_host` takes the frames that it hands to its host."""
        modem = SimulatedModem(self, mac, to_host)
        self.modems.append(modem)
        return modem


class SimulatedModem:
    """One modem of the Qualcomm kind."""

    def __init__(self, line: PowerLine, mac: bytes, to_host: Callable[[bytes], None]) -> None:
        """Made by `PowerLine.attach`."""
        self.mac = mac
        self.silent = False
        """True: broken, nothing is answered or passed on."""
        self.nameless = False
        """True: of an unknown maker, it answers none of the questions that makers have added."""
        self.amplitude_map: m.AmpMapReq | None = None
        """The limit of its power that the host has set last."""
        self.role = SlacRole.EVSE
        """In another role it measures no sounds."""
        self.firmware = b"SIMULATED-QCA7000-1.0"
        self.restart_time = 1.0
        """Seconds without an answer after a reset."""
        self.host = b""
        self._down_until = 0.0
        self._line = line
        self._to_host = to_host
        self.nmk = b""
        """The key it has."""
        self._keyed_at = 0.0

    def from_host(self, data: bytes) -> None:
        """A frame of the host: for this modem, or for the line."""
        if self.silent or self._line.clock() < self._down_until or len(data) < 14:
            return
        self.host = data[6:12]
        if data[12:14] == ETHERTYPE.to_bytes(2, "big"):
            if data[:6] in (LOCAL_MODEM, self.mac):
                self._order(data)
            else:
                for modem in self._others():
                    self._line.carry(functools.partial(modem._hear, self, data))
        else:
            for modem in self._others():
                if modem.linked_to(self):
                    self._line.carry(functools.partial(modem._to_host, data))

    def linked_to(self, other: SimulatedModem) -> bool:
        """Whether ordinary traffic passes."""
        since = max(self._keyed_at, other._keyed_at)
        return (
            bool(self.nmk)
            and self.nmk == other.nmk
            and self._line.clock() >= since + self._line.join_time
            and not (self.silent or other.silent)
        )

    def _others(self) -> list[SimulatedModem]:
        return [modem for modem in self._line.modems if modem is not self and not modem.silent]

    def _order(self, data: bytes) -> None:
        try:
            message = decode(data).message
        except FramingError:
            return
        if self.nameless and isinstance(message, v.VendorMessage):
            return
        match message:
            case m.SetKeyReq():
                self.nmk, self._keyed_at = message.nmk, self._line.clock()
                self._answer(m.SetKeyCnf(1, your_nonce=message.my_nonce))
            case m.AmpMapReq():
                self.amplitude_map = message
                self._answer(m.AmpMapCnf(0))
            case v.OperationAttributesReq():
                report = b"QCA7000".ljust(16, b"\0") + b"MAC".ljust(102, b"\0")
                answer = v.OperationAttributesCnf(0, message.cookie, message.report, report)
                self._to_host(encode(Frame(self.host, self.mac, answer, bytes(_OP_ATTR_TAIL))))
            case v.SoftwareVersionReq():
                self._answer(v.SoftwareVersionCnf(0, 0x22, self.firmware))
            case v.RestartReq():
                self._answer(v.RestartCnf(0))
                self.nmk, self._down_until = b"", self._line.clock() + self.restart_time
            case ModuleReadReq(offset=offset, length=length):
                block = bytearray(0x2000)
                block[0xF4], block[0x1653] = _ALWAYS_CCO, tuple(SlacRole).index(self.role)
                self._answer(ModuleReadCnf(0, offset, bytes(block[offset : offset + length])))
            case GetKeyReq(nid=nid, my_nonce=nonce):
                has_it = self.nmk != b"" and nid_of(self.nmk) == nid
                nmk = self.nmk if has_it else bytes(16)
                self._answer(GetKeyCnf(0 if has_it else 1, nid, nmk, your_nonce=nonce))
            case v.NetworkInfoReq():
                linked = [other.mac for other in self._others() if self.linked_to(other)]
                self._answer(v.NetworkInfoCnf.of(nid_of(self.nmk), self.mac, linked))
            case v.LinkStatusReq():
                up = any(self.linked_to(other) for other in self._others())
                self._answer(v.LinkStatusCnf(0, int(up)))

    def _hear(self, sender: SimulatedModem, data: bytes) -> None:
        if self._line.clock() < self._down_until:
            return
        self._to_host(data)
        with contextlib.suppress(FramingError):
            if isinstance(decode(data).message, m.MnbcSoundInd) and self.role is SlacRole.EVSE:
                level = self._line.attenuation(sender, self)
                profile = bytes(min(255, max(0, level + _RIPPLE[i % 8])) for i in range(m.GROUPS))
                self._to_host(encode(Frame(BROADCAST, self.mac, m.AttenProfileInd(data[6:12], profile))))

    def _answer(self, message: Message) -> None:
        self._to_host(encode(Frame(self.host, self.mac, message)))


_ALWAYS_CCO = tuple(CcoMode).index(CcoMode.ALWAYS)
_OP_ATTR_TAIL = 906  # zeros that a QCA7000 sends behind the report
_RIPPLE = (0, 2, 3, 1, -1, -3, -2, 0)  # a line is not flat


class SimulatedPlc(PlcModem, SleepsModem):
    """A host's side of a simulated modem within one process; implements `secc.ports.PlcModem`."""

    def __init__(self, line: PowerLine, address: bytes, modem_mac: bytes) -> None:
        """`address`: of the host's interface."""
        self.address = address
        self.sent: list[bytes] = []
        """Everything the host has sent, for tests."""
        self.gone = False
        """True: the interface has been taken away."""
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1024)
        self.modem = line.attach(modem_mac, self._arrive)
        self._open = False

    def open(self) -> bytes:
        """Ready; what came before is gone, as with a socket."""
        if self.gone:
            raise LinkError("the simulated interface is gone")
        while not self._inbox.empty():
            self._inbox.get_nowait()
        self._open = True
        return self.address

    def close(self) -> None:
        """Deaf."""
        self._open = False

    def sleep(self) -> None:
        """Save power."""
        self.modem.silent, self.modem.nmk = True, b""

    def wake(self) -> None:
        """Without a key."""
        self.modem.silent = False

    def send(self, frame: bytes) -> None:
        """To the modem."""
        if not self._open or self.gone:
            raise LinkError("the simulated modem is not open")
        self.sent.append(frame)
        self.modem.from_host(frame)

    async def receive(self) -> bytes:
        """From the modem."""
        while True:
            if not self._open or self.gone:
                raise LinkError("the simulated modem is not open")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    return await self._inbox.get()

    def _arrive(self, data: bytes) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._inbox.put_nowait(data)


_LOOK = 0.25  # s between two looks at the interface


class BridgedPowerLine:
    """Simulated modems between network interfaces of this machine: each one's host is behind a veth pair.

    Linux, root. Checksum offload must be off on the far ends, as for every bridge in user space.
    """

    ALL_PROTOCOLS = 0x0003

    def __init__(self, interfaces: dict[str, bytes], **settings: float) -> None:
        """`interfaces`: name of the near end of each pair and the address of the modem there."""
        self.line = PowerLine(join_time=settings.get("join_time", 0.3))
        self._sockets: dict[str, RawModem] = {}
        self._modems: list[SimulatedModem] = []
        self._tasks: list[asyncio.Task[None]] = []
        for name, mac in interfaces.items():
            near = RawModem(name, protocol=self.ALL_PROTOCOLS)
            self._sockets[name] = near
            self._modems.append(self.line.attach(mac, near.send))

    async def __aenter__(self) -> BridgedPowerLine:
        loop = asyncio.get_running_loop()
        for near, modem in zip(self._sockets.values(), self._modems, strict=True):
            near.open()
            self._tasks.append(loop.create_task(self._carry(near, modem)))
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for near in self._sockets.values():
            near.close()

    async def _carry(self, near: RawModem, modem: SimulatedModem) -> None:
        while True:
            data = await near.receive()
            with contextlib.suppress(LinkError):
                modem.from_host(data)


@dataclasses.dataclass(frozen=True, slots=True)
class EvMatch:
    """What the EV has got of a match."""

    station: bytes
    nid: bytes
    attenuation: dict[bytes, float]
    """Mean dB by station that answered."""
    duration: float


class SlacEv:
    """The EV's half of the matching, as a script: asks, sounds, compares, chooses, joins."""

    def __init__(
        self, modem: SimulatedPlc | RawModem, *, run_id: bytes = b"SIM-EV\0\0", sounds: int = 10
    ) -> None:
        """`sounds` fewer than ten: the others got lost."""
        self._modem = modem
        self._run_id = run_id
        self._sounds = sounds
        self._mac = b""

    async def match(self, *, patience: float = 10.0) -> EvMatch:
        """Try for `patience` seconds [V2G3-A09-122]; raises LinkError when no station gave its key."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._mac = self._modem.open()
        while loop.time() < begun + patience:
            found = await self._attempt()
            if found is not None:
                station, nid, levels = found
                return EvMatch(station, nid, levels, loop.time() - begun)
            await asyncio.sleep(_RATE)
        raise LinkError(f"no station gave its key within {patience:g} s")

    async def _attempt(self) -> tuple[bytes, bytes, dict[bytes, float]] | None:
        for _ in range(_TRIES):
            self._send(BROADCAST, m.SlacParmReq(self._run_id))
            if await self._collect(m.SlacParmCnf, _RESPONSE, enough=1):
                break
        else:
            return None
        for _ in range(3):
            self._send(BROADCAST, m.StartAttenCharInd(self._run_id, self._mac))
            await asyncio.sleep(_PACE)
        for i in range(self._sounds):
            self._send(BROADCAST, m.MnbcSoundInd(self._run_id, 9 - i))
            await asyncio.sleep(_PACE)
        levels: dict[bytes, float] = {}
        for frame in await self._collect(m.AttenCharInd, _RESULTS):
            assert isinstance(frame.message, m.AttenCharInd)
            levels[frame.source] = sum(frame.message.profile) / m.GROUPS
        if not levels:
            return None
        chosen = min(levels, key=lambda station: levels[station])
        for _ in range(_TRIES):
            self._send(chosen, m.SlacMatchReq(self._mac, chosen, self._run_id))
            answers = await self._collect(m.SlacMatchCnf, _RESPONSE, enough=1)
            if answers:
                break
        else:
            return None
        answer = answers[0].message
        assert isinstance(answer, m.SlacMatchCnf)
        self._send(LOCAL_MODEM, m.SetKeyReq(answer.nid, answer.nmk))
        await self._collect(m.SetKeyCnf, _RESPONSE, enough=1)
        return chosen, answer.nid, levels

    def _send(self, destination: bytes, message: Message) -> None:
        self._modem.send(encode(Frame(destination, self._mac, message)))

    async def _collect(self, kind: type[Message], seconds: float, *, enough: int = 0) -> list[Frame]:
        """Frames of one kind for this EV; averages are acknowledged as they come."""
        found: list[Frame] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not enough or len(found) < enough:
                    data = await self._modem.receive()
                    with contextlib.suppress(FramingError):
                        frame = decode(data)
                        if frame.destination != self._mac or not isinstance(frame.message, kind):
                            continue
                        found.append(frame)
                        if isinstance(frame.message, m.AttenCharInd):
                            self._send(frame.source, m.AttenCharRsp(self._mac, self._run_id))
        return found


_PACE = 0.02  # TP_EV_batch_msg_interval
_RESPONSE = 0.2  # TT_match_response
_RESULTS = 0.4  # enough for every station in earshot to average; TT_EV_atten_results is 1.2 s in all
_RATE = 0.4  # TT_matching_rate
_TRIES = 3  # C_EV_match_retry, and the first
