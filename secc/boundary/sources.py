"""Adapters around the sources that a station is given: OCSP responses and random octets."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from secc.boundary.abilities import OCSP_SOURCE, examine
from secc.boundary.calls import Complaints, awaited, what
from secc.boundary.values import accept, octets
from secc.ports import OcspSource

if TYPE_CHECKING:
    from secc.pki.revocation import Question


class CheckedOcspSource:
    """An `OcspSource` whose results the station relies on."""

    def __init__(self, source: OcspSource) -> None:
        """Raises ConfigError when its method is missing, misspelt or of another shape."""
        examine(OCSP_SOURCE, source)
        self.inner = source
        """The integrator's object."""

    async def ocsp_response(self, question: Question) -> bytes | None:
        response: bytes | None = await awaited("ocsp_response", self.inner.ocsp_response(question))
        return response


def checked_ocsp(source: OcspSource | None) -> CheckedOcspSource | None:
    """Its adapter, if there is one; raises ConfigError."""
    return source if source is None or isinstance(source, CheckedOcspSource) else CheckedOcspSource(source)


def checked_random(source: Callable[[int], bytes], reports: Complaints) -> Callable[[int], bytes]:
    """The source, and that of the operating system if it fails: a failure must not end a session."""

    def draw(size: int) -> bytes:
        try:
            return accept("random_bytes", octets(size, size), source(size))
        except Exception as error:
            reports.complaint(what(error))
            return os.urandom(size)

    return draw
