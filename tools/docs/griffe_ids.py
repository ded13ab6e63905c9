"""Ids of requirements in docstrings stay text: Markdown would read `[V2G2-712] [V2G2-713]` as a link."""

from __future__ import annotations

import re
from typing import Any

import griffe

IDS = re.compile(r"\[((?:V2G2|INV|TPT|SDP)-\d+)\]")


class PlainIds(griffe.Extension):
    """Escape the brackets before the docstring is rendered."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = IDS.sub(r"\\[\1\\]", obj.docstring.value)
