"""`python -m tools.docs.count_states`: search the session in every world and record the numbers."""

from __future__ import annotations

import json
import sys

from tests.support.proofs import judged_once
from tests.support.search import search
from tests.support.worlds import WORLDS
from tools.docs import model


def main() -> None:
    """Some minutes; raises when an invariant is broken. With names: only these worlds."""
    known = model.known()
    for name in sys.argv[1:] or WORLDS:
        with judged_once():
            known |= model.numbers({name: search(WORLDS[name])})
        print(f"{name}: {known[name]['states']} states, {known[name]['edges']} inputs tried", flush=True)
    ordered = {name: known[name] for name in WORLDS if name in known}
    model.DATA.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
