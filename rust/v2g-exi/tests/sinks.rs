//! The calls of a sink, in which place, and what happens when it fails.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use support::{from_bits, grammar, unhex};
use v2g_exi::decode::{Decoder, Options, Sink};
use v2g_exi::error::{Failure, Kind};
use v2g_exi::grammar::{Grammar, Record, Slot};
use v2g_exi::value::{At, Found, NO_NAME};

/// Notes every event with its name, slot and how the slot is kept; fails at the event number `fails`.
struct Notes {
    set: &'static Grammar,
    lines: Vec<String>,
    fails: usize,
}

impl Notes {
    fn note(&mut self, what: &str, at: At<'_>) -> Result<(), usize> {
        if self.lines.len() == self.fails {
            return Err(self.fails);
        }
        let place = at.production;
        let name = if place.name == NO_NAME { "#" } else { self.set.local_name(place.name) };
        let kept = match place.kept {
            Slot::Single => "",
            Slot::List => " list",
            Slot::Items => " items",
        };
        let wild = if at.wild().is_some() { " wild" } else { "" };
        self.lines.push(format!("{what} {name} {}{kept}{wild}", place.slot));
        Ok(())
    }
}

impl Sink for Notes {
    type Error = usize;

    fn open(&mut self, at: At<'_>, _: u16) -> Result<(), usize> {
        self.note("open", at)
    }

    fn retype(&mut self, at: At<'_>, _: u16) -> Result<(), usize> {
        self.note("retype", at)
    }

    fn value(&mut self, at: At<'_>, _: Found<'_>) -> Result<(), usize> {
        self.note("value", at)
    }

    fn close(&mut self, at: At<'_>) -> Result<(), usize> {
        self.note("close", at)
    }

    fn record(&mut self, at: At<'_>, _: &Record, _: [i32; 3]) -> Result<(), usize> {
        self.note("record", at)
    }

    fn restart(&mut self) {
        self.lines.clear();
    }
}

fn noted(set: &str, fragment: bool, data: &[u8], fails: usize) -> (Vec<String>, Result<(), Failure<usize>>) {
    let mut notes = Notes { set: grammar(set), lines: Vec::new(), fails };
    let (mut decoder, options) = (Decoder::default(), Options::default());
    let outcome = if fragment {
        decoder.fragment(grammar(set), data, options, &mut notes)
    } else {
        decoder.document(grammar(set), data, options, &mut notes)
    };
    (notes.lines, outcome.map(|_| ()))
}

fn told(set: &str, fragment: bool, data: &[u8]) -> Vec<String> {
    let (lines, outcome) = noted(set, fragment, data, usize::MAX);
    assert!(outcome.is_ok(), "{outcome:?}");
    lines
}

#[test]
fn a_message_is_told_in_order_and_with_its_places() {
    assert_eq!(
        told("iso2", false, &unhex("809802000000000000000011d0180801784080c000")),
        [
            "open V2G_Message 0",
            "open Header 0",
            "value SessionID 0",
            "close Header 0",
            "open Body 1",
            "open SessionSetupReq 0",
            "value EVCCID 0",
            "close SessionSetupReq 0",
            "close Body 1",
            "close V2G_Message 0",
        ]
    );
    let protocol = "0 0 00000011 01000001 0  0 0 00000010 0  0 0 00000000 0  0 0 00000001 0  0 0 00000 0  0";
    assert_eq!(
        told("sap", false, &from_bits(&format!("10000000 00  0 {protocol} 01")))[..3],
        ["open supportedAppProtocolReq 0", "open AppProtocol 0 list", "value ProtocolNamespace 0"]
    );
}

#[test]
fn elements_of_any_name_and_text_are_items_in_order() {
    // Object with MgmtData "abc", DigestMethod with Algorithm="x", Object with a text, and a text.
    let name = |local: &str| {
        let set = grammar("xmldsig");
        let locals = &set.spaces[4].locals;
        format!("101 00000000 {:07b}", locals.find(local).expect("a name"))
    };
    let text = |octet: &str| format!("00000011 {octet}");
    let stream = format!(
        "10000000 01001  011 {} 0 {} 0  00 {} 0 {} 01  00 {} 101 {} 01  10 {}  01",
        name("MgmtData"),
        text("01100001"),
        name("DigestMethod"),
        text("01111000"),
        name("Object"),
        text("01100010"),
        text("01100011"),
    );
    assert_eq!(
        told("xmldsig", false, &from_bits(&stream)),
        [
            "open Object 0",
            "value MgmtData 3 items wild",
            "open DigestMethod 3 items wild",
            "value Algorithm 0",
            "close DigestMethod 3 items wild",
            "open Object 3 items wild",
            "value # 3 items",
            "close Object 3 items wild",
            "value # 3 items",
            "close Object 0",
        ]
    );
}

#[test]
fn the_ambiguous_fragment_has_the_places_of_its_type() {
    let id = "000000100 00000011 01100001";
    let emaid = |rest: &str| from_bits(&format!("10000000 11101100 {id} {rest} 11110100"));
    let told = |rest: &str| {
        let lines = told("iso2", true, &emaid(rest));
        lines.iter().map(|line| line.replace("eMAID ", "")).collect::<Vec<_>>()
    };
    let expected = ["open 0", "value Id 0", "value 1", "close 0"];
    assert_eq!(told("100000000 00000011 01000010 11110100"), expected);
    assert_eq!(told("011111111"), expected);
}

#[test]
fn a_sink_that_fails_ends_the_decode_with_its_own_error() {
    // An Object as above, a CurrentDemandReq in which elements are read in one step, and a fragment with its
    // own grammar.
    let demand =
        "809802004080c1014181c210d10015010618a040188184060186190020414300f8000308240700610440701881200600";
    let object = "804ba001406f0a";
    let emaid = "80ec0202b4b21a40041111505090d0cc4c8cd05090cd4dbd3d00";
    for (set, fragment, data) in [("iso2", false, demand), ("xmldsig", false, object), ("iso2", true, emaid)]
    {
        let data = unhex(data);
        let whole = told(set, fragment, &data);
        assert!(whole.len() > 3, "{whole:?}");
        for fails in 0..whole.len() {
            let (lines, outcome) = noted(set, fragment, &data, fails);
            assert_eq!(lines, whole[..fails]);
            assert!(matches!(outcome, Err(Failure::Sink(number)) if number == fails), "{outcome:?}");
        }
    }
}

#[test]
fn an_end_without_content_is_told_only_where_a_value_may_be_empty() {
    // VersionNumberMajor: the escape, the code of the end, and bits that would be a value and its end.
    let stream = from_bits("10000000 00 0  0 0 00000011 01000001 0  0 1 00000101 1 00000000 00000000");
    let (lines, outcome) = noted("sap", false, &stream, usize::MAX);
    assert_eq!(lines.last().map(String::as_str), Some("value ProtocolNamespace 0"));
    let Err(Failure::Stream(error)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        (error.kind, error.detail.as_str()),
        (Kind::Undeclared, "VersionNumberMajor: an end instead of a value")
    );
}
