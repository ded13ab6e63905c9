"""The verification of an AuthorizationReq with a contract, as a job that may run beside the event loop."""

from __future__ import annotations

import datetime

from secc.errors import CertificateError
from secc.messages.iso20_common import PnCAReqAuthorizationMode
from secc.messages.xmldsig import Signature
from secc.pki.contract import (
    ContractPolicy,
    ForwardedContract,
    VerifiedContract,
    authorize,
    authorize_forwarded,
)
from secc.pki.rules import Rule
from secc.pki.trust import TrustStore


class ContractJudgement:
    """A signed request with a chain, and all that is needed to judge it: four verifications of signatures.

    The result is a pure function of the arguments and is kept. A session therefore gets the same one whether
    a thread has computed it, or a replay of the session computes it when it is needed.
    """

    __slots__ = ("_arguments", "_central", "_result")

    def __init__(
        self,
        mode: PnCAReqAuthorizationMode,
        signature: Signature | None,
        challenge: bytes,
        *,
        trust: TrustStore,
        now: datetime.datetime,
        policy: ContractPolicy,
        central: bool = False,
    ) -> None:
        """`central`: a chain whose root is not in `trust` is judged by the back end."""
        self._arguments = (mode, signature, challenge, trust, now, policy)
        self._central = central
        self._result: VerifiedContract | ForwardedContract | CertificateError | None = None

    def judge(self) -> None:
        """Compute the result, unless it is there."""
        if self._result is None:
            self._result = self._judged()

    @property
    def contract(self) -> VerifiedContract | ForwardedContract:
        """The proven contract. Raises CertificateError for the first broken rule."""
        self.judge()
        if isinstance(self._result, CertificateError):
            raise self._result
        if self._result is None:
            raise RuntimeError("a judgement without a result")
        return self._result

    def _judged(self) -> VerifiedContract | ForwardedContract | CertificateError:
        mode, signature, challenge, trust, now, policy = self._arguments
        try:
            return authorize(mode, signature, challenge, trust, now, policy)
        except CertificateError as error:
            if error.rule != Rule.NO_ANCHOR or not self._central:
                return error
        try:
            return authorize_forwarded(mode, signature, challenge, now, policy)
        except CertificateError as error:
            return error
