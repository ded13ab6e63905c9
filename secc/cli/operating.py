"""What `secc serve` writes down and tells about itself: journal, metrics, health."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

from secc.aio.journal import Journal
from secc.aio.monitor import Monitor
from secc.aio.plc import PlcStation
from secc.aio.records import Record
from secc.aio.station import Station
from secc.config import SeccConfig
from secc.errors import ConfigError
from secc.operation_settings import OperationConfig, Sync

Say = Callable[[str], None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments; each goes before the same in the file."""
    parser.add_argument("--journal", metavar="DIR", type=Path, help="keep the end records of sessions there")
    parser.add_argument(
        "--journal-sync",
        choices=[sync.value for sync in Sync],
        help="when the disk has to have a record before the station goes on (ends)",
    )
    parser.add_argument(
        "--metrics", metavar="PORT", type=int, help="Prometheus metrics and health on this port of 127.0.0.1"
    )
    parser.add_argument(
        "--health", metavar="PORT", type=int, help="the same without metrics, see `secc health`"
    )


def settings(arguments: argparse.Namespace, config: SeccConfig) -> SeccConfig:
    """The configuration with what the command line says on top."""
    operation: OperationConfig = config.operation
    if arguments.journal is not None:
        operation = dataclasses.replace(operation, journal=arguments.journal)
    if arguments.journal_sync is not None:
        operation = dataclasses.replace(operation, journal_sync=Sync(arguments.journal_sync))
    if (port := arguments.metrics or arguments.health) is not None:
        operation = dataclasses.replace(operation, port=port)
    return dataclasses.replace(config, operation=operation)


def journal(operation: OperationConfig, say: Say, files: contextlib.ExitStack) -> Journal | None:
    """Open it, and say which sessions had no end."""
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


def monitor(
    station: Station | PlcStation, operation: OperationConfig, *, metrics: bool | None
) -> tuple[Monitor | None, Callable[[Record], None] | None]:
    """The server for supervisors, and who wants every record for it. `metrics`: None means if installed."""
    if not operation.port:
        return None, None
    inner = station.station if isinstance(station, PlcStation) else station
    try:
        from secc.aio.metrics import Metrics
    except ImportError:
        if metrics:
            raise ConfigError("metrics need prometheus-client: pip install secc[metrics]") from None
        metrics = False
    if metrics is False:
        return Monitor(inner, operation.address, operation.port), None
    kept = Metrics()
    kept.watch(inner)
    return Monitor(inner, operation.address, operation.port, metrics=kept.text), kept.record
