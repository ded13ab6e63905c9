"""The API as a page: the calls and bodies of an OpenAPI document in a form for a template."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class ApiCall:
    """One call."""

    name: str
    """Method and path."""
    summary: str
    """The first sentence of its description."""
    text: str
    """The other sentences."""
    parameters: tuple[tuple[str, str, str], ...]
    """Name, place, and whether it is required."""
    body: str
    """Media types and names of bodies; empty without one."""
    answers: tuple[tuple[str, str], ...]
    """Status and meaning."""


@dataclasses.dataclass(frozen=True, slots=True)
class ApiBody:
    """The members of a JSON body."""

    name: str
    text: str
    members: tuple[tuple[str, str, str, str], ...]
    """Name, type, whether it is required, meaning."""


def calls_of(document: Mapping[str, Any]) -> dict[str, list[ApiCall]]:
    """Return the calls by their tag, in the order of the document."""
    groups: dict[str, list[ApiCall]] = {}
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            groups.setdefault(call["tags"][0], []).append(_call(f"{method.upper()} {path}", call))
    return groups


def bodies_of(document: Mapping[str, Any]) -> list[ApiBody]:
    """Return the JSON bodies by name."""
    schemas = document["components"]["schemas"]
    return [_body(name, one) for name, one in schemas.items() if "properties" in one]


def _call(name: str, call: Mapping[str, Any]) -> ApiCall:
    content = call.get("requestBody", {}).get("content", {})
    first, _, more = " ".join(call.get("description", "").split()).partition(". ")
    return ApiCall(
        name,
        first.rstrip("."),
        more,
        tuple((one["name"], one["in"], _need(one.get("required"))) for one in call.get("parameters", ())),
        ", ".join(f"{media} {_type(one.get('schema', {}))}" for media, one in content.items()),
        tuple((status, one.get("description", "")) for status, one in sorted(call["responses"].items())),
    )


def _body(name: str, schema: Mapping[str, Any]) -> ApiBody:
    required = schema.get("required", ())
    members = tuple(
        (member, _type(one), _need(member in required), one.get("description", "–"))
        for member, one in schema["properties"].items()
    )
    return ApiBody(name, schema.get("description", ""), members)


def _type(schema: Mapping[str, Any]) -> str:
    """Return a short name of a type: `string`, `Status`, `list of string`, `integer or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "value")


def _need(required: object) -> str:
    return "required" if required else "optional"
