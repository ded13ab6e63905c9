"""The tariffs that a CSMS of 2.1 has set: for every transaction, for a driver, for the running one. Pure."""

from __future__ import annotations

import msgspec

from secc.ocpp.model import Payload
from secc.ocpp.price_schedules import check_tariff


class TariffState(msgspec.Struct, kw_only=True):
    """Tariffs as they are stored."""

    default: Payload | None = None
    """For every driver without another one."""
    driver: Payload | None = None
    """Of the driver who was authorised last."""
    running: Payload | None = None
    """Of the running transaction."""


class TariffStore:
    """The tariffs of one outlet."""

    def __init__(self) -> None:
        self.state = TariffState()

    @property
    def present(self) -> Payload | None:
        """The tariff of the running or next transaction."""
        return self.state.running or self.state.driver or self.state.default

    def set_default(self, tariff: Payload) -> tuple[str, str]:
        """Set the default tariff; returns the status and, for a refusal, the reason."""
        problem = check_tariff(tariff)
        if problem:
            return _refusal(problem), problem
        self.state.default = tariff
        return "Accepted", ""

    def set_driver(self, tariff: Payload | None) -> str:
        """Set the tariff of a driver; returns why it cannot be used, or an empty text."""
        problem = "" if tariff is None else check_tariff(tariff)
        self.state.driver = None if problem else tariff
        return problem

    def change(self, tariff: Payload, *, running: bool) -> tuple[str, str]:
        """Change the tariff of the running transaction; returns the status and the reason."""
        if not running:
            return "TxNotFound", "no such transaction"
        present = self.present
        if present is not None and present["currency"] != tariff["currency"]:
            return "NoCurrencyChange", f"{tariff['currency']}, expected {present['currency']}"
        problem = check_tariff(tariff)
        if problem:
            return _refusal(problem), problem
        self.state.running = tariff
        return "Accepted", ""

    def end_transaction(self) -> None:
        """Remove what belongs to the transaction."""
        self.state.driver = self.state.running = None

    def assignments(self) -> list[Payload]:
        """Return TariffAssignmentType of the tariffs that are set."""
        rows = []
        for kind, tariff in (("DefaultTariff", self.state.default), ("DriverTariff", self.state.driver)):
            if tariff is not None:
                rows.append({"tariffId": tariff["tariffId"], "tariffKind": kind, "evseIds": [1]})
        return rows

    def clear(self, ids: list[str]) -> list[Payload]:
        """Remove the default tariff if it is one of these, or if none is named."""
        default = self.state.default
        if not ids:
            if default is None:
                return [{"status": "NoTariff"}]
            ids = [default["tariffId"]]
        rows = []
        for id_ in ids:
            known = default is not None and default["tariffId"] == id_
            rows.append({"tariffId": id_, "status": "Accepted" if known else "NoTariff"})
            if known:
                self.state.default = None
        return rows


def _refusal(problem: str) -> str:
    return "ConditionNotSupported" if "condition" in problem else "Rejected"
