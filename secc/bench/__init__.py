"""The conformance bench: an EV that tests stations with the cases of ISO 15118-4, as far as they are public.

It tests any station by its address, through real sockets; `secc bench` is its command line. It is unrelated
to `make bench`, which measures speed.
"""

from secc.bench.case import Case, CaseOutcome, Need
from secc.bench.cases import ALL
from secc.bench.runner import BenchReport, run
from secc.bench.target import EvData, Facts, Target
from secc.bench.timers import BenchTimers
from secc.bench.verdict import BenchVerdict

__all__ = [
    "ALL",
    "Case",
    "EvData",
    "Facts",
    "Need",
    "CaseOutcome",
    "BenchReport",
    "Target",
    "BenchTimers",
    "BenchVerdict",
    "run",
]
