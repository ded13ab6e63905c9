"""``python -m tools.bench``: speed and size of the codec, beside others; ``--write`` documents them.

Times are the least of many runs, since other work on the machine only adds to them. Rust times are of the
tape, the codec's own value; Python times are from bytes to message object and back. Instructions are counted
by callgrind.
"""

from __future__ import annotations

import subprocess
import sys
import timeit
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from secc import _exi, exi
from secc.messages import iso2
from tools.bench import costs, floor, instructions, message_set
from tools.docs import charts
from tools.oracles.exificient import PYTHON as PYPI

ROOT = instructions.ROOT
ASSETS = ROOT / "docs" / "assets"
PAGE = ROOT / "docs" / "explanation" / "speed.md"
BEGIN, END = "<!-- figures: written by tools/bench/__main__.py -->\n", "<!-- end of the figures -->\n"
WAYS = ("decode", "encode")

Figures = dict[tuple[str, str], float]
Anchors = dict[str, dict[str, dict[str, int]]]


def main() -> None:
    """Print the tables; with ``--write`` also draw them and put both into the documentation."""
    lines = instructions.MESSAGES.read_text(encoding="ascii").splitlines()
    anchors = tomllib.loads((ROOT / "benches" / "anchors.toml").read_text(encoding="utf-8"))
    names = [line.split(" ")[0] for line in lines]
    sizes = {line.split(" ")[0]: len(line.split(" ")[2]) // 2 for line in lines}
    ours, theirs = _rust("ours", lines), _rust("theirs", lines)
    python, pypi = _python(lines), _pypi(lines)
    counts: Figures = {
        (n, w): c for n, both in instructions.of_messages(lines).items() for w, c in both.items()
    }
    text = "\n".join(
        [
            _rust_table(names, sizes, ours, theirs, anchors),
            _count_table(names, counts, ours, anchors),
            _python_table(names, python, pypi, anchors),
            _station_table(costs.of_station()),
            _growth(write="--write" in sys.argv),
            _size_table(),
        ]
    )
    print(text)
    if "--write" in sys.argv:
        _draw(names, ours, theirs, python, anchors)
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(before + BEGIN + "\n" + text + "\n" + END + after, encoding="utf-8")


# --- measuring --------------------------------------------------------------------------------------------


def _rust(who: str, lines: list[str]) -> Figures:
    """Nanoseconds of the Rust core, or of the crate ``iso15118``."""
    program = instructions.example("v2g-exi-oracle", "speed")
    found: Figures = {}
    for way in WAYS:
        run = subprocess.run(
            [program, who, way], input="\n".join(lines), capture_output=True, text=True, check=True
        )
        for line in run.stdout.splitlines():
            name, nanoseconds = line.split(" ")
            found[name, way] = float(nanoseconds)
    return found


def _python(lines: list[str]) -> Figures:
    """Nanoseconds from bytes to message object and back, and to such objects with msgspec's own decoder."""
    found: Figures = {}
    for line in lines:
        name, schema, digits = line.split(" ")
        codec, data = exi.codec(schema), bytes.fromhex(digits)
        found[name, "decode"] = _least(partial(codec.decode, data))
        found[name, "encode"] = _least(partial(codec.encode, codec.decode(data)))
        found[name, "floor"] = _least(floor.reader(codec.decode(data)))
    return found


def _least(call: Callable[[], object], number: int = 500, repeat: int = 60) -> float:
    return min(timeit.repeat(call, number=number, repeat=repeat)) / number * 1e9


def _pypi(lines: list[str]) -> Figures:
    """Nanoseconds of EXIficient through py4j; empty where it is not installed."""
    if not PYPI.exists():
        return {}
    program = [str(PYPI), str(Path(__file__).with_name("pypi.py"))]
    run = subprocess.run(program, input="\n".join(lines), capture_output=True, text=True, check=True)
    found: Figures = {}
    for line in run.stdout.splitlines():
        name, *times = line.split(" ")
        found.update({(name, way): float(t) * 1e6 for way, t in zip(WAYS, times, strict=True) if t != "-"})
    return found


# --- telling ----------------------------------------------------------------------------------------------


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def _rust_table(
    names: list[str],
    sizes: dict[str, int],
    ours: Figures,
    theirs: Figures,
    anchors: Anchors,
) -> str:
    rows = []
    for name in names:
        cells = [f"{name} ({sizes[name]} bytes)"]
        for way in WAYS:
            cells += [f"{ours[name, way]:,.0f}", f"{theirs[name, way]:,.0f}"]
            cells += [_anchor(anchors, name, codec, f"{way}_ns") for codec in ("libcbv2g", "openv2g")]
        rows.append(cells)
    head = ["ns"] + [
        f"{way}: {who}" for way in WAYS for who in ("v2g-exi", "crate iso15118", "libcbv2g", "OpenV2G")
    ]
    return "### The Rust core\n\n" + _table(head, rows)


def _anchor(anchors: Anchors, name: str, codec: str, key: str) -> str:
    value = anchors[name].get(codec, {}).get(key)
    return f"{value:,}" if value else "refuses"


def _count_table(names: list[str], counts: Figures, ours: Figures, anchors: Anchors) -> str:
    """Decode beside decode by instructions; encode beside encode by time, as libcbv2g's was not counted."""
    rows = []
    for name in names:
        anchor = anchors[name]["libcbv2g"]
        goal = 20 if "Certificate" in name or name == "PaymentDetailsReq" else 4
        decode = anchor["decode_instructions"] / counts[name, "decode"]
        encode = anchor["encode_ns"] / ours[name, "encode"]
        cells = [f"{counts[name, 'decode']:,.0f}", f"1/{decode:.1f}", f"{counts[name, 'encode']:,.0f}"]
        verdict = "met" if min(decode, encode) >= goal else "missed"
        rows.append([name, *cells, f"1/{encode:.1f}", f"1/{goal}: {verdict}"])
    head = ["instructions", "decode", "of libcbv2g's decode", "encode", "time, of libcbv2g's encode", "goal"]
    return "### Instructions\n\n" + _table(head, rows)


def _station_table(counts: dict[str, int]) -> str:
    """The codec and everything around it, for one message; and how a station starts."""
    whole = counts["exchange, DC"]
    rows = []
    for row, count in counts.items():
        once = row in ("import secc", "start")
        rows.append([costs.TEXTS[row], f"{count:,}", "" if once else f"{count / whole:.2f}"])
    head = ["what", "instructions", "of an exchange of CurrentDemandReq"]
    return "### A message in the station\n\n" + _table(head, rows)


def _python_table(names: list[str], python: Figures, pypi: Figures, anchors: Anchors) -> str:
    rows = []
    for name in names:
        cells = [name]
        for way in WAYS:
            anchor = anchors[name]["libcbv2g"][f"{way}_ns"]
            slow = pypi.get((name, way))
            cells += [f"{python[name, way] / 1e3:.2f}", f"{python[name, way] / anchor:.2f}"]
            if way == "decode":
                floor = python[name, "floor"]
                cells.append(f"{floor / 1e3:.2f} ({floor / anchor:.2f})")
            cells += [
                f"{slow / 1e6:.1f} ms, {slow / python[name, way]:,.0f} times" if slow else "not measured"
            ]
        rows.append(cells)
    ours, theirs = ["secc", "of libcbv2g's time"], "EXIficient through py4j"
    head = [f"decode: {what}" for what in [*ours, "msgspec (of libcbv2g's time)", theirs]]
    head += [f"encode: {what}" for what in [*ours, theirs]]
    text = "### From Python: bytes to message object and back\n\n" + _FLOOR
    return text + _table(["microseconds", *head], rows)


_FLOOR = """The column of msgspec is the time that its own decoder, in C, takes for the same tree of objects
from MessagePack: whole bytes, arrays, nothing to look up or to choose (`tools/bench/floor.py`).

"""


def _growth(*, write: bool) -> str:
    """Instructions against size: certificates of growing length, schedules of growing number."""
    certificates = {n: _payment_details(n) for n in (100, 200, 400, 600, 800)}
    schedules = {n: _schedule(n) for n in (1, 12, 64, 256, 1000)}
    parts = ["### Cost against size\n"]
    for title, unit, messages in (
        ("PaymentDetailsReq with four certificates", "octets each", certificates),
        ("ChargeParameterDiscoveryRes with a schedule", "entries", schedules),
    ):
        lines = [f"m{n} iso2 {exi.ISO2.encode(message).hex()}" for n, message in messages.items()]
        counts = instructions.of_messages(lines)
        rows, points = [], {way: list[tuple[float, float]]() for way in WAYS}
        for number, line in zip(messages, lines, strict=True):
            size = len(line.split(" ")[2]) // 2
            both = counts[f"m{number}"]
            for way in WAYS:
                points[way].append((size, both[way]))
            rows.append(
                [str(number), str(size), *(f"{both[w]:,} ({both[w] / size:.1f} a byte)" for w in WAYS)]
            )
        parts.append(
            f"{title}:\n\n" + _table([unit, "bytes", "decode instructions", "encode instructions"], rows)
        )
        if write:
            name = "speed-certificates.svg" if "certificates" in title else "speed-schedule.svg"
            (ASSETS / name).write_text(charts.lines(title, "bytes", "instructions", points), encoding="utf-8")
    return "\n".join(parts)


def _payment_details(octets: int) -> iso2.V2GMessage:
    chain = message_set.chain((octets,) * 4)
    return message_set.message(
        iso2.PaymentDetailsReq(emaid="DEABCC123ABC56", contract_signature_cert_chain=chain)
    )


def _schedule(entries: int) -> iso2.V2GMessage:
    found = message_set.messages()["ChargeParameterDiscoveryRes"][1]
    one = iso2.SAScheduleTuple(sa_schedule_tuple_id=1, p_max_schedule=message_set.entries(entries))
    body = iso2.ChargeParameterDiscoveryRes(
        response_code=found.body.response_code,
        evse_processing=found.body.evse_processing,
        sa_schedules=iso2.SAScheduleList(sa_schedule_tuple=(one,)),
        evse_charge_parameter=found.body.evse_charge_parameter,
    )
    return iso2.V2GMessage(header=found.header, body=body)


def _size_table() -> str:
    """Size of the extension module and time to make its codecs."""
    size = Path(str(_exi.__file__)).stat().st_size
    make = _least(partial(exi.Codec, "iso2", iso2, iso2.MESSAGES), number=5, repeat=20) / 1e6
    loading = (
        "import importlib.util as u, time; start = time.perf_counter();"
        f"spec = u.spec_from_file_location('_exi', {_exi.__file__!r});"
        "spec.loader.exec_module(u.module_from_spec(spec)); print(time.perf_counter() - start)"
    )
    loads = [
        subprocess.run([sys.executable, "-c", loading], capture_output=True, text=True, check=True)
        for _ in range(7)
    ]
    load = min(float(run.stdout) for run in loads) * 1e3
    rows = [
        ["extension module, stripped", f"{size / 2**20:.2f} MiB", f"1.5 MiB: {_verdict(size < 1.5 * 2**20)}"],
        ["loading it, with all grammar tables", f"{load:.2f} ms", f"2 ms: {_verdict(load < 2)}"],
        ["making the codec of ISO 15118-2", f"{make:.2f} ms", ""],
    ]
    return "### Size and start-up\n\n" + _table(["what", "measured", "goal"], rows)


def _verdict(good: bool) -> str:
    return "met" if good else "missed"


def _draw(
    names: list[str],
    ours: Figures,
    theirs: Figures,
    python: Figures,
    anchors: Anchors,
) -> None:
    ASSETS.mkdir(exist_ok=True)
    for way in WAYS:
        series: charts.Series = {
            "v2g-exi (Rust value)": [ours[name, way] for name in names],
            "secc (Python object)": [python[name, way] for name in names],
            "crate iso15118": [theirs[name, way] for name in names],
            "libcbv2g": [anchors[name]["libcbv2g"][f"{way}_ns"] for name in names],
            "OpenV2G": [anchors[name].get("openv2g", {}).get(f"{way}_ns") for name in names],
        }
        chart = charts.bars(f"Time to {way}, logarithmic", "ns", names, series)
        (ASSETS / f"speed-{way}.svg").write_text(chart, encoding="utf-8")


if __name__ == "__main__":
    main()
