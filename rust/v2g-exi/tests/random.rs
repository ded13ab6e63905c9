//! Random messages and random bytes on every schema set.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::{
    any_message, assert_canonicalisable, decode_strictly, encode, grammar, hex, Random, Walk, SETS,
};
use v2g_exi::decode::Options;
use v2g_exi::encode::Style;
use v2g_exi::error::Kind;
use v2g_exi::grammar::{Grammar, Kind as Event};
use v2g_exi::trace::explain;

const MESSAGES: u64 = if cfg!(miri) { 3 } else { 150 };

#[test]
fn random_messages_of_every_set_come_back_byte_for_byte() {
    for set in SETS {
        let grammar = grammar(set);
        for seed in 0..MESSAGES {
            let style = Style { specified_lists: true, empty_values: seed % 2 == 0 };
            let how = Walk { style, ..Walk::default() };
            let (stream, fragment) = any_message(grammar, &mut Random::new(seed), how);
            let tape = decode_strictly(grammar, &stream, fragment);
            let tape = tape.unwrap_or_else(|e| panic!("{set} {seed}: {e} at {} in {}", e.bit, e.path));
            assert_eq!(tape.encode(grammar, style, Vec::new()).expect("encodes"), stream, "{set} {seed}");
        }
    }
}

#[test]
fn a_random_message_cut_anywhere_is_truncated() {
    for set in SETS {
        let grammar = grammar(set);
        for seed in 0..MESSAGES / 3 {
            let mut random = Random::new(seed);
            let (stream, fragment) = any_message(grammar, &mut random, Walk::default());
            if !fragment && has_simple_root(grammar, &stream) {
                continue; // see below
            }
            for _ in 0..20 {
                let length = random.below(stream.len());
                let error = decode_strictly(grammar, &stream[..length], fragment).expect_err("cut");
                assert_eq!(
                    error.kind,
                    Kind::Truncated,
                    "{set} {seed}, {length} of {}: {error}",
                    stream.len()
                );
            }
        }
    }
}

fn has_simple_root(grammar: &Grammar, stream: &[u8]) -> bool {
    let code = (u16::from_be_bytes([stream[1], *stream.get(2).unwrap_or(&0)])
        >> (16 - grammar.documents.bits)) as usize;
    grammar.documents.entries.get(code).is_some_and(|r| r.kind == Event::Simple)
}

#[test]
fn a_document_of_simple_type_cut_anywhere_is_truncated() {
    let grammar = grammar("xmldsig");
    for seed in 0..MESSAGES {
        let (stream, fragment) = any_message(grammar, &mut Random::new(seed), Walk::default());
        if !fragment && has_simple_root(grammar, &stream) {
            let error = decode_strictly(grammar, &stream[..stream.len() - 1], false).expect_err("cut");
            assert_eq!(error.kind, Kind::Truncated, "{seed}: {error}");
        }
    }
}

#[test]
fn a_random_message_with_a_flipped_bit_is_refused_or_canonicalisable() {
    for set in SETS {
        let grammar = grammar(set);
        for seed in 0..MESSAGES / 3 {
            let mut random = Random::new(seed);
            let (mut stream, fragment) = any_message(grammar, &mut random, Walk::default());
            for _ in 0..40 {
                let bit = 8 + random.below(stream.len() * 8 - 8);
                stream[bit / 8] ^= 0x80 >> (bit % 8);
                assert_canonicalisable(grammar, &stream, fragment);
                // Some stay, so that faults pile up.
                if random.once_in(2) {
                    stream[bit / 8] ^= 0x80 >> (bit % 8);
                }
            }
        }
    }
}

/// The rows join from bit 0 to the last byte, and the explanation and the decoder agree about the stream.
fn assert_explained(set: &str, stream: &[u8], fragment: bool) {
    let (rows, outcome) = explain(grammar(set), stream, Options::default(), fragment);
    let mut next = 0;
    for row in &rows {
        assert_eq!(row.from, next, "{set}: {row:?} in {}", hex(stream));
        next = row.from + row.width;
    }
    let decoded = decode_strictly(grammar(set), stream, fragment);
    match (outcome, decoded) {
        (Ok(report), Ok(_)) => {
            assert_eq!(next, (stream.len() - report.trailing_bytes) as u64 * 8, "{set}: {}", hex(stream));
        }
        (Err(told), Err(found)) => {
            assert_eq!(told.kind, found.kind, "{set}: {told} / {found}, {}", hex(stream));
        }
        (told, found) => panic!("{set}: told {told:?}, found {:?}, {}", found.map(|t| t.nodes), hex(stream)),
    }
}

#[test]
fn every_bit_of_a_random_message_is_explained_once() {
    for set in SETS {
        for seed in 0..MESSAGES / 3 {
            let (stream, fragment) = any_message(grammar(set), &mut Random::new(seed), Walk::default());
            assert_explained(set, &stream, fragment);
        }
    }
}

proptest! {
    // One seed: the same cases in every run. The fuzz targets look for others.
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 400 },
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(15118),
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_bytes_are_refused_or_canonicalisable(
        mut data in prop::collection::vec(any::<u8>(), 0..120), headed in any::<bool>(), fragment in any::<bool>(),
    ) {
        if let (true, Some(first)) = (headed, data.first_mut()) {
            *first = 0x80;
        }
        for set in SETS {
            assert_canonicalisable(grammar(set), &data, fragment);
            assert_explained(set, &data, fragment);
        }
    }

    #[test]
    fn random_changes_of_a_message_are_refused_or_canonicalisable(
        seed in any::<u64>(), changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6),
    ) {
        let set = SETS[(seed % SETS.len() as u64) as usize];
        let how = Walk { elements: 30, ..Walk::default() };
        let (mut stream, fragment) = any_message(grammar(set), &mut Random::new(seed), how);
        for (place, octet) in changes {
            let place = 1 + place as usize % (stream.len() - 1);
            stream[place] = octet;
        }
        assert_canonicalisable(grammar(set), &stream, fragment);
        assert_explained(set, &stream, fragment);
    }

    #[test]
    fn what_a_message_says_does_not_depend_on_the_form_of_empty_values(seed in any::<u64>()) {
        let grammar = grammar("iso2");
        let (stream, fragment) = any_message(grammar, &mut Random::new(seed), Walk::default());
        let tape = decode_strictly(grammar, &stream, fragment).expect("valid");
        let style = Style { specified_lists: true, empty_values: true };
        let other = tape.encode(grammar, style, Vec::new()).expect("encodes");
        let back = decode_strictly(grammar, &other, fragment).expect("valid");
        prop_assert_eq!(encode(grammar, &back), stream);
    }
}
