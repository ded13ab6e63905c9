"""Checks of the arguments of a station, and of abilities that the configuration needs."""

from __future__ import annotations

from secc.boundary.abilities import Method, misfit_of
from secc.boundary.backend import CheckedBackend
from secc.boundary.controller import CheckedController
from secc.errors import ConfigError
from secc.settings import Payment, SeccConfig


def check_contracts(config: SeccConfig, backend: CheckedBackend) -> None:
    """Raises ConfigError when contracts are offered and the back end cannot decide about them."""
    if Payment.CONTRACT not in config.service.payment_options:
        return
    if backend.contracts is None:
        wanted, other = "service.payment_options has Contract", "offer ExternalPayment alone"
        raise _undeclared(wanted, "back end", backend.inner, "ContractBackend", other)
    if config.pnc.central_validation and backend.central_validation is None:
        wanted = "pnc.central_validation is true"
        raise _undeclared(wanted, "back end", backend.inner, "CentralValidation", "set it to false")


def check_prices(config: SeccConfig, backend: CheckedBackend) -> None:
    """Raises ConfigError when parameter sets with prices are offered and the back end has no prices."""
    if config.iso20.prices and backend.prices is None:
        wanted = f"iso20.prices is {[one.value for one in config.iso20.prices]}"
        raise _undeclared(wanted, "back end", backend.inner, "PricesEnergy", "leave iso20.prices empty")


def check_grid(config: SeccConfig, backend: CheckedBackend) -> None:
    """Raises ConfigError when AC_DER_IEC is offered and the back end has no rules of the grid."""
    if config.iso20.der and backend.grid is None:
        raise _undeclared("iso20.der is true", "back end", backend.inner, "GridRules", "set it to false")


def settle_discharge(config: SeccConfig, controller: CheckedController) -> None:
    """Hold a DC outlet whose controller cannot discharge to charging: its snapshots are checked for it.

    Raises ConfigError when the configuration lets such an outlet discharge vehicles.
    """
    controller.charges_only = config.energy.offers_dc and controller.discharge is None
    watts = config.energy.dc.max_discharge_power
    if config.energy.offers_dc and watts > 0.0 and controller.discharge is None:
        wanted = f"energy.dc.max_discharge_power is {watts:g} W"
        raise _undeclared(wanted, "controller", controller.inner, "Discharges", "set it to 0")


def _undeclared(wanted: str, what: str, inner: object, port: str, other: str) -> ConfigError:
    """The setting needs an ability that the object of the integrator does not declare."""
    kind = type(inner).__name__
    return ConfigError(
        f"{wanted}, and the {what} {kind} does not declare {port}: derive {kind} from secc.ports.{port}, "
        f"or {other}"
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
