"""``python -m tools.oracles.compare_many [--count N] [--seed N] [set ...]``: very many random messages.

Like `tools.oracles.compare_exificient`, but without the JSON layer of EXICodec: documents go as XML to the
EXI processor, with the grammars of the jar, one process for each set. So nothing is left out, all nine sets
take part, and a hundred thousand messages take minutes. With ``--xsd FILE ROOT ...`` both sides compile the
schema, this library by way of the notation; ROOT are the elements to make. With ``--exported`` EXIficient
compiles the XSD files that this library exports of its sets. Needs ``.venv-interop`` and a JDK.
"""

from __future__ import annotations

import argparse
import base64
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from secc.exi import Codec
from secc.exi.schema import xsd
from secc.exi.schema.notation import SchemaSet
from secc.exi.schema.runtime import compile_codec
from tests.support.messages import IN_XML, Generator, codec, schema_sets
from tools.oracles.exificient import ROOT

GRAMMARS = {
    "sap": "CommonAppProtocol",
    "iso2": "ISO15118_2Grammar",
    "xmldsig": "XMLDSIG_Core_Schema_Grammar",
    "din": "DINSpec_70121",
    "iso20-common": "ISO15118_20_V2G_CI_CommonMessages",
    "iso20-ac": "ISO15118_20_V2G_CI_AC",
    "iso20-dc": "ISO15118_20_V2G_CI_DC",
    "iso20-wpt": "ISO15118_20_V2G_CI_WPT",
    "iso20-acdp": "ISO15118_20_V2G_CI_ACDP",
}
"""The schema sets, by the class of the jar that holds their grammars."""


def jar() -> Path | None:
    """The jar with EXIficient, if it is installed."""
    return next((ROOT / ".venv-interop").glob("lib/python*/site-packages/iso15118/shared/EXICodec.jar"), None)


def lines(make: Generator, ours: Codec, count: int, seed: int) -> Iterator[str]:
    """`count` random messages: stream in hex, tab, document in base64. Each is decoded here as well."""
    rng = random.Random(seed)
    for _ in range(count):
        name, value = make.message(rng)
        stream = ours.engine.encode(name, value)
        if ours.engine.decode(stream)[0] != value:
            raise RuntimeError(f"{stream.hex()} is read as another message")
        document = ours.xml_form.to_xml(name, value).encode()
        yield f"{stream.hex()}\t{base64.b64encode(document).decode()}\n"


def compare(schema: str, count: int, seed: int) -> tuple[int, list[str]]:
    """How many messages of `schema` are the same on both sides, and a line for each other one."""
    make = Generator(schema, odd=IN_XML, full=0.2)
    # The grammars of the jar end full lists in their form, those made of an XSD in the specified one.
    return judged(lines(make, codec(schema, "marked"), count, seed), GRAMMARS[schema], count)


def compare_xsd(
    file: Path, roots: tuple[str, ...], count: int, seed: int, flatten: tuple[str, ...] = ()
) -> tuple[int, list[str]]:
    """The same with a schema that both sides compile. `flatten`: as in ``sets.toml``."""
    prefix = xsd.own_prefix(file)
    spaces, _ = xsd.read_all(file, prefix)
    schema = SchemaSet(file.stem, spaces, prefix, "compared", flatten)
    ours = compile_codec(schema)
    make = Generator(schema, ours.module, only=roots, odd=IN_XML, full=0.2)
    return judged(lines(make, ours, count, seed), str(file), count)


def compare_exported(name: str, count: int, seed: int) -> tuple[int, list[str]]:
    """The same with the XSD files that this library exports of one of its sets: EXIficient has its grammars
    from them, and so also those of Amendment 1, which are not in the jar."""
    schema = schema_sets()[name]
    prefixes = {space.uri: space.prefix for space in schema.namespaces}
    with tempfile.TemporaryDirectory() as folder:
        for space in schema.namespaces:
            (Path(folder) / f"{space.prefix}.xsd").write_text(xsd.write(space, prefixes), encoding="utf-8")
        messages = tuple(root.local for root in Generator(name).roots())
        return compare_xsd(Path(folder) / f"{schema.root}.xsd", messages, count, seed, schema.flatten)


def judged(messages: Iterable[str], grammars: str, count: int) -> tuple[int, list[str]]:
    """What EXIficient says of `count` messages. `grammars`: a class of the jar, or an XSD file."""
    archive = jar()
    if archive is None:
        raise RuntimeError("make .venv-interop/.ready installs the package that carries EXIficient")
    source = str(ROOT / "tools" / "oracles" / "ExificientBatch.java")
    command = ["java", "-Xmx512m", "-cp", str(archive), source, grammars]
    same, differences = 0, list[str]()
    sent = SimpleQueue[str]()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        pipe = process.stdin
        assert pipe is not None
        assert process.stdout is not None

        def feed() -> None:
            with pipe:
                for line in messages:
                    sent.put(line)
                    pipe.write(line)

        feeder = Thread(target=feed)
        feeder.start()
        for answer in process.stdout:
            line = sent.get()
            if answer == "same\n":
                same += 1
            else:
                differences.append(f"{answer.strip()} for {line.strip()}")
        feeder.join()
    if same + len(differences) != count:
        raise RuntimeError(f"{grammars}: {count} asked, {same + len(differences)} answered")
    return same, differences


def main() -> int:
    """Print one line per set; 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tools.oracles.compare_many")
    parser.add_argument("--count", type=int, default=1000, help="messages per set")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--xsd", type=Path, help="a schema that both sides compile")
    parser.add_argument("--exported", action="store_true", help="compile the XSD files exported of the sets")
    parser.add_argument("names", nargs="*", metavar="set|root", help="sets, or elements of the XSD")
    options = parser.parse_args()
    failed = False
    every = list(schema_sets()) if options.exported else list(GRAMMARS)
    for schema in [options.xsd] if options.xsd else options.names or every:
        if options.xsd:
            roots = tuple(options.names)
            same, differences = compare_xsd(options.xsd, roots, options.count, options.seed)
        else:
            judge = compare_exported if options.exported else compare
            same, differences = judge(schema, options.count, options.seed)
        print(f"{schema}: {same} the same, {len(differences)} different", flush=True)
        for line in differences[:5]:
            print("  " + line[:1500])
        failed = failed or bool(differences)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
