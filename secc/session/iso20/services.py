"""The services of ISO 15118-20 that a station offers, with their parameter sets.

Ids of services and names of parameters are those of the standard. Ids of parameter sets are the station's,
and constant for the session and across a pause [V2G20-1644] [V2G20-1956]. Each energy service has both
control modes [V2G20-2656]. The first set is the safest: an EV that does not choose takes it.
"""

from __future__ import annotations

import enum

import msgspec

from secc.messages import iso20_common as m
from secc.session.context import SessionConfig
from secc.settings.energy import EnergyMode
from secc.settings.iso20 import Pricing


class Service(enum.IntEnum):
    """ServiceID of the energy services that can be offered."""

    AC = 1
    DC = 2
    AC_BPT = 5
    DC_BPT = 6
    MCS = 8
    MCS_BPT = 9
    AC_DER_IEC = 10

    @property
    def is_dc(self) -> bool:
        """The service uses the messages of the DC set."""
        return self not in (Service.AC, Service.AC_BPT, Service.AC_DER_IEC)

    @property
    def bidirectional(self) -> bool:
        """Energy may flow from the EV to the station: the messages are the BPT or the DER variants."""
        return self in (Service.AC_BPT, Service.DC_BPT, Service.MCS_BPT, Service.AC_DER_IEC)


INTERNET = 65
PARKING = 66
ENERGY_IDS = frozenset(range(1, 12))
"""Every ServiceID that transfers energy, offered here or not."""


class ControlMode(enum.IntEnum):
    """Who decides about the power."""

    SCHEDULED = 1
    """The EV, within a schedule that it has chosen."""
    DYNAMIC = 2
    """The station, in each response of the charge loop."""


class MobilityNeeds(enum.IntEnum):
    """Who says when the EV departs and how full it is then."""

    EV = 1
    STATION = 2
    """The station may [V2G20-2663] [V2G20-2666]."""


class EnergySet(msgspec.Struct, frozen=True):
    """One parameter set of an energy service."""

    number: int
    control: ControlMode
    needs: MobilityNeeds
    connector: int
    pricing: Pricing | None = None
    """Form of the prices that come with the schedules; None: none."""

    @property
    def phases(self) -> int:
        """Phases of an AC connector."""
        return 3 if self.connector == AC_THREE_PHASE else 1


AC_SINGLE_PHASE, AC_THREE_PHASE = 1, 2
_DC_CORE, _DC_EXTENDED = 1, 2
_MCS_CONNECTOR = 1

_MODES = ((ControlMode.SCHEDULED, MobilityNeeds.EV), (ControlMode.DYNAMIC, MobilityNeeds.EV))
_MODES_OF_BOTH = (*_MODES, (ControlMode.DYNAMIC, MobilityNeeds.STATION))


def offered(
    config: SessionConfig, *, dc: bool, export: bool, der: bool = False
) -> dict[Service, tuple[EnergySet, ...]]:
    """The energy services of an outlet in the order offered, with their sets.

    `dc`, `der`: the kind of the namespace that was agreed on. `export`: energy may flow from the EV to the
    station; AC_DER_IEC is offered in any case, with a limit of zero without a permission.
    """
    if der:
        return {Service.AC_DER_IEC: _sets(config, Service.AC_DER_IEC)}
    if dc:
        family = (Service.MCS, Service.MCS_BPT) if config.iso20.mcs else (Service.DC, Service.DC_BPT)
    else:
        family = (Service.AC, Service.AC_BPT)
    return {service: _sets(config, service) for service in (family if export else family[:1])}


def _sets(config: SessionConfig, service: Service) -> tuple[EnergySet, ...]:
    modes = _MODES_OF_BOTH if config.iso20.mobility_needs else _MODES
    pricings = (None, *config.iso20.prices)
    choices = [
        (control, needs, connector, pricing)
        for pricing in pricings
        for connector in _connectors(config, service)
        for control, needs in modes
    ]
    return tuple(EnergySet(number, *choice) for number, choice in enumerate(choices, start=1))


def _connectors(config: SessionConfig, service: Service) -> tuple[int, ...]:
    modes = config.energy.modes
    if service in (Service.MCS, Service.MCS_BPT):
        return (_MCS_CONNECTOR,)
    if service.is_dc:
        return (_DC_EXTENDED if EnergyMode.DC_EXTENDED in modes else _DC_CORE,)
    single, three = EnergyMode.AC_SINGLE_PHASE_CORE in modes, EnergyMode.AC_THREE_PHASE_CORE in modes
    return (AC_THREE_PHASE,) * three + (AC_SINGLE_PHASE,) * single


# --- on the wire -------------------------------------------------------------------------------------------


def energy_parameters(
    config: SessionConfig, service: Service, sets: tuple[EnergySet, ...], functions: int = 0
) -> m.ServiceParameterList:
    """ServiceParameterList of an energy service: Tables 205 to 208 [V2G20-1357] [V2G20-1361]. `functions`:
    DERControlFunctions of AC_DER_IEC [V2G20-3190]."""
    return m.ServiceParameterList(
        parameter_set=tuple(
            m.ParameterSet(
                parameter_set_id=one.number, parameter=_parameters(config, service, one, functions)
            )
            for one in sets
        )
    )


def _parameters(
    config: SessionConfig, service: Service, one: EnergySet, functions: int
) -> tuple[m.Parameter, ...]:
    values = {"Connector": one.connector, "ControlMode": one.control, "MobilityNeedsMode": one.needs}
    if not service.is_dc:
        values["EVSENominalVoltage"] = round(config.energy.ac.nominal_voltage)
    values["Pricing"] = 0 if one.pricing is None else one.pricing.number
    if service is Service.AC_DER_IEC:
        values["DERControlFunctions"] = functions
    elif service.bidirectional:
        values |= {
            "BPTChannel": 1,
            "GeneratorMode": 1,
        }  # one channel for both directions; it follows the grid
        if not service.is_dc:
            values["GridCodeIslandingDetectionMethod"] = config.iso20.islanding_detection.number
    return tuple(m.Parameter(name=name, int_value=int(value)) for name, value in values.items())


class Intended(enum.IntEnum):
    """IntendedService of the ParkingStatus service."""

    CHECK_IN = 1
    CHECK_OUT = 2


PARKING_SETS = {number + 4 * (what - 1): (what, number) for what in Intended for number in range(1, 5)}
"""Parameter sets of the ParkingStatus service: what it is for, and the ParkingStatusType."""


def parking_parameters(numbers: tuple[int, ...]) -> m.ServiceParameterList:
    """ServiceParameterList of the ParkingStatus service, with these of its sets."""
    return m.ServiceParameterList(
        parameter_set=tuple(
            m.ParameterSet(
                parameter_set_id=number,
                parameter=(
                    m.Parameter(name="IntendedService", int_value=int(PARKING_SETS[number][0])),
                    m.Parameter(name="ParkingStatusType", int_value=PARKING_SETS[number][1]),
                ),
            )
            for number in numbers
        )
    )


INTERNET_SETS = {1: ("ftp", 20), 2: ("ftp", 21), 3: ("http", 80), 4: ("https", 443)}
"""Parameter sets of the Internet service: protocol and port."""


def internet_parameters(numbers: tuple[int, ...]) -> m.ServiceParameterList:
    """ServiceParameterList of the Internet service, with these of its sets."""
    return m.ServiceParameterList(
        parameter_set=tuple(
            m.ParameterSet(
                parameter_set_id=number,
                parameter=(
                    m.Parameter(name="Protocol", finite_string=INTERNET_SETS[number][0]),
                    m.Parameter(name="Port", int_value=INTERNET_SETS[number][1]),
                ),
            )
            for number in numbers
        )
    )
