"""ISO 15118-20: framing, and the choice of the protocol."""

from __future__ import annotations

import msgspec

from secc import exi
from secc.bench import requests as older
from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run
from secc.bench.cases.build20 import Deed, at, car20, case20
from secc.bench.talk import CarAnswer
from secc.bench.trial import Trial
from secc.bench.wire import Closed, WireFrame
from secc.messages import iso2
from secc.messages import iso20_common as common
from secc.sim.iso20 import requests
from secc.v2gtp import PayloadType, frame, split_datagram

# --- framing ------------------------------------------------------------------------------------------------


async def _byte_by_byte(ev: Iso20Car) -> None:
    request = common.AuthorizationSetupReq(header=requests.HEADER)
    data = ev.encode(request, None, None)
    for byte in data:
        await ev.wire.send(bytes([byte]))
    reply = await ev.receive(ev.trial.timers.message)
    good = isinstance(reply, CarAnswer) and reply.code == "OK"
    ev.trial.check(good, "AuthorizationSetupRes OK", reply)


async def _wrong_type(ev: Iso20Car) -> None:
    document = split_datagram(ev.encode(_next_request(ev), None, None))[1]
    other = PayloadType.ISO20_AC if ev.dc else PayloadType.ISO20_DC
    await ev.send_raw(frame(document, other), "a message in the payload type of the other energy set")
    await ev.closed()


def _next_request(ev: Iso20Car) -> msgspec.Struct:
    return ev.energy.parameters()


def _skipped(data: bytes, text: str) -> Deed:
    """These bytes are skipped: the request after them is answered."""

    async def deed(ev: Iso20Car) -> None:
        await ev.send_raw(data, text)
        await ev.expect(common.AuthorizationSetupReq(header=requests.HEADER))

    return deed


async def _too_long(ev: Iso20Car) -> None:
    await ev.send_raw(bytes.fromhex("01fe8002ffffffff"), "a header that announces 4 GiB")
    await ev.closed()


async def _large_in_loop(ev: Iso20Car) -> None:
    await ev.send_raw(frame(bytes(30_000), PayloadType.ISO20_COMMON), "30 kB in the charge loop")
    await ev.closed()


async def _trailing(ev: Iso20Car) -> None:
    payload_type, document = split_datagram(
        ev.encode(common.AuthorizationSetupReq(header=requests.HEADER), None, None)
    )
    await ev.send_raw(frame(document + bytes(3), payload_type), "a message with three zero bytes behind it")
    reply = await ev.receive(ev.trial.timers.message)
    ev.trial.check(isinstance(reply, CarAnswer | Closed), "an answer or the end of TCP", reply)
    ev.trial.remark(f"trailing zero bytes: {reply}")


async def _older_message(ev: Iso20Car) -> None:
    header = iso2.MessageHeader(session_id=ev.session_id)
    message = iso2.V2GMessage(header=header, body=iso2.ServiceDiscoveryReq())
    data = frame(exi.ISO2.encode(message))
    await ev.send_raw(data, "ServiceDiscoveryReq of ISO 15118-2")
    await ev.closed()


# --- supportedAppProtocol -----------------------------------------------------------------------------------

AC20, DC20 = "urn:iso:std:iso:15118:-20:AC", "urn:iso:std:iso:15118:-20:DC"
WPT20, ACDP20 = "urn:iso:std:iso:15118:-20:WPT", "urn:iso:std:iso:15118:-20:ACDP"


def _offer(*entries: tuple[str, int, int, int, int], chosen: int | None, minor: bool = False) -> Run:
    """Entries of namespace, major, minor, SchemaID, priority; the SchemaID that must be chosen."""

    async def run(trial: Trial) -> None:
        ev = car20(trial)
        await ev.connect()
        answer = await ev.first_word(older.offer(*entries))
        if chosen is None:
            good = isinstance(answer, CarAnswer) and answer.code == "Failed_NoNegotiation"
            trial.check(good, "Failed_NoNegotiation", answer)
            return
        code = "OK_SuccessfulNegotiationWithMinorDeviation" if minor else "OK_SuccessfulNegotiation"
        good = isinstance(answer, CarAnswer) and answer.code == code and answer.body.schema_id == chosen
        trial.check(good, f"{code}, SchemaID {chosen}", answer)

    return run


def _mine(trial: Trial) -> str:
    return car20(trial).energy.namespace


def _offer_mine(rank: int, other: str, other_rank: int, *, chosen_mine: bool) -> Run:
    async def run(trial: Trial) -> None:
        mine = (_mine(trial), 1, 0, 5, rank)
        rival = (other, 2 if "2013" in other else 1, 0, 9, other_rank)
        await _offer(rival, mine, chosen=5 if chosen_mine else 9)(trial)

    return run


def _offer_version(major: int, minor: int, *, good: bool) -> Run:
    async def run(trial: Trial) -> None:
        entry = (_mine(trial), major, minor, 3, 1)
        await _offer(entry, chosen=3 if good else None, minor=minor > 0)(trial)

    return run


async def _twenty(trial: Trial) -> None:
    strange = [(f"urn:example:{number}", 1, 0, number, number) for number in range(1, 20)]
    await _offer(*strange, (_mine(trial), 1, 0, 99, 20), chosen=99)(trial)


async def _equal_ranks(trial: Trial) -> None:
    first = await _which(trial)
    await trial.clean_up()
    trial.check(await _which(trial) == first, "the same choice again", first)


async def _which(trial: Trial) -> int:
    ev = car20(trial)
    await ev.connect()
    mine = ev.energy.namespace
    answer = await ev.first_word(older.offer((mine, 1, 0, 7, 1), (mine, 1, 0, 8, 1)))
    trial.check(isinstance(answer, CarAnswer) and answer.code.startswith("OK"), "OK", answer)
    assert isinstance(answer, CarAnswer)
    chosen: int = answer.body.schema_id
    return chosen


async def _no_handshake(trial: Trial) -> None:
    ev = car20(trial)
    await ev.connect()
    ev.point = Point.SETUP
    await ev.send_raw(ev.encode(requests.session_setup(ev.plan.evcc_id), None, None), "SessionSetupReq first")
    reply = await ev.wire.wait_closed(trial.timers.close)
    trial.check(not isinstance(reply, WireFrame), "no answer", reply)


# --- the cases ---

_SETUP = Point.AUTHORIZATION_SETUP
_FRAMING = "framing"
_SAP = "supportedAppProtocol"

CASES: tuple[Case, ...] = (
    case20("FRM-001", _FRAMING, "a message byte by byte", "the response", at(_SETUP, _byte_by_byte)),
    case20(
        *("FRM-003", _FRAMING, "a message in the payload type of the other set", "TCP closed"),
        at(Point.PARAMETERS, _wrong_type),
    ),
    case20(
        *("FRM-004", _FRAMING, "payload type 0x9000 on TCP", "skipped, the next request is answered"),
        at(_SETUP, _skipped(bytes.fromhex("01fe900000000002") + b"\x10\x00", "an SDP request")),
    ),
    case20(
        *("FRM-007", _FRAMING, "a header with length 0", "skipped, the next request is answered"),
        at(_SETUP, _skipped(bytes.fromhex("01fe800200000000"), "a header with length 0")),
    ),
    case20("FRM-008", _FRAMING, "a header that announces 4 GiB", "TCP closed", at(_SETUP, _too_long)),
    case20("FRM-011", _FRAMING, "30 kB in the charge loop", "TCP closed", at(Point.LOOP, _large_in_loop)),
    case20(
        *("FRM-014", _FRAMING, "zero bytes behind the message", "an answer or the end, no crash"),
        at(_SETUP, _trailing),
    ),
    case20(
        *("SEC-010", _FRAMING, "a message of ISO 15118-2 in the session", "no answer, TCP closed"),
        at(_SETUP, _older_message),
    ),
    case20(
        *("SAP-001", _SAP, "-20 ranked before -2", "the SchemaID of -20"),
        *(_offer_mine(1, older.ISO2, 2, chosen_mine=True), Need.ISO2),
        ids="169",
    ),
    case20(
        *("SAP-002", _SAP, "-2 ranked before -20", "the SchemaID of -2"),
        *(_offer_mine(2, older.ISO2, 1, chosen_mine=False), Need.ISO2),
        ids="169",
    ),
    case20(
        *("SAP-004", _SAP, "only the energy family that the outlet does not have", "Failed_NoNegotiation"),
        *(_offer((AC20, 1, 0, 1, 1), chosen=None), Need.ISO20_ONLY_DC),
        ids="169",
    ),
    case20(
        *("SAP-005", _SAP, "both families, AC ranked first, at a DC outlet", "the SchemaID of DC"),
        *(_offer((AC20, 1, 0, 1, 1), (DC20, 1, 0, 2, 2), chosen=2), Need.ISO20_ONLY_DC),
        ids="169",
    ),
    case20(
        "SAP-007", _SAP, "another major version", "Failed_NoNegotiation", _offer_version(2, 0, good=False)
    ),
    case20(
        *("SAP-008", _SAP, "another minor version", "OK_SuccessfulNegotiationWithMinorDeviation"),
        _offer_version(1, 1, good=True),
    ),
    case20("SAP-009", _SAP, "twenty entries, the last one usable", "that one", _twenty, ids="167"),
    case20("SAP-011", _SAP, "two entries of the same rank", "the same choice each time", _equal_ranks),
    case20(
        *("SAP-012", _SAP, "only WPT and ACDP", "Failed_NoNegotiation"),
        _offer((WPT20, 1, 0, 1, 1), (ACDP20, 1, 0, 2, 2), chosen=None),
    ),
    case20("SAP-022", _SAP, "SessionSetupReq without a handshake", "no answer", _no_handshake),
)
