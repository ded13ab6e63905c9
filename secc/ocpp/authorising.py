"""Who may charge, according to the CSMS, the local list and the cache. Pure.

A refusal of the CSMS is final. The list and the cache are used only when the CSMS cannot be reached, and may
accept or refuse. For a contract both results of the CSMS count: the status of the token and of the
certificate (OCPP C07). The offline policy decides about unknown identities: `pnc.offline` for contracts,
`offline_unknown` for cards.
"""

from __future__ import annotations

import dataclasses

import msgspec

from secc.ocpp.model import (
    AuthorizeAnswer,
    CertificateStatus,
    IdToken,
    ListEntry,
    TokenInfo,
    TokenStatus,
    contract_id,
)
from secc.session.contract_events import Verdict

__all__ = ["Known", "Memory", "same", "token_verdict", "verdict"]


def same(one: str, other: str) -> bool:
    """Return whether two texts are the same token.

    In an eMAID hyphens, case and a missing check digit are ignored.
    """
    first, second = contract_id(one), contract_id(other)
    if first is None or second is None:
        return one.casefold() == other.casefold()
    return first.matches(second)


class Known(msgspec.Struct, frozen=True):
    """A token, its status, and the end of its validity."""

    token: IdToken
    info: TokenInfo
    until: float | None = None


@dataclasses.dataclass(slots=True)
class Memory:
    """The local list and the cache of one station."""

    list_version: int = 0
    listed: dict[str, Known] = dataclasses.field(default_factory=dict)
    cached: dict[str, Known] = dataclasses.field(default_factory=dict)

    def update_list(self, version: int, entries: list[ListEntry], *, full: bool) -> bool:
        """Apply SendLocalList; returns False for a differential update that is not newer than the present
        version."""
        if not full and version <= self.list_version:
            return False
        if full:
            self.listed = {}
        for entry in entries:
            self._drop(self.listed, entry.token)
            if entry.info is not None:
                known = Known(entry.token, entry.info, entry.info.expires)
                self.listed[entry.token.key] = known
        self.list_version = version
        return True

    def learn(self, token: IdToken, info: TokenInfo, now: float, lifetime: float) -> None:
        """Cache an answer of the CSMS."""
        self._drop(self.cached, token)
        while len(self.cached) >= _MOST_CACHED:
            del self.cached[next(iter(self.cached))]
        until = info.expires if info.expires is not None else now + lifetime
        self.cached[token.key] = Known(token, info, until)

    def recall(self, token: IdToken, now: float, *, use_list: bool, use_cache: bool) -> TokenInfo | None:
        """Return what is known without the CSMS; the list has priority."""
        for use, store in ((use_list, self.listed), (use_cache, self.cached)):
            known = store.get(token.key) if use else None
            if known is None or not same(known.token.text, token.text):
                continue
            if known.until is None or now < known.until:
                return known.info
        return None

    @staticmethod
    def _drop(store: dict[str, Known], token: IdToken) -> None:
        store.pop(token.key, None)


_MOST_CACHED = 1000
MOST_LISTED = 10_000
"""Entries of the local list."""


def verdict(answer: AuthorizeAnswer) -> Verdict:
    """Return the verdict of the CSMS on a contract; without a certificate status only the token counts."""
    if answer.certificate is not None and answer.certificate is not CertificateStatus.ACCEPTED:
        return _CERTIFICATES[answer.certificate]
    return token_verdict(answer.info)


def token_verdict(info: TokenInfo) -> Verdict:
    """Return the verdict on a token."""
    return _TOKENS.get(info.status, Verdict.BLOCKED)


_CERTIFICATES = {
    CertificateStatus.EXPIRED: Verdict.EXPIRED,
    CertificateStatus.REVOKED: Verdict.REVOKED,
    CertificateStatus.CANCELLED: Verdict.BLOCKED,
    CertificateStatus.CHAIN_ERROR: Verdict.UNKNOWN,
    CertificateStatus.SIGNATURE_ERROR: Verdict.UNKNOWN,
    CertificateStatus.NO_CERTIFICATE: Verdict.UNKNOWN,
}
_TOKENS = {
    TokenStatus.ACCEPTED: Verdict.ACCEPTED,
    TokenStatus.EXPIRED: Verdict.EXPIRED,
    TokenStatus.INVALID: Verdict.UNKNOWN,
    TokenStatus.UNKNOWN: Verdict.UNKNOWN,
}
