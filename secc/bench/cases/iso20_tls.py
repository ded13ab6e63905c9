"""ISO 15118-20: the profile of TLS 1.3, vehicle certificates, and what must be refused."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from secc.bench import requests as older
from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run
from secc.bench.cases.build20 import car20, case20, iso20_pki
from secc.bench.hello import (
    AES_128_GCM,
    AES_256_GCM,
    ALERT,
    APPLICATION_DATA,
    ECDSA_P256,
    TLS_1_2,
    TLS_1_3,
    BenchHello,
    TlsGroup,
    read_answer,
    record,
)
from secc.bench.pki20 import Iso20CarPki
from secc.bench.reissue import EXPIRED, NOT_YET, changed_subject, reissue
from secc.bench.talk import LATE, CarAnswer
from secc.bench.trial import Trial
from secc.bench.verdict import Failed
from secc.bench.wire import BenchWire, Closed, WireFrame
from secc.errors import LinkError
from secc.messages.app_protocol import ResponseCode as SapCode
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.hierarchy import ISSUERS, HierarchyNames
from secc.pki.issuing import Holder
from secc.pki.keys import KeyType, new_private_key
from secc.pki.kinds import Kind
from secc.pki.transport import TlsVersion
from secc.pki.trust import Role
from secc.tls import OpenSslEngine, TlsContext
from secc.tls.credentials import CredentialFiles

HALF_OPEN = 60
"""Handshakes that are begun and not ended."""
ISO2 = "urn:iso:15118:2:2013:MsgDef"
Judge = Callable[[Trial, BenchWire, bytes], Awaitable[None]]

# --- the hello ----------------------------------------------------------------------------------------------


def _hello(offer: BenchHello, judge: Judge, *, records: int = 1 << 14, segments: int = 1) -> Run:
    """Send this ClientHello and judge the first bytes that come back; a valid EV is served after it."""

    async def run(trial: Trial) -> None:
        wire = await trial.connect_below()
        data = offer.records(records)
        trial.note("sent", f"ClientHello in {segments} segments", data[:1024])
        size = -(-len(data) // segments)
        for begin in range(0, len(data), size):
            await wire.send_below(data[begin : begin + size])
            await asyncio.sleep(0 if segments == 1 else 0.01)
        await judge(trial, wire, await wire.begin(trial.timers.message))
        wire.close()
        await _served(trial)

    return run


async def _served(trial: Trial) -> None:
    """What was sent before has not hurt: a valid EV gets on."""
    await car20(trial).go(Point.AUTHORIZATION_SETUP)


def _agreed(
    *, version: int, group: TlsGroup | None = None, retry: bool = False, suite: int | None = None
) -> Judge:
    async def judge(trial: Trial, _: BenchWire, data: bytes) -> None:
        answer = read_answer(data)
        trial.note("received", str(answer), data[:128])
        if answer is None:
            raise Failed(f"expected a ServerHello; got {data[:16].hex() or 'nothing'}")
        trial.check(answer.version == version, f"version {version:#06x}", answer)
        trial.check(group is None or answer.group == group, f"group {group}", answer)
        trial.check(suite is None or answer.suite == suite, f"suite {suite or 0:#06x}", answer)
        trial.check(answer.retry is retry, "HelloRetryRequest" if retry else "no HelloRetryRequest", answer)

    return judge


async def _alert(trial: Trial, wire: BenchWire, data: bytes) -> None:
    trial.note("received", data[:16].hex() or "nothing", data[:64])
    trial.check(not data or data[0] == ALERT, "an alert and no ServerHello", data[:16].hex())
    reply = await wire.wait_closed(trial.timers.close * LATE)
    trial.check(isinstance(reply, Closed), f"TCP closed within {trial.timers.close:g} s", reply)
    if not data:
        trial.remark("closed without an alert")


async def _small_records(trial: Trial, wire: BenchWire, data: bytes) -> None:
    """Records of at most 512 bytes, or the extension is not supported (RFC 6066, section 4)."""
    answer = read_answer(data)
    trial.check(answer is not None, "a ServerHello", data[:16].hex() or "nothing")
    await wire.wait_closed(0.5)
    taken, at, sizes = wire.received, 0, []
    while at + 5 <= len(taken):
        sizes.append(int.from_bytes(taken[at + 3 : at + 5], "big"))
        at += 5 + sizes[-1]
    if max(sizes) > _FRAGMENT + _OVERHEAD:
        trial.remark("max_fragment_length is not supported")


async def _garbage(trial: Trial) -> None:
    wire = await trial.connect_below()
    await wire.send_below(bytes(range(256)) * 4)
    reply = await wire.wait_closed(trial.timers.close * LATE)
    trial.check(isinstance(reply, Closed), f"TCP closed within {trial.timers.close:g} s", reply)
    await _served(trial)


async def _early_message(trial: Trial) -> None:
    """Data right after the hello, before the handshake is done: nothing answers it."""
    wire = await trial.connect_below()
    request = car20(trial).encode(older.offer((ISO2, 2, 0, 1, 1)), None, None)
    await wire.send_below(BenchHello().records() + record(APPLICATION_DATA, request))
    reply = await wire.wait_closed(trial.timers.close * LATE)
    trial.check(not isinstance(reply, WireFrame), "no V2GTP message", "one")
    trial.check(isinstance(reply, Closed), f"TCP closed within {trial.timers.close:g} s", reply)
    await _served(trial)


async def _half_open(trial: Trial) -> None:
    """Many handshakes are begun: they are bounded, and a valid EV is served nevertheless."""
    first = await trial.connect_below()
    to, wires, begun = await trial.address(), [first], BenchHello().records()[:40]
    for _ in range(HALF_OPEN):
        with contextlib.suppress(LinkError):
            wires.append(await BenchWire.open(to, tls=None))
    for wire in wires:
        await wire.send_below(begun)
    trial.note("note", f"{len(wires)} handshakes begun")
    try:
        await _served(trial)
    finally:
        for wire in wires:
            wire.close()


# --- the handshake of a car ---------------------------------------------------------------------------------


async def _profile(trial: Trial) -> None:
    """TLS 1.3, and a chain of the -20 profile without its root [V2G20-1264] [V2G20-2399]."""
    ev = car20(trial)
    await ev.connect()
    engine = ev.wire.engine
    assert isinstance(engine, OpenSslEngine)
    trial.note("note", engine.summary)
    trial.check(engine.version is TlsVersion.TLS_1_3, "TLS 1.3", engine.version)
    chain = [read_certificate(one.public_bytes(Encoding.DER)) for one in engine.peer_chain]
    trial.check(2 <= len(chain) <= 3, "a chain of a leaf and one or two Sub-CAs", len(chain))
    for one in chain:
        trial.check(one.key_type in _KEYS, "keys on secp521r1 or Ed448", f"{one.subject}: {one.key_type}")
        trial.check(not one.subject.same_as(one.issuer), "no root in the chain", str(one.subject))
    await ev.agree()


def _shown(made: Callable[[Iso20CarPki], contextlib.AbstractContextManager[CredentialFiles]]) -> Run:
    """A client certificate that is no vehicle: no message is answered, and a valid EV is served after it."""

    async def run(trial: Trial) -> None:
        ev = car20(trial)
        with made(iso20_pki(ev)) as files:
            await _refused_as(ev, files)

    return run


async def _refused_as(ev: Iso20Car, files: CredentialFiles | None) -> None:
    trial = ev.trial
    context = TlsContext.for_client(trial.target.roots, certificate=files, iso2=False, iso20=True)
    await ev.connect_with(context)
    answer = await ev.ask(ev.offer())
    trial.check(not isinstance(answer, CarAnswer), "an alert, and no answer", answer)
    trial.check(isinstance(answer, Closed), f"TCP closed in {trial.timers.message:g} s", answer)
    await _served(trial)


async def _without(trial: Trial) -> None:
    await _refused_as(car20(trial), None)


def _leaf(**changed: Any) -> Run:
    return _shown(lambda pki: pki.files(Role.VEHICLE, leaf=pki.again(Kind.VEHICLE_LEAF, **changed)))


@contextlib.contextmanager
def _long_chain(pki: Iso20CarPki) -> Iterator[CredentialFiles]:
    """A leaf below three Sub-CAs, each of which allows for those below it."""
    first, second = pki.holders[Kind.VEHICLE_SUB_CA_1], pki.holders[Kind.VEHICLE_SUB_CA_2]
    above = pki.holders[ISSUERS[Kind.VEHICLE_SUB_CA_1]]
    made = [Holder(reissue(first, above, replaced=(_room(2),)), first.key)]
    made.append(Holder(reissue(second, made[0], replaced=(_room(1),)), second.key))
    between = Holder(second.certificate, new_private_key(KeyType.SECP521R1))
    named = changed_subject(second.certificate.to_cryptography().subject, common_name="Vehicle Sub-CA 3")
    made.append(Holder(_below(between, made[1], subject=named), between.key))
    leaf = _below(pki.holders[Kind.VEHICLE_LEAF], made[2])
    with pki.files(Role.VEHICLE) as files:
        files.chain.write_bytes(b"".join(one.pem for one in (leaf, *(one.certificate for one in made[::-1]))))
        yield files


def _room(below: int) -> x509.BasicConstraints:
    return x509.BasicConstraints(ca=True, path_length=below)


def _below(base: Holder, issuer: Holder, **changed: Any) -> Certificate:
    """Issued again by another authority, with the key identifiers of both."""
    identifiers = (
        x509.SubjectKeyIdentifier.from_public_key(base.key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
    )
    return reissue(base, issuer, replaced=identifiers, **changed)


# --- which protocol on which connection ---------------------------------------------------------------------


def _offers(expected: int | None, *entries: tuple[str, int], tls: bool) -> Run:
    """Namespaces with their priority, on TLS 1.2 or on plain TCP; which SchemaID is chosen [V2G20-2356]."""

    async def run(trial: Trial) -> None:
        ev = car20(trial)
        plain = Trial(trial.target, trial.facts, tls=tls)
        ev.trial = plain
        try:
            await ev.connect_with(TlsContext.for_client(trial.target.roots) if tls else None)
            names = {"-20": ev.energy.namespace, "-2": ISO2}
            offer = older.offer(
                *(
                    (names[name], 1 if name == "-20" else 2, 0, number, priority)
                    for number, (name, priority) in enumerate(entries, 1)
                )
            )
            answer = await ev.ask(offer)
        finally:
            await plain.clean_up()
        code = SapCode.FAILED_NO_NEGOTIATION if expected is None else SapCode.OK_SUCCESSFUL_NEGOTIATION
        good = isinstance(answer, CarAnswer) and answer.code == code.value
        trial.check(good, f"supportedAppProtocolRes {code.value}", answer)
        assert isinstance(answer, CarAnswer)
        chosen = answer.body.schema_id
        trial.check(expected is None or chosen == expected, f"SchemaID {expected}", chosen)

    return run


_KEYS = (KeyType.SECP521R1, KeyType.ED448)
_FRAGMENT, _OVERHEAD = 512, 256
_SET, _SAP = "TLS 1.3", "supportedAppProtocol"
_NEED = (Need.ISO20_TLS,)
_ISSUER = (Need.ISO20_TLS, Need.ISO20_ISSUER, Need.ISO20_WALLET)
_CBC = 0xC023
_MAX_FRAGMENT, _PADDING, _AUTHORITIES = 1, 21, 47
_STRANGER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Unknown V2G root")]).public_bytes()
_NAMED = (len(_STRANGER) + 2).to_bytes(2, "big") + len(_STRANGER).to_bytes(2, "big") + _STRANGER
_SERVER_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
_OLD = BenchHello(versions=(), suites=(_CBC,), groups=(TlsGroup.P256,), shares=(), signatures=(ECDSA_P256,))
_BOTH = BenchHello(
    versions=(TLS_1_3, TLS_1_2),
    suites=(AES_256_GCM, _CBC),
    groups=(TlsGroup.P521, TlsGroup.P256),
    signatures=(0x0603, ECDSA_P256),
)
_REFUSED = "an alert, or the end; a valid EV is served after it"
_NO_ANSWER = "no message is answered; a valid EV is served after it"


def _with_list(**changed: Any) -> BenchHello:
    return dataclasses.replace(BenchHello(), **changed)


_HELLOS: tuple[tuple[str, str, str, Run, str], ...] = (
    (
        *("TLS-003", "TLS_AES_128_GCM_SHA256 only", _REFUSED),
        *(_hello(_with_list(suites=(AES_128_GCM,)), _alert), "2458"),
    ),
    (
        *("TLS-004", "group x448 only", "ServerHello with x448"),
        _hello(
            _with_list(groups=(TlsGroup.X448,), shares=(TlsGroup.X448,)),
            _agreed(version=TLS_1_3, group=TlsGroup.X448, suite=AES_256_GCM),
        ),
        "1634",
    ),
    (
        *("TLS-005", "a key share of X25519, secp521r1 in the list", "HelloRetryRequest for secp521r1"),
        _hello(
            _with_list(groups=(TlsGroup.X25519, TlsGroup.P521), shares=(TlsGroup.X25519,)),
            _agreed(version=TLS_1_3, group=TlsGroup.P521, retry=True),
        ),
        "1634",
    ),
    (
        *("TLS-007", "signatures with ecdsa_secp256r1_sha256 only", _REFUSED),
        *(_hello(_with_list(signatures=(ECDSA_P256,)), _alert), "1667"),
    ),
    ("TLS-009", "TLS 1.2 only", "ServerHello of TLS 1.2", _hello(_OLD, _agreed(version=TLS_1_2)), "2359"),
    (
        *("TLS-010", "TLS 1.2 and TLS 1.3", "ServerHello of TLS 1.3"),
        *(_hello(_BOTH, _agreed(version=TLS_1_3)), "2062"),
    ),
    (
        *("TLS-021", "certificate_authorities with an unknown root only", _REFUSED),
        *(_hello(_with_list(more=((_AUTHORITIES, _NAMED),)), _alert), "2379"),
    ),
    (
        *("TLS-022", "no certificate_authorities", "ServerHello"),
        *(_hello(BenchHello(), _agreed(version=TLS_1_3, group=TlsGroup.P521)), "2378"),
    ),
    (
        *("TLS-030", "a ClientHello in three records and ten segments", "ServerHello"),
        *(_hello(BenchHello(), _agreed(version=TLS_1_3), records=120, segments=10), ""),
    ),
    (
        *("TLS-031", "a ClientHello of 40 kB", _REFUSED),
        *(_hello(_with_list(more=((_PADDING, bytes(40_000)),)), _alert), ""),
    ),
    (
        *("TLS-035", "max_fragment_length 512", "ServerHello; larger records are a remark"),
        *(_hello(_with_list(more=((_MAX_FRAGMENT, b"\x01"),)), _small_records), "2446"),
    ),
)
_CLIENTS: tuple[tuple[str, str, Run, str], ...] = (
    (
        *("TLS-012", "a vehicle certificate under an unknown root"),
        _shown(lambda pki: pki.foreign(HierarchyNames(organization="Stranger")).files(Role.VEHICLE)),
        "2331",
    ),
    (
        *("TLS-013", "the provisioning certificate as client certificate"),
        *(_shown(lambda pki: pki.files(Role.OEM)), "2342"),
    ),
    (
        *("TLS-014", "the contract as client certificate"),
        *(_shown(lambda pki: pki.files(Role.CONTRACT)), "2331"),
    ),
    ("TLS-015", "an expired vehicle certificate", _leaf(validity=EXPIRED), "1001"),
    ("TLS-015-NOT-YET", "a vehicle certificate of tomorrow", _leaf(validity=NOT_YET), "1001"),
    (
        *("TLS-016", "a vehicle certificate whose issuers have the right names and other keys"),
        *(_shown(lambda pki: pki.foreign().files(Role.VEHICLE)), "2432"),
    ),
    ("TLS-018", "a vehicle certificate for servers only", _leaf(replaced=(_SERVER_ONLY,)), ""),
    ("TLS-019", "a vehicle certificate below three Sub-CAs", _shown(_long_chain), ""),
)

CASES: tuple[Case, ...] = (
    case20(
        *("TLS-001", _SET, "a handshake with a vehicle certificate", "TLS 1.3, a chain without its root"),
        *(_profile, *_NEED, Need.ISO20_VEHICLE),
        ids="1264 2399",
    ),
    *(
        case20(number, _SET, title, expect, run, *_NEED, ids=ids)
        for number, title, expect, run, ids in _HELLOS
    ),
    *(
        case20(number, _SET, title, _NO_ANSWER, run, *_ISSUER, ids=ids)
        for number, title, run, ids in _CLIENTS
    ),
    case20("TLS-NO-CERTIFICATE", _SET, "no client certificate", _NO_ANSWER, _without, *_NEED, ids="1264"),
    case20("TLS-032", _SET, "a message right after the ClientHello", _NO_ANSWER, _early_message, *_NEED),
    case20("TLS-033", _SET, "bytes that are no TLS", _REFUSED, _garbage, *_NEED),
    case20(
        *("TLS-034", _SET, f"{HALF_OPEN} handshakes that are not ended", "a valid EV is served meanwhile"),
        *(_half_open, *_NEED),
    ),
    case20(
        *("SAP-015", _SAP, "ISO 15118-20 alone on TLS 1.2", "Failed_NoNegotiation"),
        *(_offers(None, ("-20", 1), tls=True), *_NEED, Need.TLS),
        ids="2356",
    ),
    case20(
        *("SAP-016", _SAP, "ISO 15118-20 before ISO 15118-2 on TLS 1.2", "ISO 15118-2"),
        *(_offers(2, ("-20", 1), ("-2", 2), tls=True), *_NEED, Need.TLS),
        ids="2356",
    ),
    case20(
        *("SAP-017", _SAP, "ISO 15118-20 before ISO 15118-2 on plain TCP", "ISO 15118-2"),
        *(_offers(2, ("-20", 1), ("-2", 2), tls=False), *_NEED, Need.PLAIN),
        ids="2356",
    ),
    case20(
        *("SAP-018", _SAP, "ISO 15118-20 alone on plain TCP", "Failed_NoNegotiation"),
        *(_offers(None, ("-20", 1), tls=False), *_NEED, Need.PLAIN),
        ids="1237",
    ),
)
