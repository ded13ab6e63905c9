"""The list of tricks against Plug and Charge in the documentation, held against the tests that exist."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/explanation/attacks.md"
CATALOGUE = [f"PNC-{number:02}" for number in range(1, 17)]
"""Rows of the catalogue of bad input that are about Plug and Charge."""


@functools.cache
def rows() -> dict[str, list[str]]:
    """Row of the list -> the tests it names."""
    page = PAGE.read_text()
    lines: list[str] = []
    for title in (
        "## Plug and Charge, trick by trick",
        "## Installation of contracts in ISO 15118-20, trick",
    ):
        section = page.split(title)[1].split("\n## ")[0]
        lines += [line for line in section.splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {cell[0].strip(): re.findall(r"`([\w/]+\.py::\w+)`", cell[-1]) for cell in cells}


@functools.cache
def functions(path: Path) -> frozenset[str]:
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_row_of_the_catalogue_is_in_the_list() -> None:
    assert [row for row in rows() if row.startswith("PNC")] == CATALOGUE


@pytest.mark.parametrize("row", rows())
def test_every_row_names_tests_that_exist(row: str) -> None:
    named = rows()[row]
    assert named
    for name in named:
        file, function = name.split("::")
        assert function in functions(TESTS / file), name


def test_every_attack_test_of_the_session_is_in_the_list_or_is_no_trick() -> None:
    """A new trick needs a new row."""
    named = {name for tests in rows().values() for name in tests}
    file = "session/test_contract_attacks.py"
    unnamed = {
        name
        for name in functions(TESTS / file)
        if name.startswith("test_") and f"{file}::{name}" not in named
    }
    assert unnamed == {
        "test_a_refusal_of_the_back_end_is_recorded_once",
        "test_no_contract_is_refused_in_silence",
        "test_a_root_that_the_car_has_not_named_is_reported",
        "test_a_receipt_of_a_centrally_validated_contract_is_kept",
        "test_a_root_that_is_not_known_is_never_granted_by_the_chain_alone",
        "test_an_answer_that_does_not_verify",
        "test_central_validation_forgives_nothing_but_the_root",
        "test_the_list_of_roots_reaches_the_back_end",
        "test_the_retry_counter_says_later_unless_the_back_end_says_otherwise",
        "test_with_central_validation_the_back_end_gets_another_type_and_decides",
    }
