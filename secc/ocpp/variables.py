"""Settings that a CSMS may read and change: variables of 2.0.1, configuration keys of 1.6."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

from secc.ocpp.background import BackgroundTasks
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.signing import Signing
from secc.ocpp.transactions import Transactions
from secc.private_files import write_private
from secc.settings.config import SeccConfig
from secc.settings.ocpp import OcppConfig
from secc.settings.pnc import OfflinePolicy
from secc.settings.services import Payment

__all__ = ["Variable", "Variables", "find", "find_key"]


@dataclasses.dataclass(frozen=True, slots=True)
class Variable:
    """One variable, with its names in both versions."""

    component: str
    name: str
    key: str
    """Configuration key of 1.6; empty: none."""
    read: Callable[[Variables], str] | None
    """None: write-only."""
    write: Callable[[Variables, str], None] | None = None
    """None: read-only. Raises ValueError for an invalid value."""
    kind: str = "string"

    @property
    def label(self) -> str:
        """Key of the stored value."""
        return f"{self.component}.{self.name}"

    @property
    def mutability(self) -> str:
        """As in a report."""
        if self.read is None:
            return "WriteOnly"
        return "ReadOnly" if self.write is None else "ReadWrite"


def find(component: str, name: str) -> Variable | None:
    """Return a variable by its names in 2.0.1."""
    return next(
        (
            one
            for one in VARIABLES
            if one.component.casefold() == component.casefold() and one.name.casefold() == name.casefold()
        ),
        None,
    )


def find_key(key: str) -> Variable | None:
    """Return a variable by its key in 1.6."""
    return next((one for one in VARIABLES if one.key and one.key.casefold() == key.casefold()), None)


class Variables:
    """Reads and changes the variables of one station; `VARIABLES` lists them."""

    def __init__(
        self,
        config: SeccConfig,
        settings: RuntimeSettings,
        conversation: CsmsConversation,
        transactions: Transactions,
        signing: Signing,
        background: BackgroundTasks,
        report: Callable[[str], None],
    ) -> None:
        self.config = config
        self.settings = settings
        self.conversation = conversation
        self.transactions = transactions
        self.signing = signing
        self.background = background
        self._report = report

    def change(self, variable: Variable, value: str) -> str:
        """Return Accepted or Rejected; an accepted value is stored."""
        if variable.write is None:
            return "Rejected"
        try:
            variable.write(self, value)
        except (ValueError, OSError) as error:
            self._report(f"{variable.label} is not changed: {error}")
            return "Rejected"
        if variable.read is not None:  # secrets are in separate files
            self.settings.overrides[variable.label] = value
            self.conversation.queue.enqueue((), {"variables": self.settings.overrides})
        return "Accepted"

    def restore(self) -> None:
        """Apply the stored values after a restart."""
        overrides = self.settings.overrides
        for variable in VARIABLES:
            value = overrides.get(variable.label)
            if value is None or variable.write is None:
                continue
            try:
                variable.write(self, value)
            except (ValueError, OSError):
                del overrides[variable.label]


def _flag(text: str) -> bool:
    if text.casefold() not in ("true", "false"):
        raise ValueError(f"{text!r}, expected true or false")
    return text.casefold() == "true"


def _number(text: str, least: int, most: int) -> int:
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"{number}, expected {least} to {most}")
    return number


def _setting(field: str) -> tuple[Callable[[Variables], str], Callable[[Variables, str], None]]:
    """Return reader and writer of a flag of `[ocpp]`."""

    def read(variables: Variables) -> str:
        return str(bool(getattr(variables.settings.ocpp, field))).lower()

    def write(variables: Variables, value: str) -> None:
        changed: dict[str, bool] = {field: _flag(value)}
        variables.settings.ocpp = _replaced(variables.settings.ocpp, changed)

    return read, write


def _replaced(settings: OcppConfig, changed: dict[str, bool]) -> OcppConfig:
    return dataclasses.replace(settings, **changed)  # type: ignore[arg-type]


def _set_heartbeat(variables: Variables, value: str) -> None:
    variables.conversation.interval = float(_number(value, 1, 86_400))


def _set_meter_interval(variables: Variables, value: str) -> None:
    variables.transactions.interval = float(_number(value, 1, 86_400))


def _set_central(variables: Variables, value: str) -> None:
    """Change central validation; the CSMS cannot enable what the configuration does not allow."""
    wanted = _flag(value)
    if wanted and not variables.config.pnc.central_validation:
        raise ValueError("pnc.central_validation is off")
    variables.settings.central_validation = wanted


def _set_wait(variables: Variables, value: str) -> None:
    variables.signing.wait = float(_number(value, 1, 86_400))


def _set_repeats(variables: Variables, value: str) -> None:
    variables.signing.repeats = _number(value, 0, 100)


def _set_password(variables: Variables, value: str) -> None:
    path = variables.settings.ocpp.password_file
    if path is None or not 8 <= len(value) <= 64:
        raise ValueError(f"{len(value)} characters, expected 8 to 64, and ocpp.password_file must be set")
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    write_private(new, value.encode())
    os.replace(new, path)
    variables.background.spawn(variables.conversation.link.drop("a new password"))


def _pays_by_contract(variables: Variables) -> str:
    return str(Payment.CONTRACT in variables.config.service.payment_options).lower()


def _offline(variables: Variables) -> str:
    return str(variables.config.pnc.offline is not OfflinePolicy.DENY).lower()


VARIABLES = (
    Variable(
        *("OCPPCommCtrlr", "HeartbeatInterval", "HeartbeatInterval"),
        lambda one: f"{one.conversation.interval:g}",
        _set_heartbeat,
        "integer",
    ),
    Variable(
        *("SampledDataCtrlr", "TxUpdatedInterval", "MeterValueSampleInterval"),
        lambda one: f"{one.transactions.interval:g}",
        _set_meter_interval,
        "integer",
    ),
    Variable("ISO15118Ctrlr", "PnCEnabled", "ISO15118PnCEnabled", _pays_by_contract, None, "boolean"),
    Variable(
        *("ISO15118Ctrlr", "V2GCertificateInstallationEnabled", "ISO15118CertificateManagementEnabled"),
        lambda one: str(one.settings.ocpp.store is not None).lower(),
        None,
        "boolean",
    ),
    Variable(
        *("ISO15118Ctrlr", "ContractCertificateInstallationEnabled", ""),
        lambda one: str(one.config.pnc.certificate_service).lower(),
        None,
        "boolean",
    ),
    Variable(
        *("ISO15118Ctrlr", "CentralContractValidationAllowed", "CentralContractValidationAllowed"),
        lambda one: str(one.settings.central_validation).lower(),
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
        lambda one: str(one.settings.ocpp.security_profile),
        None,
        "integer",
    ),
    Variable("SecurityCtrlr", "BasicAuthPassword", "AuthorizationKey", None, _set_password),
    Variable(
        *("SecurityCtrlr", "CertSigningWaitMinimum", "CertSigningWaitMinimum"),
        lambda one: f"{one.signing.wait:g}",
        _set_wait,
        "integer",
    ),
    Variable(
        *("SecurityCtrlr", "CertSigningRepeatTimes", "CertSigningRepeatTimes"),
        lambda one: str(one.signing.repeats),
        _set_repeats,
        "integer",
    ),
)
