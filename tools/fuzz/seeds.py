"""``python tools/fuzz/seeds.py FOLDER``: inputs to begin with, for the fuzz targets of ``rust/v2g-exi/fuzz``.

The first byte says schema set and kind, the rest is a stream: the messages of the benchmark, the vectors of
this project and, where they lie beside it, the shared ones (which stay where they are).
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "rust" / "v2g-exi" / "src" / "tables" / "mod.rs"
SETS = re.findall(r'^    "([\w-]+)",$', TABLES.read_text(encoding="utf-8"), re.MULTILINE)
"""`tables::NAMES`; this program runs without the packages of the project."""
SHARED = {"sap": "sap", "v2": "iso2", "dsig": "xmldsig"}


def seeds() -> Iterator[bytes]:
    """All of them."""
    for line in (ROOT / "benches" / "messages.txt").read_text(encoding="ascii").splitlines():
        _, schema, digits = line.split(" ")
        yield _seed(schema, "document", digits)
    for path in sorted((ROOT / "tests" / "vectors" / "exi").glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        for vector in found["vectors"]:
            yield _seed(found["set"], vector["kind"], vector["hex"])
    shared = ROOT.parent / "shared" / "vectors" / "exi.jsonl"
    for line in shared.read_text(encoding="utf-8").splitlines() if shared.exists() else ():
        vector = json.loads(line)
        yield _seed(SHARED[vector["grammar"]], vector["kind"], vector["exi_hex"])


def _seed(schema: str, kind: str, digits: str) -> bytes:
    return bytes([SETS.index(schema) << 1 | (kind == "fragment")]) + bytes.fromhex(digits)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for data in seeds():
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
