"""Plug and Charge of ISO 15118-20 over real sockets: mutual TLS 1.3, signatures verified in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.pki.certificates import Certificate, read_chain
from secc.pki.contract import ForwardedContract, VerifiedContract
from secc.pki.hierarchy import HierarchyNames, make_iso20_hierarchy
from secc.pki.issuing import Holder, Order, issue
from secc.pki.keys import KeyType, new_private_key, read_private_key
from secc.pki.kinds import Generation, Kind
from secc.ports import CentralValidation, ContractBackend
from secc.records import MessageRecord, OutputRecord, Record
from secc.session.contract_events import ContractGranted, ContractRefused, JudgeContract, Verdict
from secc.session.iso20.services import Service
from secc.session.outputs import EndReason, EndSession
from secc.settings import PncConfig, RevocationCheck, SeccConfig, ServiceConfig, TrustConfig
from secc.settings.services import Payment
from secc.sim import AutoPilot, EvResult, ScriptedEvcc, SimulatedCable, SimulatedDcEvse
from secc.sim.iso20 import ContractFault, Iso20Contract, Iso20Plan
from secc.station.station import Station
from secc.trace import read, replay
from secc.trace.recorder import Recorder
from tests.station.test_iso20 import VEHICLE, configuration
from tests.support.contracts import DAY
from tests.support.tls13 import OLD, PKI20
from tests.support.wire import GrantingBackend, eventually

TODAY = datetime.datetime.now(datetime.UTC)
CHAIN = read_chain((PKI20 / "contract_chain.pem").read_bytes())
KEY = read_private_key((PKI20 / "contract_leaf_key.pem").read_bytes())
PLAN = Iso20Plan(loops=3, pace=0.02)
Contracts = Sequence[Iso20Contract]


def config(base: SeccConfig | None = None, **pnc: object) -> SeccConfig:
    """A public station that accepts contracts under the MO root of the test hierarchy."""
    roots = {f"{name}_roots": (PKI20 / f"{name}_root.pem",) for name in ("v2g", "mo", "oem")}
    fields = {"revocation": RevocationCheck.PREFER, **pnc}
    return dataclasses.replace(
        base or configuration(Service.DC, tls=True),
        service=ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL)),
        trust=TrustConfig(**roots),
        pnc=PncConfig(**fields),  # type: ignore[arg-type]
    )


class DecidingBackend(GrantingBackend, ContractBackend):
    """Decides about contracts as it is told, in turn; the last decision stays."""

    def __init__(self, *verdicts: Verdict) -> None:
        super().__init__()
        self.verdicts = list(verdicts or (Verdict.ACCEPTED,))
        self.contracts: list[VerifiedContract | ForwardedContract] = []
        self.hold: asyncio.Event | None = None

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> Verdict:
        self.contracts.append(contract)
        if self.hold is not None:
            await self.hold.wait()
        return self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]


class CentralBackend(DecidingBackend, CentralValidation):
    """Validates chains itself."""

    async def validate_contract(self, evse_id: str, contract: ForwardedContract) -> Verdict:
        self.contracts.append(contract)
        return Verdict.ACCEPTED


@dataclasses.dataclass
class Scene:
    """A running station, and the EVs that come."""

    station: Station
    backend: DecidingBackend
    records: list[Record]
    cable: SimulatedCable

    async def charge(self, contracts: Contracts, **plan: object) -> EvResult:
        ev = ScriptedEvcc(
            dataclasses.replace(PLAN, contracts=tuple(contracts), **plan),  # type: ignore[arg-type]
            cable=self.cable,
            tls=True,
            roots=PKI20 / "v2g_root.pem",
            certificate=VEHICLE,
            sdp_port=self.station.sdp_port or 0,
            patience=8.0,
        )
        return await ev.charge()

    def outputs(self, kind: type) -> list[object]:
        found = [record.output for record in self.records if isinstance(record, OutputRecord)]
        return [output for output in found if isinstance(output, kind)]

    @property
    def rules(self) -> list[str]:
        return [one.rule for one in self.outputs(ContractRefused) if isinstance(one, ContractRefused)]

    @property
    def messages(self) -> list[object]:
        return [record.message for record in self.records if isinstance(record, MessageRecord)]

    @property
    def codes(self) -> list[str]:
        """Of AuthorizationRes, without repetition."""
        found = [str(one.response_code) for one in self.messages if isinstance(one, common.AuthorizationRes)]
        return [code for at, code in enumerate(found) if at == 0 or found[at - 1] != code]

    @property
    def end(self) -> EndSession:
        last = self.outputs(EndSession)[-1]
        assert isinstance(last, EndSession)
        return last


@contextlib.asynccontextmanager
async def contract_station(
    backend: DecidingBackend | None = None,
    settings: SeccConfig | None = None,
    trace: list[str] | None = None,
) -> AsyncIterator[Scene]:
    """A station that accepts contracts."""
    cable, records = SimulatedCable(), list[Record]()
    follows, chosen = AutoPilot(cable), settings or config()

    def report(record: Record) -> None:
        records.append(record)
        follows(record)

    now = asyncio.get_running_loop().time()
    recorder = None if trace is None else Recorder(trace.append, chosen, now=now, wall=0.0)
    evse = SimulatedDcEvse(cable, isolation_time=0.02)
    decides = backend or DecidingBackend()
    async with Station(chosen, evse, decides, reporter=report, sdp_port=0, recorder=recorder) as station:
        yield Scene(station, decides, records, cable)


def contract(fault: ContractFault | None = None, **more: object) -> Iso20Contract:
    """That of the test hierarchy."""
    return Iso20Contract(CHAIN, KEY, fault, **more)  # type: ignore[arg-type]


def issued(
    *, begin: int = -1, end: int = 365, emaid: str = "DEABC000000002E", subs: bool = True
) -> Iso20Contract:
    """Another contract of the test hierarchy, valid from and until so many days from now."""
    key = new_private_key(KeyType.SECP521R1, emaid.encode())
    issuer = Holder(CHAIN[1], read_private_key((PKI20 / "mo_sub_ca_2_key.pem").read_bytes()))
    order = Order(
        kind=Kind.CONTRACT_LEAF,
        generation=Generation.ISO20,
        common_name=emaid,
        organization="Test only",
        country="",
        serial=4711,
        not_before=TODAY + begin * DAY,
        not_after=TODAY + end * DAY,
        ocsp_url="http://ocsp.test.invalid/",
    )
    return Iso20Contract((issue(order, key.public_key(), issuer), *CHAIN[1:]), key)


def foreign(suffix: str = "Test") -> Iso20Contract:
    """A contract of another hierarchy, by default with the same names."""
    names = HierarchyNames(suffix=suffix)
    pki = make_iso20_hierarchy(not_before=TODAY - 10 * DAY, seed=b"another", names=names)
    kinds = (Kind.CONTRACT_LEAF, Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1)
    chain: tuple[Certificate, ...] = tuple(pki[kind].certificate for kind in kinds)
    return Iso20Contract(chain, pki[Kind.CONTRACT_LEAF].key)


# --- what is accepted -------------------------------------------------------------------------------------


@pytest.mark.parametrize("message_grammar", [False, True])
@pytest.mark.req("V2G20-1063", "V2G20-2564")
@pytest.mark.threat("T20-19")
async def test_a_car_charges_by_contract_with_signed_info_in_either_grammar(message_grammar: bool) -> None:
    async with contract_station() as scene:
        result = await scene.charge([contract(message_grammar=message_grammar)])
        assert result.completed, result.error
        assert result.energy > 0.0
        assert [str(one.emaid) for one in scene.backend.contracts] == ["DEABC000000001G"]
        (granted,) = scene.outputs(ContractGranted)
        assert isinstance(granted, ContractGranted)
        assert granted.vehicle is not None
        assert granted.vehicle.common_name == "ZZZVTESTCAR00000001X"
        assert scene.backend.asked == []  # external identification was not asked


async def test_a_trace_of_such_a_session_is_replayed_with_the_same_outputs(tmp_path: Path) -> None:
    """The thread's result is not in the trace: the replay verifies the signatures again."""
    lines: list[str] = []

    async with contract_station(trace=lines) as scene:
        assert (await scene.charge([contract()])).completed
        assert (await scene.charge([contract(ContractFault.WRONG_CHALLENGE)])).notes
    path = tmp_path / "pnc20.trace"
    path.write_text("".join(lines))
    found = read(path)
    assert len(found.sessions) == 2
    assert replay(found) is None
    assert not any(KEY_OF_TRUST in line for line in lines if '"JudgeContract"' in line)


KEY_OF_TRUST = '"anchors"'
"""A field of the trust store: a record of the question does not contain it."""


async def test_a_second_contract_is_tried_after_a_warning_and_external_identification_at_last() -> None:
    async with contract_station(DecidingBackend(Verdict.UNKNOWN, Verdict.ACCEPTED)) as scene:
        result = await scene.charge([contract(), issued()])
        assert result.completed, result.error
        assert scene.codes == ["OK", "WARNING_eMSPUnknown", "OK"]
        assert str(scene.backend.contracts[-1].emaid) == "DEABC000000002E"
        scene.records.clear()
        scene.backend.verdicts = [Verdict.BLOCKED]
        result = await scene.charge([contract()], external_last=True)
        assert result.completed, result.error
        assert scene.codes == ["OK", "WARNING_GeneralPnCAuthorizationError", "OK"]
        assert len(scene.backend.asked) == 1


async def test_a_back_end_that_validates_chains_gets_one_with_an_unknown_root() -> None:
    async with contract_station(CentralBackend(), config(central_validation=True)) as scene:
        result = await scene.charge([foreign("Elsewhere")])
        assert result.completed, result.error
        assert isinstance(scene.backend.contracts[0], ForwardedContract)


async def test_a_withdrawal_while_the_car_charges_ends_the_charge() -> None:
    async with contract_station() as scene:
        charging = asyncio.ensure_future(scene.charge([contract()], loops=10_000))
        await eventually(lambda: any(isinstance(one, dc.DCChargeLoopRes) for one in scene.messages))
        scene.station.withdraw_authorization()
        result = await charging
        assert "withdrawn" in scene.rules
        assert result.energy >= 0.0


# --- threats: each is refused, and the next car charges ---------------------------------------------------

FAULTS = {
    ContractFault.UNSIGNED: ("FAILED_SignatureError", "missing"),
    ContractFault.WRONG_KEY: ("FAILED_SignatureError", "signature"),
    ContractFault.WRONG_CHALLENGE: ("WARNING_ChallengeInvalid", "challenge"),
    ContractFault.ALTERED: ("FAILED_SignatureError", "digest"),
    ContractFault.WRONG_ID: ("FAILED_SignatureError", "references"),
    ContractFault.EXTRA_REFERENCE: ("FAILED_SignatureError", "references"),
    ContractFault.DER_SIGNATURE: ("FAILED_SignatureError", "value"),
    ContractFault.SWAPPED_SUB_CAS: ("WARNING_CertificateValidationError", "order"),
    ContractFault.MISSING_SUB_CA: ("WARNING_CertificateValidationError", "no_anchor"),
    ContractFault.NO_CERTIFICATE: ("WARNING_CertificateValidationError", "malformed"),
}


async def test_each_fault_of_a_contract_is_refused_with_its_code_and_the_next_car_charges() -> None:
    async with contract_station() as scene:
        for fault, (code, rule) in FAULTS.items():
            scene.records.clear()
            result = await scene.charge([contract(fault)])
            assert (fault, scene.codes, scene.rules) == (fault, [code], [rule])
            assert result.energy == 0.0
            expected = EndReason.REFUSED if code.startswith("FAILED") else EndReason.TERMINATED
            assert scene.end.reason is expected
        assert scene.backend.contracts == []
        assert (await scene.charge([contract()])).completed


@pytest.mark.inv("INV-23")
@pytest.mark.threat("T20-18")
async def test_a_request_of_an_earlier_session_is_refused() -> None:
    async with contract_station() as scene:
        car = contract(ContractFault.REPLAYED)
        assert (await scene.charge([car])).completed
        scene.records.clear()
        assert (await scene.charge([car])).energy == 0.0
        assert (scene.codes, scene.rules) == (["WARNING_ChallengeInvalid"], ["challenge"])


@pytest.mark.req("V2G20-1582", "V2G20-2702")
@pytest.mark.parametrize("fault", [ContractFault.OTHER_WHILE_PENDING, ContractFault.EXTERNAL_WHILE_PENDING])
@pytest.mark.threat("T20-17")
async def test_what_was_shown_cannot_be_exchanged_while_the_back_end_thinks(fault: ContractFault) -> None:
    backend = DecidingBackend()

    async with contract_station(backend) as scene:
        backend.hold = asyncio.Event()
        result = await scene.charge([contract(fault)])
        assert "FAILED_SequenceError" in result.error
        assert scene.codes[-1] == "FAILED_SequenceError"
        assert len(backend.contracts) == 1


async def test_certificates_that_do_not_hold_are_refused_each_with_its_code() -> None:
    cases = {
        "expired": (issued(begin=-20, end=-1), "WARNING_CertificateExpired"),
        "of tomorrow": (issued(begin=1), "WARNING_CertificateNotYetValid"),
        "of another root": (foreign(), "WARNING_CertificateValidationError"),
        "of a vehicle": (vehicle_as_contract(), "WARNING_CertificateValidationError"),
        "of ISO 15118-2": (older(), "WARNING_CertificateValidationError"),
    }

    async with contract_station() as scene:
        for name, (shown, code) in cases.items():
            scene.records.clear()
            result = await scene.charge([shown])
            assert (name, scene.codes) == (name, [code])
            assert result.energy == 0.0
        assert scene.backend.contracts == []


def vehicle_as_contract() -> Iso20Contract:
    """The TLS client certificate in the place of a contract."""
    key = read_private_key((PKI20 / "vehicle_leaf_key.pem").read_bytes())
    return Iso20Contract(read_chain((PKI20 / "vehicle_chain.pem").read_bytes()), key)


def older() -> Iso20Contract:
    """A contract on secp256r1."""
    key = read_private_key((OLD / "contract_leaf_key.pem").read_bytes())
    return Iso20Contract(read_chain((OLD / "contract_chain.pem").read_bytes()), key)


@pytest.mark.req("V2G20-2102")
async def test_a_car_that_tries_again_and_again_is_cut_off() -> None:
    async with contract_station() as scene:
        wrong = [contract(ContractFault.WRONG_CHALLENGE) for _ in range(7)]
        result = await scene.charge(wrong)
        assert scene.codes == ["WARNING_ChallengeInvalid", "FAILED"]
        assert len(scene.outputs(JudgeContract)) == 5
        assert "FAILED" in result.error
