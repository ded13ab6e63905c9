"""supportedAppProtocol and SessionSetup."""

from __future__ import annotations

import re

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run, car, case, never
from secc.bench.cases.discovery import renew_link, wait_for_setup_timeout
from secc.bench.cases.order import stays_silent
from secc.bench.talk import CarAnswer
from secc.bench.trial import Trial
from secc.bench.wire import BenchWire
from secc.errors import LinkError
from secc.messages import iso2
from secc.messages.app_protocol import ResponseCode as Agreed
from secc.messages.iso2 import ResponseCode

EVSE_ID = re.compile(
    r"ZZ00000|[A-Z]{2}\*?[A-Z0-9]{3}\*?E[A-Z0-9*]{1,30}|\+?[0-9]{1,3}\*[0-9]{3,6}\*[0-9*]{1,32}"
)
UNKNOWN = "urn:example:no:such:protocol"
MINOR = Agreed.OK_SUCCESSFUL_NEGOTIATION_WITH_MINOR_DEVIATION


def _offer(*entries: tuple[str, int, int, int, int], schema_id: int | None, codes: tuple[Agreed, ...]) -> Run:
    """Send an offer and check the answer; without a SchemaID the connection is closed after it."""
    expected = " or ".join(code.value for code in codes)

    async def run(trial: Trial) -> None:
        ev = BenchCar(trial)
        await ev.connect()
        answer = await ev.first_word(requests.offer(*entries))
        trial.check(
            isinstance(answer, CarAnswer) and answer.code in [code.value for code in codes], expected, answer
        )
        assert isinstance(answer, CarAnswer)
        if schema_id is None:
            await ev.closed()
        else:
            got = answer.body.schema_id
            trial.check(got == schema_id, f"SchemaID {schema_id}", got)
            ev.phase = Phase.SETUP
            await ev.expect(requests.session_setup(ev.ev), ResponseCode.OK_NEW_SESSION_ESTABLISHED)

    return run


_BOTH = (Agreed.OK_SUCCESSFUL_NEGOTIATION, MINOR)
_AMONG = _offer((UNKNOWN, 1, 0, 10, 1), (requests.ISO2, 2, 0, 20, 2), schema_id=20, codes=_BOTH)


async def _too_late(trial: Trial) -> None:
    """Discover an address, then wait for the setup time: the station must not listen there any more."""
    await renew_link(trial)
    to = await trial.address()
    await wait_for_setup_timeout(trial)
    try:
        wire = await BenchWire.open(to, tls=None)
    except LinkError as error:
        trial.note("note", str(error))
        await renew_link(trial)
        return
    wire.close()
    await renew_link(trial)
    trial.check(False, f"no connection to {to}", "a connection")


async def _silent_connection(trial: Trial) -> None:
    """The setup time of the station may expire first."""
    ev = BenchCar(trial)
    await ev.connect()
    timers = trial.timers
    await stays_silent(ev, earliest=min(timers.setup, timers.sequence), latest=timers.sequence)


async def _silent_after_handshake(trial: Trial) -> None:
    ev = BenchCar(trial)
    await ev.reach(Phase.SETUP)
    timers = trial.timers
    # The setup time has started with the link, so it may be almost over.
    await stays_silent(ev, earliest=0.0, latest=timers.sequence)


async def _silent_until_setup_time(trial: Trial) -> None:
    ev = BenchCar(trial)
    await ev.reach(Phase.SETUP)
    await stays_silent(ev, earliest=0.0, latest=trial.timers.setup)


async def _new_session(trial: Trial) -> None:
    ev = BenchCar(trial)
    await ev.reach(Phase.SETUP)
    body = await ev.expect(requests.session_setup(ev.ev), ResponseCode.OK_NEW_SESSION_ESTABLISHED)
    assert ev.last is not None
    session_id = ev.last.session_id
    trial.check(
        len(session_id) == 8 and any(session_id), "a SessionID of 8 bytes, not zero", session_id.hex()
    )
    check_evse_id(trial, body.evse_id)


def check_evse_id(trial: Trial, evse_id: str) -> None:
    """Check for 7 to 37 characters in the syntax of ISO 15118-2 or DIN SPEC 91286."""
    good = 7 <= len(evse_id) <= 37 and EVSE_ID.fullmatch(evse_id) is not None
    trial.check(good, "an EVSEID of valid syntax", repr(evse_id))


async def _setup_is_due(trial: Trial) -> None:
    ev = BenchCar(trial)
    await ev.reach(Phase.SETUP)
    await ev.refused(iso2.ServiceDiscoveryReq(), ResponseCode.FAILED_SEQUENCE_ERROR)


def _resumed(kind: str, which: str) -> Run:
    async def run(trial: Trial) -> None:
        ev = car(trial, kind)
        await ev.pause()
        paused = ev.session_id
        await ev.wake()
        if which == "paused":
            code, sent = ResponseCode.OK_OLD_SESSION_JOINED, paused
        else:
            code = ResponseCode.OK_NEW_SESSION_ESTABLISHED
            sent = b"\x00" if which == "zero" else bytes(byte ^ 0x5A for byte in paused)
        await ev.expect(requests.session_setup(ev.ev), code, session_id=sent)
        assert ev.last is not None
        got = ev.last.session_id
        if which == "paused":
            trial.check(got == paused, f"SessionID {paused.hex().upper()}", got.hex().upper())
        else:
            others = (paused, sent, bytes(8))
            trial.check(got not in others, "a new SessionID, not zero", got.hex().upper())

    return run


_WHICH = {
    "paused": ("the paused SessionID", "OK_OldSessionJoined with the same SessionID"),
    "other": ("another SessionID", "OK_NewSessionEstablished with a SessionID that differs from both"),
    "zero": ("SessionID 0", "OK_NewSessionEstablished with a new SessionID"),
}


def _resuming(kind: str) -> list[Case]:
    made = []
    for number, (which, (title, expect)) in enumerate(_WHICH.items(), 1):
        ids = "V2G2-463 V2G2-741 V2G2-754" if which == "paused" else "V2G2-462 V2G2-750 V2G2-756"
        made += [
            case(
                *(kind, "SessionSetup", number, f"paused, the EV wakes: {title}", expect),
                *(_resumed(kind, which), Need.EXTERNAL, Need.PAUSE),
                ids=ids,
            ),
            case(
                *(kind, "SessionSetup", number + 3, f"paused, the station wakes: {title}", expect, never),
                *(Need.WAKE,),
                ids=ids,
            ),
        ]
    return made


_SAP, _SETUP = "SupportedAppProtocol", "SessionSetup"


def _sap(
    number: int, title: str, expect: str, run: Run, *needs: Need, ids: str, waits: tuple[str, ...] = ()
) -> Case:
    made = case("CMN", _SAP, number, title, expect, run, *needs, ids=ids, waits=waits)
    return Case(
        **{field: getattr(made, field) for field in made.__slots__} | {"group": "supportedAppProtocol"}
    )


CASES: tuple[Case, ...] = (
    _sap(
        1,
        "ISO 15118-2 among others, over TLS",
        "OK and its SchemaID",
        _AMONG,
        Need.TLS,
        ids="V2G2-169 V2G2-540",
    ),
    _sap(
        *(2, "only an unknown protocol", "Failed_NoNegotiation, TCP closed within 5 s"),
        _offer((UNKNOWN, 1, 0, 1, 1), schema_id=None, codes=(Agreed.FAILED_NO_NEGOTIATION,)),
        ids="V2G2-172",
    ),
    _sap(
        *(
            3,
            "connected, then silence",
            "TCP closed by the station, at the latest 5 s after the sequence timeout",
        ),
        *(_silent_connection, Need.LONG),
        ids="V2G2-443 V2G2-536",
        waits=("sequence",),
    ),
    _sap(
        4,
        "ISO 15118-2 among others, plain",
        "OK and its SchemaID",
        _AMONG,
        Need.PLAIN,
        ids="V2G2-169 V2G2-540",
    ),
    _sap(
        *(5, "connecting after the end of the setup time", "no connection", _too_late, Need.LINK, Need.LONG),
        *(Need.SDP,),
        ids="V2G2-723",
        waits=("setup",),
    ),
    _sap(
        *(6, "ISO 15118-2 with another minor version", MINOR.value),
        _offer((requests.ISO2, 2, 1, 1, 1), schema_id=1, codes=(MINOR,)),
        ids="V2G2-098 V2G2-170",
    ),
    case(
        *("CMN", _SETUP, 1, "SessionID 0", "OK_NewSessionEstablished, a new SessionID, a valid EVSEID"),
        _new_session,
        ids="V2G2-462 V2G2-750",
    ),
    case(
        *("CMN", _SETUP, 2, "ServiceDiscoveryReq where SessionSetupReq is due"),
        "ServiceDiscoveryRes FAILED_SequenceError, then TCP closed within 5 s",
        _setup_is_due,
        ids="V2G2-459 V2G2-538 V2G2-539 V2G2-541",
    ),
    case(
        *("CMN", _SETUP, 3, "silence after the handshake, for the sequence timeout"),
        "TCP closed by the station within 5 s of the timeout at the latest",
        *(_silent_after_handshake, Need.LONG),
        ids="V2G2-443 V2G2-537",
        waits=("sequence",),
    ),
    case(
        *("CMN", _SETUP, 4, "silence after the handshake, for the setup time"),
        "TCP closed by the station within 5 s of V2G_SECC_CommunicationSetup at the latest",
        *(_silent_until_setup_time, Need.LONG),
        ids="V2G2-716 V2G2-723",
        waits=("setup",),
    ),
    *_resuming("AC"),
    *_resuming("DC"),
)
