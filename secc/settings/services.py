"""Value-added services: `[[service.value_added]]` in the station's file, or made by an integrator."""

import dataclasses
import enum

from secc.settings.checks import Settings, check

__all__ = [
    "CERTIFICATE_SERVICE",
    "CHARGE_SERVICE",
    "INTERNET_SERVICE",
    "MOST_SERVICES",
    "Payment",
    "ServiceConfig",
    "ServiceKind",
    "ServiceParameter",
    "ServiceParameterSet",
    "USE_CASE_SERVICE",
    "ValueAddedService",
    "check_services",
]

CHARGE_SERVICE = 1
"""ServiceID of AC and DC charging [V2G2-417]."""
CERTIFICATE_SERVICE = 2
"""ServiceID of the certificate service [V2G2-410] [V2G2-417]."""
INTERNET_SERVICE = 3
"""ServiceID of internet access [V2G2-417]."""
USE_CASE_SERVICE = 4
"""ServiceID of use-case specific information [V2G2-417]."""
MOST_SERVICES = 7
"""A list holds eight services, one of them may be the certificate service."""


class ServiceKind(enum.StrEnum):
    """ServiceCategory of a value-added service, by its literal on the wire."""

    INTERNET = "Internet"
    OTHER = "OtherCustom"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParameter(Settings, section="service parameter"):
    """A named value; exactly one of the values is given."""

    name: str
    """1 to 64 characters."""
    text: str | None = None
    """At most 64 characters."""
    number: int | None = None
    """32 bits signed."""
    flag: bool | None = None
    """True or false."""

    def _check(self) -> None:
        path = f"service parameter {self.name!r}"
        check(0 < len(self.name) <= 64, path, "a name of 1 to 64 characters")
        given = [value for value in (self.text, self.number, self.flag) if value is not None]
        check(len(given) == 1, path, "one of text, number and flag")
        check(self.text is None or len(self.text) <= 64, f"{path}.text", "at most 64 characters")
        check(self.number is None or -(2**31) <= self.number < 2**31, f"{path}.number", "32 bits signed")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParameterSet(Settings, section="service parameter set"):
    """One way to use a service: parameters that belong together."""

    id: int
    """ParameterSetID, unique in the service, 1 to 32767."""
    parameters: tuple[ServiceParameter, ...]
    """1 to 16."""

    def _check(self) -> None:
        check(1 <= self.id <= 32767, "service parameter set id", "1..32767")
        check(1 <= len(self.parameters) <= 16, f"service parameter set {self.id}", "1 to 16 parameters")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ValueAddedService(Settings, section="service.value_added"):
    """A service beside charging: internet access (3), use-case information (4), or one of your own."""

    id: int
    """ServiceID, 3 to 65535: 3 internet, 4 use-case information, above it your own."""
    name: str | None = None
    """At most 32 characters."""
    category: ServiceKind = ServiceKind.OTHER
    """`Internet` or `OtherCustom`; service 3 has to have the first one."""
    scope: str | None = None
    """At most 64 characters: an EV may ask for services of this scope only."""
    free: bool = False
    """No money is asked for."""
    needs_tls: bool = True
    """Offered only over TLS, as the standard foresees it [V2G2-422]."""
    parameter_sets: tuple[ServiceParameterSet, ...] = ()
    """What the EV may choose from; none: the service as it is."""

    def _check(self) -> None:
        path = f"service.value_added {self.id}"
        check(INTERNET_SERVICE <= self.id <= 65535, path, "an id from 3 to 65535")
        check(self.name is None or 0 < len(self.name) <= 32, f"{path}.name", "1 to 32 characters")
        check(self.scope is None or 0 < len(self.scope) <= 64, f"{path}.scope", "1 to 64 characters")
        internet = self.category is ServiceKind.INTERNET
        check(internet or self.id != INTERNET_SERVICE, f"{path}.category", "Internet, as the id is 3")
        ids = [one.id for one in self.parameter_sets]
        check(len(set(ids)) == len(ids) <= 255, f"{path}.parameter_sets", "at most 255, each id once")

    def takes(self, parameter_set: int | None) -> bool:
        """Whether the EV may choose this set; it may leave out what cannot be meant otherwise."""
        ids = [one.id for one in self.parameter_sets]
        return parameter_set in ids or (parameter_set is None and len(ids) <= 1)


def check_services(services: tuple[ValueAddedService, ...], path: str) -> None:
    """What holds for all of them together; raises ConfigError."""
    check(len(services) <= MOST_SERVICES, path, f"at most {MOST_SERVICES} services")
    ids = [service.id for service in services]
    check(len(set(ids)) == len(ids), path, "each id once")


class Payment(enum.StrEnum):
    """How a session may be paid, by the literals on the wire."""

    EXTERNAL = "ExternalPayment"
    CONTRACT = "Contract"
    """Plug and Charge; only over TLS, whatever is configured [INV-21]."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig(Settings, section="service"):
    """The charge service."""

    payment_options: tuple[Payment, ...] = (Payment.EXTERNAL,)
    """Ways to pay, in the order offered."""
    free: bool = False
    """FreeService: no money is asked for. An authorization is needed all the same."""
    value_added: tuple[ValueAddedService, ...] = ()
    """Services beside charging, `[[service.value_added]]`, at most seven; a back end may add more."""

    def _check(self) -> None:
        options = self.payment_options
        check(0 < len(options) == len(set(options)), "service.payment_options", "one or both of the options")
        check_services(self.value_added, "service.value_added")
