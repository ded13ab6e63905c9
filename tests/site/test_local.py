"""The local back end, its store and the renewal monitor: a site without a network."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from secc.errors import CertificateError, IdentifierError
from secc.messages import iso2
from secc.pki.certificates import read_certificate
from secc.pki.contract import VerifiedContract, present, verify
from secc.pki.identifiers import EMAID, PCID
from secc.pki.profiles import Generation, Kind
from secc.pki.provisioning import Action, ProvisioningRequest, Refusal, verify_request, verify_response
from secc.pki.receipts import verify_receipt
from secc.session.contract_events import (
    ContractGranted,
    ContractRefused,
    GrantSource,
    StoreReceipt,
    Verdict,
)
from secc.site import ContractStore, Event, LocalBackend, RenewalMonitor, Status
from tests.support.contracts import (
    DAY,
    NOW,
    contract_leaf,
    encoded,
    hierarchy,
    identity,
    mobility_operator,
    provisioning_service,
    trusted,
    wallet,
)

E = EMAID.parse("DEABC000000001G")
CHALLENGE = bytes(range(16))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime.datetime:
        return self.now


def backend(path: Path | str = ":memory:", clock: Clock | None = None) -> LocalBackend:
    store = ContractStore(path)
    if store.contract(E) is None:
        store.add_contract(E.text)
        store.add_car(identity(Kind.OEM_LEAF).certificate, E)
    return LocalBackend(
        store, issuer=mobility_operator(), service=provisioning_service(), clock=clock or Clock()
    )


def proved() -> VerifiedContract:
    car = wallet()
    shown = present(car.chain_message(), car.emaid, trusted(), NOW)
    request = car.authorization(CHALLENGE)
    return verify(shown, request, car.sign(request), CHALLENGE, now=NOW)


def asked(action: Action = Action.INSTALL) -> ProvisioningRequest:
    car = wallet()
    body = car.installation() if action is Action.INSTALL else car.update()
    signature = car.sign(body)
    return verify_request(body, signature, encoded(body, signature), trusted(), NOW)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (Status.ACTIVE, Verdict.ACCEPTED),
        (Status.BLOCKED, Verdict.BLOCKED),
        (Status.CANCELED, Verdict.BLOCKED),
    ],
)
async def test_the_status_decides(status: Status, verdict: Verdict) -> None:
    site = backend()
    site.store.set_status(E, status)
    assert (await site.authorize_contract("DE*AAA*E1", proved())) is verdict


async def test_a_contract_without_an_owner_is_unknown() -> None:
    site = LocalBackend(ContractStore())
    assert (await site.authorize_contract("DE*AAA*E1", proved())) is Verdict.UNKNOWN


async def test_people_without_a_contract_are_refused_unless_configured() -> None:
    assert (await LocalBackend(ContractStore()).authorize_external("x")) is False
    assert (await LocalBackend(ContractStore(), allow_external=True).authorize_external("x")) is True


@pytest.mark.threat("T20-19")
async def test_the_same_contract_at_two_outlets_is_reported() -> None:  # PNC-16
    site = backend()

    assert await site.authorize_contract("DE*AAA*E1", proved()) is Verdict.ACCEPTED
    assert await site.authorize_contract("DE*AAA*E2", proved()) is Verdict.ACCEPTED
    (event,) = site.store.log.events("suspicious")
    assert event.rule == "possible_relay"
    assert "DE*AAA*E1 and DE*AAA*E2" in event.text


@pytest.mark.parametrize("action", list(Action))
async def test_a_known_car_gets_a_bundle_that_verifies(action: Action) -> None:
    site = backend()
    answer = await site.provision(asked(action))
    assert verify_response(answer.payload, asked(action), trusted(), NOW).emaid == E
    (delivered,) = site.store.certificates()
    assert delivered.emaid == E


def test_no_bundle_for_strangers_and_canceled_contracts() -> None:
    assert LocalBackend(ContractStore()).delivery.provision(asked()).refusal is Refusal.UNKNOWN
    site = backend()
    site.store.set_status(E, Status.CANCELED)
    assert site.delivery.provision(asked()).refusal is Refusal.CANCELED


def test_a_car_of_the_same_name_with_another_certificate_gets_nothing() -> None:
    site = LocalBackend(ContractStore(), issuer=mobility_operator(), service=provisioning_service())
    site.store.add_contract(E.text)
    site.store.add_car(hierarchy(b"another PKI")[Kind.OEM_LEAF].certificate, E)
    assert site.delivery.provision(asked()).refusal is Refusal.UNKNOWN
    assert [event.rule for event in site.store.log.events("suspicious")] == ["other_certificate"]


async def test_everything_that_happens_is_recorded_and_counted() -> None:
    site = backend()
    contract = proved()
    refusal = ContractRefused(
        "PaymentDetailsReq", iso2.ResponseCode.FAILED_CERT_CHAIN_ERROR, "no_anchor", "unknown root"
    )
    receipt = iso2.MeteringReceiptReq(
        id="id1", session_id=bytes(8), meter_info=iso2.MeterInfo(meter_id="M", meter_reading=42)
    )
    signed = verify_receipt(contract, receipt, wallet().sign(receipt))

    await site.record_contract("E1", ContractGranted(contract, GrantSource.BACK_END))
    await site.record_contract("E1", refusal)
    await site.record_contract("E1", refusal)
    await site.record_contract("E1", StoreReceipt(signed))
    assert site.store.log.counts() == {("granted", "back_end"): 1, ("refused", "no_anchor"): 2}
    (kept,) = site.store.log.receipts()
    assert (kept.energy, kept.emaid) == (42, "DEABC000000001G")
    assert len(kept.signature) == 64


def ends_soon() -> VerifiedContract:
    """A contract with ten days left, proved."""
    car = wallet(contract_leaf(not_after=NOW + 10 * DAY))
    shown = present(car.chain_message(), car.emaid, trusted(), NOW)
    request = car.authorization(CHALLENGE)
    return verify(shown, request, car.sign(request), CHALLENGE, now=NOW)


async def test_a_car_that_learns_of_the_end_finds_its_next_contract_ready() -> None:
    site = backend()

    for _ in range(2):
        assert await site.authorize_contract("E1", ends_soon()) is Verdict.ACCEPTED
    assert [event.rule for event in site.store.log.events("renewed")] == ["prepared"]
    assert verify_response(site.delivery.provision(asked()).payload, asked(), trusted(), NOW).emaid == E


async def test_a_next_contract_that_cannot_be_made_keeps_no_car_from_charging() -> None:
    site = LocalBackend(ContractStore())
    site.store.add_contract(E.text)
    site.store.add_car(identity(Kind.OEM_LEAF).certificate, E)
    assert (await site.authorize_contract("E1", ends_soon())) is Verdict.ACCEPTED
    assert [event.rule for event in site.store.log.events("renewal failed")] == ["no_issuer"]


def test_a_bundle_of_an_earlier_contract_is_not_given_out_for_another() -> None:
    site = backend()
    site.delivery.prepare(E)
    site.store.add_contract("DEABC000000002")
    site.store.add_car(identity(Kind.OEM_LEAF).certificate, EMAID.parse("DEABC000000002"))
    answer = site.delivery.provision(asked())
    assert str(verify_response(answer.payload, asked(), trusted(), NOW).emaid) == "DEABC000000002"


def test_what_happened_is_bounded_and_its_number_is_not() -> None:
    store = ContractStore(max_events=10)
    for number in range(25):
        store.log.add_event(Event(NOW, "refused", "", "E1", "no_anchor", str(number)))
    assert [event.text for event in store.log.events()] == [str(number) for number in range(15, 25)]
    assert store.log.counts() == {("refused", "no_anchor"): 25}


def back_to_one_generation(store: ContractStore) -> None:
    """The tables as version 3 had them, with their rows."""
    db = store._database._db
    db.execute("ALTER TABLE certificate DROP COLUMN generation")
    db.execute("ALTER TABLE car RENAME TO newer")
    db.execute("CREATE TABLE car (pcid TEXT PRIMARY KEY, certificate BLOB)")
    db.execute("INSERT INTO car SELECT pcid, certificate FROM newer")
    db.execute("DROP TABLE newer")
    db.execute("PRAGMA user_version=3")


def test_a_store_of_one_generation_keeps_its_cars_and_certificates(tmp_path: Path) -> None:
    store = ContractStore(tmp_path / "site.db")
    store.add_contract("DEABC000000001G")
    store.add_car(identity(Kind.OEM_LEAF).certificate, E)
    store.add_certificate(contract_leaf().certificate)
    back_to_one_generation(store)
    store.close()
    again = ContractStore(tmp_path / "site.db")
    assert [(one.emaid, one.generation) for one in again.cars()] == [(E, Generation.ISO2)]
    assert [one.generation for one in again.certificates()] == [Generation.ISO2]


def test_a_store_of_the_first_version_keeps_its_counts(tmp_path: Path) -> None:
    store = ContractStore(tmp_path / "site.db")
    store.log.add_event(Event(NOW, "refused", "", "E1", "no_anchor", ""))
    back_to_one_generation(store)
    db = store._database._db
    db.execute("DROP TABLE tally")
    db.execute("DROP TABLE contract")
    store._database._db.execute(
        "CREATE TABLE contract (key TEXT PRIMARY KEY, emaid TEXT, status TEXT, pcid TEXT)"
    )
    store._database._db.execute(
        "INSERT INTO contract VALUES ('DEABC000000001', 'DEABC000000001G', 'active', NULL)"
    )
    store._database._db.execute("PRAGMA user_version=1")
    store.close()
    again = ContractStore(tmp_path / "site.db")
    assert again.log.counts() == {("refused", "no_anchor"): 1}
    found = again.contract(E)
    assert found is not None
    assert (found.status, found.begins, found.ends) == (Status.ACTIVE, None, None)


def test_a_prepared_bundle_that_has_ended_is_made_again() -> None:
    site = ending_in(20)
    monitor = RenewalMonitor(site)
    monitor.look(NOW)
    later = NOW + 400 * DAY
    assert not site.store.bundles.waits(E, Generation.ISO2, now=later)
    monitor.look(later)
    assert len(site.store.log.events("renewed")) == 2


def test_a_prepared_bundle_is_of_no_use_after_the_certificate_of_its_cps_has_ended() -> None:
    """A car would refuse it, although its contract has not ended."""
    clock = Clock()
    site = backend(clock=clock)
    site.delivery.prepare(E)
    leaf, until = site.store._database.rows("SELECT leaf, until FROM bundle")[0]
    cps = identity(Kind.CPS_LEAF).certificate.not_after
    assert datetime.datetime.fromisoformat(until) == min(cps, read_certificate(leaf).not_after)
    site.store._database._db.execute("UPDATE bundle SET until = ?", (NOW.isoformat(),))
    assert not site.store.bundles.waits(E, Generation.ISO2, now=NOW)
    assert site.store.bundles.take(E, identity(Kind.OEM_LEAF).certificate, NOW) is None


def test_a_bundle_made_before_another_renewal_is_discarded() -> None:
    """A car that has got its next certificate by an update must not get an older one at an installation."""
    site = ending_in(20)
    RenewalMonitor(site).look(NOW)
    site.delivery.provision(asked(Action.UPDATE))
    assert not site.store.bundles.waits(E, Generation.ISO2)


def test_a_new_end_of_a_contract_discards_a_bundle_that_ends_later() -> None:
    site = ending_in(20)
    RenewalMonitor(site).look(NOW)
    site.store.set_end(E, NOW + 60 * DAY)
    assert not site.store.bundles.waits(E, Generation.ISO2)


def bounded(begins: datetime.datetime | None, ends: datetime.datetime | None) -> LocalBackend:
    """A site whose contract has a limited validity."""
    site = LocalBackend(
        ContractStore(), issuer=mobility_operator(), service=provisioning_service(), clock=Clock()
    )
    site.store.add_contract(E.text, begins=begins, ends=ends)
    site.store.add_car(identity(Kind.OEM_LEAF).certificate, E)
    return site


@pytest.mark.parametrize(
    ("begins", "ends", "verdict", "refusal"),
    [
        (NOW - DAY, NOW + DAY, Verdict.ACCEPTED, None),
        (NOW + DAY, None, Verdict.BLOCKED, Refusal.UNKNOWN),
        (None, NOW - DAY, Verdict.EXPIRED, Refusal.CANCELED),
    ],
)
async def test_a_contract_has_a_separate_validity(
    begins: datetime.datetime | None,
    ends: datetime.datetime | None,
    verdict: Verdict,
    refusal: Refusal | None,
) -> None:
    site = bounded(begins, ends)
    assert (await site.authorize_contract("E1", proved())) is verdict
    assert site.delivery.provision(asked()).refusal is refusal


def test_a_certificate_never_outlives_its_contract() -> None:
    site = bounded(None, NOW + 40 * DAY)
    site.delivery.provision(asked())
    assert [one.not_after for one in site.store.certificates()] == [NOW + 40 * DAY]
    (found,) = RenewalMonitor(site).look(NOW + 20 * DAY)
    assert (found.prepared, found.failure) == (False, "")  # nothing to renew
    site.store.set_end(E, NOW + 400 * DAY)
    (found,) = RenewalMonitor(site).look(NOW + 20 * DAY)
    assert found.prepared


# --- the store --------------------------------------------------------------------------------------------


def test_the_store_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    site = backend(tmp_path / "site.db")
    site.delivery.provision(asked())
    site.store.close()
    again = backend(tmp_path / "site.db")
    assert again.store.contract(EMAID.parse("de-abc-000000001")) is not None
    assert len(again.store.certificates()) == 1
    assert again.store.car(PCID.parse("ZZZTESTCAR0000001")) == identity(Kind.OEM_LEAF).certificate


def test_no_private_key_is_on_the_disk(tmp_path: Path) -> None:
    made = []
    issuer = mobility_operator()
    site = LocalBackend(
        ContractStore(tmp_path / "site.db"), issuer=issuer, service=provisioning_service(), clock=Clock()
    )
    site.store.add_contract(E.text)
    site.store.add_car(identity(Kind.OEM_LEAF).certificate, E)
    original = issuer.issue

    def issue(emaid: str, now: datetime.datetime, *, latest: datetime.datetime | None = None) -> object:
        made.append(original(emaid, now, latest=latest))
        return made[-1]

    issuer.issue = issue  # type: ignore[method-assign, assignment]
    site.delivery.provision(asked())
    site.store.close()
    secret = made[0].p256_key.private_numbers().private_value.to_bytes(32, "big")
    assert all(secret not in path.read_bytes() for path in tmp_path.iterdir())


def test_one_contract_once_and_only_known_ones() -> None:
    store = ContractStore()
    store.add_contract("DE-ABC-000000001-G")
    with pytest.raises(CertificateError):
        store.add_contract("DEABC000000001")
    with pytest.raises(IdentifierError):
        store.add_contract("nobody")
    with pytest.raises(KeyError):
        store.set_status(EMAID.parse("DEABC000000009"), Status.BLOCKED)


def test_a_store_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    store = ContractStore(tmp_path / "site.db")
    store._database._db.execute("PRAGMA user_version=99")
    store.close()
    with pytest.raises(CertificateError, match="version 99"):
        ContractStore(tmp_path / "site.db")


# --- renewal ----------------------------------------------------------------------------------------------


def ending_in(days: float) -> LocalBackend:
    clock = Clock()
    site = backend(clock=clock)
    site.store.add_certificate(contract_leaf(not_after=NOW + days * DAY).certificate)
    return site


@pytest.mark.parametrize(("days", "level"), [(29, 30), (14, 14), (10, 14), (3, 7), (-0.5, 0)])
def test_what_ends_soon_is_reported_with_its_level(days: float, level: int) -> None:
    (found,) = RenewalMonitor(ending_in(days)).look(NOW)
    assert (found.what, found.level, found.prepared, found.failure) == ("contract", level, True, "")


def test_what_ends_later_is_left_alone() -> None:
    site = ending_in(31)
    assert RenewalMonitor(site).look(NOW) == ()
    assert not site.store.bundles.waits(E, Generation.ISO2)


def test_the_prepared_bundle_is_what_the_car_gets_next() -> None:
    site = ending_in(20)
    monitor = RenewalMonitor(site)
    monitor.look(NOW)
    monitor.look(NOW)
    assert [event.rule for event in site.store.log.events("renewed")] == ["prepared"]
    answer = site.delivery.provision(asked())
    assert verify_response(answer.payload, asked(), trusted(), NOW).emaid == E
    assert monitor.look(NOW) == ()


def test_a_renewal_that_fails_says_why() -> None:
    site = ending_in(20)
    site.store.add_contract("DEABC000000002")
    site.store.add_car(identity(Kind.OEM_LEAF).certificate, EMAID.parse("DEABC000000002"))  # takes the car
    (found,) = RenewalMonitor(site).look(NOW)
    assert found.failure == "no car of iso15118-2 is known"
    assert site.store.log.events("renewal failed")[0].rule == "no_car"


def test_stations_are_watched_as_well() -> None:
    leaf = hierarchy()[Kind.SECC_LEAF].certificate
    monitor = RenewalMonitor(backend(), stations=[leaf])
    assert monitor.look(NOW) == ()
    (found,) = monitor.look(leaf.not_after - 5 * DAY)
    assert (found.what, found.level) == ("station", 7)


def test_events_come_back_as_they_were() -> None:
    store = ContractStore()
    event = Event(NOW, "refused", "who", "E1", "rule", "text")
    store.log.add_event(event)
    assert store.log.events() == (event,)
