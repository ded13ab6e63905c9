"""``python -m tools.bench_check [--update]``: instruction counts against ``benches/instructions.json``.

Fails where a count has grown by more than 5 %. Who makes the codec slower on purpose, or faster, runs it with
``--update`` and says why in the commit. Skips, with the reason, where valgrind is missing or the compiler is
another one.
"""

from __future__ import annotations

import json
import sys

from tools import instructions

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
    compiler = instructions.compiler()
    now = instructions.of_messages(instructions.MESSAGES.read_text(encoding="ascii").splitlines())
    for name, counts in now.items():
        print(f"{name:<28} decode {counts['decode']:>7} encode {counts['encode']:>7} instructions")
    if "--update" in sys.argv[1:]:
        data = {"compiler": compiler, "instructions": now}
        BASELINE.write_text(json.dumps(data, indent=2) + "\n", encoding="ascii")
        return 0
    baseline = json.loads(BASELINE.read_text(encoding="ascii"))
    if baseline["compiler"] != compiler:
        print(f"bench-check skipped: the baseline is of {baseline['compiler']}, this is {compiler}")
        return 0
    worse = grown(baseline["instructions"], now)
    print("\n".join(worse) or f"none has grown by more than {TOLERANCE:.0%}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
