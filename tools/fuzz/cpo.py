"""schemathesis against the provisioning service: what its OpenAPI document promises must hold for any input.

    python -m tools.fuzz.cpo PATH/TO/schemathesis [SECONDS]

The service runs on SQLite with a test hierarchy, and with tokens. Not asked for: that every well-formed input
is accepted, for base64 of anything is well-formed and a certificate it is not.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import secc.cli

SECONDS = 25
EXCLUDED = "positive_data_acceptance"


def main(arguments: list[str]) -> int:
    """Zero when nothing was found."""
    program, seconds = (
        str(Path(arguments[0]).absolute()),
        arguments[1] if len(arguments) > 1 else str(SECONDS),
    )
    with tempfile.TemporaryDirectory(prefix="secc-fuzz-") as folder:
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            secc.cli.main(["cpo", "init", f"{folder}/ops"])
        settings = Path(folder, "ops", "cpo.toml")
        # Each call is also tried with a wrong token, and each must be answered with 401.
        settings.write_text(f"wrong_per_minute = 1_000_000\n{settings.read_text()}")
        token = told.getvalue().rsplit(" ", 1)[1].strip()
        command = [sys.executable, "-m", "secc", "cpo", "serve", f"{folder}/ops/cpo.toml", "--port", "0"]
        service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert service.stdout is not None
            address = service.stdout.readline().split()[2].rstrip(";")
            return fuzz(program, f"http://{address}", token, seconds, Path(folder))
        finally:
            service.terminate()
            service.wait(20)


def fuzz(program: str, url: str, token: str, seconds: str, folder: Path) -> int:
    """One run, the same each time."""
    command = [program, "run", f"{url}/openapi.json", "-H", f"Authorization: Bearer {token}"]
    command += ["--max-time", seconds, "--max-examples", "30", "--seed", "1", "--wait-for-schema", "20"]
    command += ["--exclude-checks", EXCLUDED, "--continue-on-failure", "--warnings", "off"]
    (folder / "fuzz_bodies.py").write_text(_BODIES, encoding="utf-8")
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "fuzz_bodies", "PYTHONPATH": str(folder)}
    return subprocess.run(command, check=False, cwd=folder, env=environment, timeout=300).returncode


_BODIES = """\
import base64
import schemathesis
from hypothesis import strategies as st

any_bytes = st.binary(min_size=1, max_size=2000)
schemathesis.openapi.media_type("application/ocsp-request", any_bytes)
schemathesis.openapi.media_type("application/pkcs10", any_bytes.map(base64.encodebytes))
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
