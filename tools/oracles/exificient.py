"""EXIficient, the general EXI processor that the PyPI package ``iso15118`` carries, as a child process.

This file has two sides. Run as a program by the interpreter of ``.venv-interop`` (which has that package and
py4j) it answers one JSON line per JSON line: ``{"namespace": …, "json": text}`` is encoded to ``{"hex": …}``,
``{"namespace": …, "hex": …}`` is decoded to ``{"json": text}``, and what it refuses gives ``{"error": …}``.
Imported, it offers `Exificient`, which starts that process and talks to it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-interop" / "bin" / "python"

NAMESPACES = {
    "sap": "urn:iso:15118:2:2010:AppProtocol",
    "iso2": "urn:iso:15118:2:2013:MsgDef",
    "xmldsig": "http://www.w3.org/2000/09/xmldsig#",
    "din": "urn:din:70121:2012:MsgDef",
    "iso20-common": "urn:iso:std:iso:15118:-20:CommonMessages",
    "iso20-ac": "urn:iso:std:iso:15118:-20:AC",
    "iso20-dc": "urn:iso:std:iso:15118:-20:DC",
    "iso20-wpt": "urn:iso:std:iso:15118:-20:WPT",
    "iso20-acdp": "urn:iso:std:iso:15118:-20:ACDP",
}
"""The schema sets it knows, by the namespace it calls them."""


class Refused(Exception):
    """EXIficient could not encode or decode; its own words."""


class Exificient:
    """A running EXIficient; use it in a ``with`` block."""

    def __enter__(self) -> Exificient:
        self._process = subprocess.Popen(
            [str(PYTHON), __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.version = self._read()["version"]
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.terminate()
        self._process.wait()

    def encode(self, schema: str, data: dict[str, Any]) -> bytes:
        """The EXI document or fragment of the element in `data`; it decides by the name."""
        answer = self._ask({"namespace": NAMESPACES[schema], "json": json.dumps(data)})
        return bytes.fromhex(answer["hex"])

    def decode(self, schema: str, stream: bytes) -> dict[str, Any]:
        """The element in a document, as data."""
        answer = self._ask({"namespace": NAMESPACES[schema], "hex": stream.hex()})
        found: dict[str, Any] = json.loads(answer["json"])
        return found

    def _ask(self, request: dict[str, str]) -> dict[str, str]:
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._read()
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def _read(self) -> dict[str, str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{PYTHON} ended; make .venv-interop/.ready sets it up, and it needs Java")
        answer: dict[str, str] = json.loads(line)
        return answer


def serve() -> None:
    """Answer requests until standard input ends."""
    from importlib.metadata import version

    from iso15118.shared.settings import JAR_FILE_PATH  # type: ignore[import-not-found]
    from py4j.java_gateway import JavaGateway  # type: ignore[import-not-found]

    gateway = JavaGateway.launch_gateway(
        classpath=JAR_FILE_PATH,
        die_on_exit=True,
        javaopts=["--add-opens", "java.base/java.lang=ALL-UNNAMED"],
    )
    codec = gateway.jvm.com.siemens.ct.exi.main.cmd.EXICodec()
    name = f"EXIficient, EXICodec {codec.get_version()} in iso15118 {version('iso15118')}"
    print(json.dumps({"version": name}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(codec, json.loads(line))), flush=True)
    gateway.shutdown()


def _answer(codec: Any, request: dict[str, str]) -> dict[str, str]:
    try:
        if "json" in request:
            stream = codec.encode(request["json"], request["namespace"])
            return {"error": codec.get_last_encoding_error()} if stream is None else {"hex": stream.hex()}
        text = codec.decode(bytes.fromhex(request["hex"]), request["namespace"])
        return {"error": codec.get_last_decoding_error()} if text is None else {"json": text}
    except Exception as error:  # whatever Java throws is an answer
        return {"error": str(error)[:500]}


if __name__ == "__main__":
    serve()
