"""``python -m tools.oracles.full_lists [--count N] [set ...]``: which codec takes which form of full lists.

For each set: random messages with full lists, in each form in which they differ, before EXIficient with the
grammars of the PyPI package ``iso15118``, EXIficient with grammars compiled from the XSD that we export, and
the crate ``iso15118``. Needs ``.venv-interop``, a JDK and cargo.
"""

from __future__ import annotations

import argparse
import base64
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from secc import _exi, exi
from secc.errors import DecodeError, EncodeError
from secc.exi.schema import xsd
from secc.messages._base import Item
from tests.support.messages import Generator, codec, schema_sets
from tools.oracles.compare_many import GRAMMARS, judged
from tools.oracles.exificient import ROOT

FORMS: tuple[exi.FullLists, ...] = ("specified", "marked", "loop")
WITHOUT = frozenset({"Signature", "HMACOutputLength", "KeyInfo", "Object", "XPath"})
"""What not every one of these codecs has."""
CRATE = tuple(name for name in exi.SCHEMAS if name not in ("xmldsig", "din"))
"""The schema sets that the crate iso15118 knows."""


def samples(schema: str, count: int) -> dict[str, list[tuple[str, str, str]]]:
    """Messages whose streams differ by the form: stream, specified stream (hex) and document (base64)."""
    make = Generator(
        schema, without=WITHOUT, odd="", mixed_text=False, wildcards=False, extended=False, full=0.7
    )
    plain = codec(schema)
    classes = (schema, make.module.TYPES, make.module.ENUMS, Item, DecodeError, EncodeError)
    writers = {form: _exi.Codec(*classes, full_lists=form) for form in FORMS}
    bare = _exi.Codec(*classes, empty_values=True)
    found: dict[str, list[tuple[str, str, str]]] = {form: [] for form in FORMS}
    rng, tried = random.Random(1), 0
    while any(len(rows) < count for rows in found.values()) and (tried := tried + 1) < 100 * count:
        name, value = make.message(rng)
        streams = {form: writer.encode(name, value).hex() for form, writer in writers.items()}
        if bare.encode(name, value).hex() != streams["specified"]:
            continue  # of an empty value there are two forms as well
        document = base64.b64encode(plain.xml_form.to_xml(name, value).encode()).decode()
        if streams["marked"] != streams["specified"]:
            found["specified"].append((streams["specified"], streams["specified"], document))
            found["marked"].append((streams["marked"], streams["specified"], document))
        elif streams["loop"] != streams["specified"]:
            found["loop"].append((streams["loop"], streams["specified"], document))
    return found


def exported(schema: str, folder: Path) -> str:
    """The XSD of `schema`, written to `folder`."""
    found = schema_sets()[schema]
    prefixes = {space.uri: space.prefix for space in found.namespaces}
    for space in found.namespaces:
        (folder / f"{space.prefix}.xsd").write_text(xsd.write(space, prefixes), encoding="utf-8")
    return str(folder / f"{found.root}.xsd")


def exificient(rows: Sequence[tuple[str, str, str]], grammars: str) -> tuple[int, int]:
    """How many of the streams it reads, and how many it writes so."""
    reads, _ = judged((f"{stream}\t{document}\tread\n" for stream, _, document in rows), grammars, len(rows))
    writes, _ = judged((f"{stream}\t{document}\n" for stream, _, document in rows), grammars, len(rows))
    return reads, writes


def crate(schema: str, rows: Sequence[tuple[str, str, str]]) -> Counter[str]:
    """What the crate says of the streams."""
    command = [
        "cargo",
        "run",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "v2g-exi-oracle",
        "--example",
        "reads",
    ]
    text = "".join(f"{schema} {stream} {specified}\n" for stream, specified, _ in rows)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
    return Counter(done.stdout.split())


def main() -> int:
    """Print one line for each set, form and codec."""
    parser = argparse.ArgumentParser(prog="python -m tools.oracles.full_lists")
    parser.add_argument(
        "--count", type=int, default=20, help="streams of each form at least, if they are found"
    )
    parser.add_argument("names", nargs="*", metavar="set")
    options = parser.parse_args()
    for schema in options.names or list(GRAMMARS):
        with tempfile.TemporaryDirectory() as folder:
            grammars = exported(schema, Path(folder))
            for form, rows in samples(schema, options.count).items():
                if not rows:
                    continue
                told = f"{schema}, {form}, {len(rows)} streams"
                for who, which in (("package", GRAMMARS[schema]), ("XSD", grammars)):
                    reads, writes = exificient(rows, which)
                    print(f"{told}: EXIficient ({who}) reads {reads}, writes {writes}", flush=True)
                if schema in CRATE:
                    print(f"{told}: crate {dict(crate(schema, rows))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
