"""What Plug and Charge adds to the inputs and outputs of a session; see `events` for the rules they follow.

What a back end gets are proofs: `VerifiedContract`, `ProvisioningRequest` and `VerifiedReceipt` can only be
made by the code that verified them; a `ForwardedContract`, proved but under a root that is not known here,
goes only to a back end that validates chains itself. A decision about a contract is another class than one
about a person at the outlet, so that neither can pass for the other.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar, Protocol

import msgspec

from secc.session.ticket import Ticket

if TYPE_CHECKING:
    from secc.pki.contract import (
        ContractPolicy,
        Evidence,
        ForwardedContract,
        PresentedContract,
        VerifiedContract,
    )
    from secc.pki.provisioning import Action, ProvisioningAnswer, ProvisioningRequest, VerifiedBundle
    from secc.pki.receipts import VerifiedReceipt
    from secc.pki.trust import TrustStore
    from secc.pki.vehicle import VehicleIdentity

if TYPE_CHECKING:  # it has the message classes of ISO 15118-20, which other protocols do not need
    from secc.pki.installation import InstallationRequest, VerifiedInstallation

__all__ = [
    "AskRevocation",
    "AuthorizeContract",
    "ContractDecided",
    "ContractDelivered",
    "ContractGranted",
    "ContractInput",
    "ContractJudged",
    "ContractOutput",
    "ContractProvisioned",
    "ContractRecord",
    "ContractRefused",
    "ContractTerms",
    "GrantSource",
    "JudgeContract",
    "Judgement",
    "Provision",
    "RevocationReported",
    "StoreReceipt",
    "Verdict",
]


class ContractTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a session must know to deal with contracts; without it none is offered."""

    trust: TrustStore
    """MO, V2G and OEM roots."""
    policy: ContractPolicy
    """How contracts are judged."""
    provisions: frozenset[Action] = frozenset()
    """What the back end can do for a car that has no contract, or an old one."""
    installs: bool = False
    """The same in ISO 15118-20: the back end delivers contracts to vehicles."""
    finds_revocation: bool = False
    """OCSP responses or CRLs can be fetched on request."""
    known: frozenset[str] = frozenset()
    """Fingerprints of contracts that the back end has accepted lately, for times when it is away."""
    central: bool = False
    """The back end validates chains whose root is not known here, and is wanted to."""


class Verdict(enum.StrEnum):
    """What a back end thinks of a contract; everything but ACCEPTED and UNREACHABLE is a refusal."""

    ACCEPTED = "accepted"
    UNKNOWN = "unknown contract"
    BLOCKED = "contract blocked or canceled"
    EXPIRED = "contract expired"
    REVOKED = "certificate revoked"
    UNTRUSTED = "chain leads to no root that is accepted"
    TOO_OFTEN = "refused too often lately, not asked again"
    WITHDRAWN = "withdrawn"
    UNREACHABLE = "back end not reachable"
    """It did not decide: the offline policy does."""


class GrantSource(enum.StrEnum):
    """Who has granted."""

    BACK_END = "back end"
    KNOWN = "accepted lately, back end away"
    CHAIN = "valid chain, back end away"


# --- inputs ------------------------------------------------------------------------------------------------


class ContractDecided(msgspec.Struct, frozen=True):
    """Answer to `AuthorizeContract`. A refusal may come later too: it withdraws, finally [INV-11]."""

    ticket: Ticket
    verdict: Verdict


class RevocationReported(msgspec.Struct, frozen=True):
    """Answer to `AskRevocation`: what could be found, perhaps nothing."""

    ticket: Ticket
    evidence: Evidence


class ContractProvisioned(msgspec.Struct, frozen=True):
    """Answer to `Provision`."""

    ticket: Ticket
    answer: ProvisioningAnswer
    proof: object = None
    """ISO 15118-20: the `VerifiedInstallation` that a thread has made; without it the session verifies."""

    UNTRACED: ClassVar[frozenset[str]] = frozenset({"proof"})


class ContractJudged(msgspec.Struct, frozen=True):
    """Answer to `JudgeContract`: the judgement is made, or may as well be made by the session now."""

    ticket: Ticket


ContractInput = ContractDecided | RevocationReported | ContractProvisioned | ContractJudged


# --- outputs -----------------------------------------------------------------------------------------------


class Judgement(Protocol):
    """A verification of certificates and signatures. It is a pure function of what it was made with, and
    keeps its result: the first call of `judge` computes it."""

    def judge(self) -> None:
        """Compute the result, once; takes milliseconds, raises nothing, and may run in any thread."""
        ...


class JudgeContract(msgspec.Struct, frozen=True):
    """Call `judge` away from the event loop, then answer with `ContractJudged`."""

    ticket: Ticket
    judgement: Judgement

    def __repr__(self) -> str:
        """Without what is judged [INV-25]."""
        return f"JudgeContract({self.ticket!r})"


class AskRevocation(msgspec.Struct, frozen=True):
    """Is a certificate of this chain revoked? Answer with `RevocationReported`."""

    ticket: Ticket
    contract: PresentedContract


class AuthorizeContract(msgspec.Struct, frozen=True):
    """May the owner of this contract charge? Answer with `ContractDecided`."""

    ticket: Ticket
    contract: VerifiedContract | ForwardedContract


class Provision(msgspec.Struct, frozen=True):
    """The car wants a contract. Answer with `ContractProvisioned`; a late answer is for its next try."""

    ticket: Ticket
    request: ProvisioningRequest | InstallationRequest


class StoreReceipt(msgspec.Struct, frozen=True):
    """Keep this: a meter reading signed by the owner of the contract."""

    receipt: VerifiedReceipt


class ContractDelivered(msgspec.Struct, frozen=True):
    """For the record: a car has been sent a contract, as the back end made it."""

    request: ProvisioningRequest | InstallationRequest
    bundle: VerifiedBundle | VerifiedInstallation | None
    """None: it did not verify, and the operator wants the car to judge (`pnc.forward_unverified`)."""
    complaint: str = ""
    """Why it did not verify."""


class ContractGranted(msgspec.Struct, frozen=True):
    """For the record: a contract may charge, by whose word, and under which root."""

    contract: VerifiedContract | ForwardedContract
    source: GrantSource
    vehicle: VehicleIdentity | None = None
    """The vehicle that showed it, if the EV has proved in TLS which one it is."""


class ContractRefused(msgspec.Struct, frozen=True):
    """For the record: a step of Plug and Charge was refused, and why; none is refused without it."""

    step: str
    """Name of the request."""
    code: enum.StrEnum
    """The response code that the EV got."""
    rule: str
    """The rule that was broken, or the verdict of the back end; stable, to count by."""
    text: str
    """For people; may hold an eMAID or PCID."""
    identity: str = ""
    """eMAID or PCID by the certificate, as far as it is known."""


ContractRecord = StoreReceipt | ContractDelivered | ContractGranted | ContractRefused
"""What is kept of a session."""

ContractOutput = JudgeContract | AskRevocation | AuthorizeContract | Provision | ContractRecord
