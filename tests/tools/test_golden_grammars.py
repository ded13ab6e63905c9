"""The grammars of the standards against those of a general EXI processor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from secc.exi.schema import numbering, tables
from secc.exi.schema.grammar import Grammars, GrammarState, Production
from secc.exi.schema.notation import QName, SchemaSet
from tests.support.messages import ROOT, schema_sets

GOLDEN = ROOT.parent / "shared" / "vectors" / "grammar_golden.jsonl"

# --- the grammars of the standards -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "documents", "fragments", "bits"),
    [
        ("sap", 2, 9, (2, 4)),
        ("xmldsig", 24, 45, (5, 6)),
        ("iso2", 80, 243, (7, 8)),
        ("din", 81, 245, (7, 8)),
        ("iso20-common", 54, 281, (6, 9)),
        ("iso20-ac", 42, 154, (6, 8)),
        ("iso20-dc", 48, 149, (6, 8)),
        ("iso20-wpt", 38, 193, (6, 8)),
        ("iso20-acdp", 34, 129, (6, 8)),
        ("iso20-ac-der-iec", 48, 245, (6, 8)),
        ("iso20-ac-der-sae", 49, 353, (6, 9)),
    ],
)
def test_a_set_has_its_known_number_of_roots(
    name: str, documents: int, fragments: int, bits: tuple[int, int]
) -> None:
    built = numbering.build(schema_sets()[name])
    assert (len(built.documents), len(built.fragments)) == (documents, fragments)
    assert (built.document_bits, built.fragment_bits) == bits


IN_GOLDEN = [name for name in schema_sets() if "-der-" not in name]
"""The sets whose grammars are known from elsewhere; the crate `iso15118` knows those of Amendment 1."""


def golden(name: str) -> list[dict[str, Any]]:
    """What a general EXI processor built from the original schemas of set `name`."""
    if not GOLDEN.exists():
        pytest.skip("the golden grammars are not ours to redistribute; they lie beside the checkout in CI")
    lines = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    return [line for line in lines if line["set"] == name]


@pytest.mark.parametrize("name", IN_GOLDEN)
def test_roots_are_those_of_a_general_exi_processor(name: str) -> None:
    built = numbering.build(schema_sets()[name])
    show = _namer(built.schema)
    (expected,) = [entry for entry in golden(name) if "document" in entry]
    assert [show(q) for q in built.grammars.documents] == expected["document"]
    assert [show(q) for q, _ in built.grammars.fragments] == expected["fragment"]
    assert [show(q) for q, types in built.grammars.fragments if len(types) > 1] == expected["relaxed"]
    assert built.document_bits == expected["document_bits"]
    assert built.fragment_bits == expected["fragment_bits"]


@pytest.mark.parametrize("name", IN_GOLDEN)
def test_every_state_of_every_type_is_that_of_a_general_exi_processor(name: str) -> None:
    schema = schema_sets()[name]
    grammars = Grammars(schema)
    compared = 0
    for entry in golden(name):
        if "type" in entry:
            prefix, local = entry["type"].split(":", 1)
            uri = {v: k for k, v in schema.prefixes.items()}[prefix]
            states = grammars.types[QName(local, uri)]
            for want, have in _walk(_namer(schema), entry["states"], states):
                assert have == want, (entry["type"], have, want)
                compared += 1
    assert compared >= len(schema.complex)


def _namer(schema: SchemaSet) -> Any:
    def show(name: QName) -> str:
        prefix = schema.prefixes[name.uri]
        return f"{prefix}:{name.local}" if prefix else name.local

    return show


def _walk(
    show: Any, golden_states: list[dict[str, Any]], states: list[GrammarState]
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Pairs of an expanded golden state and our counted one, as both are reached by the same elements.

    The golden grammars have one state per occurrence; ours share a loop state and count.
    """
    expanded = {
        number: entry
        for entry in golden_states
        for number in range(entry["states"][0], entry["states"][1] + 1)
    }
    seen, stack = set(), [(0, 0, 0)]
    while stack:
        place = stack.pop()
        if place in seen:
            continue
        seen.add(place)
        number, own, count = place
        entry, state = expanded[number], states[own]
        labels = [_label(show, p) for p in state.productions]
        wanted = [w[0] if w[0].startswith("SE(") and w[0] != "SE(*)" else _short(w[0]) for w in entry["p"]]
        yield (entry["bits"], entry["start"], wanted), (state.bits, state.start, labels)
        for (_, target), production in zip(entry["p"], state.productions, strict=True):
            following = number + int(target[1:]) if isinstance(target, str) else target
            if following != -1:
                stack.append((following, *_advance(production, count)))


def _label(show: Any, p: Production) -> str:
    if p.kind == "SE":
        assert p.name is not None
        assert p.type is not None
        return f"SE({show(p.name)}):{show(p.type)}"
    if p.kind == "AT":
        assert p.name is not None
        return f"AT({show(p.name)})"
    return {"ANY": "SE(*)", "TEXT": "CH"}.get(p.kind, p.kind)


def _short(label: str) -> str:
    """Without the datatype, which the golden grammars name by its representation."""
    return label.rpartition(":")[0] if label.startswith("AT(") and label.count("):") else label.split(":")[0]


def _advance(p: Production, count: int) -> tuple[int, int]:
    if p.count is None:
        return p.next, count
    if p.count.start:
        return p.next, p.count.start
    if not p.count.limit:
        return p.next, 1
    return (p.count.last if count + 1 == p.count.limit else p.next), count + 1


def test_the_uri_tables_are_those_of_a_general_processor() -> None:
    if not GOLDEN.exists():
        pytest.skip("the golden grammars are not ours to redistribute; they lie beside the checkout in CI")
    golden = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    expected = {row["set"]: row["uris"] for row in golden if "uris" in row}
    sets = {name: schema_sets()[name] for name in IN_GOLDEN}
    found = {name: [uri for uri, _ in Grammars(s).name_tables()] for name, s in sets.items()}
    assert found == expected


def test_a_name_of_several_types_keeps_its_code_and_is_no_fragment() -> None:
    built = numbering.build(schema_sets()["iso20-ac-der-iec"])
    left_out = {built.names[root.name].local for root in built.fragments if root.kind == tables.ESCAPE}
    assert "IntentionalDelayPowerControl" in left_out
    assert len(built.fragments) == len(built.grammars.fragments)
    assert not any(root.kind == tables.ESCAPE for root in built.documents)


def test_local_names_are_sorted_by_code_point() -> None:
    tables = dict(Grammars(schema_sets()["sap"]).name_tables())
    assert tables[""][:3] == ["AppProtocol", "Priority", "ProtocolNamespace"]
    assert tables["urn:iso:15118:2:2010:AppProtocol"][:2] == ["AppProtocolType", "idType"]
    assert len(tables["http://www.w3.org/2001/XMLSchema"]) == 46
