"""Operation of `secc serve`: journal, metrics, health, trace."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from secc.errors import ConfigError
from secc.private_files import create_private
from secc.records import Record
from secc.settings.config import SeccConfig
from secc.settings.operation import OperationConfig, Sync
from secc.station.journal import Journal
from secc.station.monitor import Monitor
from secc.station.outflow import LineFile, Outflow, Report
from secc.station.station import Station

if TYPE_CHECKING:
    from secc.station.plc import PlcStation
    from secc.trace.recorder import Recorder

Say = Callable[[str], None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; each overrides its key in the file."""
    parser.add_argument("--journal", metavar="DIR", type=Path, help="write the end records of sessions there")
    parser.add_argument(
        "--journal-sync",
        choices=[sync.value for sync in Sync],
        help="records that must be on the disk before the next one is written (ends)",
    )
    parser.add_argument(
        "--metrics",
        metavar="PORT",
        type=int,
        help="serve Prometheus metrics and health on this port of 127.0.0.1",
    )
    parser.add_argument(
        "--health",
        metavar="PORT",
        type=int,
        help="serve health without metrics on this port, see `secc health`",
    )


def settings(arguments: argparse.Namespace, config: SeccConfig) -> SeccConfig:
    """Return the configuration with the options of the command line."""
    operation: OperationConfig = config.operation
    if arguments.journal is not None:
        operation = dataclasses.replace(operation, journal=arguments.journal)
    if arguments.journal_sync is not None:
        operation = dataclasses.replace(operation, journal_sync=Sync(arguments.journal_sync))
    if (port := arguments.metrics or arguments.health) is not None:
        operation = dataclasses.replace(operation, port=port)
    return dataclasses.replace(config, operation=operation)


def journal(operation: OperationConfig, say: Say, files: contextlib.ExitStack) -> Journal | None:
    """Open the journal, and report sessions without an end record."""
    if operation.journal is None:
        return None
    opened = Journal(
        operation.journal,
        sync=operation.journal_sync,
        size=operation.journal_size,
        keep=operation.journal_keep,
    )
    files.callback(opened.close)
    for record in opened.recovered:
        say(f"journal: session {record['session_id']} had no end; recorded as {record['reason']}")
    return opened


def recorder(
    path: Path | None, config: SeccConfig, files: contextlib.ExitStack
) -> tuple[Recorder | None, list[Report]]:
    """Open a new file that only its owner may read; returns the trace and what to monitor of it."""
    if path is None:
        return None, []
    from secc.trace.recorder import Recorder  # for those who want a trace

    try:
        opened = create_private(path)
    except FileExistsError:
        raise ConfigError(f"--trace {path}: the file exists; a trace is never overwritten") from None
    except OSError as error:
        raise ConfigError(f"--trace {path}: {error.strerror}") from error
    lines = LineFile(opened)
    out: Outflow[str] = Outflow(
        *("trace", lambda line: lines.write(line.encode())),
        limit=_TRACE_LIMIT,
        size=len,
        retry=1.0,
        finish=lambda: os.close(opened),
    )
    files.callback(out.close, _PATIENCE)
    made = Recorder(out.put, config, now=asyncio.get_running_loop().time(), wall=time.time())
    return made, [out]


def watch(station: Station | PlcStation, reports: Iterable[Report]) -> None:
    """Include these in health and metrics."""
    inner = station if isinstance(station, Station) else station.station
    for report in reports:
        inner.recording.watch(report)


_TRACE_LIMIT = 4_194_304  # characters that may wait for the disk
_PATIENCE = 1.0  # seconds for the disk at the end


def monitor(
    station: Station | PlcStation, operation: OperationConfig, *, metrics: bool | None
) -> tuple[Monitor | None, Callable[[Record], None] | None]:
    """Return the server for supervisors, and the consumer of records for it. `metrics` None: if installed."""
    if not operation.port:
        return None, None
    inner = station if isinstance(station, Station) else station.station
    try:
        from secc.station.metrics import Metrics
    except ImportError:
        if metrics:
            raise ConfigError("metrics need prometheus-client: pip install secc[metrics]") from None
        metrics = False
    if metrics is False:
        return Monitor(inner, operation.address, operation.port), None
    kept = Metrics()
    kept.watch(inner)
    return Monitor(inner, operation.address, operation.port, metrics=kept.text), kept.record
