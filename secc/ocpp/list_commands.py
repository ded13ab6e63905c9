"""Requests of the CSMS about the local list, the cache, and what is stored about a customer."""

from __future__ import annotations

from secc.ocpp import customers
from secc.ocpp.authorising import MOST_LISTED
from secc.ocpp.authorizer import CsmsAuthorizer
from secc.ocpp.model import IdToken, ListEntry
from secc.ocpp.runtime import RuntimeSettings
from secc.ocpp.transactions import Transactions


class ListCommands:
    """Serves these requests for one back end."""

    def __init__(
        self, settings: RuntimeSettings, authorizer: CsmsAuthorizer, transactions: Transactions
    ) -> None:
        self._settings = settings
        self._authorizer = authorizer
        self._transactions = transactions

    @property
    def version(self) -> int:
        """Version of the local list."""
        return self._authorizer.memory.list_version

    def send(self, version: int, entries: list[ListEntry], *, full: bool) -> str:
        """Return Accepted, Failed or VersionMismatch."""
        if not self._settings.ocpp.local_list or len(entries) > MOST_LISTED or version < 1:
            return "Failed"
        if not self._authorizer.memory.update_list(version, entries, full=full):
            return "VersionMismatch"
        self._authorizer.store_memory()
        return "Accepted"

    def clear_cache(self) -> str:
        """Return Accepted or Rejected."""
        self._authorizer.memory.cached = {}
        self._authorizer.store_memory()
        return "Accepted" if self._settings.ocpp.cache else "Rejected"

    def customer(self, token: IdToken | None, *, clear: bool) -> str:
        """Return what is stored about a customer as text, and delete it if wanted."""
        if token is None:
            return ""
        memory = self._authorizer.memory
        text = customers.about(memory, self._transactions.open, token)
        if clear:
            customers.forget(memory, token)
            self._authorizer.store_memory()
        return text
