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
    iso20_contract,
    iso20_der,
    iso20_ending,
    iso20_framing,
    iso20_header,
    iso20_installation,
    iso20_loop,
    iso20_metering,
    iso20_parameters,
    iso20_renegotiation,
    iso20_services,
    iso20_start,
    iso20_tls,
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
        *iso20_tls.CASES,
        *iso20_framing.CASES,
        *iso20_header.CASES,
        *iso20_contract.CASES,
        *iso20_installation.CASES,
        *iso20_services.CASES,
        *iso20_parameters.CASES,
        *iso20_start.CASES,
        *iso20_loop.CASES,
        *iso20_metering.CASES,
        *iso20_der.CASES,
        *iso20_renegotiation.CASES,
        *iso20_ending.CASES,
    )
)
