"""The width of prose: what is too long, and what wrapping leaves alone."""

from __future__ import annotations

import pytest

from tools.checks.prose import WIDTH, main, too_long, wrapped

LONG = "word " * 30
TABLE = f"| {LONG} | {LONG} |"
CODE = f"```\n{LONG}\n```"
LINK = "[name]: https://example.org/" + "a" * 120


def test_a_long_line_of_text_is_found_with_its_number() -> None:
    assert [number for number, _ in too_long(f"short\n\n{LONG}\n")] == [3]


@pytest.mark.parametrize("text", [TABLE, CODE, LINK, f"# {LONG}", f"    {LONG}", "a" * 120])
def test_what_cannot_be_wrapped_is_not_checked(text: str) -> None:
    assert too_long(text) == []
    assert wrapped(text) == text


def test_a_comment_in_rust_is_checked_and_code_is_not() -> None:
    text = f"let a = {'1 + ' * 40}1;\n    // {LONG}\n/// {LONG}"
    assert [number for number, _ in too_long(text, rust=True)] == [2, 3]


def test_a_paragraph_is_wrapped_and_others_are_unchanged() -> None:
    text = f"one\ntwo\n\n{LONG.strip()}"
    assert wrapped(text).startswith("one\ntwo\n\nword word")
    assert max(len(line) for line in wrapped(text).split("\n")) <= WIDTH
    assert wrapped(text).split() == text.split()


@pytest.mark.parametrize(("lead", "rest"), [("- ", "  "), ("12. ", "    "), ("> ", "> "), (":   ", "    ")])
def test_a_list_item_keeps_its_indentation(lead: str, rest: str) -> None:
    first, second = wrapped(f"{lead}{LONG.strip()}").split("\n")
    assert first.startswith(f"{lead}word")
    assert second.startswith(f"{rest}word")


def test_the_term_of_a_definition_stays_on_its_line() -> None:
    first, second, _ = wrapped(f"a term\n:   {LONG.strip()}").split("\n")
    assert (first, second[:8]) == ("a term", ":   word")


def test_the_pages_of_this_project_are_not_too_wide(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0, capsys.readouterr().out
