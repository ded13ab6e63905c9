//! Random messages through this codec and the crate `iso15118`: equal bytes in both directions, or a reason.
//!
//! `DIFFERENTIAL` is the number of messages of each set, `SEED` the first seed, `ONLY` a set.
#![allow(missing_docs)]

#[path = "../../v2g-exi/tests/support/mod.rs"]
mod support;

use iso15118::exi::ExiError;
use std::collections::BTreeMap;
use support::{assert_canonicalisable, bench_messages, content, grammar, hex, Random, Walk};
use v2g_exi::decode::FullLists;
use v2g_exi::encode::Style;
use v2g_exi::grammar::{Grammar, Kind};
use v2g_exi_oracle::{sets, Theirs};

/// Results of the messages of one set, by reason.
type Tally = BTreeMap<String, Vec<String>>;

/// What the other codec does not have: text between elements, and the parts of a signature that no V2G
/// message uses ([V2G2-771] forbids them).
const WITHOUT: [&str; 5] = ["#text", "HMACOutputLength", "KeyInfo", "Object", "XPath"];

const SAME: &str = "the same";
/// It keeps to `length` and `minLength`, which EXI does not know and this codec leaves to the layers above.
const SHORT: &str = "refused: shorter than a facet that is no part of EXI";

/// Our tables take a phase count of 4, which a recorded car sends in the two bits that it has.
const PHASES: &str = "refused: ValueOutOfRange";

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Values about which both sides agree; what the other side omits or bounds differently has its own test.
fn walk(set: &str, seed: u64) -> Walk {
    let style = Style { full_lists: FullLists::Specified, empty_values: true };
    // Nearly every message of the newer sets has values of fixed length.
    let full_length = !seed.is_multiple_of(4) || set.starts_with("iso20");
    Walk { style, without: &WITHOUT, elements: 40, full_length, integer: 7, ..Walk::default() }
}

/// A random document or fragment of an element that the other codec has as a root.
fn message(set: &str, seed: u64) -> (Vec<u8>, bool) {
    let (grammar, mut random) = (grammar(set), Random::new(seed));
    loop {
        // Nothing in the messages of Amendment 1 is signed, and the other codec gives their fragments other
        // codes.
        let fragment = set != "sap" && !set.contains("-der-") && random.once_in(4);
        let roots = if fragment { &grammar.fragments } else { &grammar.documents };
        let index = random.below(roots.entries.len());
        let root = roots.entries[index];
        let name = &grammar.names[root.name as usize];
        let foreign = grammar.uris[name.uri as usize].contains("xmldsig");
        let global = grammar.documents.entries.iter().any(|r| r.name == root.name);
        let common =
            name.local.ends_with("Req") || name.local.ends_with("Res") || &name.local == "V2G_Message";
        if root.kind == Kind::Simple || foreign || !global || !common && random.once_in(2) {
            continue;
        }
        if let Some(stream) = support::walk(grammar, index as u16, fragment, &mut random, walk(set, seed)) {
            return (stream, fragment);
        }
    }
}

/// The reason for which `stream`, which is valid for us, comes out of the other codec as it does.
fn compare(set: &str, stream: &[u8], fragment: bool) -> String {
    let ours = grammar(set);
    let theirs = match Theirs::decode(set, stream, fragment) {
        Ok(theirs) => theirs,
        Err(ExiError::ValueTooShort) => return SHORT.into(),
        Err(other) => return format!("refused: {other:?}"),
    };
    match theirs.encode(fragment) {
        Ok(bytes) if bytes == stream => SAME.into(),
        Ok(bytes) if v2g_exi_same(ours, &bytes, stream, fragment) => "other bytes, the same content".into(),
        Ok(_) => "OTHER CONTENT".into(),
        Err(error) => format!("not written: {error:?}"),
    }
}

fn v2g_exi_same(ours: &Grammar, theirs: &[u8], stream: &[u8], fragment: bool) -> bool {
    support::decode_strictly(ours, theirs, fragment).is_ok()
        && content(ours, theirs, fragment) == content(ours, stream, fragment)
}

fn tally(set: &str) -> Tally {
    let mut tally = Tally::new();
    let first = number("SEED", 1);
    for seed in first..first + number("DIFFERENTIAL", 300) {
        let (stream, fragment) = message(set, seed);
        let reason = compare(set, &stream, fragment);
        tally.entry(reason).or_default().push(hex(&stream));
    }
    tally
}

#[test]
fn random_messages_have_the_bytes_of_the_other_codec_or_a_reason() {
    let mut unexplained = Vec::new();
    let only = std::env::var("ONLY").ok();
    for set in sets().filter(|set| only.as_deref().is_none_or(|one| one == *set)) {
        let tally = tally(set);
        for (reason, streams) in &tally {
            println!("{set}: {} {reason}", streams.len());
            if reason == SHORT || reason == PHASES && set == "iso2" {
                assert!(
                    streams.len() * 10 < number("DIFFERENTIAL", 300) as usize,
                    "{set}: too many are refused"
                );
            } else if reason != SAME {
                let shortest = streams.iter().min_by_key(|stream| stream.len()).expect("one");
                unexplained.push(format!("{set}: {reason}: {shortest}"));
            }
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

#[test]
fn the_messages_of_the_benchmark_have_the_bytes_of_the_other_codec() {
    for sample in bench_messages() {
        let theirs = Theirs::decode(&sample.grammar.name, &sample.data, false);
        let theirs = theirs.unwrap_or_else(|e| panic!("{}: {e:?}", sample.name));
        assert_eq!(theirs.encode(false).expect("encodes"), sample.data, "{}", sample.name);
        assert!(assert_canonicalisable(sample.grammar, &sample.data, false));
    }
}
