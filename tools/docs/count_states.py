"""`python -m tools.docs.count_states`: search the session in every world and record the numbers."""

from __future__ import annotations

import json
import sys

from tests.support.proofs20 import judged_once20
from tests.support.search import search
from tests.support.worlds import WORLDS, World
from tests.support.worlds20 import WORLDS20
from tools.docs import model

ALL: dict[str, World] = {
    **WORLDS,
    **{f"{model.NEWER}{name}": world for name, world in WORLDS20.items()},
}


def main() -> None:
    """Some minutes; raises when an invariant is broken. With names: only these worlds."""
    known = model.known()
    for name in sys.argv[1:] or ALL:
        with judged_once20():
            known |= model.numbers({name: search(ALL[name])})
        print(f"{name}: {known[name]['states']} states, {known[name]['edges']} inputs tried", flush=True)
    ordered = {name: known[name] for name in ALL if name in known}
    model.DATA.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
