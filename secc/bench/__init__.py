"""The conformance bench: an EV that tests stations, with the cases of ISO 15118-4 as far as they are known.

It plays against any station by address and speaks through its own sockets; `secc bench` is its command line.
Not to be mistaken for `make bench`, which measures speed.
"""

from secc.bench.case import Case, CaseOutcome, Need
from secc.bench.cases import ALL
from secc.bench.runner import BenchReport, run
from secc.bench.target import EvData, Facts, Target
from secc.bench.timers import Timers
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
    "Timers",
    "BenchVerdict",
    "run",
]
