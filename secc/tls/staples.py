"""OCSP responses to staple: what is checked before one is used, how long, and when to get the next.

An EV that asks for stapling and gets a response that is stale or speaks of something else has more reason to
leave than one that gets none. So a response is read, and its subject, signature and times are checked,
*before* it may be stapled, and it is taken out of use the moment its time is over. A new one replaces the old
one at once and as a whole; a handshake sees one or the other. What is wrong with a new one leaves the last
good one in place, except when the responder says that our certificate is revoked: then nothing is stapled.

Times are wall-clock times handed in; nothing in here waits. `secc.station.tls` fetches.
"""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

from secc.errors import ChainError, ConfigError
from secc.pki.revocation import Question, RevocationStatus, read_ocsp
from secc.pki.rules import Rule

__all__ = ["REFRESH_AFTER", "Staple", "StapleHolder", "StapleRejected", "check_staple"]

REFRESH_AFTER = datetime.timedelta(hours=24)
"""A response is replaced after this time at the latest; the standard wants a week [V2G2-649]."""


@dataclasses.dataclass(frozen=True, slots=True)
class Staple:
    """An OCSP response that has been checked; made by `check_staple`."""

    der: bytes = dataclasses.field(repr=False)
    this_update: datetime.datetime
    usable_until: datetime.datetime
    received: datetime.datetime

    @property
    def refresh_at(self) -> datetime.datetime:
        """When to get the next one: after half of its life, and within 24 hours."""
        half = self.this_update + (self.usable_until - self.this_update) / 2
        return min(max(half, self.received), self.received + REFRESH_AFTER)

    @property
    def alarm_at(self) -> datetime.datetime:
        """When to raise an alarm: half of the time that is left for a refresh is over."""
        return self.refresh_at + (self.usable_until - self.refresh_at) / 2


class StapleRejected(Exception):
    """Why a response may not be stapled; internal to TLS."""

    def __init__(self, text: str, *, stale: bool = False, revoked: bool = False) -> None:
        super().__init__(text)
        self.stale = stale
        """It was good once, or will be."""
        self.revoked = revoked
        """It is genuine and says that the certificate is revoked."""


def check_staple(der: bytes, question: Question, at: datetime.datetime) -> Staple:
    """Make a staple of a response; raises StapleRejected."""
    try:
        answer = read_ocsp(der, question.certificate, question.issuer, at)
    except ChainError as error:
        stale = error.rule in (Rule.EVIDENCE_STALE, Rule.EVIDENCE_FUTURE)
        raise StapleRejected(str(error), stale=stale) from error
    if answer.status is RevocationStatus.REVOKED:
        raise StapleRejected(f"our certificate {question.certificate} is revoked", revoked=True)
    if answer.status is not RevocationStatus.GOOD:
        raise StapleRejected(f"the responder does not know {question.certificate}")
    if answer.usable_until <= at:  # usable within the skew of clocks, but not for an EV an hour from now
        raise StapleRejected(f"good until {answer.usable_until:%Y-%m-%d %H:%M}Z only", stale=True)
    return Staple(der, answer.this_update, answer.usable_until, at)


class StapleHolder:
    """The staple of one chain; the only thing about credentials that changes."""

    __slots__ = ("problem", "revoked", "staple")

    def __init__(self) -> None:
        """Empty: nothing is stapled."""
        self.staple: Staple | None = None
        self.problem = ""
        """Why the last response was not taken; empty after a good one."""
        self.revoked = False

    def offer(self, der: bytes, question: Question, at: datetime.datetime) -> bool:
        """Take a response into use if it is good and not older than the one in use; True if so."""
        try:
            staple = check_staple(der, question, at)
        except StapleRejected as rejected:
            self.problem = str(rejected)
            if rejected.revoked:
                self.staple, self.revoked = None, True
            return False
        if self.staple is not None and staple.this_update < self.staple.this_update:
            self.problem = "older than the OCSP response in use"
            return False
        self.staple, self.problem, self.revoked = staple, "", False
        return True

    def offer_file(self, path: Path, der: bytes, question: Question, at: datetime.datetime) -> None:
        """The same for a file of the operator's; ConfigError when it can never become good."""
        self.offer(der, question, at)
        try:
            check_staple(der, question, at)
        except StapleRejected as rejected:
            if not rejected.stale:
                raise ConfigError(f"{path}: {rejected}") from rejected

    def bytes_at(self, at: datetime.datetime) -> bytes:
        """What to staple now: empty when there is nothing or its time is over."""
        if self.staple is None or at >= self.staple.usable_until:
            return b""
        return self.staple.der
