"""All cases, grouped as in ISO 15118-4; one module for each group or two."""

from __future__ import annotations

from secc.bench.case import Case
from secc.bench.cases import (
    charging,
    contracts,
    din,
    discovery,
    framing,
    handshake,
    iso20_ending,
    iso20_energy,
    iso20_parameters,
    iso20_setup,
    loops,
    order,
    parameters,
    robust,
    secure,
    services,
    whole,
)
from secc.bench.cases.build import in_order

__all__ = ["ALL"]

ALL: tuple[Case, ...] = in_order(
    (
        *discovery.CASES,
        *framing.CASES,
        *handshake.CASES,
        *order.CASES,
        *services.CASES,
        *parameters.CASES,
        *charging.CASES,
        *loops.CASES,
        *contracts.CASES,
        *whole.CASES,
        *secure.CASES,
        *robust.CASES,
        *din.CASES,
        *iso20_setup.CASES,
        *iso20_parameters.CASES,
        *iso20_energy.CASES,
        *iso20_ending.CASES,
    )
)
