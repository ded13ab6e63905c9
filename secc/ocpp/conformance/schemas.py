"""The JSON schemas of the package `ocpp`, as judges of messages."""

from __future__ import annotations

import decimal
import functools
import json
from importlib import resources
from typing import Any

import jsonschema.validators

Body = dict[str, Any]
_FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
_LONGER = {"exiRequest": 11_000, "exiResponse": 17_000, "certificate": 10_000, "ocspResult": 18_000}
"""Limits of 2.1: real bundles exceed those of the first edition of 2.0.1."""


def problem(version: str, action: str, body: object, *, answer: bool) -> str:
    """Return what is wrong with a body, or an empty text."""
    validator = _validator(version, action, answer)
    if validator is None:
        return f"{action}: unknown in OCPP {version}"
    exact = json.loads(json.dumps(body), parse_float=decimal.Decimal)
    for error in validator.iter_errors(exact):
        if error.validator == "maxLength" and len(str(error.instance)) <= _limit(error):
            continue
        path = "/".join(str(part) for part in error.absolute_path)
        return f"{action}{' answer' if answer else ''}: {path}: {error.message}"[:300]
    return ""


def known(version: str, action: str) -> bool:
    """Return whether the version has this action."""
    return _validator(version, action, False) is not None


def _limit(error: Any) -> int:
    return _LONGER.get(str(error.absolute_path[-1]) if error.absolute_path else "", 0)


@functools.lru_cache(maxsize=512)
def _validator(version: str, action: str, answer: bool) -> Any:
    if not action.isalnum():
        return None
    request = "" if version == "1.6" else "Request"
    name = f"{action}{'Response' if answer else request}.json"
    file = resources.files("ocpp").joinpath(_FOLDERS[version], "schemas", name)
    if not file.is_file():
        return None
    schema = json.loads(file.read_text(encoding="utf-8-sig"), parse_float=decimal.Decimal)
    return jsonschema.validators.validator_for(schema)(schema)
