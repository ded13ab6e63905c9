"""Value-added services: `[[service.value_added]]` in the station's file, or created in code."""

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
"""A list holds eight services, and one of them may be the certificate service."""


class ServiceKind(enum.StrEnum):
    """ServiceCategory of a value-added service, by its literal on the wire."""

    INTERNET = "Internet"
    OTHER = "OtherCustom"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParameter(Settings, section="service parameter"):
    """A named value; set exactly one of the values."""

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
    """A set of parameters with which a service can be used."""

    id: int
    """ParameterSetID, unique in the service, 1 to 32767."""
    parameters: tuple[ServiceParameter, ...]
    """1 to 16."""

    def _check(self) -> None:
        check(1 <= self.id <= 32767, "service parameter set id", "1..32767")
        check(1 <= len(self.parameters) <= 16, f"service parameter set {self.id}", "1 to 16 parameters")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ValueAddedService(Settings, section="service.value_added"):
    """A service besides charging: internet access (3), use-case information (4), or your service."""

    id: int
    """ServiceID, 3 to 65535: 3 internet, 4 use-case information, above 4 free for your services."""
    name: str | None = None
    """At most 32 characters."""
    category: ServiceKind = ServiceKind.OTHER
    """`Internet` or `OtherCustom`; service 3 must be `Internet`."""
    scope: str | None = None
    """At most 64 characters; an EV may request services of this scope only."""
    free: bool = False
    """Free of charge."""
    needs_tls: bool = True
    """Offer only over TLS [V2G2-422]."""
    parameter_sets: tuple[ServiceParameterSet, ...] = ()
    """Parameter sets from which the EV chooses; empty: the service has no parameters."""

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
        """Whether the EV may choose this set; it may omit the id if there is only one set."""
        ids = [one.id for one in self.parameter_sets]
        return parameter_set in ids or (parameter_set is None and len(ids) <= 1)


def check_services(services: tuple[ValueAddedService, ...], path: str) -> None:
    """Check the list of services as a whole. Raises ConfigError."""
    check(len(services) <= MOST_SERVICES, path, f"at most {MOST_SERVICES} services")
    ids = [service.id for service in services]
    check(len(set(ids)) == len(ids), path, "each id once")


class Payment(enum.StrEnum):
    """Payment option, by its literal on the wire."""

    EXTERNAL = "ExternalPayment"
    CONTRACT = "Contract"
    """Plug and Charge; only over TLS, regardless of other settings [INV-21]."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig(Settings, section="service"):
    """The charge service."""

    payment_options: tuple[Payment, ...] = (Payment.EXTERNAL,)
    """Payment options in the order offered."""
    free: bool = False
    """FreeService: charging is free. An authorization is still required."""
    value_added: tuple[ValueAddedService, ...] = ()
    """Services besides charging, `[[service.value_added]]`, at most seven; a back end may add more."""

    def _check(self) -> None:
        options = self.payment_options
        check(0 < len(options) == len(set(options)), "service.payment_options", "one or both of the options")
        check_services(self.value_added, "service.value_added")
