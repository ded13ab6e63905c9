"""Construction of cases from the tables of the other modules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from secc.bench.car import BenchCar
from secc.bench.case import Case, Need
from secc.bench.trial import Trial

Run = Callable[[Trial], Awaitable[None]]

ISO20_GROUPS = (
    "-20 TLS 1.3",
    "-20 framing",
    "-20 supportedAppProtocol",
    "-20 header",
    "-20 SessionSetup and authorization",
    "-20 contracts",
    "-20 CertificateInstallation",
    "-20 services",
    "-20 parameters",
    "-20 schedules",
    "-20 DC before energy",
    "-20 PowerDelivery",
    "-20 charge loop",
    "-20 metering confirmation",
    "-20 AC_DER_IEC",
    "-20 renegotiation",
    "-20 pause and stop",
    "-20 order of messages",
    "-20 whole sessions",
)

GROUPS = (
    "SDP",
    "V2GTP header on SDP",
    "V2GTP header on TCP",
    "supportedAppProtocol",
    "SessionSetup",
    "ServiceDiscovery",
    "ServiceDetail",
    "PaymentServiceSelection",
    "CertificateInstallation",
    "CertificateUpdate",
    "PaymentDetails",
    "Authorization",
    "ChargeParameterDiscovery",
    "CableCheck",
    "PreCharge",
    "PowerDelivery",
    "ChargingStatus",
    "CurrentDemand",
    "MeteringReceipt",
    "WeldingDetection",
    "SessionStop",
    "Abnormal basic signalling",
    "Whole sessions and times",
    "TLS",
    "Robustness",
    "DIN SPEC 70121",
    *ISO20_GROUPS,
)
"""Groups in the order of the standard, then additional ones."""


def case(
    kind: str,
    group: str,
    number: int,
    title: str,
    expect: str,
    run: Run,
    *needs: Need,
    ids: str = "",
    waits: tuple[str, ...] = (),
) -> Case:
    """A case of ISO 15118-4: `kind` is CMN, AC or DC; AC and DC need a station of that kind."""
    implied = {"AC": Need.AC, "DC": Need.DC}
    return Case(
        id=f"TC_SECC_{kind}_VTB_{group}_{number:03}",
        group=group,
        title=title,
        expect=expect,
        run=run,
        ids=ids,
        needs=frozenset(needs) | frozenset([implied[kind]] if kind in implied else []),
        waits=waits,
    )


def own(
    name: str,
    group: str,
    title: str,
    expect: str,
    run: Run,
    *needs: Need,
    ids: str = "",
    waits: tuple[str, ...] = (),
) -> Case:
    """A case that is not in ISO 15118-4."""
    return Case(
        id=f"BENCH_{name}",
        group=group,
        title=title,
        expect=expect,
        run=run,
        ids=ids,
        needs=frozenset(needs),
        waits=waits,
    )


def in_order(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Sort by group, then common cases before AC and DC, then number."""
    kinds = {"CMN": 0, "AC": 1, "DC": 2}

    def place(one: Case) -> tuple[int, int, str]:
        words = one.id.split("_")
        return GROUPS.index(one.group), kinds.get(words[2], 3) if len(words) > 2 else 3, one.id

    return tuple(sorted(cases, key=place))


def car(trial: Trial, kind: str, *, contract: bool = False) -> BenchCar:
    """Return an EV of this kind; for common cases, of the kind that the station offers."""
    if kind == "CMN":
        modes = trial.facts.offer(tls=trial.tls).modes or trial.facts.modes
        dc = not any(mode.value.startswith("AC") for mode in modes)
    else:
        dc = kind == "DC"
    return BenchCar(trial, dc=dc, contract=contract)


async def never(_: Trial) -> None:
    """Placeholder for cases that the tester cannot run: their requirements are never met."""
    raise AssertionError("a case without a test function was run")
