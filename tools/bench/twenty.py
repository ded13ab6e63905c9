"""``python -m tools.bench.twenty``: what messages of ISO 15118-20 cost, for the table of ``speed.md``.

The messages are the first of our vectors with each root. The floors: msgspec's own decoder for the same tree
of objects (`tools.bench.floor`), and a copy of the bytes.
"""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable
from functools import partial

from secc import exi
from tools.bench import floor, instructions

ROOTS = {
    "iso20-common": ("ServiceDiscoveryRes", "ScheduleExchangeRes", "PowerDeliveryReq"),
    "iso20-dc": ("DC_ChargeLoopReq", "DC_ChargeLoopRes"),
    "iso20-ac": ("AC_ChargeLoopReq", "AC_ChargeLoopRes"),
}


def lines() -> list[str]:
    """Name, set and stream of each message that the vectors have."""
    found = []
    for schema, roots in ROOTS.items():
        path = instructions.ROOT / "tests" / "vectors" / "exi" / f"{schema}.json"
        vectors = json.loads(path.read_text(encoding="utf-8"))["vectors"]
        for root in roots:
            hexes = (v["hex"] for v in vectors if v["kind"] == "document" and root in v["json"])
            if (digits := next(hexes, None)) is not None:
                found.append(f"{root} {schema} {digits}")
    return found


def least(call: Callable[[], object]) -> float:
    """Nanoseconds of the fastest of many runs."""
    return min(timeit.repeat(call, number=500, repeat=60)) / 500 * 1e9


def main() -> None:
    """Print the table."""
    counts = instructions.of_messages(lines())
    head = "decode, instructions | encode | decode from Python, ns | encode | msgspec | copy"
    print(f"| message | bytes | {head} |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for line in lines():
        name, schema, digits = line.split(" ")
        codec, data = exi.codec(schema), bytes.fromhex(digits)
        message, both = codec.decode(data), counts[name]
        times = [
            least(partial(codec.decode, data)),
            least(partial(codec.encode, message)),
            least(floor.reader(message)),
            least(partial(bytearray, data)),
        ]
        cells = [str(len(data)), *(f"{both[way]:,}" for way in ("decode", "encode"))]
        cells += [f"{time:,.0f}" for time in times]
        print("| " + " | ".join([name, *cells]) + " |")


if __name__ == "__main__":
    main()
