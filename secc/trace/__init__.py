"""What went into the core and what came out of it, written down, read, replayed and drawn.

A session is a fold over its inputs, so a list of (now, input, outputs) is the whole truth about it: the same
core gives the same outputs again [INV-35], and a recording from the field becomes a test.
"""

from secc.connection import Beginning
from secc.trace.form import TraceError
from secc.trace.reader import Step, Trace, TracedSession, read
from secc.trace.recorder import Recorder
from secc.trace.replay import Difference, replay

__all__ = [
    "Beginning",
    "Difference",
    "Recorder",
    "Step",
    "Trace",
    "TraceError",
    "TracedSession",
    "read",
    "replay",
]
