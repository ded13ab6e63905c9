//! Single values, limits and odd forms, on streams written out by hand.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use support::{decode, decode_strictly, encode, from_bits, grammar, hex, unhex};
use v2g_exi::decode::{Decoder, FullLists, Options};
use v2g_exi::encode::{Encoder, Style};
use v2g_exi::error::{Failure, Kind};
use v2g_exi::grammar::{Grammar, Kind as Event};
use v2g_exi::tape::{Node, Scalar, Tape};
use v2g_exi::trace::explain;
use v2g_exi::value::Given;

/// Header, supportedAppProtocolReq, AppProtocol, ProtocolNamespace, and CH in it.
const REQUEST: &str = "10000000 00 0 0 0";
/// VersionNumberMinor 0, SchemaID 0, Priority 1, the end of AppProtocol and of the whole.
const REST: &str = "0 0 00000000 0  0 0 00000000 0  0 0 00000 0  0 01";

fn kind_of(grammar: &Grammar, data: &[u8]) -> Kind {
    decode_strictly(grammar, data, false).expect_err("a fault").kind
}

/// A request whose namespace is written as `space` and whose major version as `major`.
fn sap(space: &str, major: &str) -> Vec<u8> {
    from_bits(&format!("{REQUEST} {space} 0  0 0 {major} 0  {REST}"))
}

#[test]
fn an_unsigned_int_has_32_bits_and_any_number_of_groups_up_to_20() {
    let set = grammar("sap");
    let number = |major: &str| {
        let tape = decode_strictly(set, &sap("00000011 01000001", major), false).map_err(|e| e.kind)?;
        let found = tape.nodes.iter().filter_map(|n| match n {
            Node::Value(_, Scalar::Unsigned(v)) => Some(*v),
            _ => None,
        });
        Ok(found.max().expect("a number"))
    };
    assert_eq!(number("00000010"), Ok(2));
    assert_eq!(number("11111111 00000001"), Ok(255));
    assert_eq!(number("11111111 11111111 01111111"), Ok((1 << 21) - 1));
    assert_eq!(number("10000000 10000000 10000000 00000001"), Ok(1 << 21));
    assert_eq!(number("11111111 11111111 11111111 11111111 00001111"), Ok(u32::MAX.into()));
    assert_eq!(number("10000000 10000000 10000000 10000000 00010000"), Err(Kind::Range));
    let longer =
        |groups: usize| format!("{} 00000000", "10000001 ".to_owned() + &"10000000 ".repeat(groups - 2));
    assert_eq!(number(&longer(20)), Ok(1), "groups of zeros");
    assert_eq!(number(&longer(21)), Err(Kind::IntegerTooLarge));
    assert_eq!(number(&format!("{} 00000001", "11111111 ".repeat(9))), Err(Kind::Range), "64 bits");
    assert_eq!(number(&format!("{} 00000010", "11111111 ".repeat(9))), Err(Kind::IntegerTooLarge), "65 bits");
}

#[test]
fn a_string_that_refers_to_a_table_is_refused() {
    for hit in ["00000000", "00000001"] {
        let stream = from_bits(&format!("{REQUEST} {hit} {}", "0".repeat(200)));
        assert_eq!(kind_of(grammar("sap"), &stream), Kind::StringTable);
    }
}

#[test]
fn a_string_longer_than_the_schema_allows_or_than_the_input_is_refused_before_it_is_read() {
    let set = grammar("sap");
    // 101 characters where 100 are allowed.
    let long = format!("{REQUEST} 01100111 {}", "01000001".repeat(160));
    assert_eq!(kind_of(set, &from_bits(&long)), Kind::Length);
    let bomb = format!("{REQUEST} 11111111 11111111 11111111 01111111 {}", "01000001".repeat(20));
    assert_eq!(kind_of(set, &from_bits(&bomb)), Kind::Length);
    let cut = format!("{REQUEST} 00100000 {}", "01000001".repeat(4));
    assert_eq!(kind_of(set, &from_bits(&cut)), Kind::Truncated);
}

#[test]
fn characters_are_unicode_scalar_values() {
    let set = grammar("sap");
    let text = |code: &str| {
        let tape =
            decode_strictly(set, &sap(&format!("00000011 {code}"), "00000010"), false).map_err(|e| e.kind)?;
        let found = tape.nodes.iter().find_map(|n| match n {
            Node::Value(_, Scalar::Text(start, length)) => Some(tape.bytes(*start, *length).to_vec()),
            _ => None,
        });
        Ok(String::from_utf8(found.expect("a text")).expect("UTF-8"))
    };
    assert_eq!(text("00000000").as_deref(), Ok("\0"));
    assert_eq!(text("10101100 01000001").as_deref(), Ok("€"));
    assert_eq!(text("11111111 11111111 01000011").as_deref(), Ok("\u{10ffff}"));
    assert_eq!(text("10000000 10000000 01000100"), Err(Kind::Character), "U+110000");
    assert_eq!(text("10000000 10110000 00000011"), Err(Kind::Character), "U+D800");
    assert_eq!(text("11111111 10111111 00000011"), Err(Kind::Character), "U+DFFF");
}

#[test]
fn the_header_is_one_byte() {
    let set = grammar("iso2");
    assert_eq!(kind_of(set, &[]), Kind::Truncated);
    for first in [0x00, 0x24, 0x40, 0x81, 0xA0, 0xC0, 0xFF] {
        assert_eq!(kind_of(set, &[first, 0, 0, 0]), Kind::Header, "{first:02x}");
    }
    assert_eq!(kind_of(set, &[0x80]), Kind::Truncated);
}

#[test]
fn a_root_that_the_schema_does_not_have_is_refused() {
    let set = grammar("iso2");
    let elements = set.documents.entries.len() as u8;
    let root = |code: u8| [0x80, code << 1, 0, 0, 0];
    assert_eq!(kind_of(set, &root(elements)), Kind::Root);
    for code in elements + 1..=127 {
        assert_eq!(kind_of(set, &root(code)), Kind::EventCode);
    }
}

#[test]
fn a_large_integer_comes_back_and_one_of_more_than_160_bits_is_refused() {
    let set = grammar("xmldsig");
    let root = set.fragment_root("X509SerialNumber").expect("declared");
    let largest = [0xFF; 20];
    for (negative, magnitude) in [
        (false, &[][..]),
        (false, &[0x7F]),
        (false, &[0x80]),
        (true, &[1]),
        (true, &[0x80]),
        (true, &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
        (false, &[0x12; 16]),
        (true, &[0xFF; 17]),
        (false, &largest),
        (true, &largest),
    ] {
        let mut encoder = Encoder::new(set, Vec::new(), Style::default());
        let entry = encoder.root(root, true).expect("a root");
        encoder.root_value(entry, Given::Big(negative, magnitude)).expect("encodes");
        let stream = encoder.finish().expect("ends");
        let tape = decode_strictly(set, &stream, true).expect("decodes");
        let [Node::Value(_, scalar)] = tape.nodes[..] else { panic!("one value") };
        let (found, start, length) = match scalar {
            Scalar::Negative(start, length) => (true, start, length),
            Scalar::Positive(start, length) => (false, start, length),
            other => panic!("{other:?}"),
        };
        let octets: Vec<u8> =
            tape.bytes(start, length.into()).iter().copied().skip_while(|o| *o == 0).collect();
        assert_eq!((found, &octets[..]), (negative, magnitude));
        assert_eq!(encode(set, &tape), stream);
    }
    let mut encoder = Encoder::new(set, Vec::new(), Style::default());
    let entry = encoder.root(root, true).expect("a root");
    let error = encoder.root_value(entry, Given::Big(false, &[1; 21])).expect_err("too large");
    assert!(error.detail.contains("21 octets"), "{error}");
    let bits = format!("10000000 {:06b} 0 0 {} 00000000", root, "11111111".repeat(26));
    let error = decode_strictly(set, &from_bits(&bits), true).expect_err("too large");
    assert_eq!(error.kind, Kind::IntegerTooLarge);
}

#[test]
fn nesting_beyond_the_limit_is_refused() {
    let set = grammar("iso2");
    let data = unhex("809802000000000000000011d0180801784080c000");
    let depth = |max_depth: usize| {
        let options = Options { max_depth, ..Options::default() };
        let outcome = Tape::default().decode(&mut Decoder::default(), set, &data, options, false);
        outcome.map(|_| ()).map_err(|failure| match failure {
            Failure::Stream(error) => error.kind,
            Failure::Sink(never) => match never {},
        })
    };
    assert_eq!(depth(16), Ok(()));
    assert_eq!(depth(3), Ok(()), "V2G_Message, Header or Body, SessionSetupReq");
    assert_eq!(depth(2), Err(Kind::Depth));
    assert_eq!(depth(0), Err(Kind::Depth));
    assert_eq!(depth(usize::MAX), Ok(()));
}

#[test]
fn limits_on_size_elements_and_occurrences_are_kept() {
    let set = grammar("iso2");
    let data = unhex("809802000000000000000011d0180801784080c000");
    let kind = |options: Options| {
        let outcome = Tape::default().decode(&mut Decoder::default(), set, &data, options, false);
        outcome.map(|_| ()).map_err(|failure| match failure {
            Failure::Stream(error) => error.kind,
            Failure::Sink(never) => match never {},
        })
    };
    assert_eq!(kind(Options { max_bytes: 21, ..Options::default() }), Ok(()));
    assert_eq!(kind(Options { max_bytes: 20, ..Options::default() }), Err(Kind::Size));
    assert_eq!(kind(Options { max_elements: 4, ..Options::default() }), Ok(()));
    assert_eq!(kind(Options { max_elements: 3, ..Options::default() }), Err(Kind::Size));
}

// --- lists ---

/// PowerDeliveryReq with `count` profile entries: the list ends at 24, and encoders differ about how.
fn profile(count: usize, style: Style) -> Result<Vec<u8>, String> {
    let set = grammar("iso2");
    let mut encoder = Encoder::new(set, Vec::new(), style);
    let root = set.documents.entries.iter().position(|r| set.local_name(r.name) == "V2G_Message");
    let say = |e: Box<v2g_exi::error::EncodeError>| e.detail;
    encoder.root(root.expect("V2G_Message") as u16, false).map_err(say)?;
    let open = |encoder: &mut Encoder<'_>, name: &str| {
        let found = (0..=8).find_map(|slot| encoder.find(slot, |p| set.local_name(p.name) == name).ok());
        let (code, production) = found.ok_or_else(|| format!("no {name} here"))?;
        encoder.open(code, production).map_err(say)
    };
    let value = |encoder: &mut Encoder<'_>, name: &str, given: Given<'_>| {
        let found = (0..=8).find_map(|slot| encoder.find(slot, |p| set.local_name(p.name) == name).ok());
        let (code, production) = found.ok_or_else(|| format!("no {name} here"))?;
        encoder.value(code, production, given).map_err(say)
    };
    open(&mut encoder, "Header")?;
    value(&mut encoder, "SessionID", Given::Octets(&[1; 8]))?;
    encoder.close().map_err(say)?;
    open(&mut encoder, "Body")?;
    open(&mut encoder, "PowerDeliveryReq")?;
    value(&mut encoder, "ChargeProgress", Given::Literal(0))?;
    value(&mut encoder, "SAScheduleTupleID", Given::Integer(1))?;
    open(&mut encoder, "ChargingProfile")?;
    for entry in 0..count {
        open(&mut encoder, "ProfileEntry")?;
        value(&mut encoder, "ChargingProfileEntryStart", Given::Integer(entry as i64))?;
        open(&mut encoder, "ChargingProfileEntryMaxPower")?;
        value(&mut encoder, "Multiplier", Given::Integer(0))?;
        value(&mut encoder, "Unit", Given::Literal(5))?;
        value(&mut encoder, "Value", Given::Integer(11000))?;
        encoder.close().map_err(say)?;
        encoder.close().map_err(say)?;
    }
    for _ in 0..4 {
        encoder.close().map_err(say)?;
    }
    encoder.finish().map_err(say)
}

const SPECIFIED: Style = Style { full_lists: FullLists::Specified, empty_values: false };
const FIELD: Style = Style { full_lists: FullLists::Marked, empty_values: false };

#[test]
fn a_list_below_its_limit_has_one_form_and_a_full_one_two() {
    let set = grammar("iso2");
    for count in [1, 2, 23] {
        let stream = profile(count, SPECIFIED).expect("encodes");
        assert_eq!(profile(count, FIELD).expect("encodes"), stream, "{count}");
        for form in [FullLists::Specified, FullLists::Loop] {
            assert!(decode(set, &stream, false, form).is_ok(), "{count} {form:?}");
        }
    }
    let (specified, field) = (profile(24, SPECIFIED).expect("encodes"), profile(24, FIELD).expect("encodes"));
    assert_ne!(specified, field);
    assert!(decode(set, &specified, false, FullLists::Specified).is_ok());
    assert!(decode(set, &field, false, FullLists::Loop).is_ok());
    assert!(decode(set, &field, false, FullLists::Specified).is_err());
    assert!(decode(set, &specified, false, FullLists::Loop).is_err());
}

#[test]
fn a_list_is_neither_empty_nor_longer_than_its_limit() {
    assert!(profile(0, SPECIFIED).expect_err("empty").contains("expected"));
    assert!(profile(25, SPECIFIED).expect_err("too long").contains("ProfileEntry"));
    assert!(profile(25, FIELD).expect_err("too long").contains("24"));
}

#[test]
fn a_decoder_says_when_a_list_was_full() {
    let set = grammar("iso2");
    for (count, full) in [(23, false), (24, true), (1, false)] {
        let mut decoder = Decoder::default();
        let stream = profile(count, SPECIFIED).expect("encodes");
        let outcome = Tape::default().decode(&mut decoder, set, &stream, Options::default(), false);
        assert!(outcome.is_ok());
        assert_eq!(decoder.met_full_list, full, "{count} entries");
    }
}

// --- the ambiguous fragment ---

#[test]
fn the_emaid_fragment_uses_the_relaxed_grammar() {
    let set = grammar("iso2");
    let stream = unhex("80ec0202b4b21a40041111505090d0cc4c8cd05090cd4dbd3d00");
    let tape = decode_strictly(set, &stream, true).expect("decodes");
    let texts: Vec<&[u8]> = tape
        .nodes
        .iter()
        .filter_map(|n| match n {
            Node::Value(_, Scalar::Text(start, length)) => Some(tape.bytes(*start, *length)),
            _ => None,
        })
        .collect();
    assert_eq!(texts, [&b"id4"[..], b"DEABCC123ABC56"]);
    for length in 0..stream.len() {
        let error = decode_strictly(set, &stream[..length], true).expect_err("cut");
        assert_eq!(error.kind, Kind::Truncated, "{length}");
    }
    // As its type's own grammar would have it.
    let wrong = unhex("80ec02b4b21a041111505090d0cc4c8cd05090cd4d9e80");
    assert!(decode_strictly(set, &wrong, true).is_err());
}

#[test]
fn every_bit_of_the_emaid_fragment_is_explained_once() {
    let stream = unhex("80ec0202b4b21a40041111505090d0cc4c8cd05090cd4dbd3d00");
    let (rows, outcome) = explain(grammar("iso2"), &stream, Options::default(), true);
    assert!(outcome.is_ok());
    let mut next = 0;
    for row in rows {
        assert_eq!(row.from, next, "{row:?}");
        next += row.width;
    }
    assert_eq!(next, stream.len() as u64 * 8);
}

// --- odd forms ---

#[test]
fn an_empty_value_may_be_an_end_without_content_or_a_value_of_length_0() {
    let set = grammar("sap");
    let text = |space: &str| {
        let stream = from_bits(&format!("10000000 00 0 0 {space} 0 0 00000010 0 {REST}"));
        let tape = decode_strictly(set, &stream, false).map_err(|e| e.kind)?;
        let values =
            tape.nodes.iter().filter_map(|n| if let Node::Value(_, v) = n { Some(*v) } else { None });
        Ok(values.map(|v| format!("{v:?}")).next().expect("a value"))
    };
    assert_eq!(text("0 00000010 0").as_deref(), Ok("Text(0, 0)"), "length 0, and the end");
    assert_eq!(text("1 000").as_deref(), Ok("Text(0, 0)"), "the end, which the schema does not declare here");
    for code in 1..8 {
        assert_eq!(text(&format!("1 {code:03b}")), Err(Kind::Undeclared), "{code}");
    }
    assert_eq!(text("0 00000010 1"), Err(Kind::Undeclared), "something behind the value");
}

#[test]
fn what_does_not_belong_in_a_place_is_refused_with_the_names_of_what_does() {
    let set = grammar("iso2");
    let mut encoder = Encoder::new(set, Vec::new(), Style::default());
    assert!(encoder.close().expect_err("nothing is open").detail.contains("no element is open"));
    let root = set.documents.entries.iter().position(|r| set.local_name(r.name) == "V2G_Message");
    encoder.root(root.expect("V2G_Message") as u16, false).expect("a root");
    let error = encoder.close().expect_err("incomplete");
    assert!(error.detail.contains("Header"), "{error}");
    assert!(encoder.open_at(u16::MAX).is_err());
    assert!(encoder.value_at(0, Given::Boolean(true)).is_err());
    assert!(encoder.finish().expect_err("open").detail.contains("not all elements"));
    let mut encoder = Encoder::new(set, Vec::new(), Style::default());
    assert!(encoder.root(u16::MAX, true).expect_err("no root").detail.contains("no such root"));
}

#[test]
fn a_value_out_of_its_range_is_not_written() {
    let set = grammar("sap");
    for (kind, given) in [
        ("ProtocolNamespace", Given::Text(&"A".repeat(101))),
        ("VersionNumberMajor", Given::Unsigned(1 << 32)),
        ("VersionNumberMajor", Given::Integer(-1)),
        ("SchemaID", Given::Integer(256)),
        ("Priority", Given::Integer(0)),
        ("Priority", Given::Integer(21)),
        ("Priority", Given::Boolean(true)),
    ] {
        let mut encoder = Encoder::new(set, Vec::new(), Style::default());
        let name = |n: &str| set.fragment_root(n).expect("declared");
        let root = encoder.root(name(kind), true).expect("a root");
        assert!(root.kind == Event::Simple);
        assert!(encoder.root_value(root, given).is_err(), "{kind} {given:?}");
    }
}

/// PowerDeliveryRes with a DC_EVSEStatus, and others of the same content, as EXIficient writes them.
const PLAIN: &str = "809802000000000000000011600400010800";

#[test]
fn an_element_that_names_its_type_is_read_as_the_element_of_that_type() {
    let set = grammar("iso2");
    let plain = unhex(PLAIN);
    for typed in [
        // <EVSEStatus xsi:type="DC_EVSEStatusType">, whose declared type is abstract
        "809802000000000000000011600a5c007800010800",
        // <DC_EVSEStatus xsi:type="DC_EVSEStatusType">
        "80980200000000000000001160065c007800010800",
    ] {
        let stream = unhex(typed);
        let tape = decode_strictly(set, &stream, false).expect("valid");
        assert_eq!(tape, decode_strictly(set, &plain, false).expect("valid"), "{typed}");
        assert_eq!(encode(set, &tape), plain, "{typed}");
        for cut in 1..stream.len() {
            assert_eq!(kind_of(set, &stream[..cut]), Kind::Truncated, "{typed} at {cut}");
        }
    }
}

#[test]
fn an_element_whose_type_no_other_element_has_names_it_again() {
    for (set, stream) in [
        // ServiceList with <Service xsi:type="ChargeServiceType">
        ("iso2", "809802000000000000000011c00020048282212e00140112504480"),
        ("iso2", "8098004051c00020048283212e00140090506480"),
        // <EVStatus xsi:type="DC_EVStatusType">, whose declared type is abstract: as document, and in Object
        ("din", "803f0e003a500050"),
        ("din", "8050dc01221c0074a000a2"),
    ] {
        let data = unhex(stream);
        let tape = decode_strictly(grammar(set), &data, false).expect("valid");
        let typed = tape.nodes.iter().filter(|node| matches!(node, Node::Typed(..))).count();
        assert_eq!((typed, hex(&encode(grammar(set), &tape)).as_str()), (1, stream));
        for cut in 1..data.len() {
            assert_eq!(kind_of(grammar(set), &data[..cut]), Kind::Truncated, "{stream} at {cut}");
        }
    }
}

#[test]
fn what_the_schema_does_not_declare_is_reported_by_name() {
    let set = grammar("iso2");
    let found = |stream: &str| {
        let error = decode_strictly(set, &unhex(stream), false).expect_err("a fault");
        (error.kind, error.path, error.detail)
    };
    let status = "V2G_Message/Body/PowerDeliveryRes/DC_EVSEStatus";
    let undeclared = |path: &str, detail: &str| (Kind::Undeclared, path.to_owned(), detail.to_owned());
    assert_eq!(
        found("80980200000000000000001160065c00140002b80232601400318622ab29a2afa932b0b23cb000"),
        undeclared(
            status,
            "DC_EVSEStatus: xsi:type {urn:iso:15118:2:2013:MsgDataTypes}AC_EVSEStatusType, which does not \
             extend its type"
        )
    );
    // Body, and xsi:type with a namespace spelled out.
    assert_eq!(
        found("809802004080c1014181c212401832ac48d159e000"),
        undeclared("V2G_Message/Body", "Body: xsi:type with a name that the schema does not have")
    );
    assert_eq!(
        found("8098020000000000000000116006c41995e1d1c9840cc400010800"),
        undeclared(status, "DC_EVSEStatus: an attribute that the schema does not declare here")
    );
    assert_eq!(
        found("809802000000000000000011600400010a70645787472614c028006200"),
        undeclared(status, "DC_EVSEStatus: an element that the schema does not declare here")
    );
    assert_eq!(
        found("8098020000000000000000116005280168000420"),
        undeclared(status, "NotificationMaxDelay: xsi:type"),
        "values have no other types"
    );
}

#[test]
fn an_abstract_element_without_a_type_is_refused() {
    // EVSEStatus, and an end where its type should be.
    let stream = unhex("809802000000000000000011600900010800");
    let error = decode_strictly(grammar("iso2"), &stream, false).expect_err("a fault");
    assert_eq!((error.kind, error.detail.as_str()), (Kind::Range, "EVSEStatus is abstract"));
}

#[test]
fn an_element_where_any_may_stand_is_written_by_its_name() {
    let set = grammar("xmldsig");
    // Object with MgmtData, which is simple, and with DigestMethod, which is not: as EXIficient writes them.
    for stream in ["804ba00540ac2c4c64", "804ba001406f0a"] {
        let tape = decode_strictly(set, &unhex(stream), false).expect("valid");
        assert_eq!(hex(&encode(set, &tape)), stream);
    }
}

#[test]
fn only_a_production_of_the_present_state_is_written() {
    let set = grammar("iso2");
    let root = set.documents.entries.iter().position(|r| set.local_name(r.name) == "V2G_Message").expect("it")
        as u16;
    let start = set.types[set.documents.entries[root as usize].target as usize].start;
    let state = set.states[start as usize];
    let opened = |index: u16| {
        let mut encoder = Encoder::new(set, Vec::new(), Style::default());
        encoder.root(root, false).expect("a root");
        encoder.open_at(index).is_ok()
    };
    assert!(opened(state.first), "Header");
    assert!(!opened(state.first + u16::from(state.count)), "the code beyond the alternatives");
    assert!(!opened(state.first + (1 << state.bits)), "the state behind");
}

#[test]
fn an_integer_without_bounds_has_one_form_whatever_it_is_given_as() {
    let set = grammar("xmldsig");
    let root = set.fragment_root("X509SerialNumber").expect("declared");
    let written = |value: Given<'_>| {
        let mut encoder = Encoder::new(set, Vec::new(), Style::default());
        let entry = encoder.root(root, true).expect("a root");
        encoder.root_value(entry, value).expect("encodes");
        hex(&encoder.finish().expect("ends"))
    };
    for number in [0i64, 1, 127, 128, 300, i64::MAX, -1, -128, -129, i64::MIN] {
        let magnitude = number.unsigned_abs().to_be_bytes();
        assert_eq!(written(Given::Integer(number)), written(Given::Big(number < 0, &magnitude)), "{number}");
    }
    let above = u64::MAX;
    assert_eq!(written(Given::Unsigned(above)), written(Given::Big(false, &above.to_be_bytes())));
}
