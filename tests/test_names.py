"""A class name means one thing in the whole library."""

from __future__ import annotations

import ast
import collections
import pathlib

import secc

ROOT = pathlib.Path(secc.__file__).parent

# Names that the schemas give to messages, and what they are called here. Messages are named with their module
# (`iso2.EMAID`), so these do not meet.
AS_IN_THE_SCHEMA = {
    "ChargingProfile": "ocpp.profile_model",
    "EMAID": "pki.identifiers",
    "IsolationLevel": "session.outlet",
    "PowerSchedule": "session.schedules",
    "ProfileEntry": "session.profile",
    "Service": "session.iso20.services",
}


def places() -> dict[str, list[str]]:
    """Public class to the modules that define it; those of the schemas once, as `messages`."""
    found = collections.defaultdict(set)
    for path in ROOT.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        place = "messages" if module.startswith("messages.") else module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(place)
    return {name: sorted(where) for name, where in found.items()}


def test_a_class_name_means_one_thing() -> None:
    twice = {name: where for name, where in places().items() if len(where) > 1}
    assert twice == {name: sorted(["messages", where]) for name, where in AS_IN_THE_SCHEMA.items()}
