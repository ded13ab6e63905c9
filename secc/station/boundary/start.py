"""Checks of the arguments of a station, and of abilities that the configuration needs."""

from __future__ import annotations

from secc.errors import ConfigError
from secc.settings import Payment, SeccConfig
from secc.station.boundary.abilities import Method, misfit_of
from secc.station.boundary.backend import CheckedBackend
from secc.station.boundary.controller import CheckedController


def check_contracts(config: SeccConfig, backend: CheckedBackend) -> None:
    """Raises ConfigError when contracts are offered and the back end cannot decide about them."""
    if Payment.CONTRACT not in config.service.payment_options:
        return
    kind = type(backend.inner).__name__
    if backend.contracts is None:
        raise ConfigError(
            f"service.payment_options has Contract, and the back end {kind} does not declare "
            f"ContractBackend: derive {kind} from secc.ports.ContractBackend, or offer ExternalPayment alone"
        )
    if config.pnc.central_validation and backend.central_validation is None:
        raise ConfigError(
            f"pnc.central_validation is true, and the back end {kind} does not declare CentralValidation: "
            f"derive {kind} from secc.ports.CentralValidation, or set it to false"
        )


def check_prices(config: SeccConfig, backend: CheckedBackend) -> None:
    """Raises ConfigError when parameter sets with prices are offered and the back end has no prices."""
    if config.iso20.prices and backend.prices is None:
        kind = type(backend.inner).__name__
        raise ConfigError(
            f"iso20.prices is {[one.value for one in config.iso20.prices]}, and the back end {kind} does not "
            f"declare PricesEnergy: derive {kind} from secc.ports.PricesEnergy, or leave iso20.prices empty"
        )


def check_grid(config: SeccConfig, backend: CheckedBackend) -> None:
    """Raises ConfigError when AC_DER_IEC is offered and the back end has no rules of the grid."""
    if config.iso20.der and backend.grid is None:
        kind = type(backend.inner).__name__
        raise ConfigError(
            f"iso20.der is true, and the back end {kind} does not declare GridRules: derive {kind} from "
            "secc.ports.GridRules, or set it to false"
        )


def settle_discharge(config: SeccConfig, controller: CheckedController) -> None:
    """Hold a DC outlet whose controller cannot discharge to charging: its snapshots are checked for it.

    Raises ConfigError when the configuration lets such an outlet discharge vehicles.
    """
    controller.charges_only = config.energy.offers_dc and controller.discharge is None
    watts = config.energy.dc.max_discharge_power
    if config.energy.offers_dc and watts > 0.0 and controller.discharge is None:
        kind = type(controller.inner).__name__
        raise ConfigError(
            f"energy.dc.max_discharge_power is {watts:g} W, and the controller {kind} does not declare "
            f"Discharges: derive {kind} from secc.ports.Discharges, or set it to 0"
        )


def check_arguments(config: object, reporter: object, random_bytes: object, sdp_port: object) -> None:
    """Raises ConfigError for an argument of `Station` that is of another type than declared."""
    if not isinstance(config, SeccConfig):
        raise ConfigError(f"config is an object of {type(config).__name__}, expected a SeccConfig")
    for name, call in (("reporter", reporter), ("random_bytes", random_bytes)):
        if call is None and name == "reporter":
            continue
        misfit = misfit_of(call, Method(name, False, ("record",) if name == "reporter" else ("size",)))
        if misfit:
            raise ConfigError(f"{name} is {misfit}, expected a function of one argument that is not async")
    if isinstance(sdp_port, bool) or not isinstance(sdp_port, int) or not 0 <= sdp_port <= 65_535:
        raise ConfigError(f"sdp_port is {sdp_port!r:.40}, expected a port from 0 to 65535")
