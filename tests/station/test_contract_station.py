"""What a running station does with contracts beyond one session: revocation, unknown roots, the journal."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from secc.cli.pki_responder import make_server
from secc.pki.authority import Authority
from secc.pki.contract import ForwardedContract, VerifiedContract
from secc.pki.hierarchy import make_hierarchy, write_hierarchy
from secc.pki.issuing import Revocation
from secc.pki.profiles import Kind
from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest
from secc.ports import CentralValidation, ContractBackend
from secc.records import LinkEvent, LinkRecord, NoticeRecord, OutputRecord
from secc.session.contract_events import ContractDelivered, ContractGranted, Verdict
from secc.settings import EnergyMode, RevocationCheck
from secc.sim import Misbehaviour, Wallet
from secc.site import LocalBackend, ProvisioningService
from secc.station.journal import Journal, records
from secc.trace.reader import read
from secc.trace.replay import Difference, replay
from tests.support.site import EMAID_TEXT, NOW, Site, make_site, play
from tests.support.wire import GrantingBackend, eventually

AC = EnergyMode.AC_THREE_PHASE_CORE
DAY = datetime.timedelta(days=1)
FOREIGN = make_hierarchy(not_before=NOW - 3 * DAY, seed=b"another ecosystem")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def granted(site: Site) -> list[VerifiedContract | ForwardedContract]:
    outputs = [record.output for record in site.records if isinstance(record, OutputRecord)]
    return [output.contract for output in outputs if isinstance(output, ContractGranted)]


# --- revocation -------------------------------------------------------------------------------------------


@contextmanager
def responder(folder: Path, port: int = 0) -> Iterator[int]:
    """A real OCSP responder for the hierarchy in a folder; its port."""
    with make_server(folder, port, validity=DAY) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def with_responder(folder: Path, port: int) -> Site:
    """A site whose contracts name this responder, and that asks it and believes nothing else."""
    pki = make_hierarchy(not_before=NOW - 3 * DAY, seed=b"fetched", ocsp_url=f"http://127.0.0.1:{port}/")
    write_hierarchy(pki, folder, NOW)
    site = make_site(folder, pki)
    site.pnc = {
        "revocation": RevocationCheck.REQUIRE,
        "revocation_fetch": True,
        "revocation_private_network": True,
    }
    return site


async def test_a_contract_is_looked_up_at_the_responders_that_its_chain_names(tmp_path: Path) -> None:
    write_hierarchy(FOREIGN, tmp_path, NOW)
    with responder(tmp_path) as port:
        site = with_responder(tmp_path, port)
        car = site.wallet()
        car.chain = tuple(
            site.pki[kind].certificate for kind in (Kind.CONTRACT_LEAF, Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1)
        )
        car.key = site.pki[Kind.CONTRACT_LEAF].key
        (result,) = await play(site, AC, car)
        assert result.completed, result.error
        assert [one.not_revoked for one in granted(site) if isinstance(one, VerifiedContract)] == [True]
        at = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        Authority(tmp_path, Kind.MO_SUB_CA_2).revoke(Revocation(car.chain[0].serial, at))
        (result,) = await play(site, AC, car)
        assert result.error == "PaymentDetailsRes: FAILED_CertificateRevoked"
        assert ("refused", "leaf_revoked") in site.events()
    (result,) = await play(site, AC, car)
    assert result.error == "PaymentDetailsRes: FAILED_CertificateRevoked"  # default deny
    assert ("refused", "revocation_unknown") in site.events()


# --- roots the station does not know ----------------------------------------------------------------------


class Central(GrantingBackend, ContractBackend, CentralValidation):
    """A central system that knows more roots than the station."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_about: list[ForwardedContract] = []

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> Verdict:
        return Verdict.UNKNOWN

    async def validate_contract(self, evse_id: str, contract: ForwardedContract) -> Verdict:
        self.asked_about.append(contract)
        return Verdict.ACCEPTED


def foreigner(site: Site) -> Wallet:
    """A car whose contract hangs under a root that the station does not have."""
    car = site.wallet()
    car.chain = tuple(
        FOREIGN[kind].certificate for kind in (Kind.CONTRACT_LEAF, Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1)
    )
    car.key = FOREIGN[Kind.CONTRACT_LEAF].key
    return car


@pytest.mark.parametrize(
    ("wanted", "error"), [(True, ""), (False, "PaymentDetailsRes: FAILED_CertChainError")]
)
async def test_a_chain_without_a_known_root_is_for_the_central_system_where_that_is_wanted(
    site: Site, wanted: bool, error: str
) -> None:
    site.other_backend = central = Central()
    site.pnc = {"central_validation": wanted}
    # The names are the same: only without our own root of that name is it an unknown one.
    (site.folder / "mo_root.pem").write_bytes(site.pki[Kind.OEM_ROOT].certificate.pem)
    (result,) = await play(site, AC, foreigner(site))
    assert result.error == error
    assert len(central.asked_about) == wanted
    assert all(str(one.emaid) == EMAID_TEXT and one.pem for one in central.asked_about)


async def test_a_forged_proof_is_not_forwarded(site: Site) -> None:
    site.other_backend = central = Central()
    site.pnc = {"central_validation": True}
    (site.folder / "mo_root.pem").write_bytes(site.pki[Kind.OEM_ROOT].certificate.pem)
    car = foreigner(site)
    car.misbehaviour = Misbehaviour.WRONG_KEY
    (result,) = await play(site, AC, car)
    assert result.error == "AuthorizationRes: FAILED_SignatureError"
    assert central.asked_about == []


# --- answers that do not verify ---------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [True, False])
async def test_an_answer_by_a_service_of_another_root_is_forwarded_only_where_that_is_wanted(
    site: Site, wanted: bool
) -> None:
    kinds = (Kind.CPS_SUB_CA_2, Kind.CPS_SUB_CA_1)
    site.backend.issuers.service = ProvisioningService(
        FOREIGN[Kind.CPS_LEAF], [FOREIGN[kind].certificate for kind in kinds]
    )
    site.pnc = {"forward_unverified": wanted}
    car = site.wallet()
    car.roots = [FOREIGN[Kind.V2G_ROOT].certificate]
    (result,) = await play(site, AC, car)
    delivered = [
        record.output
        for record in site.records
        if isinstance(record, OutputRecord) and isinstance(record.output, ContractDelivered)
    ]
    if not wanted:
        assert result.error == "CertificateInstallationRes: FAILED_NoCertificateAvailable"
        assert delivered == []
        return
    assert result.completed, result.error
    assert [one.bundle for one in delivered] == [None]
    notices = [record.notice.text for record in site.records if isinstance(record, NoticeRecord)]
    assert any("goes to the EV unverified" in text for text in notices)


@pytest.mark.parametrize("payload", [b"", b"\x80\x98 no message"])
async def test_what_is_no_answer_is_never_forwarded(site: Site, payload: bytes) -> None:
    class Lying(LocalBackend):
        async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
            return ProvisioningAnswer(payload)

    site.other_backend = Lying(site.backend.store)
    site.pnc = {"forward_unverified": True}
    (result,) = await play(site, AC, site.wallet())
    assert result.error == "CertificateInstallationRes: FAILED_NoCertificateAvailable"


# --- records ----------------------------------------------------------------------------------------------


async def test_the_journal_has_every_refusal_grant_delivery_and_receipt_and_no_name(
    site: Site, tmp_path: Path
) -> None:
    site.journal = Journal(tmp_path / "journal")
    trickster = site.wallet(contract_days=300)
    trickster.misbehaviour = Misbehaviour.OTHER_EMAID
    await play(site, AC, site.wallet(), trickster)
    site.journal.close()
    kept = list(records(site.journal.path))
    kinds = [record["record"] for record in kept]
    assert [kind for kind in kinds if kind not in ("meter", "receipt")] == [
        "begin",
        "delivered",
        "granted",
        "end",
        "begin",
        "refused",
        "end",
    ]
    (refused,) = [record for record in kept if record["record"] == "refused"]
    assert (refused["step"], refused["rule"]) == ("PaymentDetailsReq", "emaid_mismatch")
    assert refused["code"] == "FAILED_CertificateNotAllowedAtThisEVSE"
    receipts = [record for record in kept if record["record"] == "receipt"]
    assert len(receipts) == len(site.backend.store.log.receipts()) > 0
    told = "\n".join(str(record) for record in kept if record["record"] != "receipt")
    assert EMAID_TEXT not in told
    assert "ZZZTESTCAR0000001" not in told
    granted_to, delivered = kept[kinds.index("granted")], kept[kinds.index("delivered")]
    assert granted_to["who"] != delivered["who"]  # a contract and a car
    assert delivered["verified"] is True


def replayed(site: Site, tmp_path: Path) -> Difference | None:
    """The first difference when the core runs again over what was written."""
    assert site.trace
    path = tmp_path / "session.trace"
    path.write_text("".join(site.trace))
    return replay(read(path))


async def test_sessions_with_an_installation_and_with_a_trick_can_be_replayed(
    site: Site, tmp_path: Path
) -> None:
    site.trace, site.pnc = [], {"forward_unverified": True}
    trickster = site.wallet(contract_days=300)
    trickster.misbehaviour = Misbehaviour.SWAPPED_SUB_CAS
    results = await play(site, AC, site.wallet(), trickster)
    assert [result.completed for result in results] == [True, False]
    assert replayed(site, tmp_path) is None


async def test_a_session_that_was_validated_centrally_can_be_replayed(site: Site, tmp_path: Path) -> None:
    site.trace, site.other_backend, site.pnc = [], Central(), {"central_validation": True}
    (site.folder / "mo_root.pem").write_bytes(site.pki[Kind.OEM_ROOT].certificate.pem)
    (result,) = await play(site, AC, foreigner(site))
    assert result.completed, result.error
    assert replayed(site, tmp_path) is None


async def test_who_asks_for_a_contract_too_often_is_recorded(site: Site) -> None:
    site.pnc = {"provisioning_limit": 1}
    stranger = site.wallet()
    stranger.oem = FOREIGN[Kind.OEM_LEAF]
    results = await play(site, AC, stranger, stranger)
    assert [result.error for result in results] == [
        "CertificateInstallationRes: FAILED_NoCertificateAvailable"
    ] * 2
    assert site.backend.asked == 1
    refused = [rule for kind, rule in site.events() if kind == "refused"]
    assert refused == ["unknown car or contract", "requested too often"]


async def test_the_station_reports_contracts_that_end_soon_and_the_bundle_that_waits(
    tmp_path: Path,
) -> None:
    from secc.site import Site as LocalSite

    site = make_site(tmp_path)
    issuer = site.issuer()
    store = site.backend.store
    store.add_certificate(issuer.issue(EMAID_TEXT, NOW - DAY, not_after=NOW + 10 * DAY).leaf)
    site.other_backend = LocalSite(store, issuer=issuer, service=site.backend.issuers.service)

    async with site.station(AC):
        await eventually(lambda: bool(expiries(site)))
    (line,) = expiries(site)
    assert line.startswith(f"contract {EMAID_TEXT} ends on")
    assert "the next one waits for the car" in line


def expiries(site: Site) -> list[str]:
    links = [record for record in site.records if isinstance(record, LinkRecord)]
    return [one.text for one in links if one.event is LinkEvent.EXPIRY and one.text.startswith("contract")]
