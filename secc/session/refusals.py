"""A check that fails: raised by a handler, answered by the machine."""

from secc.session.contract_events import ContractRefused
from secc.session.dialect import Code


class Refused(Exception):
    """Raised by a handler when a check fails; the machine answers and ends. Never leaves `Session.handle`."""

    def __init__(self, code: Code, why: str, record: ContractRefused | None = None) -> None:
        super().__init__(why)
        self.code = code
        self.record = record
        """For the record, where it is about a contract."""
