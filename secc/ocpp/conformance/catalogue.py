"""All cases, by version of OCPP."""

from __future__ import annotations

from secc.ocpp.conformance import cases16, cases21, cases21_der, cases_energy, cases_station
from secc.ocpp.conformance.case import CsmsCase

_OF_2 = (*cases_station.CASES, *cases_energy.CASES)
CATALOGUE: dict[str, tuple[CsmsCase, ...]] = {
    "2.1": (*_OF_2, *cases21.CASES, *cases21_der.CASES),
    "2.0.1": _OF_2,
    "1.6": tuple(cases16.CASES),
}
