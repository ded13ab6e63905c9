"""``python -m tools.bench.check [--update]``: instruction counts against ``benches/instructions.json``.

Fails where a count has grown by more than 5 %. After a change that makes something slower on purpose, or
faster, run it with ``--update`` and give the reason in the commit. The counts of the codec depend on the
compiler, those of the station on the Python interpreter as well: where one of them is another one, or
valgrind is missing, the comparison is skipped with the reason.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from tools.bench import costs, instructions

BASELINE = instructions.ROOT / "benches" / "instructions.json"
TOLERANCE = 0.05

Counts = dict[str, dict[str, int]]


def grown(before: Counts, now: Counts, tolerance: float = TOLERANCE) -> list[str]:
    """A line for each count that has grown by more than `tolerance` or has no baseline."""
    lines = []
    for name, counts in now.items():
        for what, count in counts.items():
            base = before.get(name, {}).get(what)
            if base is None:
                lines.append(f"{what} {name}: {count} instructions, no baseline")
            elif count > base * (1 + tolerance):
                lines.append(f"{what} {name}: {count} instructions, {count / base - 1:+.1%} on {base}")
    return lines


def main() -> int:
    """Print the counts; 1 if one has grown."""
    reason = instructions.missing()
    if reason:
        print(f"bench-check skipped: {reason}")
        return 0
    with ThreadPoolExecutor(1) as beside:
        counting = beside.submit(costs.of_station)
        codec = instructions.of_messages(instructions.MESSAGES.read_text(encoding="ascii").splitlines())
        station = counting.result()
    for name, counts in codec.items():
        print(f"{name:<28} decode {counts['decode']:>7} encode {counts['encode']:>7} instructions")
    for row, count in station.items():
        print(f"{row:<28} {count:>13} instructions")
    now: dict[str, object] = {
        "compiler": instructions.compiler(),
        "python": costs.python(),
        "instructions": codec,
        "station": station,
    }
    if "--update" in sys.argv[1:]:
        BASELINE.write_text(json.dumps(now, indent=2) + "\n", encoding="ascii")
        return 0
    baseline = json.loads(BASELINE.read_text(encoding="ascii"))
    worse = []
    if _same("compiler", baseline, now):
        worse += grown(baseline["instructions"], codec)
    if _same("compiler", baseline, now) and _same("python", baseline, now):
        worse += grown({"station": baseline["station"]}, {"station": station})
    print("\n".join(worse) or f"none has grown by more than {TOLERANCE:.0%}")
    return 1 if worse else 0


def _same(key: str, baseline: dict[str, object], now: dict[str, object]) -> bool:
    if baseline.get(key) != now[key]:
        print(f"comparison skipped: the baseline is of {baseline.get(key)}, this is {now[key]}")
    return baseline.get(key) == now[key]


if __name__ == "__main__":
    sys.exit(main())
