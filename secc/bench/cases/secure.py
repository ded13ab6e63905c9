"""TLS: the profile of ISO 15118-2, and what must be refused. Not in the list of ISO 15118-4."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.case import Case, Need
from secc.bench.cases import discovery
from secc.bench.cases.build import own
from secc.bench.hello import ECDSA_P256, RSA_SHA256, BenchHello, TlsGroup
from secc.bench.talk import LATE
from secc.bench.trial import Trial
from secc.bench.wire import Closed, Silence, WireFrame
from secc.tls import OpenSslEngine

GROUP = "TLS"
ECDHE_ECDSA_CBC_SHA256 = 0xC023
_OLD_SUITES = (0xC009, 0xC00A)
_RSA_SUITES = (0x009C, 0x003C, 0x002F)
_ALERT = 0x15
_TLS_1_1, _TLS_1_2 = 0x0302, 0x0303
_LARGEST = 800
"""Bytes of a certificate in DER [V2G2-010]."""


async def _profile(trial: Trial) -> None:
    """Make a handshake with the usable suite; check the chain against Annex F."""
    wire = await trial.connect()
    engine = wire.engine
    assert isinstance(engine, OpenSslEngine)
    trial.note("note", engine.summary)
    chain = engine.peer_chain
    trial.check(1 <= len(chain) <= 4, "a chain of a leaf and at most two Sub-CAs [V2G2-009]", len(chain))
    if len(chain) == 4:
        trial.remark("the chain includes its root")
    for certificate in chain:
        key, name = certificate.public_key(), certificate.subject.rfc4514_string()
        good = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        trial.check(good, "keys on secp256r1 [V2G2-007]", f"{name}: {type(key).__name__}")
        size = len(certificate.public_bytes(Encoding.DER))
        trial.check(
            size <= _LARGEST, f"certificates of at most {_LARGEST} bytes [V2G2-010]", f"{name}: {size}"
        )
    leaf = chain[0].subject.rfc4514_string()
    trial.check("DC=CPO" in leaf, "DC=CPO in the leaf [V2G2-875]", leaf)


async def _refused(trial: Trial, hello: bytes, what: str) -> None:
    """Expect an alert, or at least the end, and no ServerHello; a valid EV is served after it."""
    wire = await trial.connect_below()
    trial.note("sent", f"ClientHello, {what}", hello)
    await wire.send_below(hello)
    reply = await wire.wait_closed(trial.timers.close * LATE)
    begun = wire.received
    trial.note("received", str(reply) if not isinstance(reply, WireFrame) else "bytes", begun)
    trial.check(not begun or begun[0] == _ALERT, "an alert", f"{begun[:16].hex()}")
    trial.check(isinstance(reply, Closed), f"TCP closed within {trial.timers.close:g} s", reply)
    if not begun:
        trial.remark("closed without an alert")
    await BenchCar(trial).reach(Phase.SELECTION)


async def _old_version(trial: Trial) -> None:
    await _refused(trial, client_hello(_TLS_1_1, _OLD_SUITES), "TLS 1.1 at most")


async def _other_suites(trial: Trial) -> None:
    await _refused(trial, client_hello(_TLS_1_2, _RSA_SUITES), "suites with RSA only")


async def _plain_on_tls(trial: Trial) -> None:
    """Check that V2GTP without TLS on the TLS port is never answered by V2GTP [INV-21]."""
    wire = await trial.connect_below()
    data = BenchCar(trial).encode(requests.offer(), None, None)
    trial.note("sent", "supportedAppProtocolReq without TLS", data)
    await wire.send_below(data)
    reply = await wire.wait_closed(trial.timers.close * LATE)
    trial.note("received", str(reply) if not isinstance(reply, WireFrame) else "a message", wire.received)
    trial.check(not isinstance(reply, WireFrame), "no V2GTP message", "one")
    trial.check(not isinstance(reply, Silence), f"TCP closed within {trial.timers.close:g} s", reply)
    await BenchCar(trial).reach(Phase.SELECTION)


async def _stalled(trial: Trial) -> None:
    """Send half a ClientHello: the next EV is served nevertheless."""
    wire = await trial.connect_below()
    await wire.send_below(client_hello(_TLS_1_2, (ECDHE_ECDSA_CBC_SHA256,))[:40])
    trial.note("sent", "half a ClientHello")
    await BenchCar(trial).reach(Phase.SELECTION)
    wire.close()


def client_hello(version: int, suites: tuple[int, ...]) -> bytes:
    """Return a ClientHello with these suites, secp256r1, ECDSA and RSA with SHA-256."""
    hello = BenchHello(
        versions=(), legacy_version=version, suites=suites, groups=(TlsGroup.P256,), signatures=_SIGNATURES
    )
    return hello.records()


_SIGNATURES = (ECDSA_P256, RSA_SHA256)
_SERVED = "; a valid EV is served after it"

CASES: tuple[Case, ...] = (
    own(
        *("TLS_PROFILE", GROUP, "a handshake with ECDHE_ECDSA, AES_128_CBC, SHA256"),
        *("a chain on secp256r1 with small certificates, DC=CPO in the leaf", _profile, Need.TLS),
        ids="V2G2-007 V2G2-009 V2G2-010 V2G2-602 V2G2-875",
    ),
    own(
        "TLS_VERSION", GROUP, "TLS 1.1 at most", f"an alert{_SERVED}", _old_version, Need.TLS, ids="V2G2-067"
    ),
    own(
        "TLS_SUITES",
        GROUP,
        "suites with RSA only",
        f"an alert{_SERVED}",
        _other_suites,
        Need.TLS,
        ids="V2G2-602",
    ),
    own(
        "TLS_PLAIN",
        GROUP,
        "V2GTP without TLS on the TLS port",
        f"no answer{_SERVED}",
        _plain_on_tls,
        Need.TLS,
    ),
    own("TLS_STALLED", GROUP, "half a ClientHello", "a valid EV is served meanwhile", _stalled, Need.TLS),
    own(
        *("TLS_DOWNGRADE", GROUP, "a TLS handshake that fails, then discovery for TLS"),
        "TLS is offered as before",
        discovery.downgrade,
        *(Need.TLS, Need.SDP),
        ids="V2G2-626",
    ),
)
