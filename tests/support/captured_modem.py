"""A second simulated modem, made of bytes: layouts and habits of captured modems, and nothing of `secc.slac`.

The simulated modem of the library uses the library's own frames, so both may be wrong in the same way. This
one packs every frame by hand, as captures of QCA7000, QCA7005 and QCA7420 show them: a report of 118 bytes in
a frame of 1,053, a name of the firmware followed by uninitialised memory, a frame of 425 bytes for a key, an
unsolicited vendor frame beside every measurement. `RawEv` is a car of the same kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import struct
from collections.abc import Callable

from secc.ports import PlcModem

LOCAL = bytes.fromhex("00b052000001")
EVERYONE = b"\xff" * 6
QUALCOMM, LUMISSIL = bytes.fromhex("00b052"), bytes.fromhex("0016e8")
HOST = bytes.fromhex("0200000000c1")
MODEM = bytes.fromhex("0200000000aa")
GARBAGE = b"\xcc"


def frame(destination: bytes, source: bytes, mmtype: int, body: bytes, *, mmv: int, size: int = 60) -> bytes:
    """One Ethernet frame, padded to the size that was captured."""
    head = destination + source + b"\x88\xe1" + bytes((mmv,)) + struct.pack("<H", mmtype)
    return (head + (b"" if mmv == 0 else b"\0\0") + body).ljust(size, b"\0")


class CapturedModem(PlcModem):
    """The host's side of a modem; `line` takes what the host sends to others."""

    def __init__(self, *, key_result: int | None = 1, answers_link: bool = True) -> None:
        """`key_result` None: a key is not confirmed."""
        self.key_result = key_result
        self.answers_link = answers_link
        self.hangs = False
        """True: sounds are passed on and not measured, keys are confirmed and not used."""
        self.restarts = 0
        self.nid = self.nmk = b""
        self.linked = False
        self.line: Callable[[bytes], None] = lambda data: None
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._down = False

    # --- the port ---

    def open(self) -> bytes:
        self._inbox = asyncio.Queue()
        return HOST

    def close(self) -> None:
        self._down = False

    def send(self, frame: bytes) -> None:
        if self._down:
            return
        if frame[12:14] == b"\x88\xe1" and frame[:6] in (LOCAL, MODEM):
            for answer in self._answers(frame):
                self._inbox.put_nowait(answer)
        else:
            self.line(frame)

    async def receive(self) -> bytes:
        return await self._inbox.get()

    # --- the power line ---

    def hear(self, data: bytes) -> None:
        """A frame from the line: passed on, and measured if it is a sound."""
        if self._down:
            return
        self._inbox.put_nowait(data)
        if struct.unpack_from("<H", data, 15)[0] == 0x6076 and self.measures:
            levels = bytes(14 + at % 5 for at in range(58))
            body = data[6:12] + b"\x3a\0" + levels
            self._inbox.put_nowait(frame(EVERYONE, MODEM, 0x6086, body, mmv=1, size=85))
            extra = bytes(3) + data[6:12] + b"\x3a\0\x10" + bytes(7) + levels
            self._inbox.put_nowait(frame(HOST, MODEM, 0xA14E, extra, mmv=0, size=94))

    @property
    def measures(self) -> bool:
        """Whether it is in the state and the role to measure."""
        return not self.hangs

    def power_cycle(self) -> None:
        """A drop of the supply: the key is gone, the interface stays."""
        self.nid = self.nmk = b""
        self.hangs = self.linked = False

    def restart(self, seconds: float) -> None:
        """As asked for by the host."""
        self.restarts += 1
        self.power_cycle()
        self._down = True
        asyncio.get_running_loop().call_later(seconds, self._up)

    def _up(self) -> None:
        self._down = False

    # --- questions of the host ---

    def _answers(self, data: bytes) -> list[bytes]:
        mmtype = struct.unpack_from("<H", data, 15)[0]
        body = data[17:] if data[14] == 0 else data[19:]
        match mmtype:
            case 0x6008:
                return self._set_key(body)
            case 0x600C:
                return self._get_key(body)
        return self.vendor_answers(mmtype, body)

    def vendor_answers(self, mmtype: int, body: bytes) -> list[bytes]:
        """Answers to questions of the maker."""
        raise NotImplementedError

    def _set_key(self, body: bytes) -> list[bytes]:
        if self.key_result is None:
            return []
        if self.key_result == 1 and not self.hangs:
            self.nid, self.nmk, self.linked = body[14:21], body[22:38], False
        confirmation = bytes((self.key_result,)) + b"\xda\x3f\x76\x3b" + body[1:5] + b"\x04\0\0\xff\0"
        return [frame(HOST, MODEM, 0x6009, confirmation, mmv=1)]

    def _get_key(self, body: bytes) -> list[bytes]:
        nid, nonce = body[2:9], body[9:13]
        if self.nmk and nid == self.nid:
            answer = b"\0\x01\x67\x46\xc9\xd8" + nonce + nid + b"\x01\x04\0\0\xff" + self.nmk
        else:
            answer = b"\x01\x01\xbb\xbc\xc5\x9f" + nonce + nid + b"\0\x04\0\0\0" + bytes(16)
        return [frame(HOST, MODEM, 0x600D, answer, mmv=1, size=425)]


class Qualcomm(CapturedModem):
    """A modem of the QCA7000 family."""

    def __init__(
        self,
        *,
        hardware: str = "QCA7000",
        firmware: str = "MAC-QCA7000-1.1.0.727-02",
        role: int = 2,
        cco: int = 2,
        boot_loader: bool = False,
        key_result: int | None = 1,
        answers_link: bool = True,
    ) -> None:
        """`role` and `cco` as in its parameter block. `boot_loader`: firmware is not loaded."""
        super().__init__(key_result=None if boot_loader else key_result, answers_link=answers_link)
        self._hardware, self._firmware = hardware.encode(), firmware.encode()
        self._role, self._cco = role, cco
        self._boot_loader = boot_loader

    @property
    def measures(self) -> bool:
        return not self.hangs and self._role == 2

    def vendor_answers(self, mmtype: int, body: bytes) -> list[bytes]:
        if mmtype == 0xA000:
            return [self._version()]
        if mmtype == 0xA01C:
            asyncio.get_running_loop().call_later(0.1, self.restart, 1.5)
            return [frame(HOST, MODEM, 0xA01D, QUALCOMM + b"\0", mmv=0)]
        if self._boot_loader or body[:3] != QUALCOMM:
            return []
        match mmtype:
            case 0xA068:
                return [self._attributes(body)]
            case 0xA024:
                return [self._parameters(body)]
            case 0xA0B8 if self.answers_link:
                return [frame(HOST, MODEM, 0xA0B9, QUALCOMM + bytes((0, self.linked)), mmv=0)]
        return []

    def _version(self) -> bytes:
        name = self._firmware + b"\0"
        body = QUALCOMM + bytes((0, 0x22, len(name))) + name + GARBAGE * 12
        return frame(HOST, MODEM, 0xA001, body, mmv=0, size=297)

    def _attributes(self, request: bytes) -> bytes:
        report = self._hardware.ljust(16, b"\0") + b"MAC".ljust(16, b"\0") + bytes(86)
        body = QUALCOMM + b"\0\0" + request[3:7] + b"\0" + struct.pack("<H", len(report)) + report
        return frame(HOST, MODEM, 0xA069, body, mmv=0, size=1053)

    def _parameters(self, request: bytes) -> bytes:
        module, _, length, offset = struct.unpack_from("<BBHI", request, 3)
        block = bytearray(0x4000)
        block[0xF4], block[0x1653] = self._cco, self._role
        data = bytes(block[offset : offset + length])
        body = QUALCOMM + bytes((0, 0, 0, 0, module, 0)) + struct.pack("<HII", length, offset, 0) + data
        return frame(HOST, MODEM, 0xA025, body, mmv=0)


class Lumissil(CapturedModem):
    """A modem with CG5317: it answers in version 1 and does not confirm a reset."""

    def vendor_answers(self, mmtype: int, body: bytes) -> list[bytes]:
        if body[:3] != LUMISSIL:
            return []
        header = LUMISSIL + bytes(19)
        match mmtype:
            case 0xAC6C:
                version = struct.pack("<HHHHH", 1, 0, 7, 21, 0)
                return [frame(HOST, MODEM, 0xAC6D, header + version, mmv=1)]
            case 0xAC9C if self.answers_link:
                return [frame(HOST, MODEM, 0xAC9D, header + bytes((self.linked,)), mmv=1)]
            case 0xAC70:
                self.restart(1.5)
        return []


class RawEv:
    """A car as bytes, at the modem of a station; `match` is one attempt."""

    def __init__(self, modem: CapturedModem, *, mac: bytes = bytes.fromhex("0200000000e1")) -> None:
        self._modem, self._mac = modem, mac
        self._run = b"RAW-EV" + hashlib.sha256(mac).digest()[:2]
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        modem.line = self._heard.put_nowait

    async def match(self, *, joins: bool = True) -> bytes | None:
        """The key of the network, or None. `joins`: the modem of the car takes it."""
        self._send(EVERYONE, 0x6064, b"\0\0" + self._run)
        if await self._answer(0x6065) is None:
            return None
        for _ in range(3):
            self._send(EVERYONE, 0x606A, b"\0\0\x0a\x06\x01" + self._mac + self._run)
            await asyncio.sleep(0.03)
        for left in range(9, -1, -1):
            self._send(EVERYONE, 0x6076, bytes(19) + bytes((left,)) + self._run + bytes(24), size=71)
            await asyncio.sleep(0.03)
        average = await self._answer(0x606E)
        if average is None:
            return None
        self._send(average[6:12], 0x606F, b"\0\0" + self._mac + self._run + bytes(35), size=70)
        request = b"\0\0\x3e\0" + bytes(17) + self._mac + bytes(17) + average[6:12] + self._run + bytes(8)
        self._send(average[6:12], 0x607C, request, size=85)
        answer = await self._answer(0x607D)
        if answer is None:
            return None
        nmk = answer[93:109]
        self._modem.linked = joins and nmk == self._modem.nmk
        return nmk

    def _send(self, destination: bytes, mmtype: int, body: bytes, size: int = 60) -> None:
        self._modem.hear(frame(destination, self._mac, mmtype, body, mmv=1, size=size))

    async def _answer(self, mmtype: int) -> bytes | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.2):
                while True:
                    data = await self._heard.get()
                    if data[:6] == self._mac and struct.unpack_from("<H", data, 15)[0] == mmtype:
                        return data
        return None
