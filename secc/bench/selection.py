"""Selection of the applicable cases, and of the kind of connection."""

from __future__ import annotations

from secc.bench.case import Case, Need
from secc.bench.target import Facts, Target
from secc.messages.iso2 import PaymentOption
from secc.session.iso20.services import Service

__all__ = ["LONG_WAIT", "missing", "runs_over_tls"]


def missing(case: Case, target: Target, facts: Facts) -> Need | None:
    """Return the first requirement that is not met; None: the case applies."""
    met = _met(case, target, facts)
    return next((need for need in Need if need in case.needs and not met.get(need, True)), None)


def runs_over_tls(case: Case, target: Target, facts: Facts) -> bool:
    """Return the kind of connection of a case."""
    if Need.ISO20 in case.needs:
        return facts.iso20_tls
    if Need.TLS in case.needs or Need.CONTRACT in case.needs:
        return True
    if Need.PLAIN in case.needs:
        return False
    return facts.plain is None or (target.tls and facts.tls is not None)


def _met(case: Case, target: Target, facts: Facts) -> dict[Need, bool]:
    declared, pki = target.declared, target.pki
    tls = runs_over_tls(case, target, facts)
    offer = facts.offer(tls=tls)
    return {
        Need.AC: not facts.problem and any(mode.value.startswith("AC") for mode in facts.modes),
        Need.DC: not facts.problem and any(mode.value.startswith("DC") for mode in facts.modes),
        Need.SDP: target.host is None,
        Need.PLAIN: facts.plain is not None,
        Need.TLS: facts.tls is not None,
        Need.NO_TLS: facts.tls is None,
        Need.EXTERNAL: PaymentOption.EXTERNAL_PAYMENT in offer.payment,
        Need.NO_EXTERNAL: PaymentOption.EXTERNAL_PAYMENT not in offer.payment,
        Need.NO_CONTRACT: PaymentOption.CONTRACT not in offer.payment,
        Need.CONTRACT: PaymentOption.CONTRACT in facts.offer(tls=True).payment,
        Need.WALLET: pki is not None,
        Need.ISSUER: pki is not None and pki.can_issue,
        Need.CERTIFICATE_SERVICE: 2 in facts.offer(tls=True).services,
        Need.CERTIFICATE_UPDATE: facts.can_update,
        Need.INTERNET: 3 in facts.offer(tls=True).services,
        Need.VALUE_ADDED: bool(set(facts.offer(tls=True).services) - {1}),
        Need.PILOT: target.pilot is not None,
        Need.LINK: target.link is not None,
        Need.BASIC: False,
        Need.WAKE: False,
        Need.NO_GRANT: "no-grant" in declared,
        Need.REFUSES: "refuses" in declared,
        Need.SLOW_BACKEND: "silent-back-end" in declared,
        Need.SLOW_SCHEDULES: "schedules-ongoing" in declared,
        Need.METER: "meter" in declared,
        Need.METER_EIM: "meter" in declared,
        Need.RECEIPT: "receipt" in declared,
        Need.TARIFF: "tariff" in declared,
        Need.PAUSE: "no-pause" not in declared,
        Need.DIN: facts.din,
        Need.ISO2: bool(facts.modes),
        Need.ISO20: bool(facts.iso20),
        Need.ISO20_AC: Service.AC in facts.iso20,
        Need.ISO20_DC: Service.DC in facts.iso20,
        Need.ISO20_ONLY_DC: Service.DC in facts.iso20 and Service.AC not in facts.iso20,
        Need.ISO20_AC_BPT: Service.AC_BPT in facts.iso20,
        Need.ISO20_DC_BPT: Service.DC_BPT in facts.iso20,
        Need.ISO20_MCS: Service.MCS in facts.iso20,
        Need.ISO20_AC_DER: Service.AC_DER_IEC in facts.iso20,
        Need.ISO20_TLS: facts.iso20_tls,
        Need.ISO20_PNC: facts.iso20_pnc,
        Need.ISO20_INSTALLATION: facts.iso20_installation,
        Need.ISO20_NO_INSTALLATION: not facts.iso20_installation,
        Need.ISO20_WALLET: pki is not None and pki.iso20 is not None,
        Need.ISO20_ISSUER: pki is not None and pki.iso20 is not None and pki.iso20.can_issue,
        Need.ISO20_VEHICLE: pki is not None and pki.vehicle is not None,
        Need.LONG: target.long or sum(getattr(target.timers, name) for name in case.waits) <= LONG_WAIT,
        Need.ENDURANCE: False,
    }


LONG_WAIT = 10.0
"""Seconds from which on waiting for a timer counts as long."""
