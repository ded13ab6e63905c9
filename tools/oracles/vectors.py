"""``python -m tools.oracles.vectors [--check]``: bytes of the test vectors, by an independent EXI processor.

Each file in ``tests/vectors/exi`` is one schema set: our own messages as JSON, and for each the EXI stream
that EXIficient makes of it. Add a message with an empty ``hex`` and run this to fill it in; ``--check`` only
compares. Needs ``.venv-interop`` and Java. Our own codec has no part in it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tools.oracles.exificient import ROOT, Exificient, Refused

VECTORS = ROOT / "tests" / "vectors" / "exi"


def text(data: dict[str, Any]) -> str:
    """The file, with one vector per line."""
    head = {key: value for key, value in data.items() if key != "vectors"}
    lines = [json.dumps(vector) for vector in data["vectors"]]
    return json.dumps(head, indent=2)[:-2] + ',\n  "vectors": [\n    ' + ",\n    ".join(lines) + "\n  ]\n}\n"


def fill(theirs: Exificient, path: Path) -> str:
    """The file at `path` with the bytes EXIficient makes now."""
    data: dict[str, Any] = json.loads(path.read_text())
    data["tool"] = theirs.version
    for vector in data["vectors"]:
        try:
            vector["hex"] = theirs.encode(data["set"], vector["json"]).hex()
        except Refused as error:
            raise SystemExit(f"{path.name}: {vector['name']}: {error}") from None
    return text(data)


def main() -> int:
    """Write or compare; 1 when a file is not what EXIficient makes."""
    parser = argparse.ArgumentParser(prog="python -m tools.oracles.vectors")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when bytes differ")
    options = parser.parse_args()
    stale = []
    with Exificient() as theirs:
        for path in sorted(VECTORS.glob("*.json")):
            made = fill(theirs, path)
            if made != path.read_text():
                stale.append(path.name)
                if not options.check:
                    path.write_text(made)
    for name in stale:
        print(f"{'differs' if options.check else 'wrote'} {name}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
