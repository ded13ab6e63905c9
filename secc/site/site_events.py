"""What happens at a site, written into its store."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from secc.session.contract_events import (
    ContractDelivered,
    ContractGranted,
    ContractRecord,
    ContractRefused,
    StoreReceipt,
)
from secc.site.log import Event, StoredReceipt
from secc.site.store import ContractStore


class SiteEvents:
    """Adds events and receipts to the store of one site; its methods block."""

    def __init__(self, store: ContractStore, clock: Callable[[], datetime.datetime]) -> None:
        self._store = store
        self._clock = clock

    def add(self, kind: str, identity: str, evse_id: str = "", rule: str = "", text: str = "") -> None:
        """Add one event."""
        self._store.log.add_event(Event(self._clock(), kind, identity, evse_id, rule, text))

    def record(self, evse_id: str, record: ContractRecord) -> None:
        """Add a decision about a contract, or a signed receipt."""
        match record:
            case ContractGranted(contract, source):
                self.add("granted", str(contract.emaid), evse_id, source.name.lower(), source.value)
            case ContractDelivered(asked, bundle):
                text = "unverified"
                if bundle is not None:
                    text = f"{bundle.emaid} until {bundle.contract.leaf.not_after:%Y-%m-%d}"
                who = str(asked.pcid or asked.emaid)
                self.add("delivered", who, evse_id, asked.action.value.lower(), text)
            case ContractRefused():
                text = f"{record.step}: {record.code.value}, {record.text}"
                self.add("refused", record.identity, evse_id, record.rule, text)
            case StoreReceipt(receipt):
                self._store.log.add_receipt(
                    StoredReceipt(
                        at=self._clock(),
                        emaid=str(receipt.contract.emaid),
                        evse_id=evse_id,
                        session_id=receipt.session_id,
                        energy=receipt.energy,
                        fragment=receipt.proof.elements[0].fragment(),
                        signed_info=receipt.proof.signed_info,
                        signature=receipt.proof.value,
                        certificate=receipt.contract.chain.leaf.der,
                    )
                )
