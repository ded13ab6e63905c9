//! Where the grammar of the schema is left: names that are spelled out, types that are named, the ambiguous
//! fragment.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use support::{decode_strictly, encode, from_bits, grammar, hex, unhex};
use v2g_exi::decode::Options;
use v2g_exi::encode::{Encoder, Style};
use v2g_exi::error::Kind;
use v2g_exi::grammar::{Grammar, Kind as Event};
use v2g_exi::tape::{Node, Scalar, Tape};
use v2g_exi::trace::explain;
use v2g_exi::value::{Given, NO_NAME};

type Fault = (Kind, u64, String, String);

fn fault(set: &str, fragment: bool, bits: &str) -> Fault {
    let error = decode_strictly(grammar(set), &from_bits(bits), fragment).expect_err("a fault");
    (error.kind, error.bit, error.path, error.detail)
}

fn said(kind: Kind, bit: u64, path: &str, detail: &str) -> Fault {
    (kind, bit, path.to_owned(), detail.to_owned())
}

// --- elements of any name ---

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// An Object with an element where any may stand, from its name on.
fn object(name: &str) -> String {
    format!("10000000 01001 011 {name} {}", "0".repeat(128))
}

#[test]
fn a_name_that_is_spelled_out_is_read_to_be_refused_by_it() {
    let undeclared = |name: &str| format!("{name} is no global element of this schema set");
    // Namespace "u" and name "ab", each with its length.
    let (kind, _, path, detail) =
        fault("xmldsig", false, &object("000 00000001 01110101 00000011 01100001 01100010"));
    assert_eq!((kind, path.as_str(), detail), (Kind::Undeclared, "Object", undeclared("{u}ab")));
    // A namespace of the table, and a name that is not in it.
    let (kind, _, path, detail) = fault("xmldsig", false, &object("101 00000010 01111010"));
    assert_eq!(
        (kind, path.as_str(), detail),
        (Kind::Undeclared, "Object", undeclared(&format!("{{{DSIG}}}z")))
    );
    // A name of the table that is no element: the first of XML Schema is a type.
    let (kind, _, _, detail) = fault("xmldsig", false, &object("100 00000000 000000"));
    assert_eq!((kind, detail), (Kind::Undeclared, undeclared("{http://www.w3.org/2001/XMLSchema}ENTITIES")));
    // A name that is the same in another namespace does not count: Object without one.
    let spelled = "01001111 01100010 01101010 01100101 01100011 01110100";
    let (kind, _, _, detail) = fault("xmldsig", false, &object(&format!("000 00000000 00000111 {spelled}")));
    assert_eq!((kind, detail), (Kind::Undeclared, undeclared("{}Object")));
}

#[test]
fn a_name_beyond_the_tables_is_refused() {
    assert_eq!(fault("xmldsig", false, &object("110")), said(Kind::EventCode, 19, "Object", "URI 6 of 5"));
    assert_eq!(fault("xmldsig", false, &object("111")), said(Kind::EventCode, 19, "Object", "URI 7 of 5"));
    let count = grammar("xmldsig").spaces[4].locals.len();
    let beyond = format!("local name 127 of {count}");
    assert_eq!(
        fault("xmldsig", false, &object("101 00000000 1111111")),
        said(Kind::EventCode, 34, "Object", &beyond)
    );
    let first = format!("local name {count} of {count}");
    let name = object(&format!("101 00000000 {count:07b}"));
    assert_eq!(fault("xmldsig", false, &name), said(Kind::EventCode, 34, "Object", &first));
    // xsi: two names, one bit.
    let (kind, bit, _, detail) = fault("xmldsig", false, &object("011 00000000 1"));
    assert_eq!((kind, bit), (Kind::Undeclared, 28));
    assert!(detail.starts_with("{http://www.w3.org/2001/XMLSchema-instance}type is no"), "{detail}");
}

#[test]
fn a_name_or_text_that_is_longer_than_the_stream_is_refused_before_there_is_room_for_it() {
    let cut = |left: usize, length: &str| {
        fault("xmldsig", false, &format!("10000000 01001 011 000 {length} {}", "0".repeat(left)))
    };
    assert_eq!(cut(13, "00000011"), said(Kind::Truncated, 27, "Object", "length 3, but 1 bytes are left"));
    assert_eq!(cut(24, "00000011").0, Kind::Truncated, "three characters, and no local name");
    let huge = "11111111 11111111 11111111 11111111 01111111";
    assert_eq!(cut(29, huge), said(Kind::Length, 59, "Object", "length 34359738367, at most 3"));
    // SignatureMethod with an Algorithm "a" and text.
    let text =
        |bits: &str| fault("xmldsig", true, &format!("10000000 011100 0 00000011 01100001 011 {bits}"));
    let path = "SignatureMethod";
    assert_eq!(
        text("00000101 01100001 000000"),
        said(Kind::Truncated, 42, path, "length 3, but 1 bytes are left")
    );
    let hit = "a hit in the global value table, which is empty in V2G";
    assert_eq!(text("00000001 01100001"), said(Kind::StringTable, 42, path, hit));
}

#[test]
fn text_between_elements_comes_back_character_by_character() {
    let set = grammar("xmldsig");
    for text in ["", "plain", "\u{e9}t\u{e9}", "\u{1f50c}", "line\nline"] {
        let mut encoder = Encoder::new(set, Vec::new(), Style::default());
        encoder.root(set.fragment_root("SignatureMethod").expect("declared"), true).expect("a root");
        let (code, production) = encoder.find(0, |p| p.kind == Event::Attribute).expect("Algorithm");
        encoder.value(code, production, Given::Text("a")).expect("Algorithm");
        for given in [Given::Text(text), Given::Characters(text.as_bytes())] {
            let found = (0..4).find_map(|slot| encoder.find(slot, |p| p.kind == Event::Text).ok());
            let (code, production) = found.expect("text");
            encoder.value(code, production, given).expect("text");
        }
        encoder.close().expect("the end");
        let stream = encoder.finish().expect("the end");
        let tape = decode_strictly(set, &stream, true).expect("valid");
        let texts: Vec<&[u8]> = tape.nodes.iter().filter_map(|node| text_of(&tape, node)).collect();
        assert_eq!(texts, [b"a", text.as_bytes(), text.as_bytes()]);
        assert_eq!(hex(&encode(set, &tape)), hex(&stream));
    }
}

fn text_of<'t>(tape: &'t Tape, node: &Node) -> Option<&'t [u8]> {
    match node {
        Node::Value(_, Scalar::Text(start, length)) => Some(tape.bytes(*start, *length)),
        _ => None,
    }
}

// --- the second level ---

#[test]
fn behind_an_attribute_neither_a_type_nor_nil_may_come() {
    // Object with Encoding="e", and the code that leads to the second level: attributes may still come, and
    // the element may end, which takes that from the second level.
    let root = grammar("xmldsig").fragment_root("Object").expect("declared");
    let what = |code: &str| {
        let (kind, bit, path, detail) = fault(
            "xmldsig",
            true,
            &format!("10000000 {root:06b} 000 00000011 01100101 {code} {}", "0".repeat(64)),
        );
        assert_eq!((kind, path.as_str()), (Kind::Undeclared, "Object"));
        (bit, detail)
    };
    let told = |what: &str| (38, format!("Object: {what} that the schema does not declare here"));
    assert_eq!(what("101 00"), told("an attribute"));
    assert_eq!(what("101 01"), told("an attribute with an untyped value"));
    assert_eq!(what("101 10"), told("an element"));
    assert_eq!(what("101 11"), told("a value that is not of its type"));
}

#[test]
fn content_is_a_value_or_its_end_and_nothing_else() {
    // SignatureValue without an Id, and the code that leads to the second level.
    for (code, what) in [
        ("010", "xsi:nil"),
        ("011", "an attribute"),
        ("100", "an attribute with an untyped value"),
        ("101", "an element"),
        ("110", "a value that is not of its type"),
        ("111", "no production"),
    ] {
        let found = fault("xmldsig", true, &format!("10000000 011111 10 {code} {}", "0".repeat(64)));
        let detail = format!("SignatureValue: {what} that the schema does not declare here");
        assert_eq!(found, said(Kind::Undeclared, 19, "SignatureValue", &detail));
    }
}

// --- types that are named ---

fn bits(stream: &[u8]) -> String {
    stream.iter().map(|octet| format!("{octet:08b}")).collect::<Vec<_>>().concat()
}

/// `xsi:type` with the type `local` after the start tag of an element that begins in state `start`.
fn typed(set: &Grammar, start: u16, local: &str) -> String {
    let state = set.states[start as usize];
    let first = state.first as usize;
    let run = &set.productions[first..first + state.count as usize];
    // Where the element may end at once the second level has six productions, of which the type is the first;
    // else seven.
    let second = if run.iter().any(|p| p.kind == Event::EndElement) { "000" } else { "001" };
    let kind = set.types.iter().find(|t| t.name == local).expect("a type");
    let uri = &set.uris[kind.uri as usize];
    let space = set.spaces.iter().position(|s| s.uri == *uri).expect("a namespace");
    let locals = &set.spaces[space].locals;
    let width = |count: usize| (usize::BITS - count.leading_zeros()) as usize;
    let (wide, narrow) = (width(set.spaces.len()), width(locals.len() - 1));
    let number = locals.find(local).expect("a name");
    format!(
        "{:0code$b} {second} {:0wide$b} 00000000 {number:0narrow$b}",
        state.count,
        space + 1,
        code = state.bits as usize
    )
}

/// The stream of a DC_ChargeLoopReq with a BPT_Scheduled control mode of four values, whose start tag is
/// `start`.
fn charge_loop(element: &str) -> Vec<u8> {
    let set = grammar("iso20-dc");
    let mut encoder = Encoder::new(set, Vec::new(), Style::default());
    encoder.root(set.fragment_root("DC_ChargeLoopReq").expect("declared"), true).expect("a root");
    let find = |encoder: &Encoder<'static>, name: &str| {
        let found = (0..30).find_map(|slot| {
            encoder.find(slot, |p| p.name != NO_NAME && set.local_name(p.name) == name).ok()
        });
        found.unwrap_or_else(|| panic!("no {name} here"))
    };
    let (code, production) = find(&encoder, "Header");
    encoder.open(code, production).expect("Header");
    for (name, given) in [("SessionID", Given::Octets(&[1; 8])), ("TimeStamp", Given::Unsigned(5))] {
        let (code, production) = find(&encoder, name);
        encoder.value(code, production, given).expect(name);
    }
    encoder.close().expect("Header");
    let (code, production) = find(&encoder, "MeterInfoRequested");
    encoder.value(code, production, Given::Boolean(true)).expect("MeterInfoRequested");
    let (code, production) = find(&encoder, "EVPresentVoltage");
    encoder.record(code, production, [0, 0, 400]).expect("EVPresentVoltage");
    let (code, production) = find(&encoder, element);
    encoder.open(code, production).expect(element);
    for name in ["EVTargetCurrent", "EVTargetVoltage"] {
        let (code, production) = find(&encoder, name);
        encoder.record(code, production, [0, 0, 3]).expect(name);
    }
    encoder.close().expect(element);
    encoder.close().expect("DC_ChargeLoopReq");
    encoder.finish().expect("the end")
}

#[test]
fn an_element_that_names_a_type_that_extends_its_own_is_the_element_of_that_type() {
    let set = grammar("iso20-dc");
    let (base, derived) = ("Scheduled_DC_CLReqControlMode", "BPT_Scheduled_DC_CLReqControlMode");
    let (short, plain) = (charge_loop(base), charge_loop(derived));
    let place = |stream: &[u8], name: &str| {
        let (rows, _) = explain(set, stream, Options::default(), true);
        let row = rows.into_iter().find(|row| row.event == format!("SE({name})")).expect("a start tag");
        (row.from as usize, (row.from + row.width) as usize)
    };
    let (from, to) = place(&short, base);
    let start = |name: &str| {
        set.productions
            .iter()
            .find(|p| p.kind == Event::Complex && set.local_name(p.name) == name)
            .expect(name)
            .start
    };
    let head = &bits(&short)[..to];
    let (other, behind) = place(&plain, derived);
    assert_eq!((from, to), (other, behind), "the codes are of one width");
    let tail = &bits(&plain)[behind..];
    let name = typed(set, start(base), "BPT_Scheduled_DC_CLReqControlModeType");
    let stream = from_bits(&format!("{head} {name} {tail}"));
    let tape = decode_strictly(set, &stream, true).expect("valid");
    assert_eq!(tape, decode_strictly(set, &plain, true).expect("valid"));
    assert_eq!(hex(&encode(set, &tape)), hex(&plain));
    // Its own type says nothing new.
    let name = typed(set, start(base), "Scheduled_DC_CLReqControlModeType");
    let stream = from_bits(&format!("{head} {name} {}", &bits(&short)[to..]));
    let tape = decode_strictly(set, &stream, true).expect("valid");
    assert_eq!(tape, decode_strictly(set, &short, true).expect("valid"));
    // A type does not replace the type that it extends, nor the type of another element.
    for other in
        ["Scheduled_DC_CLReqControlModeType", "Dynamic_DC_CLReqControlModeType", "RationalNumberType"]
    {
        let name = typed(set, start(derived), other);
        let stream = from_bits(&format!("{} {name} {tail}", &bits(&plain)[..behind]));
        let error = decode_strictly(set, &stream, true).expect_err("another type");
        assert_eq!((error.kind, error.path), (Kind::Undeclared, format!("DC_ChargeLoopReq/{derived}")));
        assert!(
            error.detail.contains(other) && error.detail.ends_with("does not extend its type"),
            "{}",
            error.detail
        );
    }
}

#[test]
fn an_element_that_is_alone_in_its_place_may_name_its_type_too() {
    // SessionSetupReq, whose Header is the only element that may come first.
    let set = grammar("iso2");
    let plain = unhex("809802000000000000000011d0180801784080c000");
    let header = set.types.iter().find(|t| t.name == "MessageHeaderType").expect("a type");
    let name = typed(set, header.start, "MessageHeaderType");
    let (head, tail) = (&bits(&plain)[..16], &bits(&plain)[16..]);
    let tape = decode_strictly(set, &from_bits(&format!("{head} {name} {tail}")), false).expect("valid");
    assert_eq!(tape, decode_strictly(set, &plain, false).expect("valid"));
}

#[test]
fn a_type_whose_name_is_spelled_out_is_not_read() {
    // PowerDeliveryRes of ISO 15118-2 with a DC_EVSEStatus that names its own type, its namespace from the
    // table.
    let set = grammar("iso2");
    let root = set.fragment_root("PowerDeliveryRes").expect("declared");
    let number =
        set.spaces.iter().position(|s| s.uri == "urn:iso:15118:2:2013:MsgDataTypes").expect("a namespace")
            + 1;
    let name = "DC_EVSEStatusType";
    let spelled = format!("{:08b} {}", name.len() + 1, bits(name.as_bytes()));
    let width = (usize::BITS - set.spaces.len().leading_zeros()) as usize;
    let stream = format!("10000000 {root:08b} 0 0 00000 0 01 1 001 {number:0width$b} {spelled} 0000");
    let (kind, _, path, detail) = fault("iso2", true, &stream);
    assert_eq!((kind, path.as_str()), (Kind::Undeclared, "PowerDeliveryRes/DC_EVSEStatus"));
    assert_eq!(detail, "DC_EVSEStatus: xsi:type with a name that the schema does not have");
}

// --- the ambiguous fragment ---

fn emaid(content: &str) -> String {
    format!("10000000 11101100 {content}")
}

const ID: &str = "000000100 00000011 01100001";

#[test]
fn the_ambiguous_fragment_has_its_attribute_once_and_nothing_else() {
    let tail = "0".repeat(64);
    let path = "eMAID";
    let strange = "eMAID: content that this element does not have";
    assert_eq!(
        fault("iso2", true, &emaid(&format!("{ID} {ID} {tail}"))),
        said(Kind::Undeclared, 50, path, strange)
    );
    assert_eq!(
        fault("iso2", true, &emaid(&format!("000000011 {tail}"))),
        said(Kind::Undeclared, 25, path, strange)
    );
    assert_eq!(
        fault("iso2", true, &emaid(&format!("100000001 {tail}"))),
        said(Kind::Undeclared, 25, path, strange)
    );
    let behind = format!("100000000 00000011 01000010 11110011 {tail}");
    assert_eq!(
        fault("iso2", true, &emaid(&behind)),
        said(Kind::Undeclared, 49, path, "eMAID: content after the value")
    );
    let long = "000000100".to_owned() + "00000000";
    assert_eq!(fault("iso2", true, &emaid(&format!("{long} {tail}"))).0, Kind::StringTable);
}

#[test]
fn the_ambiguous_fragment_is_written_with_a_value_and_without() {
    let set = grammar("iso2");
    let written = |id: &str, value: &str, style: Style| {
        let mut encoder = Encoder::new(set, Vec::new(), style);
        encoder.root(set.fragment_root("eMAID").expect("declared"), true).expect("a root");
        let (code, production) = encoder.find(0, |_| true).expect("Id");
        encoder.value(code, production, Given::Text(id)).expect("Id");
        let (code, production) = encoder.find(1, |_| true).expect("the value");
        encoder.value(code, production, Given::Text(value)).expect("the value");
        encoder.close().expect("the end");
        hex(&encoder.finish().expect("the end"))
    };
    let stream = |content: &str| hex(&from_bits(&emaid(&format!("{content} 11110100"))));
    let (plain, lengths) = (Style::default(), Style { empty_values: true, ..Style::default() });
    let value = "100000000 00000011 01000010 11110100";
    assert_eq!(written("a", "B", plain), stream(&format!("{ID} {value}")));
    assert_eq!(written("a", "", plain), stream(&format!("{ID} 011111111")));
    assert_eq!(written("a", "", lengths), stream(&format!("{ID} 100000000 00000010 11110100")));
    // An attribute has no other form than its length.
    assert_eq!(written("", "B", plain), stream(&format!("000000100 00000010 {value}")));
    for content in [format!("{ID} {value}"), format!("{ID} 011111111")] {
        let data = from_bits(&emaid(&format!("{content} 11110100")));
        let tape = decode_strictly(set, &data, true).expect("valid");
        assert_eq!(hex(&tape.encode(set, plain, Vec::new()).expect("encodes")), hex(&data));
    }
}
