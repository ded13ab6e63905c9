"""What a session knows of the contracts that are delivered to its vehicle, and whether they are offered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secc.messages import iso20_common as m
from secc.pki.identifiers import EMAID
from secc.pki.installation import InstallationRequest, VerifiedInstallation
from secc.pki.provisioning import ProvisioningAnswer
from secc.session.ticket import Ticket

if TYPE_CHECKING:
    from secc.session.context import Context


class InstallationQuestion(msgspec.Struct, frozen=True):
    """The back end has been asked for a contract, and perhaps has answered."""

    ticket: Ticket
    request: InstallationRequest
    message: m.CertificateInstallationReq
    """The request of the vehicle: it repeats it until there is an answer [V2G20-1972]."""
    answer: ProvisioningAnswer | None = None
    bundle: VerifiedInstallation | None = None
    """The answer, if it was verified in a thread."""

    def repeats(self, message: m.CertificateInstallationReq) -> bool:
        """Return whether a request is the same one: only its header may differ."""
        ours, other = self.message, message
        return (
            ours.oem_provisioning_certificate_chain == other.oem_provisioning_certificate_chain
            and ours.list_of_root_certificate_ids == other.list_of_root_certificate_ids
            and ours.maximum_contract_certificate_chains == other.maximum_contract_certificate_chains
            and ours.prioritized_emai_ds == other.prioritized_emai_ds
        )


class Installing(msgspec.Struct):
    """Installation of contracts in one session."""

    question: InstallationQuestion | None = None
    """One at a time."""
    asked: int = 0
    """How many times the back end was asked."""
    warned: int = 0
    """How many requests ended with a warning."""
    delivered: tuple[EMAID, ...] = ()
    complete: bool = False
    """The last answer had no remaining contract: AuthorizationReq follows [V2G20-1975]."""


def offered(session: Context) -> bool:
    """Return whether contracts can be installed: the back end delivers them, the operator permits it, and the
    clock is set, as certificates cannot be judged without it."""
    terms, config = session.contracts, session.config.pnc
    if terms is None or not (
        terms.installs and config.certificate_service and session.config.iso20.contracts
    ):
        return False
    return session.transport.carries_iso20 and session.utc >= terms.policy.chain.earliest
