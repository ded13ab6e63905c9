//! Whole streams: byte-exact round trips, every truncation, every flipped bit.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use support::{
    assert_canonicalisable, assert_explained, bench_messages, decode, decode_strictly, encode, form_of,
    vectors, Sample,
};
use v2g_exi::encode::Style;
use v2g_exi::error::Kind;

#[test]
fn the_messages_of_the_benchmark_come_back_byte_for_byte() {
    let samples = bench_messages();
    assert_eq!(samples.len(), 9);
    for Sample { name, grammar, fragment, data } in samples {
        let tape = decode_strictly(grammar, &data, fragment).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(encode(grammar, &tape), data, "{name}");
    }
}

#[test]
fn the_vectors_of_an_independent_processor_are_read_and_written_alike() {
    let samples = vectors();
    assert!(samples.len() > 20);
    for sample in samples {
        let form = form_of(&sample);
        let Sample { name, grammar, fragment, data } = sample;
        let tape = decode(grammar, &data, fragment, form).unwrap_or_else(|e| panic!("{name}: {e}"));
        let style = Style { full_lists: form, ..Style::default() };
        let ours = tape.encode(grammar, style, Vec::new());
        assert_eq!(ours.expect("encodes"), data, "{name}");
    }
}

#[test]
fn a_message_cut_anywhere_is_truncated() {
    for sample in bench_messages().into_iter().chain(vectors()) {
        let form = form_of(&sample);
        let Sample { name, grammar, fragment, data } = sample;
        for length in 0..data.len() {
            let error = decode(grammar, &data[..length], fragment, form);
            let error = error.err().unwrap_or_else(|| panic!("{name} of {length} bytes is read"));
            assert_eq!(
                error.kind,
                Kind::Truncated,
                "{name} cut to {length} of {} bytes: {error}",
                data.len()
            );
            assert!(error.bit <= length as u64 * 8, "{name}: bit {}", error.bit);
            if length % 3 == 0 {
                assert_explained(grammar, &data[..length], fragment);
            }
        }
    }
}

#[test]
fn a_flipped_bit_gives_an_error_or_another_valid_message() {
    let (mut accepted, mut flipped) = (0, 0);
    for Sample { name, grammar, fragment, mut data } in bench_messages() {
        // Certificates and signatures are octets: one bit of them is like another.
        let step = if data.len() > 1000 { 7 } else { 1 };
        for bit in (0..data.len() * 8).step_by(step) {
            data[bit / 8] ^= 0x80 >> (bit % 8);
            flipped += 1;
            accepted += u32::from(assert_canonicalisable(grammar, &data, fragment));
            if bit % 3 == 0 {
                assert_explained(grammar, &data, fragment);
            }
            data[bit / 8] ^= 0x80 >> (bit % 8);
        }
        assert!(decode_strictly(grammar, &data, fragment).is_ok(), "{name}");
    }
    assert!(accepted > flipped / 4, "{accepted} of {flipped} accepted: are there no free values?");
    assert!(accepted < flipped, "some bits are structure");
}

#[test]
fn zero_bytes_behind_the_end_are_counted_and_others_refused() {
    use v2g_exi::decode::{Decoder, Options};
    for Sample { name, grammar, fragment, mut data } in bench_messages() {
        let mut tape = v2g_exi::tape::Tape::default();
        data.extend([0, 0]);
        let report = tape.decode(&mut Decoder::default(), grammar, &data, Options::default(), fragment);
        let report = report.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!((report.trailing_bytes, report.clean_padding), (2, true), "{name}");
        data.push(1);
        assert_eq!(decode_strictly(grammar, &data, fragment).expect_err("trailing").kind, Kind::Trailing);
    }
}
