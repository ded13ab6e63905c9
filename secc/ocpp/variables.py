"""The settings that a CSMS may read and change: variables of 2.0.1, configuration keys of 1.6."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Protocol

from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppConfig
from secc.settings.pnc import OfflinePolicy
from secc.settings.services import Payment

if TYPE_CHECKING:
    from secc.ocpp.conversation import Conversation
    from secc.ocpp.signing import Signing
    from secc.ocpp.transactions import Transactions


class Changeable(Protocol):
    """What of a back end the variables read and change; `secc.ocpp.backend.OcppBackend` has it."""

    config: SeccConfig
    settings: OcppConfig
    talk: Conversation
    signing: Signing
    transactions: Transactions
    overrides: dict[str, str]
    central: bool

    def tell(self, text: str) -> None:
        """For the log."""
        ...

    def keep(self, **state: object) -> None:
        """Remember across restarts."""
        ...

    def spawn(self, call: Coroutine[object, object, None]) -> None:
        """Do it beside everything else."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """One of them, under both names."""

    component: str
    name: str
    key: str
    """Of 1.6; empty: it has none."""
    read: Callable[[Changeable], str] | None
    """None: it cannot be read."""
    write: Callable[[Changeable, str], None] | None = None
    """None: it cannot be written. Raises ValueError for a value that it cannot have."""
    kind: str = "string"

    @property
    def label(self) -> str:
        """By which its value is remembered."""
        return f"{self.component}.{self.name}"

    @property
    def mutability(self) -> str:
        """As a report tells it."""
        if self.read is None:
            return "WriteOnly"
        return "ReadOnly" if self.write is None else "ReadWrite"


def find(component: str, name: str) -> Variable | None:
    """By the names of 2.0.1."""
    return next(
        (
            one
            for one in VARIABLES
            if one.component.casefold() == component.casefold() and one.name.casefold() == name.casefold()
        ),
        None,
    )


def find_key(key: str) -> Variable | None:
    """By the name of 1.6."""
    return next((one for one in VARIABLES if one.key and one.key.casefold() == key.casefold()), None)


def change(backend: Changeable, variable: Variable, value: str) -> str:
    """Accepted or Rejected; what was accepted is remembered."""
    if variable.write is None:
        return "Rejected"
    try:
        variable.write(backend, value)
    except (ValueError, OSError) as error:
        backend.tell(f"{variable.label} is not changed: {error}")
        return "Rejected"
    if variable.read is not None:  # secrets have files of their own
        backend.overrides[variable.label] = value
        backend.keep(variables=backend.overrides)
    return "Accepted"


def restore(backend: Changeable) -> None:
    """After a restart: what the CSMS has changed is changed again."""
    for variable in VARIABLES:
        value = backend.overrides.get(variable.label)
        if value is None or variable.write is None:
            continue
        try:
            variable.write(backend, value)
        except (ValueError, OSError):
            del backend.overrides[variable.label]


def _flag(text: str) -> bool:
    if text.casefold() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.casefold() == "true"


def _number(text: str, least: int, most: int) -> int:
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"{number} is not in {least}..{most}")
    return number


def _setting(field: str) -> tuple[Callable[[Changeable], str], Callable[[Changeable, str], None]]:
    """A flag of `[ocpp]`."""

    def read(backend: Changeable) -> str:
        return str(bool(getattr(backend.settings, field))).lower()

    def write(backend: Changeable, value: str) -> None:
        changed: dict[str, bool] = {field: _flag(value)}
        backend.settings = _replaced(backend.settings, changed)

    return read, write


def _replaced(settings: OcppConfig, changed: dict[str, bool]) -> OcppConfig:
    return dataclasses.replace(settings, **changed)  # type: ignore[arg-type]


def _set_heartbeat(backend: Changeable, value: str) -> None:
    backend.talk.interval = float(_number(value, 1, 86_400))


def _set_meter_interval(backend: Changeable, value: str) -> None:
    backend.transactions.interval = float(_number(value, 1, 86_400))


def _set_central(backend: Changeable, value: str) -> None:
    """The CSMS may switch off what the station's own configuration allows, never the other way."""
    wanted = _flag(value)
    if wanted and not backend.config.pnc.central_validation:
        raise ValueError("pnc.central_validation is off")
    backend.central = wanted


def _set_wait(backend: Changeable, value: str) -> None:
    backend.signing.wait = float(_number(value, 1, 86_400))


def _set_repeats(backend: Changeable, value: str) -> None:
    backend.signing.repeats = _number(value, 0, 100)


def _set_password(backend: Changeable, value: str) -> None:
    path = backend.settings.password_file
    if path is None or not 8 <= len(value) <= 64:
        raise ValueError("no file for it, or not 8 to 64 characters")
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    backend.spawn(backend.talk.link.drop("a new password"))


def _pays_by_contract(backend: Changeable) -> str:
    return str(Payment.CONTRACT in backend.config.service.payment_options).lower()


def _offline(backend: Changeable) -> str:
    return str(backend.config.pnc.offline is not OfflinePolicy.DENY).lower()


VARIABLES = (
    Variable(
        *("OCPPCommCtrlr", "HeartbeatInterval", "HeartbeatInterval"),
        lambda backend: f"{backend.talk.interval:g}",
        _set_heartbeat,
        "integer",
    ),
    Variable(
        *("SampledDataCtrlr", "TxUpdatedInterval", "MeterValueSampleInterval"),
        lambda backend: f"{backend.transactions.interval:g}",
        _set_meter_interval,
        "integer",
    ),
    Variable("ISO15118Ctrlr", "PnCEnabled", "ISO15118PnCEnabled", _pays_by_contract, None, "boolean"),
    Variable(
        *("ISO15118Ctrlr", "V2GCertificateInstallationEnabled", "ISO15118CertificateManagementEnabled"),
        lambda backend: str(backend.settings.store is not None).lower(),
        None,
        "boolean",
    ),
    Variable(
        *("ISO15118Ctrlr", "ContractCertificateInstallationEnabled", ""),
        lambda backend: str(backend.config.pnc.certificate_service).lower(),
        None,
        "boolean",
    ),
    Variable(
        *("ISO15118Ctrlr", "CentralContractValidationAllowed", "CentralContractValidationAllowed"),
        lambda backend: str(backend.central).lower(),
        _set_central,
        "boolean",
    ),
    Variable(
        "ISO15118Ctrlr", "ContractValidationOffline", "ContractValidationOffline", _offline, None, "boolean"
    ),
    Variable(
        *("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "AllowOfflineTxForUnknownId"),
        *_setting("offline_unknown"),
        "boolean",
    ),
    Variable("AuthCacheCtrlr", "Enabled", "AuthorizationCacheEnabled", *_setting("cache"), "boolean"),
    Variable("LocalAuthListCtrlr", "Enabled", "LocalAuthListEnabled", *_setting("local_list"), "boolean"),
    Variable(
        *("SecurityCtrlr", "SecurityProfile", "SecurityProfile"),
        lambda backend: str(backend.settings.security_profile),
        None,
        "integer",
    ),
    Variable("SecurityCtrlr", "BasicAuthPassword", "AuthorizationKey", None, _set_password),
    Variable(
        *("SecurityCtrlr", "CertSigningWaitMinimum", "CertSigningWaitMinimum"),
        lambda backend: f"{backend.signing.wait:g}",
        _set_wait,
        "integer",
    ),
    Variable(
        *("SecurityCtrlr", "CertSigningRepeatTimes", "CertSigningRepeatTimes"),
        lambda backend: str(backend.signing.repeats),
        _set_repeats,
        "integer",
    ),
)
