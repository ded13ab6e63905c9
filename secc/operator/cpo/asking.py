"""Questions to the ecosystem: a car waits for a limited time; a later answer is used at its next attempt."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import datetime
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from secc.errors import CertificateError, SeccError
from secc.operator.cpo.database import StorageError
from secc.operator.cpo.journal import OperatorJournal
from secc.operator.opcp.port import Ecosystem, EcosystemError, NotFoundThere
from secc.pki.provisioning import Refusal


@dataclasses.dataclass(frozen=True, slots=True)
class Unanswered:
    """Why the ecosystem has no answer for a car."""

    refusal: Refusal
    rule: str
    text: str


_Answer = TypeVar("_Answer")


class EcosystemQuestions:
    """Asks the ecosystem in threads; one for all generations."""

    def __init__(
        self, ecosystem: Ecosystem | None, journal: OperatorJournal, *, answer_within: float = 4.0
    ) -> None:
        """`answer_within`: seconds for the ecosystem. Without an ecosystem every car is unknown."""
        self._ecosystem = ecosystem
        self._journal = journal
        self._answer_within = answer_within
        self._asking = concurrent.futures.ThreadPoolExecutor(8, thread_name_prefix="ecosystem")

    def close(self) -> None:
        """Cancel questions that have not started; do not wait for the others."""
        self._asking.shutdown(wait=False, cancel_futures=True)

    def ask(
        self, fetch: Callable[[Ecosystem], _Answer], car: str, now: datetime.datetime
    ) -> _Answer | Unanswered:
        """Return what `fetch` returns. It asks, verifies and stores, and continues after this call has
        stopped waiting; why a late answer cannot be used is recorded."""
        if self._ecosystem is None:
            return Unanswered(Refusal.UNKNOWN, "unknown_car", "unknown car")
        question = self._asking.submit(fetch, self._ecosystem)
        try:
            return question.result(timeout=self._answer_within)
        except TimeoutError:
            question.add_done_callback(functools.partial(self._record_late, car, now))
            return Unanswered(Refusal.LATE, "ecosystem_late", "the ecosystem has not answered in time")
        except NotFoundThere as error:
            text = f"unknown car, also in the ecosystem: {error}"
            return Unanswered(Refusal.UNKNOWN, "unknown_car", text)
        except EcosystemError as error:
            return Unanswered(Refusal.UNREACHABLE, "ecosystem", str(error))
        except CertificateError as error:
            return Unanswered(Refusal.FAULTY, error.rule or "bundle", str(error))

    def _record_late(self, car: str, at: datetime.datetime, question: concurrent.futures.Future[Any]) -> None:
        error = None if question.cancelled() else question.exception()
        if isinstance(error, SeccError) and not isinstance(error, StorageError):
            rule = error.rule if isinstance(error, CertificateError) and error.rule else "ecosystem"
            with contextlib.suppress(StorageError):  # the service ends, or its database is not available
                self._journal.refuse("installation", "ecosystem", car, rule, str(error), at)
