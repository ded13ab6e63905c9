"""All cases, grouped as in ISO 15118-4; one module per group or two."""

from __future__ import annotations

from secc.bench.case import Case
from secc.bench.cases import discovery, framing

ALL: tuple[Case, ...] = (*discovery.CASES, *framing.CASES)
