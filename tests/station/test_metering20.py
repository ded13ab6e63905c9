"""Metering confirmation of ISO 15118-20 over real sockets: a car that signs the meter, and its faults."""

from __future__ import annotations

import dataclasses

import pytest

from secc.messages import iso20_common as common
from secc.pki.receipts import verify_evidence
from secc.ports import RecordsContracts
from secc.session.contract_events import ContractRecord, ContractRefused, StoreReceipt
from secc.session.outputs import EndReason
from secc.settings import SeccConfig
from secc.sim import EvResult
from secc.sim.iso20 import Iso20Contract, MeteringFault
from tests.station.test_contract20 import DecidingBackend, config, contract, contract_station


class KeepingBackend(DecidingBackend, RecordsContracts):
    """Keeps what is recorded about contracts."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[ContractRecord] = []

    async def record_contract(self, evse_id: str, record: ContractRecord) -> None:
        self.kept.append(record)

    @property
    def receipts(self) -> list[StoreReceipt]:
        return [record for record in self.kept if isinstance(record, StoreReceipt)]


def metered(interval: float | None = 0.2, **iso20: object) -> SeccConfig:
    """Confirmations each 0.2 s; the EV has half a second for each."""
    base = config(receipt_interval=interval)
    changed = dataclasses.replace(base.iso20, **({"metering_confirmation": 0.5} | iso20))  # type: ignore[arg-type]
    return dataclasses.replace(base, iso20=changed)


def confirmations(result: EvResult) -> list[str]:
    return [
        one.response.response_code.value
        for one in result.exchanges
        if isinstance(one.response, common.MeteringConfirmationRes)
    ]


@pytest.mark.req("V2G20-1082", "V2G20-1083", "V2G20-1084")
@pytest.mark.parametrize("beside", [True, False], ids=["side stream", "main stream"])
async def test_a_car_confirms_the_meter_and_the_evidence_is_kept(beside: bool) -> None:
    backend = KeepingBackend()

    async with contract_station(backend, metered()) as scene:
        result = await scene.charge([contract()], loops=30, metering_beside=beside)
        assert result.completed, result.error
        assert result.notes == []
        assert set(confirmations(result)) == {"OK"}
        assert len(backend.receipts) == len(confirmations(result))
        receipt = backend.receipts[-1].receipt
        assert receipt.session_id == result.session_id
        proof, leaf = receipt.proof, receipt.contract.chain.leaf
        verify_evidence(proof.elements[0].fragment(), proof.signed_info, proof.value, leaf)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (MeteringFault.WRONG_READING, "meter_info"),
        (MeteringFault.WRONG_METER, "meter_info"),
        (MeteringFault.WRONG_SESSION, "session"),
        (MeteringFault.WRONG_KEY, "signature"),
        (MeteringFault.UNSIGNED, "missing"),
    ],
)
async def test_a_wrong_confirmation_ends_the_session_and_is_no_evidence(
    fault: MeteringFault, rule: str
) -> None:
    backend = KeepingBackend()

    async with contract_station(backend, metered()) as scene:
        result = await scene.charge([contract()], loops=30, metering_fault=fault)
        assert result.error == "MeteringConfirmationRes: FAILED_MeteringSignatureNotValid"
        assert scene.end.reason is EndReason.REFUSED
        assert backend.receipts == []
        refused = [one for one in scene.outputs(ContractRefused) if isinstance(one, ContractRefused)]
        assert [(one.step, one.rule) for one in refused] == [("MeteringConfirmationReq", rule)]


@pytest.mark.parametrize("fault", [MeteringFault.TWICE, MeteringFault.UNASKED])
async def test_a_confirmation_that_is_not_requested_is_out_of_order(fault: MeteringFault) -> None:
    backend = KeepingBackend()

    async with contract_station(backend, metered()) as scene:
        result = await scene.charge([contract()], loops=30, metering_fault=fault)
        assert result.error == "MeteringConfirmationRes: FAILED_SequenceError"
        assert len(backend.receipts) == (1 if fault is MeteringFault.TWICE else 0)


async def test_a_car_that_never_confirms_charges_to_its_end() -> None:
    backend = KeepingBackend()

    async with contract_station(backend, metered()) as scene:
        result = await scene.charge([contract()], loops=30, metering_fault=MeteringFault.NEVER)
        assert result.completed, result.error
        assert backend.receipts == []


async def test_a_late_confirmation_still_counts() -> None:
    backend = KeepingBackend()

    async with contract_station(backend, metered(1.0, metering_confirmation=0.2)) as scene:
        late = {"loops": 40, "pace": 0.05, "metering_fault": MeteringFault.LATE}
        result = await scene.charge([contract()], **late)
        assert result.completed, result.error
        assert set(confirmations(result)) == {"OK"}
        assert len(backend.receipts) == len(confirmations(result))


async def test_a_car_that_pays_at_the_outlet_is_not_asked() -> None:
    backend = KeepingBackend()

    async with contract_station(backend, metered()) as scene:
        nothing: list[Iso20Contract] = []
        result = await scene.charge(nothing, loops=20)
        assert result.completed, result.error
        assert confirmations(result) == []
