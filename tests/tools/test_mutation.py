"""What a mutation run changes, in a module of a few lines."""

from __future__ import annotations

import enum
import types

from tools.checks.mutation import Mutant, mutants

SOURCE = '''"""A text is left as it is."""

LIMIT = 2.0


def lowest(a: int, b: int, *, on: bool = False) -> int:
    if a < b and on:
        return min(a, b)
    raise ValueError("text")


class Switch:
    def off(self, colour):
        self.on = False
        notify(Colour.RED)
'''


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


def found() -> list[Mutant]:
    module = types.ModuleType("small")
    vars(module).update(Colour=Colour)
    return mutants("small.py", SOURCE, module)


def test_the_mutants_of_a_module_are_these() -> None:
    assert [mutant.name.removeprefix("small.py:") for mutant in found()] == [
        "3 module: 3.0 for 2.0",
        "7 lowest: not (a < b and on)",
        "7 lowest: or in a < b and on",
        "7 lowest: without a < b",
        "7 lowest: without on",
        "7 lowest: a <= b",
        "7 lowest: a >= b",
        "8 lowest: return None for return min(a, b)",
        "8 lowest: max in min(a, b)",
        "8 lowest: min without a",
        "8 lowest: min without b",
        "9 lowest: without raise ValueError('text')",
        "14 Switch.off: without self.on = False",
        "14 Switch.off: True for False",
        "15 Switch.off: without notify(Colour.RED)",
        "15 Switch.off: Colour.GREEN for Colour.RED",
    ]


def test_a_mutant_is_the_module_with_one_change_and_the_next_one_does_not_have_it() -> None:
    def result(mutant: Mutant) -> object:
        names: dict[str, object] = {}
        exec(mutant.compiled(), names)
        return names["lowest"](1, 2, on=True)  # type: ignore[operator]

    by_name = {mutant.what: mutant for mutant in found()}
    assert result(by_name["max in min(a, b)"]) == 2
    assert result(by_name["min without a"]) == 2
    assert result(by_name["return None for return min(a, b)"]) is None
    assert result(by_name["3.0 for 2.0"]) == 1


def test_a_mutant_knows_its_function_and_the_lines_of_its_statement() -> None:
    first = next(mutant for mutant in found() if mutant.what == "a <= b")
    assert (first.scope.name, first.scope.first_line, first.scope.last_line) == ("lowest", 6, 9)
    assert [*first.lines] == [7]
