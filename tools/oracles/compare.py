"""``python -m tools.oracles.compare [--count N] [--seed N] [set ...]``: random messages, two codecs.

Each message is made from the schema files and encoded by this library and by EXIficient, whose bytes must be
equal; EXIficient then decodes them to the content that went in. Full lists end as its tables have it.
Needs ``.venv-interop`` and Java.
"""

from __future__ import annotations

import argparse
import random
import sys
from dataclasses import dataclass, field

from tests.support.messages import Generator, codec
from tools.oracles.exificient import Exificient, Refused

SETS = ("sap", "iso2", "din", "iso20-common", "iso20-ac", "iso20-dc")
"""Sets whose messages EXICodec knows; it has no message classes for WPT and ACDP."""

# What its JSON layer, not its EXI encoder, does otherwise: mixed content and wildcards are lost,
# and these optional integers are written as 0 when they are absent.
_WITHOUT = frozenset({"KeyInfo", "Object", "HMACOutputLength", "XPath"})
_ALWAYS = frozenset({"SchemaID", "SAScheduleTupleID", "NumEPriceLevels", "EPriceLevel"})
# DIN SPEC 70121: base64 values need a Java library that the jar lacks, and attributes of type IDREF must
# refer to something in the same message, which the Ids of that standard do not.
_DIN_JSON = ("javax/mail", "An object of type java.lang.Object with ID")
_ROOTS = {"sap": ("supportedAppProtocolReq", "supportedAppProtocolRes"), "iso2": ("V2G_Message",)}
_ROOTS["din"] = _ROOTS["iso2"]


@dataclass
class Tally:
    """What came of the messages of one set; `differences` has a line for each that nothing explains."""

    same: int = 0
    explained: int = 0
    differences: list[str] = field(default_factory=list)


def compare(theirs: Exificient, schema: str, count: int, seed: int) -> Tally:
    """`count` random messages of `schema`, both ways."""
    make = Generator(
        schema,
        without=_WITHOUT,
        always=_ALWAYS,
        only=_ROOTS.get(schema, ()),
        odd="",
        mixed_text=False,
        wildcards=False,
        extended=False,
    )
    ours, rng, tally = codec(schema, "marked"), random.Random(seed), Tally()
    for _ in range(count):
        name, value = make.message(rng)
        data = ours.json_form.from_value(name, value)
        stream = ours.engine.encode(name, value)
        try:
            if theirs.encode(schema, data) != stream:
                tally.differences.append(f"encode {name} {data}")
            elif theirs.decode(schema, stream) != data:
                tally.differences.append(f"decode {name} {stream.hex()}")
            else:
                tally.same += 1
        except Refused as error:
            if schema == "din" and any(reason in str(error) for reason in _DIN_JSON):
                tally.explained += 1
                continue
            tally.differences.append(f"refused {name} {data}: {error}")
    return tally


def main() -> int:
    """Print one line per set; 1 if anything differs without an explanation."""
    parser = argparse.ArgumentParser(prog="python -m tools.oracles.compare")
    parser.add_argument("--count", type=int, default=1000, help="messages per set")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("sets", nargs="*", default=SETS, metavar="set")
    options = parser.parse_args()
    failed = False
    with Exificient() as theirs:
        print(theirs.version)
        for schema in options.sets:
            tally = compare(theirs, schema, options.count, options.seed)
            print(
                f"{schema}: {tally.same} the same, {tally.explained} explained, "
                f"{len(tally.differences)} different"
            )
            for line in tally.differences[:10]:
                print("  " + line[:400])
            failed = failed or bool(tally.differences)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
