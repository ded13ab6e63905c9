//! Limits of a decode, forms of full lists, and the words for what is wrong with a stream.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use support::{from_bits, grammar, unhex};
use v2g_exi::decode::{Decoder, FullLists, Options, Report};
use v2g_exi::encode::{Encoder, Style};
use v2g_exi::error::{DecodeError, Failure, Kind};
use v2g_exi::grammar::Grammar;
use v2g_exi::tape::Tape;
use v2g_exi::value::Given;

fn decoded(set: &Grammar, data: &[u8], options: Options, fragment: bool) -> Result<Report, DecodeError> {
    let outcome = Tape::default().decode(&mut Decoder::default(), set, data, options, fragment);
    outcome.map_err(|failure| match failure {
        Failure::Stream(error) => *error,
        Failure::Sink(never) => match never {},
    })
}

fn fault(set: &str, data: &[u8], options: Options, fragment: bool) -> (Kind, u64, String, String) {
    let error = decoded(grammar(set), data, options, fragment).expect_err("a fault");
    (error.kind, error.bit, error.path, error.detail)
}

fn said(kind: Kind, bit: u64, path: &str, detail: &str) -> (Kind, u64, String, String) {
    (kind, bit, path.to_owned(), detail.to_owned())
}

/// SessionSetupReq: three levels, four elements of complex type, 21 bytes.
const SETUP: &str = "809802000000000000000011d0180801784080c000";

#[test]
fn a_limit_is_named_where_it_is_met() {
    let data = unhex(SETUP);
    let set = "iso2";
    let options = Options { max_bytes: 20, ..Options::default() };
    assert_eq!(fault(set, &data, options, false), said(Kind::Size, 0, "", "21 bytes, at most 20 are read"));
    let options = Options { max_depth: 2, ..Options::default() };
    let path = "V2G_Message/Body";
    assert_eq!(fault(set, &data, options, false), said(Kind::Depth, 100, path, "more than 2 levels"));
    let options = Options { max_elements: 3, ..Options::default() };
    let path = "V2G_Message/Body/SessionSetupReq";
    assert_eq!(fault(set, &data, options, false), said(Kind::Size, 100, path, "more than 3 elements"));
}

/// A SignedInfo with `count` references of no content but their digests.
fn signed(count: usize) -> Vec<u8> {
    let set = grammar("xmldsig");
    let mut encoder = Encoder::new(set, Vec::new(), Style::default());
    encoder.root(set.fragment_root("SignedInfo").expect("declared"), true).expect("a root");
    let open = |encoder: &mut Encoder<'_>, name: &str| {
        let found = (0..9).find_map(|slot| encoder.find(slot, |p| set.local_name(p.name) == name).ok());
        let (code, production) = found.unwrap_or_else(|| panic!("no {name} here"));
        encoder.open(code, production).expect(name);
    };
    let value = |encoder: &mut Encoder<'_>, name: &str, given: Given<'_>| {
        let found = (0..9).find_map(|slot| encoder.find(slot, |p| set.local_name(p.name) == name).ok());
        let (code, production) = found.unwrap_or_else(|| panic!("no {name} here"));
        encoder.value(code, production, given).expect(name);
    };
    for method in ["CanonicalizationMethod", "SignatureMethod"] {
        open(&mut encoder, method);
        value(&mut encoder, "Algorithm", Given::Text("m"));
        encoder.close().expect(method);
    }
    for _ in 0..count {
        open(&mut encoder, "Reference");
        open(&mut encoder, "DigestMethod");
        value(&mut encoder, "Algorithm", Given::Text("d"));
        encoder.close().expect("DigestMethod");
        value(&mut encoder, "DigestValue", Given::Octets(&[1]));
        encoder.close().expect("Reference");
    }
    encoder.close().expect("SignedInfo");
    encoder.finish().expect("the end")
}

#[test]
fn an_element_that_the_schema_does_not_limit_may_come_as_often_as_the_options_say() {
    let set = grammar("xmldsig");
    for limit in [1, 2, 5, 256] {
        let options = Options { max_occurs: limit, ..Options::default() };
        assert!(decoded(set, &signed(limit.into()), options, true).is_ok(), "{limit}");
        let error = decoded(set, &signed(usize::from(limit) + 1), options, true).expect_err("one more");
        assert_eq!(error.kind, Kind::Size);
        assert_eq!(
            (error.path.as_str(), error.detail),
            ("SignedInfo", format!("more than {limit} Reference"))
        );
    }
    let mut decoder = Decoder::default();
    let stream = signed(300);
    let options = Options { max_occurs: 300, ..Options::default() };
    let outcome = Tape::default().decode(&mut decoder, set, &stream, options, true);
    assert!(outcome.is_ok());
    assert!(!decoder.met_full_list, "a list without a limit is never full");
}

/// A supportedAppProtocolReq of `count` protocols, its list ended as specified or as if one more could
/// follow.
fn request(count: usize, specified: bool) -> Vec<u8> {
    let one = "0 0 00000011 01000001 0  0 0 00000010 0  0 0 00000000 0  0 0 00000001 0  0 0 00000 0  0";
    let more = format!("00 {one}").repeat(count - 1);
    let end = match (count, specified) {
        (20, true) => "0",
        _ => "01",
    };
    from_bits(&format!("10000000 00  0 {one} {more} {end}"))
}

#[test]
fn a_full_list_ends_as_the_form_says() {
    use FullLists::{Loop, Marked, Specified};
    let set = grammar("sap");
    let reads = |data: &[u8], form: FullLists| {
        let options = Options { full_lists: Some(form), ..Options::default() };
        decoded(set, data, options, false).map(|report| report.clean_padding).map_err(|error| error.kind)
    };
    for form in [Specified, Marked, Loop] {
        assert_eq!(reads(&request(1, true), form), Ok(true), "{form:?}");
        assert_eq!(reads(&request(19, true), form), Ok(true), "{form:?}");
    }
    // The list is not one of those that common Java stacks end in their own way.
    assert_eq!(reads(&request(20, true), Specified), Ok(true));
    assert_eq!(reads(&request(20, true), Marked), Ok(true));
    assert_eq!(reads(&request(20, false), Loop), Ok(true));
    // The second bit of the end is taken for padding.
    assert_eq!(reads(&request(20, false), Specified), Ok(false));
    assert_eq!(reads(&request(20, false), Marked), Ok(false));
    let options = Options { full_lists: Some(Loop), ..Options::default() };
    let error = decoded(set, &request(21, false), options, false).expect_err("one too many");
    assert_eq!((error.kind, error.detail.as_str()), (Kind::Size, "more than 20 AppProtocol"));
}

#[test]
fn a_header_that_is_not_that_of_v2g_is_named() {
    for (first, what) in [
        (0x24, "the start of the cookie $EXI, which V2G does not have"),
        (0xA0, "an options document, but the options of V2G are fixed"),
        (0xBF, "an options document, but the options of V2G are fixed"),
        (0x90, "a preview version of the format"),
        (0x9F, "a preview version of the format"),
        (0x81, "another version of the format"),
        (0x8F, "another version of the format"),
        (0x00, "no EXI"),
        (0x7F, "no EXI"),
        (0xC0, "no EXI"),
    ] {
        let detail = format!("first byte {first:02x}, expected 80: {what}");
        assert_eq!(
            fault("sap", &[first, 0, 0], Options::default(), false),
            said(Kind::Header, 0, "", &detail)
        );
    }
    assert_eq!(fault("sap", &[], Options::default(), false), said(Kind::Truncated, 0, "", "empty stream"));
    let cut = said(Kind::Truncated, 8, "", "the stream ends inside the message");
    assert_eq!(fault("sap", &[0x80], Options::default(), false), cut);
}

#[test]
fn a_root_and_the_end_of_a_fragment_are_checked() {
    let options = Options::default();
    let root = |bits: &str, fragment| {
        fault("sap", &from_bits(&format!("10000000 {bits} 000000000000")), options, fragment)
    };
    let undeclared = "an element that the schema does not declare";
    assert_eq!(root("10", false), said(Kind::Root, 10, "", undeclared));
    assert_eq!(root("11", false), said(Kind::EventCode, 10, "", "root code 3, expected 0 to 2"));
    assert_eq!(root("1001", true), said(Kind::Root, 12, "", undeclared));
    assert_eq!(root("1010", true), said(Kind::EventCode, 12, "", "root code 10, expected 0 to 9"));
    // ResponseCode, first literal.
    let end = |bits: &str| {
        decoded(grammar("sap"), &from_bits(&format!("10000000 0011 0 00 0 {bits}")), options, true)
    };
    assert_eq!(end("1010 0000"), Ok(Report { root: 3, trailing_bytes: 0, clean_padding: true }));
    assert_eq!(end("1010 0001").map(|report| report.clean_padding), Ok(false));
    assert_eq!(end("1010 0000 00000000").map(|report| report.trailing_bytes), Ok(1));
    let error = end("1001 0000").expect_err("not the end");
    assert_eq!((error.kind, error.bit, error.path.as_str()), (Kind::EventCode, 20, ""));
    assert_eq!(error.detail, "the fragment ends with code 9, expected 10");
    let error = end("1010 0000 00000001").expect_err("something behind the end");
    assert_eq!(
        (error.kind, error.detail.as_str()),
        (Kind::Trailing, "1 bytes behind the end of the message")
    );
    let error = end("").expect_err("cut");
    assert_eq!((error.kind, error.detail.as_str()), (Kind::Truncated, "the stream ends inside the message"));
    // BodyElement is the head of a substitution group.
    let set = grammar("iso2");
    let (root, _) = set.global_element("urn:iso:15118:2:2013:MsgBody", "BodyElement").expect("declared");
    let stream = from_bits(&format!("10000000 {root:07b} 0 00000000"));
    assert_eq!(fault("iso2", &stream, options, false), said(Kind::Range, 16, "", "BodyElement is abstract"));
}

#[test]
fn what_follows_a_value_is_refused_by_the_name_of_its_element() {
    let options = Options::default();
    let tail = "00000000".repeat(8);
    let value =
        |bits: &str| fault("sap", &from_bits(&format!("10000000 01  0 {bits} {tail}")), options, false);
    let path = "supportedAppProtocolRes";
    assert_eq!(value("0 00 1"), said(Kind::Undeclared, 15, path, "ResponseCode: content after a value"));
    assert_eq!(value("1 000"), said(Kind::Undeclared, 15, path, "ResponseCode: an end instead of a value"));
    assert_eq!(value("1 001"), said(Kind::Undeclared, 15, path, "ResponseCode: xsi:type"));
    assert_eq!(value("1 111"), said(Kind::Undeclared, 15, path, "ResponseCode: no production"));
    let found = "3, expected 0 to 2";
    assert_eq!(value("0 11 0"), said(Kind::Range, 14, "supportedAppProtocolRes/ResponseCode", found));
}

#[test]
fn every_class_of_fault_has_a_name() {
    let names = [
        (Kind::Header, "header"),
        (Kind::Truncated, "truncated"),
        (Kind::EventCode, "event code"),
        (Kind::Undeclared, "undeclared"),
        (Kind::StringTable, "string table"),
        (Kind::IntegerTooLarge, "integer too large"),
        (Kind::Range, "value range"),
        (Kind::Length, "length"),
        (Kind::Character, "character"),
        (Kind::Depth, "depth"),
        (Kind::Size, "size"),
        (Kind::Trailing, "trailing"),
        (Kind::Root, "root"),
    ];
    for (kind, name) in names {
        assert_eq!(kind.as_str(), name);
    }
    let error = decoded(grammar("sap"), &[], Options::default(), false).expect_err("empty");
    assert_eq!(error.to_string(), "truncated: empty stream");
    let mut encoder = Encoder::new(grammar("sap"), Vec::new(), Style::default());
    assert_eq!(encoder.close().expect_err("nothing open").to_string(), "no element is open");
}

/// A CurrentDemandReq as a fragment up to EVTargetCurrent, whose content follows.
fn demand(current: &str) -> Vec<u8> {
    let root = grammar("iso2").fragment_root("CurrentDemandReq").expect("declared");
    let rest = "100 0 1 0 10 0 0 011 0 0 0 100 0 0 0 0 00000001 0 0 0 11110100";
    from_bits(&format!("10000000 {root:08b} 0 0 0 1 0 0 0 0000 0 0 0 0000000 0 0  0 {current} {rest}"))
}

#[test]
fn the_first_of_two_faults_in_an_element_of_a_few_short_values_counts() {
    let set = grammar("iso2");
    let (options, path) = (Options::default(), "CurrentDemandReq/EVTargetCurrent");
    assert!(decoded(set, &demand("0 0 110 0 0 0 110 0 0 0 0 00000001 0 0"), options, true).is_ok());
    let multiplier = said(Kind::Range, 45, &format!("{path}/Multiplier"), "4, expected -3 to 3");
    for current in [
        "0 0 111 0 0 0 000 0 0 0 0 00000001 0 0",
        "0 0 111 0 0 0 000 0 0 0 0 00000001 0 1",
        "0 0 111 0 0 0 000 0 0 0 0 00000001 1 1",
        "0 0 111 0 0 0 111 0 0 0 0 00000001 1 0",
        "0 0 111 1 0 0 111 0 0 0 0 11111111 11111111 11111111 00000001 1 0",
    ] {
        assert_eq!(fault("iso2", &demand(current), options, true), multiplier, "{current}");
    }
    let unit = said(Kind::Range, 51, &format!("{path}/Unit"), "7, expected 0 to 6");
    assert_eq!(fault("iso2", &demand("0 0 000 0 0 0 111 0 0 0 0 00000001 0 1"), options, true), unit);
    let value = |bits: &str, number: &str| {
        let found = fault("iso2", &demand(&format!("0 0 000 0 0 0 000 0 0 0 {bits} 0 0")), options, true);
        let detail = format!("{number}, expected -32768 to 32767");
        assert_eq!((found.0, found.2, found.3), (Kind::Range, format!("{path}/Value"), detail));
    };
    value("0 10000000 10000000 00000010", "32768");
    value("1 10000000 10000000 00000010", "-32769");
    value("0 11111111 11111111 01111111", "2097151");
    value("1 10000000 10000000 10000000 00000001", "-2097153");
    let found = fault("iso2", &demand("0 0 000 0 0 0 000 0 0 0 0 00000001 0 1"), options, true);
    assert_eq!((found.0, found.2.as_str()), (Kind::Undeclared, path));
    assert!(found.3.ends_with("that the schema does not declare here"), "{}", found.3);
}

#[test]
fn an_element_that_is_read_at_one_look_is_a_level_too() {
    let set = grammar("iso2");
    let data = demand("0 0 110 0 0 0 110 0 0 0 0 00000001 0 0");
    let depth = |max_depth: usize| decoded(set, &data, Options { max_depth, ..Options::default() }, true);
    assert!(depth(2).is_ok());
    let error = depth(1).expect_err("the second level");
    assert_eq!((error.kind, error.path.as_str()), (Kind::Depth, "CurrentDemandReq"));
}

#[test]
fn elements_that_are_read_at_one_look_count_too() {
    // A SessionStopReq: V2G_Message, Header, Body and the request are elements of complex type.
    let data = unhex("809802000000000000000011f000");
    let set = grammar("iso2");
    let outcome = |max_elements| {
        let options = Options { max_elements, ..Options::default() };
        let explained = v2g_exi::trace::explain(set, &data, options, false).1.map(|_| ());
        let read = decoded(set, &data, options, false).map(|_| ());
        assert_eq!(read.is_ok(), explained.is_ok(), "{max_elements}");
        read.map_err(|error| error.detail)
    };
    assert_eq!(outcome(4), Ok(()));
    assert_eq!(outcome(3), Err("more than 3 elements".to_owned()));
}
