"""``python -m tools.checks.memcheck``: the extension under valgrind, with good, cut and flipped streams.

Every access outside of allocated memory and every use of uninitialised memory in the extension's own code is
an error. CPython itself uses such memory harmlessly to make small integers, so errors there do not count.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from secc.errors import DecodeError
from tests.support.messages import SETS, Generator, codec

_MESSAGES, _FLIPS, _CUTS = 40, 25, 5
_ERROR = re.compile(
    r"==\d+== (Invalid|Use of uninit|Conditional jump|Source and dest|Argument|Syscall|Jump to)[^\n]*\n"
)


def main() -> int:
    """Print how many streams were tried and what was found; 1 if anything was."""
    if len(sys.argv) > 1:
        print(*_decode(Path(sys.argv[1])))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        streams = Path(folder) / "streams"
        streams.write_text("".join(f"{name} {data.hex()}\n" for name, data in _streams()), encoding="ascii")
        command = ["valgrind", "--num-callers=8", sys.executable, "-m", "tools.checks.memcheck", str(streams)]
        environment = {**os.environ, "PYTHONMALLOC": "malloc"}
        run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if run.returncode:
        print(run.stderr[-2000:], file=sys.stderr)
        return 1
    ours = [text for text in _errors(run.stderr) if "/_exi." in text.split("\n")[0]]
    accepted, refused = run.stdout.split()
    print(
        f"{accepted} streams decoded and encoded again, {refused} refused, {len(ours)} errors in this library"
    )
    print("\n".join(ours[:5]), end="")
    return 1 if ours else 0


def _streams() -> list[tuple[str, bytes]]:
    found = []
    for name in SETS:
        make, engine, rng = Generator(name), codec(name).engine, random.Random(7)
        for _ in range(_MESSAGES):
            stream = engine.encode(*make.message(rng))
            found.append((name, stream))
            for _ in range(_FLIPS):
                place, flipped = rng.randrange(len(stream) * 8), bytearray(stream)
                flipped[place // 8] ^= 128 >> place % 8
                found.append((name, bytes(flipped)))
            found += [(name, stream[: rng.randrange(len(stream))]) for _ in range(_CUTS)]
    return found


def _decode(file: Path) -> tuple[int, int]:
    """How many streams were accepted, and encoded again if they can be, and how many refused."""
    accepted = refused = 0
    for line in file.read_text(encoding="ascii").splitlines():
        name, _, digits = line.partition(" ")
        engine = codec(name).engine
        try:
            value, root, _ = engine.decode(bytes.fromhex(digits))
            accepted += 1
            engine.encode(root, value)
        except DecodeError:
            refused += 1
    return accepted, refused


def _errors(log: str) -> list[str]:
    """The stack of each error, innermost frame first."""
    stacks = [log[match.end() : log.find("== \n", match.end())] for match in _ERROR.finditer(log)]
    return [re.sub(r"==\d+== +", "", stack) for stack in stacks]


if __name__ == "__main__":
    sys.exit(main())
