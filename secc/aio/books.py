"""What a station writes down about its sessions: a trace and a journal, where the operator wants them.

Neither can stop a session: what cannot be written is complained of, once, and reported by the health check.
"""

from collections.abc import Callable

from secc.aio.journal import Journal
from secc.config import SeccConfig
from secc.connection import Connection
from secc.session.contract_events import ContractRecord
from secc.session.events import EndSession, EvseSnapshot
from secc.trace.recorder import Beginning, Recorder


class Books:
    """Trace and journal of one station."""

    def __init__(
        self, recorder: Recorder | None, journal: Journal | None, *, complain: Callable[[str], None]
    ) -> None:
        self._recorder = recorder
        self._journal = journal
        self._complain = complain
        self._problem = ""

    @property
    def problem(self) -> str:
        """Why something cannot be written; empty while all is well."""
        return self._problem

    def begin(
        self, beginning: Beginning, config: SeccConfig, random_bytes: Callable[[int], bytes], peer: str
    ) -> Connection:
        """The core for a session, written down from now on."""
        if self._recorder is not None:
            connection = self._recorder.begin(beginning, random_bytes, peer=peer)
        else:
            session = beginning.session(config, random_bytes)
            connection = Connection(session, max_payload=beginning.max_payload)
        if self._journal is not None:
            self._journal.begin(
                beginning.generation,
                session_id=connection.session.session_id,
                peer=peer,
                tls=beginning.tls,
                snapshot=beginning.snapshot,
            )
        self._look()
        return connection

    def observe(self, snapshot: EvseSnapshot) -> None:
        """The outlet now; for meter readings."""
        if self._journal is not None:
            self._journal.observe(snapshot)

    def contract(self, number: int, record: ContractRecord) -> None:
        """Something about a contract: a refusal, a grant, a delivery, a signed receipt."""
        if self._journal is not None:
            self._journal.contract(number, record)
            self._look()

    def end(self, number: int, end: EndSession | None) -> None:
        """The session is over."""
        if self._journal is not None:
            self._journal.end(number, end)
        self._look()

    def _look(self) -> None:
        problems = [book.problem for book in (self._recorder, self._journal) if book is not None]
        problem = "; ".join(problem for problem in problems if problem)
        if problem and problem != self._problem:
            self._complain(problem)
        self._problem = problem
