"""Contracts for cars: queries to the back end, one for equal requests, and answers that came too late.

A query continues after the end of its session: its answer is for the next one. An answer is verified in a
thread before it is kept. Requests above the limit are not passed on; a signed request counts for its
certificate, so no device can use up the attempts of another.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING

from secc import pki
from secc.boundary.backend import CheckedBackend
from secc.boundary.calls import Complaints
from secc.errors import CertificateError, IntegrationError
from secc.settings.config import SeccConfig
from secc.station.attempts import Attempts

if TYPE_CHECKING:
    from secc.pki.contract import ContractPolicy
    from secc.pki.installation import InstallationRequest, VerifiedInstallation
    from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest
    from secc.pki.trust import TrustStore


@dataclasses.dataclass(frozen=True, slots=True)
class _Late:
    payload: bytes
    until: float


class StationProvisioning:
    """One per station; both generations."""

    def __init__(
        self,
        config: SeccConfig,
        backend: CheckedBackend,
        *,
        reports: Complaints,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        """`clock` is the time at which answers of ISO 15118-2 are judged."""
        self._config = config
        self._backend = backend
        self._reports = reports
        self._clock = clock
        self._asked = Attempts(config.pnc.provisioning_limit, config.pnc.limit_window)
        self._late: dict[str, _Late] = {}
        self._verified: dict[str, VerifiedInstallation] = {}
        self._asking: dict[str, asyncio.Task[ProvisioningAnswer]] = {}

    async def answer(
        self, request: ProvisioningRequest | InstallationRequest, trust: TrustStore
    ) -> ProvisioningAnswer:
        """A bundle: one that came too late before, or the back end's answer.

        `trust`: the roots in use. Cancelling does not stop the query.
        """
        now = asyncio.get_running_loop().time()
        self._late = {key: late for key, late in self._late.items() if late.until > now}
        kept = self._late.pop(request.key, None)
        if kept is not None:
            return pki.provisioning.ProvisioningAnswer(kept.payload)
        if request.key not in self._asking:
            if self._asked.used_up(request.leaf.fingerprint, now):
                return pki.provisioning.ProvisioningAnswer(refusal=pki.provisioning.Refusal.TOO_OFTEN)
            if len(self._asking) >= _MAX_ASKING:
                return pki.provisioning.ProvisioningAnswer(refusal=pki.provisioning.Refusal.UNREACHABLE)
            self._asked.add(request.leaf.fingerprint, now)
            self._asking[request.key] = asyncio.get_running_loop().create_task(self._ask(request, trust))
        return await asyncio.shield(self._asking[request.key])

    def verified(self, request: ProvisioningRequest | InstallationRequest) -> VerifiedInstallation | None:
        """The proof of the last answer to a request of ISO 15118-20, once."""
        return self._verified.pop(request.key, None)

    def delivered(self, request: ProvisioningRequest | InstallationRequest) -> None:
        """The car has got the answer: it is not kept any longer."""
        self._late.pop(request.key, None)

    def cancelled(self) -> list[asyncio.Task[ProvisioningAnswer]]:
        """Cancel every query; returns them, to wait for."""
        for asking in self._asking.values():
            asking.cancel()
        return list(self._asking.values())

    async def _ask(
        self, request: ProvisioningRequest | InstallationRequest, trust: TrustStore
    ) -> ProvisioningAnswer:
        method = "provision" if isinstance(request, pki.provisioning.ProvisioningRequest) else "install"
        try:
            async with asyncio.timeout(self._config.timing.backend_call):
                answer = await self._call(request)
        except IntegrationError as error:
            self._reports.complaint(str(error))
            return pki.provisioning.ProvisioningAnswer(refusal=pki.provisioning.Refusal.FAULTY)
        except Exception as error:
            self._reports.complaint(f"{method}: {what_failed(error)}")
            return pki.provisioning.ProvisioningAnswer(refusal=pki.provisioning.Refusal.UNREACHABLE)
        finally:
            self._asking.pop(request.key, None)
        if answer.refusal is None and await asyncio.to_thread(self._is_good, answer, request, trust):
            # Kept until it is confirmed as sent: the session may have continued without it.
            until = asyncio.get_running_loop().time() + self._config.pnc.bundle_memory
            while len(self._late) >= _MAX_LATE:
                del self._late[next(iter(self._late))]
            self._late[request.key] = _Late(answer.payload, until)
        return answer

    async def _call(self, request: ProvisioningRequest | InstallationRequest) -> ProvisioningAnswer:
        """By type: each generation is a separate ability."""
        if isinstance(request, pki.provisioning.ProvisioningRequest):
            if (provisioning := self._backend.provisioning) is not None:
                return await provisioning.provision(request)
        elif (installation := self._backend.installation) is not None:
            return await installation.install(request)
        return pki.provisioning.ProvisioningAnswer(refusal=pki.provisioning.Refusal.UNREACHABLE)

    def _is_good(
        self,
        answer: ProvisioningAnswer,
        request: ProvisioningRequest | InstallationRequest,
        trust: TrustStore,
    ) -> bool:
        """Useful to keep; the session that gets it checks it again."""
        if self._config.pnc.forward_unverified:
            return True
        policy = contract_policy(self._config)
        try:
            if isinstance(request, pki.provisioning.ProvisioningRequest):
                pki.provisioning.verify_response(answer.payload, request, trust, self._clock(), policy)
            else:
                self._verify_installation(answer.payload, request, trust, policy)
        except CertificateError:
            return False
        return True

    def _verify_installation(
        self, payload: bytes, request: InstallationRequest, trust: TrustStore, policy: ContractPolicy
    ) -> None:
        """Imported at the first use: it has the message classes of ISO 15118-20."""
        from secc.pki.installation import iso20_policy, verify_installation

        iso20 = iso20_policy(policy, laboratory=self._config.iso20.insecure_lab)
        found = verify_installation(payload, trust, request.asked_at, iso20, request)
        while len(self._verified) >= _MAX_ASKING:
            del self._verified[next(iter(self._verified))]
        self._verified[request.key] = found


def contract_policy(config: SeccConfig) -> ContractPolicy:
    """The settings of `[pnc]` as the verifier takes them."""
    stray = config.compat.stray_signature_attributes
    let_pass = pki.FIELD if config.compat.contract_country else pki.FIELD - {pki.Leniency.CONTRACT_COUNTRY}
    let_pass |= {pki.Leniency.OTHER_PCID} if config.compat.other_pcid else pki.STRICT
    return pki.contract.ContractPolicy(
        chain=pki.ChainPolicy(leniencies=let_pass),
        revocation=pki.RevocationPolicy(mode=pki.RevocationMode(config.pnc.revocation.value)),
        warn_before=datetime.timedelta(seconds=config.pnc.expiry_warning),
        providers=frozenset(config.pnc.providers),
        compat=frozenset({pki.xmldsig.Compat.STRAY_ATTRIBUTES}) if stray else pki.xmldsig.STRICT,
    )


_MAX_LATE = 16  # bundles of 4 KiB
_MAX_ASKING = 4


def what_failed(error: BaseException) -> str:
    """What a call of the integrator has failed with, for a log."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
