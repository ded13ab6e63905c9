"""`python -m tools.model`: search the session exhaustively, write the numbers down for the docs."""

from __future__ import annotations

import json

from tests.support.bench import AC, DC
from tests.support.search import search
from tools.pages import model


def main() -> None:
    """A quarter of a minute; raises when an invariant is broken."""
    found = model.numbers({"AC": search(AC), "DC": search(DC)})
    model.DATA.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name, one in found.items():
        print(f"{name}: {one['states']} states, {one['edges']} inputs tried")


if __name__ == "__main__":
    main()
