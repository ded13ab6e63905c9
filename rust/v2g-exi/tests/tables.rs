//! Tables as such: names in them, tables that contradict themselves, and what reading and writing make of
//! both.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use std::borrow::Cow::Owned;
use support::{decode_strictly, encode, from_bits, grammar, unhex};
use v2g_exi::encode::{Encoder, Style};
use v2g_exi::error::Kind;
use v2g_exi::grammar::{Grammar, Kind as Event, Locals};
use v2g_exi::tape::{Node, Scalar};
use v2g_exi::value::{At, Found, Given, Octets, ROOT, WILD};

/// SessionSetupReq.
const SETUP: &str = "809802000000000000000011d0180801784080c000";

#[test]
fn tables_that_contradict_themselves_are_reported_and_not_followed() {
    let data = unhex(SETUP);
    let whole = grammar("iso2").clone();
    let spoilt: [(&str, Grammar); 4] = [
        ("states", Grammar { states: Owned(vec![]), ..whole.clone() }),
        ("productions", Grammar { productions: Owned(vec![]), ..whole.clone() }),
        ("datatypes", Grammar { datatypes: Owned(vec![]), ..whole.clone() }),
        ("types", Grammar { types: Owned(vec![]), ..whole.clone() }),
    ];
    for (what, set) in spoilt {
        let error = decode_strictly(&set, &data, false).expect_err(what);
        assert_eq!(
            (error.kind, error.detail.as_str()),
            (Kind::EventCode, "the grammar tables are inconsistent"),
            "{what}"
        );
    }
    let set = Grammar { relaxed: None, ..whole };
    let emaid = from_bits(
        "10000000 11101100 000000100 00000011 01100001 100000000 00000011 01000010 11110100 11110100",
    );
    let error = decode_strictly(&set, &emaid, true).expect_err("no relaxed grammar");
    assert_eq!(error.detail, "the grammar tables are inconsistent");
}

#[test]
fn an_encoder_says_what_its_tables_lack() {
    let whole = grammar("iso2").clone();
    let root = |set: &Grammar, name: &str| set.fragment_root(name).expect("declared");
    let set = Grammar { types: Owned(vec![]), ..whole.clone() };
    let error = Encoder::new(&set, Vec::new(), Style::default())
        .root(root(&set, "MeterInfo"), true)
        .expect_err("no type");
    assert_eq!((error.path.as_str(), error.detail.as_str()), ("MeterInfo", "has no type in the tables"));
    let set = Grammar { datatypes: Owned(vec![]), ..whole.clone() };
    let mut encoder = Encoder::new(&set, Vec::new(), Style::default());
    let entry = encoder.root(root(&set, "MeterID"), true).expect("a root");
    let error = encoder.root_value(entry, Given::Text("A")).expect_err("no datatype");
    assert_eq!((error.path.as_str(), error.detail.as_str()), ("MeterID", "has no datatype in the tables"));
    let set = Grammar { relaxed: None, ..whole };
    let mut encoder = Encoder::new(&set, Vec::new(), Style::default());
    encoder.root(root(&set, "eMAID"), true).expect("a root");
    let (code, production) = encoder.find(0, |_| true).expect("Id");
    let error = encoder.value(code, production, Given::Text("a")).expect_err("no relaxed grammar");
    assert_eq!(error.detail, "has no relaxed grammar");
    let set = Grammar { spaces: Owned(vec![]), ..grammar("xmldsig").clone() };
    let mut encoder = Encoder::new(&set, Vec::new(), Style::default());
    let object = set.global_element(DSIG, "Object").expect("declared").0;
    encoder.root(object, false).expect("a root");
    let error = encoder.wild(3, object).expect_err("no names");
    assert_eq!((error.path.as_str(), error.detail.as_str()), ("Object/Object", "is not in the name tables"));
}

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

#[test]
fn a_global_element_is_found_by_namespace_and_name() {
    let set = grammar("xmldsig");
    for (number, root) in (0u16..).zip(set.documents.entries.iter()) {
        let (found, entry) = set.global_element(DSIG, set.local_name(root.name)).expect("declared");
        assert_eq!((found, entry), (number, *root));
    }
    assert_eq!(set.global_element("", "Object"), None);
    assert_eq!(set.global_element(DSIG, "object"), None);
    assert_eq!(set.global_element("http://www.w3.org/2001/XMLSchema", "string"), None);
    for (number, root) in (0u16..).zip(set.fragments.entries.iter()) {
        assert_eq!(set.fragment_root(set.local_name(root.name)), Some(number));
    }
    assert_eq!(set.fragment_root("Unheard"), None);
    assert_eq!(set.local_name(u16::MAX), "?");
    assert_eq!(set.local_name(set.names.len() as u16), "?");
}

#[test]
fn local_names_are_numbered_in_order() {
    for locals in [Locals::Listed(&["a", "b", "c"]), Locals::Given(vec!["a".into(), "b".into(), "c".into()])]
    {
        assert_eq!((locals.len(), locals.is_empty()), (3, false));
        assert_eq!([0, 1, 2, 3].map(|index| locals.get(index)), [Some("a"), Some("b"), Some("c"), None]);
        assert_eq!(["a", "b", "c", "d"].map(|name| locals.find(name)), [Some(0), Some(1), Some(2), None]);
    }
    for locals in [Locals::Listed(&[]), Locals::Given(vec![])] {
        assert_eq!((locals.len(), locals.is_empty(), locals.get(0), locals.find("a")), (0, true, None, None));
    }
}

#[test]
fn an_element_that_stands_for_any_has_its_number_in_its_place() {
    let production = &grammar("sap").productions[0];
    let wild = |index: u16| At { index, production }.wild();
    assert_eq!(wild(0), None);
    assert_eq!(wild(5), None);
    assert_eq!(wild(WILD - 1), None);
    assert_eq!(wild(WILD), Some(0));
    assert_eq!(wild(WILD | 9), Some(9));
    assert_eq!(wild(ROOT), None);
}

#[test]
fn only_strings_have_text() {
    assert_eq!(Found::Text("\u{e9}").text().as_deref(), Some("\u{e9}"));
    assert_eq!(Found::Ascii(Octets::EMPTY).text().as_deref(), Some(""));
    assert_eq!(Found::Boolean(true).text(), None);
    assert_eq!(Found::Octets(Octets::EMPTY).text(), None);
    assert!(Octets::EMPTY.is_empty());
}

#[test]
fn an_element_of_a_few_short_values_is_read_at_one_look_whatever_they_are() {
    let set = grammar("iso2");
    // EVTargetCurrent in a CurrentDemandReq with DC_EVStatus: each field at both of its ends.
    for (ready, code, soc) in [("0", 0, 0), ("1", 11, 100), ("0", 11, 0), ("1", 0, 100)] {
        for (multiplier, unit, value, number) in [
            (0, 0, "0 00000000", 0),
            (6, 6, "0 01111111", 127),
            (6, 0, "1 01111111", -128),
            (0, 6, "1 11111111 11111111 00000001", -32768),
        ] {
            let status = format!("0 0 {ready} 0 0 0 {code:04b} 0 0 0 {soc:07b} 0 0");
            let current = format!("0 0 0 {multiplier:03b} 0 0 0 {unit:03b} 0 0 0 {value} 0 0");
            let root = set.fragment_root("CurrentDemandReq").expect("declared");
            let rest = "0 0 011 0 0 0 100 0 0 0 0 00000001 0 0";
            let stream = format!("10000000 {root:08b} 0 {status} {current} 100 0 1 0 10 {rest} 0 11110100");
            let Ok(tape) = decode_strictly(set, &from_bits(&stream), true) else { panic!("{stream}") };
            let records: Vec<[i32; 3]> = tape
                .nodes
                .iter()
                .filter_map(|n| if let Node::Record(_, values) = n { Some(*values) } else { None })
                .collect();
            let status = [i32::from(ready == "1"), code, soc];
            assert_eq!(records, [status, [multiplier - 3, unit, number], [0, 4, 1]], "{stream}");
        }
    }
}

#[test]
fn a_tape_holds_the_nodes_in_the_order_of_the_document() {
    let set = grammar("sap");
    let tape =
        decode_strictly(set, &from_bits("10000000 01  0 0 01 0  00 0 00000111 0  0"), false).expect("valid");
    let numbered = |name: &str| {
        let root = set.documents.entries[1];
        let start = set.types[root.target as usize].start;
        let first = set.states[start as usize].first;
        let place = set.productions[first as usize..]
            .iter()
            .position(|p| p.kind == Event::Simple && set.local_name(p.name) == name);
        (root.target, first + place.expect("declared") as u16)
    };
    let (kind, code) = numbered("ResponseCode");
    let (_, schema) = numbered("SchemaID");
    assert_eq!(
        tape.nodes,
        [
            Node::Open(ROOT, kind),
            Node::Value(code, Scalar::Literal(1)),
            Node::Value(schema, Scalar::Integer(7)),
            Node::Close
        ]
    );
    assert_eq!((tape.root, tape.fragment), (1, false));
    assert_eq!(tape.bytes(0, 1), b"", "no texts");
}

#[test]
fn a_namespace_of_one_name_needs_no_bits_for_it() {
    let mut set = grammar("xmldsig").clone();
    let mut spaces = set.spaces.to_vec();
    spaces[4].locals = Locals::Given(vec!["MgmtData".into()]);
    set.spaces = Owned(spaces);
    // Object with MgmtData "abc" in it.
    let stream = from_bits("10000000 01001 011 101 00000000  0 00000101 01100001 01100010 01100011 0  01");
    let tape = decode_strictly(&set, &stream, false).expect("valid");
    assert_eq!(encode(&set, &tape), stream);
}

#[test]
fn a_namespace_that_is_spelled_out_has_no_names_to_choose_from() {
    let stream = from_bits("10000000 01001 011 000 00000001 01110101 00000000 1010101010101011111111");
    let error = decode_strictly(grammar("xmldsig"), &stream, false).expect_err("no name");
    assert_eq!(error.detail, "local name 0 of 0");
}
