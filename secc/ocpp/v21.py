"""Messages of OCPP 2.1: those of 2.0.1, with what 2.1 adds for ISO 15118-20. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from secc.ocpp import v201
from secc.ocpp.dialect import Request, from_iso
from secc.ocpp.model import AuthorizeAnswer, Payload, StopReason, TransactionEvent
from secc.ocpp.profile_model import Period
from secc.pki.contract import OcspRequestData
from secc.settings.ocpp import OcppVersion

DISCHARGING = frozenset({"AC_BPT", "AC_BPT_DER", "AC_DER", "DC_BPT", "DC_ACDP_BPT"})
"""EnergyTransferMode in which energy may flow from the EV."""


class V21(v201.V201):
    """Implements `secc.ocpp.dialect.OcppDialect`."""

    version = OcppVersion.V21

    def read_authorize(self, answer: Payload) -> AuthorizeAnswer | None:
        """The permission for energy transfer is absent for charging only (Q01)."""
        found = v201.read_authorize_body(answer)
        return msgspec.structs.replace(
            found, transfer=tuple(answer.get("allowedEnergyTransfer", ())), tariff=answer.get("tariff")
        )

    def sign_certificate(self, csr: str, kind: str, number: int) -> Request:
        return "SignCertificate", {"csr": csr, "certificateType": kind, "requestId": number}

    def event(self, event: TransactionEvent, number: int | None) -> Request | None:
        body = v201.event_body(event)
        if event.reason is StopReason.TRANSFER_REJECTED:
            body["transactionInfo"]["stoppedReason"] = event.reason.value
        if event.evccid and "idToken" in body:  # Q01.FR.02
            body["idToken"]["additionalInfo"] = [{"additionalIdToken": event.evccid, "type": "EVCCID"}]
        return "TransactionEvent", body


def read_update(body: Payload, unit: str) -> Period:
    """Read ChargingScheduleUpdateType, in the unit of the profile; None for values that are absent."""
    return Period(
        start=0,
        limit=v201.total(body, "limit", unit),
        discharge=v201.total(body, "dischargeLimit", unit),
        setpoint=v201.total(body, "setpoint", unit),
    )


def chain_status_body(chain: Sequence[OcspRequestData]) -> Payload:
    """Return GetCertificateChainStatus for at most four certificates, leaf first."""
    rows = [
        {
            "certificateHashData": {
                "hashAlgorithm": one.hash_algorithm,
                "issuerNameHash": one.issuer_name_hash,
                "issuerKeyHash": one.issuer_key_hash,
                "serialNumber": one.serial_number,
            },
            "source": "OCSP",
            "urls": [one.responder_url],
        }
        for one in chain[:4]
    ]
    return {"certificateStatusRequests": rows}


def read_chain_status(answer: Payload, asked: Sequence[OcspRequestData]) -> tuple[str, float | None]:
    """Return Good, Revoked or Unknown for the whole chain, and until when it holds in Unix seconds.

    One revoked certificate is enough; Good needs an answer for each of them.
    """
    found = {one["certificateHashData"]["serialNumber"].lower(): one for one in answer["certificateStatus"]}
    rows = [found.get(one.serial_number.lower()) for one in asked[:4]]
    if any(row is not None and row["status"] == "Revoked" for row in rows):
        return "Revoked", None
    if any(row is None or row["status"] != "Good" for row in rows):
        return "Unknown", None
    times = [from_iso(row["nextUpdate"]) for row in rows if row is not None]
    return "Good", None if None in times else min(time for time in times if time is not None)


def install_body(namespace: str, exi: bytes, most: int, wanted: tuple[str, ...]) -> Payload:
    """Return Get15118EVCertificate for ISO 15118-20: the number of contracts that the EV can store, and the
    eMAIDs that it prefers."""
    body = v201.provision_body("Install", namespace, exi)
    body["maximumContractCertificateChains"] = most
    if wanted:
        body["prioritizedEMAIDs"] = list(wanted[:8])
    return body
