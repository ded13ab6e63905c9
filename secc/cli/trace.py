"""`secc trace`: show a trace as text, picture or test."""

from __future__ import annotations

import argparse
import datetime
import math
from collections.abc import Callable
from pathlib import Path

from secc.cli import misused, trace_live
from secc.errors import SeccError
from secc.trace import Trace, TracedSession, TraceError, export, power_line, read
from secc.trace.as_test import write_capture_test, write_test
from secc.trace.capture import conversations, discovery, is_capture, matching
from secc.trace.chart import chart, discovery_line
from secc.trace.curve import svg
from secc.trace.offer_picture import offer_svg
from secc.trace.offers import offers
from secc.trace.power_line import TracedFrame
from secc.trace.summary import SessionSummary, summarize, summarize_capture
from secc.trace.tls_records import read_keys

EXAMPLES = """examples:
  secc trace session.trace                             show all sessions, with repeated exchanges folded
  secc trace session.trace --session 2 --all           show each line of the second session
  secc trace session.trace --svg curve.svg             draw voltage, current, power, SOC, states, messages
  secc trace session.trace --offers offers.svg         draw the power and the prices on offer
  secc trace field.pcapng                              show SLAC, SDP, messages; --session counts connections
  secc trace field.pcapng --keys keys.log              decrypt TLS with a key log (SSLKEYLOGFILE)
  secc trace field.pcapng --session 1 --as-test tests/traces/test_field_report.py
  secc trace session.trace --as-test tests/traces/test_field_report.py
  secc trace session.trace --pcapng session.pcapng     for Wireshark, with made-up TCP; TLS content in clear
  secc trace field.pcap --keys keys.log --pcapng field.pcapng    for Wireshark, with the secrets inside
  sudo secc trace --live eth1 --keys keys.log          show a session as it happens
  sudo secc trace --live eth1 --html live.html --pcapng today.pcapng
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "trace", type=Path, nargs="?", help="file that `secc serve --trace` wrote, or capture (pcap, pcapng)"
    )
    parser.add_argument(
        "--live", metavar="INTERFACE", help="show packets as they arrive (Linux, CAP_NET_RAW)"
    )
    parser.add_argument("--keys", type=Path, metavar="FILE", help="key log to decrypt TLS")
    parser.add_argument(
        "--pcapng", type=Path, metavar="OUT", help="write a capture for Wireshark, with the keys"
    )
    parser.add_argument(
        "--html", type=Path, metavar="OUT", help="with --live: write a page that renews itself"
    )
    parser.add_argument("--session", type=int, metavar="N", help="only this session, as the station counts")
    parser.add_argument("--all", action="store_true", help="fold nothing")
    parser.add_argument("--svg", type=Path, metavar="OUT", help="draw the charging curve of one session")
    parser.add_argument(
        "--offers", type=Path, metavar="OUT", help="draw the schedules and prices that one EV was offered"
    )
    parser.add_argument(
        "--as-test",
        type=Path,
        metavar="OUT",
        help="write a test, test_<what>.py, and a copy of the trace beside it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show, draw, or write a test or a capture."""
    if (arguments.trace is None) == (arguments.live is None):
        return misused("expected a file or --live INTERFACE")
    if arguments.html is not None and arguments.live is None:
        return misused("--html needs --live INTERFACE")
    try:
        if arguments.live is not None:
            return trace_live.run(arguments)
        with arguments.trace.open("rb") as file:
            if is_capture(file.read(4)):
                return _capture(arguments)
        trace = read(arguments.trace)
        chosen = _chosen(trace, arguments.session)
        if arguments.pcapng is not None:
            _write(arguments.pcapng, lambda write: export.of_trace(write, trace, chosen))
        elif arguments.as_test is not None:
            for path in write_test(trace, arguments.trace, arguments.as_test):
                print(f"{path} written")
        elif arguments.svg is not None or arguments.offers is not None:
            longest = max(chosen, key=lambda session: len(session.steps))
            _draw(arguments, summarize(longest, trace.config), _title(trace, longest))
        else:
            for session in chosen:
                print(_title(trace, session))
                if frames := before(trace, session):
                    print(power_line.chart(frames, began=frames[0].at))
                    print()
                print(chart(summarize(session, trace.config), fold=not arguments.all))
                print()
            if trace.torn:
                print("the last line is incomplete: the recording was interrupted there")
    except BrokenPipeError:  # the reader of the output has closed
        raise
    except (SeccError, OSError) as error:
        return misused(str(error))
    return 0


def before(trace: Trace, session: TracedSession) -> list[TracedFrame]:
    """Return the matching messages between the previous session and this one."""
    begun = session.beginning.now
    starts = [one.beginning.now for one in trace.sessions if one.beginning.now < begun]
    return [frame for frame in trace.power_line if max(starts, default=-math.inf) <= frame.at <= begun]


def _chosen(trace: Trace, number: int | None) -> list[TracedSession]:
    chosen = [session for session in trace.sessions if number in (None, session.number)]
    if not chosen:
        known = ", ".join(str(session.number) for session in trace.sessions) or "none"
        raise TraceError(f"unknown session; in the file: {known}")
    return chosen


def _capture(arguments: argparse.Namespace) -> int:
    """Show a capture of the network, as far as it can be read."""
    data = arguments.trace.read_bytes()
    if arguments.pcapng is not None:
        log = "" if arguments.keys is None else arguments.keys.read_text("utf-8", errors="replace")
        _write(arguments.pcapng, lambda write: export.of_capture(write, data, log))
        return 0
    keys = {} if arguments.keys is None else read_keys(arguments.keys.read_text("utf-8", errors="replace"))
    found = conversations(data, keys)
    chosen = [talk for number, talk in enumerate(found, 1) if arguments.session in (None, number)]
    spoken = [talk for talk in chosen if talk.payloads]
    drawn = arguments.svg is not None or arguments.offers is not None
    if arguments.as_test is not None or drawn:
        if not spoken:
            return misused("no V2GTP to draw or replay" + "".join(f"; {talk.closed}" for talk in chosen))
        longest = max(spoken, key=lambda talk: len(talk.payloads))
        if drawn:
            summary = summarize_capture(longest)
            _draw(arguments, summary, summary.title)
        else:
            for path in write_capture_test(longest, arguments.trace.name, arguments.as_test):
                print(f"{path} written")
        return 0
    _before(data)
    for talk in chosen:
        summary = summarize_capture(talk)
        tls = f": TLS{' opened' if talk.payloads else ', closed to us: ' + (talk.closed or 'no V2GTP')}"
        print(f"{summary.title}{tls if talk.tls else ''}")
        print(chart(summary, fold=not arguments.all) if talk.payloads else "no V2GTP")
        print()
    print(f"TCP connections: {len(found)}")
    return 0


def _before(data: bytes) -> None:
    """Show matching and discovery in a capture."""
    if heard := matching(data):
        print(power_line.chart(heard, began=heard[0].at))
        print()
    asked = discovery(data)
    for datagram in asked:
        print(f"{datagram.at - asked[0].at:9.3f}  SDP {datagram.source}  {discovery_line(datagram.message)}")
    if asked:
        print()


def _write(path: Path, fill: Callable[[Callable[[bytes], object]], int]) -> None:
    """Write a capture; an existing file is never overwritten."""
    with path.open("xb") as file:
        packets = fill(file.write)
    print(f"{path} written, packets: {packets}")


def _draw(arguments: argparse.Namespace, summary: SessionSummary, title: str) -> None:
    if arguments.svg is not None:
        arguments.svg.write_text(svg(summary, title=title), "utf-8")
        print(f"{arguments.svg}: {summary.title} drawn")
    if arguments.offers is not None:
        found = offers(summary)
        arguments.offers.write_text(offer_svg(found, title=title), "utf-8")
        print(f"{arguments.offers}: offers of {summary.title} drawn: {len(found)}")


def _title(trace: Trace, session: TracedSession) -> str:
    wall = trace.wall + session.beginning.now - trace.now
    began = datetime.datetime.fromtimestamp(wall, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    link = "TLS" if session.beginning.tls else "plain"
    return f"{trace.config.evse_id}, session {session.number}, {session.peer or 'an EV'}, {link}, {began}"
