"""Every input that is legal in a state of AC_DER_IEC (Amendment 1): the rows of AC, with its messages.

Its namespace has messages of the same names as AC, in a separate schema set with a separate payload type. So
its table is that of AC with the requests of this set in place of those of AC, and with what only it has:

* ChargeParameterDiscoveryReq repeats while the EV says EVProcessing Ongoing [V2G20-3150];
* after it the EV may go back to the services [V2G20-3154] [V2G20-3348].
"""

from __future__ import annotations

import dataclasses

from secc.messages import iso20_ac
from secc.messages.iso20_ac_der_iec import ACChargeLoopReq, ACChargeLoopRes, ACChargeParameterDiscoveryReq
from secc.messages.iso20_common import ServiceDiscoveryReq
from secc.session.dialect import Dialect, Key, On, at
from secc.session.iso20.beside import BESIDE
from secc.session.iso20.handlers import der, services
from secc.session.iso20.refusals_der import PAIRS_DER, refusal
from secc.session.iso20.side import Iso20Side
from secc.session.iso20.states import Iso20State as S
from secc.session.iso20.states import SideState
from secc.session.iso20.table import ISO20_AC, RULES

__all__ = ["BESIDE_DER", "ISO20_DER", "RULES_DER"]

_OF_AC: frozenset[Key] = frozenset({iso20_ac.ACChargeLoopReq, iso20_ac.ACChargeParameterDiscoveryReq})

# fmt: off
_OF_DER: tuple[On, ...] = (
    *at(S.WAIT_PARAMETERS_AC,
        (ACChargeParameterDiscoveryReq, der.discovery, {S.WAIT_PARAMETERS_AC, S.WAIT_SCHEDULE_AC},
         "V2G20-3150 V2G20-3151")),
    *at(S.WAIT_SCHEDULE_AC,
        (ServiceDiscoveryReq, services.service_discovery, {S.WAIT_SERVICE_DETAIL},
         "V2G20-3154 V2G20-3348 V2G20-3354 V2G20-3355")),
    *at(S.WAIT_FIRST_LOOP_AC,
        (ACChargeLoopReq, der.charge_loop, {S.WAIT_LOOP_AC}, "V2G20-1825")),
    *at(S.WAIT_LOOP_AC,
        (ACChargeLoopReq, der.charge_loop, {S.WAIT_LOOP_AC}, "V2G20-1825 V2G20-1864")),
    *at(S.WAIT_NEW_SCHEDULE_AC,
        (ACChargeParameterDiscoveryReq, der.rediscovery, {S.WAIT_NEW_SCHEDULE_AC}, "V2G20-1046")),
    *at(S.WAIT_STANDBY_AC,
        (ACChargeLoopReq, der.in_standby, {S.WAIT_STANDBY_AC}, "V2G20-1311")),
)
_BESIDE_OF_DER: tuple[On, ...] = (
    *at(SideState.SCHEDULE_AC,
        (ACChargeParameterDiscoveryReq, der.beside, {SideState.SCHEDULE_EXCHANGE},
         "V2G20-1045 V2G20-1046 V2G20-1846")),
)
# fmt: on

RULES_DER: tuple[On, ...] = (*(rule for rule in RULES if rule.input not in _OF_AC), *_OF_DER)
BESIDE_DER: tuple[On, ...] = (*(rule for rule in BESIDE if rule.input not in _OF_AC), *_BESIDE_OF_DER)


def _dialect() -> Dialect:
    """That of AC, with other rules and messages."""
    names = [field.name for field in dataclasses.fields(Dialect) if field.init]
    fields = {name: getattr(ISO20_AC, name) for name in names}
    changed = {
        "name": "ISO 15118-20 AC_DER_IEC",
        "schema": "iso20-ac-der-iec",
        "rules": RULES_DER,
        "beside": BESIDE_DER,
        "pairs": PAIRS_DER,
        "refusal": refusal,
        "unpaced": frozenset({ACChargeLoopRes}),
        "room": lambda: Iso20Side(dc=False, der=True),
    }
    return Dialect(**(fields | changed))


ISO20_DER = _dialect()
"""Chosen by the namespace of AC_DER_IEC."""
