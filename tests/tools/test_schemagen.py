"""The generator: its notation, the grammars it builds, and that the files it wrote are fresh."""

from __future__ import annotations

from pathlib import Path

import pytest

from secc.exi.schema import notation, numbering
from secc.exi.schema.grammar import Datatype, Grammars, GrammarState, Production, datatype
from secc.exi.schema.names import class_name, field_name, member_name
from secc.exi.schema.notation import NotationError, QName, SchemaSet
from tests.support.messages import SCHEMAS, schema_sets
from tools.codegen import __main__ as schemagen
from tools.codegen import pages, python

HEAD = """
namespace = "urn:example"
prefix = "x"
elements = "qualified"
attributes = "unqualified"
"""


def one_set(directory: Path, text: str, *, sets: str = '[own]\nroot = "x"\nmodule = "own"\n') -> SchemaSet:
    """The schema set of one small namespace."""
    (directory / "sets.toml").write_text(sets + 'namespaces = ["x"]\n')
    (directory / "own.toml").write_text(HEAD + text)
    return notation.load(directory)["own"]


def shown(states: list[GrammarState]) -> list[list[str]]:
    """States as lists of short texts, in event code order: ``SE(a)>1`` reads element a, then state 1."""

    def show(p: Production) -> str:
        name = f"({p.name.local})" if p.name else ""
        return p.kind + name + (f">{p.next}" if p.kind != "EE" else "")

    return [[show(p) for p in state.productions] for state in states]


def grammar(directory: Path, text: str, name: str = "T") -> list[GrammarState]:
    """The states of type `name` of a small schema."""
    return Grammars(one_set(directory, text)).types[QName(name, "urn:example")]


# --- the notation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[type.T]\ncontent = ["a xs:byte"]', "own.toml: type T: no doc"),
        ('[type.T]\ndoc = ""', "own.toml: type T: no doc"),
        ('[type.T]\ndoc = "d"\nsealed = true', "own.toml: type T: unknown keys ['sealed']"),
        ('[type.T]\ndoc = "d"\ncontent = ["a"]', "own.toml: type T: 'a': no type"),
        ('[type.T]\ndoc = "d"\ncontent = ["a y:t"]', "own.toml: y:t: unknown prefix"),
        ('[type.T]\ndoc = "d"\ncontent = ["a{3,2} xs:byte"]', "own.toml: type T: a{3,2}: lower bound above"),
        ('[type.T]\ndoc = "d"\ncontent = [1]', "own.toml: type T: 1"),
        ('[simple]\ne = ["xs:string", "A"]', "own.toml: simple e: no doc"),
        ('[doc]\ne = "d"', "own.toml: doc of unknown types ['e']"),
        ('[simple]\ns = "xs:string pattern x"', "own.toml: simple s: 'xs:string pattern x'"),
        ('[element]\ne = "nillable T"', "own.toml: element e: 'nillable T'"),
        ('[unit]\ne = "V"', "own.toml: unit of unknown elements ['e']"),
        ("[group]\ng = 1", "own.toml: unknown keys ['group']"),
    ],
)
def test_what_is_not_in_the_notation_is_refused_with_its_place(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(NotationError) as caught:
        one_set(tmp_path, text)
    assert str(caught.value).startswith(message)


def test_a_file_without_a_namespace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sets.toml").write_text('[own]\nroot = "x"\nmodule = "own"\nnamespaces = ["x"]\n')
    (tmp_path / "own.toml").write_text('namespace = "urn:example"\nprefix = "x"\nelements = "qualified"\n')
    with pytest.raises(NotationError, match=r"own\.toml: no 'attributes'"):
        notation.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('["a? xs:byte", "a xs:byte"]', "ambiguous content model: two ways to read the same element"),
        ('["<missing>"]', "missing: no such global element"),
        ('["choice{1,3}", "a xs:byte"]', "a group may be repeated once or without bound only"),
    ],
)
def test_a_content_model_without_a_grammar_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        grammar(tmp_path, f'[type.T]\ndoc = "d"\ncontent = {content}')


@pytest.mark.parametrize(
    ("simple", "message"),
    [
        ('"xs:decimal"', "xs:decimal: a built-in type this notation does not know"),
        ('"missing"', "missing: no such simple type"),
        ('"xs:integer 0.."', "an integer bounded on one side only"),
    ],
)
def test_a_simple_type_without_a_representation_is_refused(tmp_path: Path, simple: str, message: str) -> None:
    schema = one_set(tmp_path, f"[simple]\ns = {simple}")
    with pytest.raises(NotationError, match=message):
        datatype(schema, QName("s", "urn:example"))


def test_two_types_with_one_class_name_are_refused(tmp_path: Path) -> None:
    schema = one_set(
        tmp_path, '[element]\ne = "A_BType"\n[type.ABType]\ndoc = "d"\n[type.A_BType]\ndoc = "d"'
    )
    with pytest.raises(NotationError, match=r"own: class names used twice: \['AB'\]"):
        python.Module(numbering.build(schema), {"urn:example": "own"}).text()


# --- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("EVMaximumCurrentLimit", "ev_maximum_current_limit"),
        ("SAScheduleTupleID", "sa_schedule_tuple_id"),
        ("DC_EVStatus", "dc_ev_status"),
        ("EVSEID", "evse_id"),
        ("EVCCID", "evcc_id"),
        ("eMAID", "emaid"),
        ("DHpublickey", "dh_public_key"),
        ("X509IssuerSerial", "x509_issuer_serial"),
        ("ListOfRootCertificateIDs", "list_of_root_certificate_ids"),
        ("PMaxSchedule", "p_max_schedule"),
        ("RCD", "rcd"),
    ],
)
def test_a_field_is_the_element_in_snake_case(wire: str, name: str) -> None:
    assert field_name(wire) == name


def test_a_class_is_the_type_without_its_suffix_and_underscores() -> None:
    assert class_name("DC_EVStatusType") == "DCEVStatus"
    assert class_name("@V2G_Message") == "V2GMessage"
    assert class_name("@supportedAppProtocolReq") == "SupportedAppProtocolReq"


def test_a_member_is_the_literal_in_upper_snake() -> None:
    assert member_name("FAILED_SequenceError") == "FAILED_SEQUENCE_ERROR"
    assert member_name("OK") == "OK"


# --- grammars, rule by rule --------------------------------------------------------------------------------


def test_a_required_attribute_blocks_everything_behind_it(tmp_path: Path) -> None:
    states = grammar(
        tmp_path,
        '[type.T]\ndoc = "d"\nattribute = ["b xs:ID", "a? xs:ID", "c? xs:ID"]\ncontent = ["e xs:byte"]',
    )
    assert shown(states) == [
        ["AT(a)>1", "AT(b)>2"],
        ["AT(b)>2"],
        ["AT(c)>3", "SE(e)>4"],
        ["SE(e)>4"],
        ["EE"],
    ]
    assert [s.start for s in states] == [True, True, True, True, False]


def test_an_optional_element_adds_alternatives_and_the_escape_one_more(tmp_path: Path) -> None:
    states = grammar(tmp_path, '[type.T]\ndoc = "d"\ncontent = ["a? xs:byte", "b? xs:byte", "c? xs:byte"]')
    assert shown(states) == [
        ["SE(a)>1", "SE(b)>2", "SE(c)>3", "EE"],
        ["SE(b)>2", "SE(c)>3", "EE"],
        ["SE(c)>3", "EE"],
        ["EE"],
    ]
    assert [s.bits for s in states] == [3, 2, 2, 1]


@pytest.mark.parametrize(
    ("alternatives", "bits"),
    [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (15, 4), (16, 5), (31, 5), (32, 6), (63, 6)],
)
def test_a_code_is_as_wide_as_one_alternative_more_needs(alternatives: int, bits: int) -> None:
    assert GrammarState([Production("EE")] * alternatives).bits == bits


def test_empty_content_is_its_end(tmp_path: Path) -> None:
    assert shown(grammar(tmp_path, '[type.T]\ndoc = "d"')) == [["EE"]]


def test_simple_content_is_a_value_and_its_end(tmp_path: Path) -> None:
    states = grammar(tmp_path, '[type.T]\ndoc = "d"\nextends = "xs:string"\nattribute = ["Id? xs:ID"]')
    assert shown(states) == [["AT(Id)>1", "CH>2"], ["CH>2"], ["EE"]]


def test_the_content_of_a_base_type_comes_first(tmp_path: Path) -> None:
    states = grammar(
        tmp_path,
        '[type.B]\ndoc = "d"\ncontent = ["z xs:byte"]\n'
        '[type.T]\ndoc = "d"\nextends = "B"\ncontent = ["a xs:byte"]',
    )
    assert shown(states) == [["SE(z)>1"], ["SE(a)>2"], ["EE"]]


def test_a_choice_offers_its_members_in_schema_order(tmp_path: Path) -> None:
    states = grammar(tmp_path, '[type.T]\ndoc = "d"\ncontent = ["choice", "b xs:byte", "a xs:byte"]')
    assert shown(states) == [["SE(b)>1", "SE(a)>2"], ["EE"], ["EE"]]


def test_a_loop_keeps_schema_order_when_earlier_members_come_again(tmp_path: Path) -> None:
    states = grammar(tmp_path, '[type.T]\ndoc = "d"\ncontent = ["choice+", "b xs:byte", "a xs:byte"]')
    assert shown(states)[2] == ["SE(b)>1", "SE(a)>2", "EE"]


def test_elements_come_before_a_wildcard_that_is_written_first(tmp_path: Path) -> None:
    states = grammar(
        tmp_path, '[type.T]\nmixed = true\ndoc = "d"\ncontent = ["choice*", "<##other lax>", "a xs:string"]'
    )
    assert shown(states)[0] == ["SE(a)>2", "ANY>1", "EE", "TEXT>3"]


def test_mixed_content_adds_text_behind_everything_else(tmp_path: Path) -> None:
    states = grammar(tmp_path, '[type.T]\nmixed = true\ndoc = "d"\ncontent = ["a? xs:byte"]')
    assert shown(states) == [
        ["SE(a)>1", "EE", "TEXT>2"],
        ["EE", "TEXT>1"],
        ["SE(a)>1", "EE", "TEXT>2"],
    ]


SUBSTITUTION = """
[element]
Head = "abstract BaseType"
Zebra = "ZebraType -> Head"
apple = "AppleType -> Zebra"
Other = "ZebraType"
[type.BaseType]
abstract = true
doc = "d"
[type.ZebraType]
extends = "BaseType"
doc = "d"
[type.AppleType]
extends = "ZebraType"
doc = "d"
[type.T]
doc = "d"
content = ["<Head>"]
"""


def test_a_reference_offers_its_substitution_group_by_code_point_the_abstract_head_included(
    tmp_path: Path,
) -> None:
    states = grammar(tmp_path, SUBSTITUTION)
    assert shown(states) == [["SE(Head)>1", "SE(Zebra)>1", "SE(apple)>1"], ["EE"]]


def test_a_document_offers_every_global_element_by_code_point(tmp_path: Path) -> None:
    grammars = Grammars(one_set(tmp_path, SUBSTITUTION))
    assert [q.local for q in grammars.documents] == ["Head", "Other", "Zebra", "apple"]


def test_a_fragment_offers_every_element_name_once(tmp_path: Path) -> None:
    grammars = Grammars(
        one_set(
            tmp_path,
            '[element]\nb = "T"\n[type.T]\ndoc = "d"\ncontent = ["c xs:byte", "a xs:byte"]\n'
            '[type.U]\ndoc = "d"\ncontent = ["a xs:byte", "c xs:string"]',
        )
    )
    assert [(q.local, len(types)) for q, types in grammars.fragments] == [("a", 1), ("b", 1), ("c", 2)]


def test_two_occurrences_need_no_counter(tmp_path: Path) -> None:
    states = grammar(tmp_path, '[type.T]\ndoc = "d"\ncontent = ["a{1,2} xs:byte"]')
    assert shown(states) == [["SE(a)>1"], ["SE(a)>2", "EE"], ["EE"]]


def test_many_occurrences_share_one_loop_state_and_end_in_one_that_offers_no_more(tmp_path: Path) -> None:
    states = grammar(tmp_path, '[type.T]\ndoc = "d"\ncontent = ["a{1,24} xs:byte"]')
    assert shown(states) == [["SE(a)>1"], ["SE(a)>1", "EE"], ["EE"]]
    start, step = states[0].productions[0].count, states[1].productions[0].count
    assert start is not None
    assert step is not None
    assert (start.start, step.limit, step.last, step.soft) == (1, 24, 2, False)


def test_a_marked_list_is_soft(tmp_path: Path) -> None:
    states = grammar(tmp_path, '[type.T]\ndoc = "d"\ncontent = ["a{1,24}~ xs:byte"]')
    step = states[1].productions[0].count
    assert step is not None
    assert step.soft


def test_unbounded_occurrences_loop_without_a_last_state(tmp_path: Path) -> None:
    states = grammar(tmp_path, '[type.T]\ndoc = "d"\ncontent = ["a* xs:byte", "b xs:byte"]')
    assert shown(states) == [["SE(a)>1", "SE(b)>2"], ["SE(a)>1", "SE(b)>2"], ["EE"]]


@pytest.mark.parametrize(
    ("simple", "expected"),
    [
        ("xs:byte", Datatype("nbit", -128, 127)),
        ("xs:byte 0..100", Datatype("nbit", 0, 100)),
        ("xs:unsignedShort", Datatype("unsigned", 0, 65535)),
        ("xs:unsignedInt 1..4294967295", Datatype("unsigned", 1, 4294967295)),
        ("xs:unsignedInt 0..4095", Datatype("nbit", 0, 4095)),
        ("xs:unsignedInt 0..4096", Datatype("unsigned", 0, 4096)),
        ("xs:short", Datatype("integer", -32768, 32767)),
        ("xs:integer", Datatype("big")),
        ("xs:boolean", Datatype("boolean")),
        ("xs:string length 7..37", Datatype("string", max_length=37)),
        ("xs:hexBinary length 8", Datatype("hex", max_length=8)),
        ("xs:base64Binary length ..65", Datatype("binary", max_length=65)),
    ],
)
def test_a_simple_type_is_written_as_its_bounds_demand(
    tmp_path: Path, simple: str, expected: Datatype
) -> None:
    schema = one_set(tmp_path, f'[simple]\ns = "{simple}"')
    assert datatype(schema, QName("s", "urn:example")) == expected


def test_an_enumeration_is_the_index_of_its_literal(tmp_path: Path) -> None:
    schema = one_set(tmp_path, '[simple]\ns = ["xs:string", "b", "a", "c"]\n[doc]\ns = "d"')
    name = QName("s", "urn:example")
    found = datatype(schema, name)
    assert (found.kind, found.low, found.high, found.bits, found.enum) == ("enumeration", 0, 2, 2, name)


# --- what is written ---------------------------------------------------------------------------------------


def test_the_generated_files_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["schemagen", "--check"])
    assert schemagen.main() == 0


def test_each_request_has_one_response_in_pairs() -> None:
    module = python.Module(numbering.build(schema_sets()["iso2"]), _owners())
    assert ("PowerDeliveryReq", "PowerDeliveryRes") in module.pairs()
    assert len(module.pairs()) == 17


def test_a_docstring_carries_its_requirement_ids() -> None:
    module = python.Module(numbering.build(schema_sets()["iso2"]), _owners())
    text = module.doc(QName("SessionSetupReqType", "urn:iso:15118:2:2013:MsgBody"))
    assert text.endswith("[V2G2-188] [V2G2-189]")


def test_the_page_of_messages_lists_fields_with_unit_and_response() -> None:
    text = pages.text({name: numbering.build(schema) for name, schema in schema_sets().items()})
    assert "| `EVSETimeStamp` | `evse_time_stamp` | int, 64 bits | 0..1 | s since 1970 |" in text
    assert "Answered by [`SessionSetupRes`](#iso2-sessionsetupres)." in text


def test_the_schema_files_name_no_element_twice() -> None:
    for path in SCHEMAS.glob("*.toml"):
        lines = [line for line in path.read_text().splitlines() if line.startswith("[type.")]
        assert len(lines) == len(set(lines)), path.name


def test_the_worked_example_of_the_notation_is_in_the_notation(tmp_path: Path) -> None:
    lines = (SCHEMAS / "README.md").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("    namespace ="))
    end = next(i for i in range(start, len(lines)) if lines[i] and not lines[i].startswith("    "))
    entry = '[type.EntryType]\ndoc = "d"\n'
    (tmp_path / "example.toml").write_text("\n".join([line[4:] for line in lines[start:end]] + [entry]))
    (tmp_path / "sets.toml").write_text('[own]\nroot = "ex"\nmodule = "own"\nnamespaces = ["ex"]\n')
    schema = notation.load(tmp_path)["own"]
    states = Grammars(schema).types[QName("StartReqType", "urn:example:charging")]
    assert shown(states)[2] == ["SE(Delay)>3", "SE(MeterID)>4", "SE(Limit)>5"]


def _owners() -> dict[str, str]:
    return {
        space.uri: "xmldsig" if space.prefix == "ds" else "iso2" for space in schema_sets()["iso2"].namespaces
    }
