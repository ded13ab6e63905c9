"""Who may charge: asks the CSMS, and decides from list, cache and policy when it does not answer."""

from __future__ import annotations

from collections.abc import Callable

from secc.ocpp import authorising
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.model import AuthorizeAnswer, IdToken, TokenInfo, TokenKind, TokenStatus, emaid_token
from secc.ocpp.rpc import CallFailed, NoAnswer
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.tariff_store import TariffStore
from secc.ocpp.v21 import DISCHARGING
from secc.pki.contract import ForwardedContract, OcspRequestData, VerifiedContract
from secc.pki.identifiers import EMAID
from secc.session.contract_events import Verdict
from secc.settings.config import SeccConfig
from secc.settings.pnc import OfflinePolicy

__all__ = ["CsmsAuthorizer"]


class CsmsAuthorizer:
    """Authorization of one station."""

    def __init__(
        self,
        config: SeccConfig,
        settings: RuntimeSettings,
        conversation: CsmsConversation,
        report: Callable[[str], None],
    ) -> None:
        self._config = config
        self._settings = settings
        self._conversation = conversation
        self._report = report
        self.tariffs = TariffStore()
        """The tariffs of the CSMS (2.1)."""
        self._transfers: dict[str, tuple[str, ...]] = {}
        self.memory = authorising.Memory()
        """The local list and the cache."""

    async def judge(self, token: IdToken, *, unknown: bool = True) -> TokenInfo:
        """Judge a card: by the CSMS, otherwise by list and cache, otherwise by the offline policy.

        `unknown` False: a token that is not known here is not accepted without the CSMS.
        """
        settings = self._settings.ocpp
        known = self._recall(token)
        if settings.local_pre_authorize and known is not None and known.status is TokenStatus.ACCEPTED:
            return known
        answer = await self._authorize(token)
        if answer is not None:
            return answer.info
        if known is not None and (settings.local_offline or known.status is not TokenStatus.ACCEPTED):
            return known
        allowed = unknown and settings.offline_unknown
        return TokenInfo(TokenStatus.ACCEPTED if allowed else TokenStatus.UNKNOWN)

    async def judge_contract(self, contract: VerifiedContract) -> Verdict:
        """Judge a contract by the CSMS, with the data to check its revocation.

        Otherwise offline (OCPP C07).
        """
        token = self.token_of(contract.emaid)
        data = contract.ocsp_request_data
        complete = len(data) == len(contract.chain.certificates)
        pem = "" if complete else contract.pem.decode()  # a certificate without a responder has no hash data
        if not data or data[0].serial_number != f"{contract.chain.certificates[0].serial:x}":
            data = ()  # a CSMS takes the first entry for the contract certificate
        answer = await self._authorize(token, data, pem)
        if answer is not None:
            return authorising.verdict(answer)
        known = self._recall(token)
        if known is None:
            return Verdict.UNREACHABLE
        verdict = authorising.token_verdict(known)
        denied = self._config.pnc.offline is OfflinePolicy.DENY or not self._settings.ocpp.local_offline
        if verdict is Verdict.ACCEPTED and denied:
            return Verdict.UNREACHABLE
        return verdict

    async def validate_contract(self, contract: ForwardedContract) -> Verdict:
        """Let the CSMS validate a chain under a root that is unknown here; there is no offline decision."""
        if not self._settings.central_validation:
            return Verdict.UNKNOWN
        token = self.token_of(contract.emaid)
        answer = await self._authorize(token, (), contract.pem.decode())
        if answer is None:
            return Verdict.UNREACHABLE
        if answer.certificate is None:
            self._report(f"{token.text}: the CSMS does not report a certificate status, expected one")
            return Verdict.UNKNOWN
        return authorising.verdict(answer)

    def token_of(self, emaid: EMAID) -> IdToken:
        """Return the token of a contract, in the spelling for the CSMS."""
        return emaid_token(emaid, self._settings.ocpp.emaid_form)

    def may_discharge(self, token: IdToken) -> bool:
        """Return whether the CSMS has permitted energy from the EV to this token when it was authorised."""
        return bool(DISCHARGING & set(self._transfers.get(token.key, ())))

    def group_of(self, token: IdToken) -> str:
        """Return the group of a token as far as it is known here, or an empty text."""
        known = self._recall(token)
        return "" if known is None else known.group

    def learn(self, token: IdToken, info: TokenInfo) -> None:
        """Store an answer of the CSMS in the cache, if the cache is enabled."""
        if not self._settings.ocpp.cache:
            return
        self.memory.learn(token, info, self._conversation.now, self._settings.ocpp.cache_lifetime)
        self.store_memory()

    def store_memory(self) -> None:
        """Store list and cache for the next start."""
        self._settings.listed = len(self.memory.listed)
        self._conversation.queue.enqueue((), {"memory": self.memory})

    def _recall(self, token: IdToken) -> TokenInfo | None:
        settings = self._settings.ocpp
        return self.memory.recall(
            token, self._conversation.now, use_list=settings.local_list, use_cache=settings.cache
        )

    async def _authorize(
        self, token: IdToken, data: tuple[OcspRequestData, ...] = (), pem: str = ""
    ) -> AuthorizeAnswer | None:
        """Ask the CSMS; None: it has not decided."""
        dialect, patience = self._conversation.dialect, self._settings.ocpp.authorize_timeout
        try:
            body = await self._conversation.ask(dialect.authorize(token, data, pem), patience=patience)
            answer = dialect.read_authorize(body)
            if answer is None and not pem:  # a 1.6 CSMS without the extension: use an ordinary tag
                plain = IdToken(token.text, TokenKind.CENTRAL)
                body = await self._conversation.ask(dialect.authorize(plain, (), ""), patience=patience)
                answer = dialect.read_authorize(body)
        except (NoAnswer, CallFailed, ValueError, KeyError, TypeError) as error:
            self._report(f"Authorize {token.text}: {error}")
            return None
        if answer is not None:
            self.learn(token, answer.info)
            self._transfers = {token.key: answer.transfer}
            if problem := self.tariffs.set_driver(answer.tariff):
                self._report(f"the tariff of {token.text} is not used: {problem}")
        return answer
