"""Who charges without a contract: a paused session, the EV itself, a card, a remote start."""

from __future__ import annotations

from collections.abc import Callable

from secc.ocpp.authorizer import CsmsAuthorizer
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.model import IdToken, TokenInfo, TokenKind, TokenStatus
from secc.ocpp.needs import ChargingNeeds
from secc.ocpp.outlet import ReportedOutlet
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.tokens import PresentedToken, PresentedTokens
from secc.pki.identifiers import EMAID
from secc.session.contract_events import Verdict
from secc.session.identity import EvIdentity
from secc.settings.ocpp import Autocharge

_LONGEST = 36
"""Characters of a token in 2.0.1."""


class DriverAuthorization:
    """Authorizes the drivers of one outlet, and begins their transactions."""

    def __init__(
        self,
        settings: RuntimeSettings,
        conversation: CsmsConversation,
        authorizer: CsmsAuthorizer,
        outlet: ReportedOutlet,
        tokens: PresentedTokens,
        needs: ChargingNeeds,
        report: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._conversation = conversation
        self._authorizer = authorizer
        self._outlet = outlet
        self._tokens = tokens
        self._needs = needs
        self._report = report

    async def authorize(self, ev: EvIdentity | None) -> bool:
        """Return whether the person at the outlet may charge; waits for a card or a remote start.

        `ev` is asked about first, if `ocpp.autocharge` permits that and no token waits already.
        """
        if not self._settings.operative:
            return False
        paused = self._outlet.transactions.open
        if paused is not None and paused.token.kind is not TokenKind.EMAID and paused.stop is None:
            self.granted(paused.token, group=paused.group)
            return True
        if self._settings.ocpp.free_token:
            self.granted(IdToken(self._settings.ocpp.free_token, TokenKind.NO_AUTHORIZATION))
            return True
        if ev is not None and not self._tokens.waiting and await self._knows(ev):
            return True
        while True:
            presented = await self._tokens.next()
            if await self._admits(presented):
                return True

    def granted(
        self, token: IdToken, *, presented: PresentedToken | None = None, group: str | None = None
    ) -> None:
        """Begin the transaction of an authorized token."""
        discharge = self._authorizer.may_discharge(token)
        self._outlet.begin(
            token,
            presented=presented,
            group=self._authorizer.group_of(token) if group is None else group,
            discharge=discharge,
            evccid=self._needs.evccid,
        )

    def unless_reserved(self, emaid: EMAID, verdict: Verdict) -> Verdict:
        """Return the verdict on a contract; a reservation for another token excludes it (OCPP H03)."""
        token = self._authorizer.token_of(emaid)
        if self._free_for(token, self._authorizer.group_of(token)):
            return verdict
        self._report(f"{token.text} may not charge: the outlet is reserved")
        return Verdict.BLOCKED

    async def _knows(self, ev: EvIdentity) -> bool:
        """Ask the CSMS about the EV itself (Autocharge)."""
        wanted = self._settings.ocpp.autocharge
        trusted = wanted is Autocharge.ANY or (wanted is Autocharge.PROVEN and ev.proven)
        if not trusted or len(ev.evccid) > _LONGEST:
            return False
        kind = TokenKind.MAC_ADDRESS if len(ev.evccid) <= 16 else TokenKind.CENTRAL
        token = IdToken(ev.evccid, kind)
        info = await self._authorizer.judge(token, unknown=False)
        if info.status is not TokenStatus.ACCEPTED or not self._free_for(token, info.group):
            return False
        self.granted(token, group=info.group)
        return True

    async def _admits(self, presented: PresentedToken) -> bool:
        token = presented.token
        info = TokenInfo(TokenStatus.ACCEPTED, group=presented.group)
        if presented.remote_start_id is None or self._settings.ocpp.authorize_remote_start:
            info = await self._authorizer.judge(token)
        if info.status is not TokenStatus.ACCEPTED:
            self._report(f"{token.text} may not charge: {info.status.value}")
            return False
        if not self._free_for(token, info.group):
            self._report(f"{token.text} may not charge: the outlet is reserved")
            return False
        self.granted(token, presented=presented, group=info.group)
        return True

    def _free_for(self, token: IdToken, group: str) -> bool:
        return self._outlet.reservations.admits(token, group, self._conversation.now)
