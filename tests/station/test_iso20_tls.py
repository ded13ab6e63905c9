"""TLS 1.3 at a running station: loaded from its file, offered while its chain is good, renewed, reported."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from secc import exi
from secc.boundary.backend import checked_backend
from secc.errors import ConfigError
from secc.messages import app_protocol
from secc.pki.authority import Authority, IssuingPolicy
from secc.pki.certificates import read_chain
from secc.pki.hierarchy import make_hierarchy, make_iso20_hierarchy, write_hierarchy
from secc.pki.issuing import read_request
from secc.pki.keys import KeyType
from secc.pki.profiles import Kind
from secc.records import LinkEvent
from secc.settings import Iso20Config, Iso20TlsConfig, ProtocolName, SeccConfig, TlsPolicy, TrustConfig
from secc.station.metrics import Metrics
from secc.station.renewal import renewals_for
from secc.station.tls import INSECURE, TlsKeeper
from secc.tls import OpenSslEngine, TlsContext
from tests.station.test_renewal import SigningBackend
from tests.support.tls13 import OLD, PKI20, hierarchy, shake, vehicle
from tests.support.wire import Bed, Car, config, running

DAY = datetime.timedelta(days=1)


def both(folder: Path = PKI20, *, lab: bool = False, **keys: object) -> SeccConfig:
    """A station with the chains of both generations; `keys` go into `[iso20.tls]`."""
    tls = Iso20TlsConfig(
        certificate_chain=folder / "secc_chain.pem",
        private_key=folder / "secc_leaf_key.pem",
        root=folder / "v2g_root.pem",
        **keys,  # type: ignore[arg-type]
    )
    made = config(TlsPolicy.REQUIRED)
    return dataclasses.replace(
        made,
        tls=dataclasses.replace(made.tls, watch_interval=0.01, handshake_timeout=3.0),
        iso20=Iso20Config(tls=tls, insecure_lab=lab),
        trust=TrustConfig(oem_roots=(folder / "oem_root.pem",), v2g_roots=(folder / "v2g_root.pem",)),
    )


async def test_the_session_learns_who_the_vehicle_is() -> None:
    async with running(both()) as bed:
        car = await Car.connect(bed.tls_port, vehicle())
        await bed.until_secured()
        link = next(iter(bed.station._sessions.links))
        assert link.tls13
        assert link.vehicle is not None
        assert link.vehicle.is_vehicle
        car.close()
        await bed.until_idle()
        assert bed.events(LinkEvent.SECURED)[0].text.startswith("TLS 1.3 TLS_AES_256_GCM_SHA384")


ONLY_ISO20 = exi.APP_PROTOCOL.encode(
    app_protocol.SupportedAppProtocolReq(
        app_protocol=(
            app_protocol.AppProtocol(
                protocol_namespace="urn:iso:std:iso:15118:-20:AC",
                version_number_major=1,
                version_number_minor=0,
                schema_id=1,
                priority=1,
            ),
        )
    )
)


async def answer_to_iso20(bed: Bed, tls: TlsContext | None) -> str:
    car = await Car.connect(bed.tls_port if tls else bed.plain_port, tls)
    await car.send(ONLY_ISO20)
    payload = await car.next_payload()
    assert payload is not None
    answer = exi.APP_PROTOCOL.decode(payload)
    assert isinstance(answer, app_protocol.SupportedAppProtocolRes)
    car.close()
    await bed.until_idle()
    return answer.response_code.value


OLD_CAR = TlsContext.for_client(OLD / "v2g_root.pem")


@pytest.mark.parametrize(("tls", "spoken"), [(None, False), (OLD_CAR, False), (vehicle(), True)])
@pytest.mark.parametrize("lab", [False, True])
@pytest.mark.req("V2G20-1237", "V2G20-1805", "V2G20-2356")
@pytest.mark.threat("T20-06")
async def test_iso20_is_spoken_over_mutual_tls13_and_elsewhere_in_the_laboratory_only(
    tls: TlsContext | None, spoken: bool, lab: bool
) -> None:
    made = both()
    made = dataclasses.replace(
        made,
        protocols=(ProtocolName.ISO15118_2, ProtocolName.ISO15118_20),
        tls=dataclasses.replace(made.tls, policy=TlsPolicy.OPTIONAL),
        iso20=dataclasses.replace(made.iso20, insecure_lab=lab),
    )

    async def scenario() -> str:
        async with running(made) as bed:
            return await answer_to_iso20(bed, tls)

    expected = "OK_SuccessfulNegotiation" if spoken or lab else "Failed_NoNegotiation"
    assert (await scenario()) == expected


@pytest.mark.req("V2G20-2359")
async def test_an_old_car_charges_at_the_same_port() -> None:
    async with running(both()) as bed:
        car = await Car.connect(bed.tls_port, TlsContext.for_client(OLD / "v2g_root.pem"))
        assert (await car.handshake()).value.startswith("OK_")
        assert not next(iter(bed.station._sessions.links)).tls13
        car.close()
        await bed.until_idle()


async def test_a_handshake_of_tls13_leaves_the_loop_free() -> None:
    """While one EV's bytes are computed on, the loop goes on: the engine is fed in another thread."""
    threads: set[int] = set()
    feed = OpenSslEngine.feed

    def noting(engine: OpenSslEngine, data: bytes) -> object:
        if engine._server and not engine.handshake_done:
            threads.add(threading.get_ident())
        return feed(engine, data)

    async def scenario() -> None:
        async with running(both()) as bed:
            car = await Car.connect(bed.tls_port, vehicle())
            await bed.until_secured()
            car.close()
            await bed.until_idle()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenSslEngine, "feed", noting)
        await scenario()
    assert threads
    assert threading.get_ident() not in threads


async def test_health_and_metrics_show_whether_tls13_is_offered() -> None:
    async def scenario(made: SeccConfig) -> tuple[str | None, tuple[str, ...], str]:
        async with running(made) as bed:
            metrics = Metrics()
            metrics.watch(bed.station)
            return bed.station.health.iso20_problem, bed.station.health.warnings, metrics.text().decode()

    problem, warnings, text = await scenario(both())
    assert (problem, warnings) == ("", ())
    assert "secc_tls13_offered 1.0" in text
    assert 'secc_certificate_expiry_timestamp_seconds{chain="iso20-0"}' in text
    problem, warnings, text = await scenario(both(require_ocsp=True))
    assert problem is not None
    assert "no OCSP response to staple" in problem
    assert warnings[0].startswith("TLS 1.3 is not offered: ")
    assert "secc_tls13_offered 0.0" in text
    problem, _, text = await scenario(config(TlsPolicy.REQUIRED))
    assert problem is None
    assert "secc_tls13_offered" not in text


async def test_the_laboratory_is_loud() -> None:
    async with running(dataclasses.replace(config(), iso20=Iso20Config(insecure_lab=True))) as bed:
        await asyncio.sleep(0.02)
        assert INSECURE in [one.text for one in bed.events(LinkEvent.TLS_ALARM)]
        assert bed.station.health.warnings[0] == INSECURE


# --- files ----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Kept:
    """A keeper with a clock that can be set."""

    keeper: TlsKeeper
    told: list[tuple[LinkEvent, str]]
    clock: list[datetime.datetime]


def kept(made: SeccConfig, at: datetime.datetime) -> Kept:
    told: list[tuple[LinkEvent, str]] = []
    clock = [at]
    keeper = TlsKeeper(made, report=lambda event, text: told.append((event, text)), clock=lambda: clock[0])
    return Kept(keeper, told, clock)


def written(folder: Path, begin: datetime.datetime, seed: bytes = b"kept") -> Path:
    made = make_iso20_hierarchy(KeyType.SECP521R1, not_before=begin, seed=seed)
    write_hierarchy(made, folder, begin)
    return folder


BEGIN = datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC)


async def test_tls13_ends_with_its_chain_and_comes_back_with_a_new_one(tmp_path: Path) -> None:
    written(tmp_path, BEGIN)
    made = kept(both(tmp_path), BEGIN + DAY)

    task = asyncio.create_task(made.keeper.run())
    await asyncio.sleep(0.05)
    assert made.keeper.iso20_problem == ""
    made.clock[0] = BEGIN + 100 * DAY
    await until(lambda: any("TLS 1.3 is not offered, cars get TLS 1.2" in text for _, text in made.told))
    written(tmp_path, BEGIN + 90 * DAY)
    await until(lambda: made.keeper.iso20_problem == "")
    await until(lambda: (LinkEvent.TLS_RENEWED, "TLS 1.3 is offered again") in made.told)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert sum("TLS 1.3 is not offered" in text for _, text in made.told) == 1


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(8.0):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda folder: (folder / "secc_leaf_key.pem").write_bytes(b"x"),
            "secc_leaf_key.pem: not a PEM file",
        ),
        (lambda folder: (folder / "secc_chain.pem").unlink(), "secc_chain.pem: cannot be read"),
        (lambda folder: (folder / "oem_root.pem").unlink(), "oem_root.pem: cannot be read"),
    ],
)
def test_files_of_iso20_that_cannot_be_used_stop_the_start(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(hierarchy(tmp_path))
    with pytest.raises(ConfigError, match=words):
        kept(both(tmp_path), BEGIN)


# --- renewal --------------------------------------------------------------------------------------------


async def test_both_leaves_are_renewed_each_in_its_generation(tmp_path: Path) -> None:
    write_hierarchy(make_hierarchy(not_before=BEGIN, seed=b"old"), tmp_path / "old", BEGIN)
    written(tmp_path / "new", BEGIN)
    made = both(tmp_path / "new")
    older = dataclasses.replace(
        made.tls,
        certificate_chain=tmp_path / "old/secc_chain.pem",
        private_key=tmp_path / "old/secc_leaf_key.pem",
        root=tmp_path / "old/v2g_root.pem",
    )
    made = dataclasses.replace(made, tls=older)
    now = BEGIN + 80 * DAY
    told: list[str] = []
    backend = checked_backend(BothSigners(tmp_path, now))
    renewals = renewals_for(made, backend, lambda _event, text: told.append(text))
    assert len(renewals) == 2
    for renewal in renewals:
        renewal._clock = lambda: now
        await renewal.step()
    assert [text.partition("renewed")[0] for text in told] == ["", "ISO 15118-20: "]
    types = [
        read_chain((tmp_path / name / "secc_chain.pem").read_bytes())[0].key_type for name in ("old", "new")
    ]
    assert types == [KeyType.SECP256R1, KeyType.SECP521R1]
    assert TlsKeeper(made, report=lambda _event, _text: None, clock=lambda: now).iso20_problem == ""


class BothSigners(SigningBackend):
    """Signs a request with the Sub-CA of its generation."""

    def __init__(self, folder: Path, now: datetime.datetime) -> None:
        self._now = now
        self._older = Authority(folder / "old", Kind.CPO_SUB_CA_2)
        self._newer = Authority(folder / "new", Kind.CPO_SUB_CA_2)
        super().__init__(self._older)

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        asked = read_request(request)
        authority = self._older if asked.generation.value == "iso15118-2" else self._newer
        leaf = authority.issue(asked, Kind.SECC_LEAF, self._now, IssuingPolicy())
        return [leaf.der, *(one.der for one in authority.chain)]


def test_a_renewed_leaf_of_iso20_shakes_hands(tmp_path: Path) -> None:
    written(tmp_path, BEGIN)
    made = kept(both(tmp_path), BEGIN + DAY)
    context = made.keeper.context
    assert context is not None
    seen: list[tuple[str, str]] = []
    made.keeper.watchers.append(lambda fingerprint, failure: seen.append((fingerprint, failure)))
    server, client = context.engine(), vehicle(tmp_path).engine()
    shake(server, client)
    assert server.vehicle is not None
    assert seen == [(context.iso20_credentials[0].fingerprint, "")]
