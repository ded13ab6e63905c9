"""Certificates over time: lifelines of the certificate trees, and how many certificates end in each month.

A pure function of certificates and the time. Positions are percentages of the width, so the picture fits any
screen without scripts and without scaled text.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Callable, Sequence

from secc.pki.certificates import Certificate
from secc.pki.profiles import Kind

PAST = datetime.timedelta(days=365)
FUTURE = datetime.timedelta(days=8 * 365)
MONTHS = 12


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """A range of the picture, in percent of its width."""

    begin: float
    width: float


@dataclasses.dataclass(frozen=True, slots=True)
class Lifeline:
    """The validity of one certificate, or of all certificates under one authority."""

    title: str
    kind: str
    depth: int
    """0: a root; 1: issued by a root; and so on."""
    not_before: datetime.datetime
    not_after: datetime.datetime
    span: Span
    beyond: bool
    """Ends after the right edge."""


@dataclasses.dataclass(frozen=True, slots=True)
class YearTick:
    """A year of the axis."""

    year: int
    position: float


@dataclasses.dataclass(frozen=True, slots=True)
class MonthBar:
    """Number of certificates that end in a month."""

    title: str
    short: str
    count: int
    position: float
    """Left edge in percent."""
    height: float
    """Percent of the height."""


@dataclasses.dataclass(frozen=True, slots=True)
class Branch:
    """Certificates in use of one kind, as one line under their issuer."""

    title: str
    issuer: str
    """Fingerprint."""
    kind: Kind
    first: datetime.datetime
    last: datetime.datetime


def lifelines(
    certificates: Sequence[tuple[Kind, Certificate]], branches: Sequence[Branch], now: datetime.datetime
) -> tuple[Lifeline, ...]:
    """Return the trees from their roots downwards; a certificate without its issuer begins a tree."""
    parents = {one.fingerprint: _parent(one, certificates) for _, one in certificates}
    lines: list[Lifeline] = []

    def add(kind: Kind, one: Certificate, depth: int) -> None:
        title = one.subject.common_name
        lines.append(_line(title, kind, depth, one.not_before, one.not_after, now))
        for branch in branches:
            if branch.issuer == one.fingerprint:
                lines.append(_line(branch.title, branch.kind, depth + 1, branch.first, branch.last, now))
        for below_kind, below in certificates:
            if parents[below.fingerprint] == one.fingerprint:
                add(below_kind, below, depth + 1)

    for kind, one in certificates:
        if parents[one.fingerprint] is None:
            add(kind, one, 0)
    return tuple(lines)


def ticks(now: datetime.datetime) -> tuple[YearTick, ...]:
    """Return the years of the axis."""
    years = range((now - PAST).year + 1, (now + FUTURE).year + 1)
    return tuple(
        YearTick(year, _position(datetime.datetime(year, 1, 1, tzinfo=datetime.UTC), now)) for year in years
    )


def today(now: datetime.datetime) -> float:
    """Return the position of the present."""
    return _position(now, now)


def months(
    count: Callable[[datetime.datetime, datetime.datetime], int], now: datetime.datetime
) -> tuple[MonthBar, ...]:
    """Return a bar for the rest of this month and for each of the next months; `count` counts the ends within
    a period."""
    begins = [now, *(_month(now, number) for number in range(1, MONTHS + 1))]
    counts = [count(begin, end) for begin, end in itertools.pairwise(begins)]
    most = max((*counts, 1))
    return tuple(
        MonthBar(
            f"{begin:%B %Y}",
            f"{begin:%b}",
            number,
            round(100 * place / MONTHS, 2),
            round(100 * number / most, 1) if number else 0.0,
        )
        for place, (begin, number) in enumerate(zip(begins, counts, strict=False))
    )


def _parent(one: Certificate, certificates: Sequence[tuple[Kind, Certificate]]) -> str | None:
    for _, other in certificates:
        if other != one and other.subject.same_as(one.issuer) and other.has_signed(one):
            return other.fingerprint
    return None


def _line(
    title: str,
    kind: Kind,
    depth: int,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    now: datetime.datetime,
) -> Lifeline:
    begin, end = _position(not_before, now), _position(not_after, now)
    span = Span(begin, round(max(end - begin, 0.5), 2))
    return Lifeline(title, kind.value, depth, not_before, not_after, span, not_after > now + FUTURE)


def _position(at: datetime.datetime, now: datetime.datetime) -> float:
    share = (at - (now - PAST)) / (PAST + FUTURE)
    return round(100 * min(max(share, 0.0), 1.0), 2)


def _month(now: datetime.datetime, number: int) -> datetime.datetime:
    """Return the begin of the month that is `number` months after the present one."""
    index = now.year * 12 + now.month - 1 + number
    return datetime.datetime(index // 12, index % 12 + 1, 1, tzinfo=datetime.UTC)
