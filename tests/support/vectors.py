"""Test vectors: our own, and those beside the checkout that are not ours to redistribute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.messages import ROOT

OWN = ROOT / "tests" / "vectors" / "exi"
SHARED = ROOT.parent / "shared" / "vectors"


def own() -> list[tuple[str, dict[str, Any]]]:
    """(schema set, vector) for each of our own vectors."""
    files = [json.loads(path.read_text()) for path in sorted(OWN.glob("*.json"))]
    return [(data["set"], vector) for data in files for vector in data["vectors"]]


def shared(name: str) -> Path:
    """The shared file `name`; skips the test where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip("these vectors are not ours to redistribute; they lie beside the checkout in CI")
    return path


def lines(name: str) -> list[dict[str, Any]]:
    """The records of a shared file of JSON lines."""
    return [json.loads(line) for line in shared(name).read_text().splitlines()]
