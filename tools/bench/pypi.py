"""EXIficient through py4j, as the PyPI package ``iso15118`` has it; run by ``.venv-interop``.

Reads lines of name, schema set and hex; prints name, milliseconds to decode to JSON text and milliseconds to
encode from it, the least of some runs. The package's own conversion to Python objects comes on top.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

NAMESPACES = {"sap": "urn:iso:15118:2:2010:AppProtocol", "iso2": "urn:iso:15118:2:2013:MsgDef"}
RUNS = 12


def main() -> None:
    from iso15118.shared.settings import JAR_FILE_PATH  # type: ignore[import-not-found]
    from py4j.java_gateway import JavaGateway  # type: ignore[import-not-found]

    options = ["--add-opens", "java.base/java.lang=ALL-UNNAMED"]
    gateway = JavaGateway.launch_gateway(classpath=JAR_FILE_PATH, die_on_exit=True, javaopts=options)
    codec = gateway.jvm.com.siemens.ct.exi.main.cmd.EXICodec()
    for line in sys.stdin:
        name, schema, digits = line.split()
        data, space = bytes.fromhex(digits), NAMESPACES[schema]
        text = codec.decode(data, space)
        if text is None or codec.encode(text, space) is None:
            print(name, "-", "-", flush=True)
            continue
        print(name, least(codec.decode, data, space), least(codec.encode, text, space), flush=True)
    gateway.shutdown()


def least(call: Callable[..., Any], *arguments: object) -> str:
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        call(*arguments)
        best = min(best, time.perf_counter() - start)
    return f"{best * 1e3:.2f}"


if __name__ == "__main__":
    main()
