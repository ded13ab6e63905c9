"""Figures of the codec on this machine: `python -m tools.bench`. Best of several runs, in microseconds."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial

from secc import exi

MESSAGES = {
    "SessionSetupReq": "809802000000000000000011d01832ac48d159e000",
    "CableCheckReq": "809802270961fd3fbe4e0a9031000500",
    "PreChargeReq": "809802270961fd3fbe4e0a917100050208064061800800",
    "CurrentDemandReq": "809802270961fd3fbe4e0a90d1000f01860021006101f4020414300f800030819006102802080640",
}
REPEAT, NUMBER = 7, 2000


def main() -> None:
    """Print one line per message."""
    print(f"{'message':<20}{'bytes':>6}{'decode':>9}{'encode':>9}")
    for name, octets in MESSAGES.items():
        data = bytes.fromhex(octets)
        message = exi.ISO2.decode(data)
        decode = _best(partial(exi.ISO2.decode, data))
        encode = _best(partial(exi.ISO2.encode, message))
        print(f"{name:<20}{len(data):>6}{decode:>9.2f}{encode:>9.2f}")


def _best(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=NUMBER, repeat=REPEAT)) / NUMBER * 1e6


if __name__ == "__main__":
    main()
