//! Bits in, bits out: the writer against a list of single bits, the reader against the writer.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use proptest::prelude::*;
use support::Random;
use v2g_exi::bits::{top, Padded, Writer};

/// The writer as it would be with one byte per bit.
#[derive(Default)]
struct Model(Vec<bool>);

impl Model {
    fn bits(&mut self, value: u64, count: u32) {
        self.0.extend((0..count).rev().map(|i| value >> i & 1 == 1));
    }

    fn octets(&mut self, data: &[u8]) {
        for octet in data {
            self.bits((*octet).into(), 8);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let byte =
            |bits: &[bool]| bits.iter().enumerate().fold(0, |b, (i, bit)| b | u8::from(*bit) << (7 - i));
        self.0.chunks(8).map(byte).collect()
    }
}

fn octets(count: usize) -> Vec<u8> {
    let mut random = Random::new(count as u64);
    (0..count).map(|_| random.number() as u8).collect()
}

fn padded(data: &[u8]) -> Padded {
    let mut stream = Padded::default();
    stream.fill(data);
    stream
}

#[test]
fn octets_of_any_number_are_written_and_read_at_any_bit() {
    // Few octets are copied in one way, more than forty in another.
    let counts: Vec<usize> = if cfg!(miri) { vec![0, 1, 8, 9, 41] } else { (0..=50).collect() };
    for lead in (0..=63u32).step_by(if cfg!(miri) { 9 } else { 1 }) {
        for &count in &counts {
            let data = octets(count);
            let (mut writer, mut model) = (Writer::new(vec![0xFF; 3]), Model::default());
            for width in [lead.min(32), lead - lead.min(32)] {
                let value = 0x5555_5555 & ((1u64 << width) - 1);
                writer.bits(value, width);
                model.bits(value, width);
            }
            writer.octets(&data);
            model.octets(&data);
            writer.bits(0b101, 3);
            model.bits(0b101, 3);
            let bytes = writer.finish();
            assert_eq!(bytes, model.bytes(), "{count} octets behind {lead} bits");

            let stream = padded(&bytes);
            let mut reader = stream.reader();
            reader.skip(lead);
            let octets = reader.octets(count);
            reader.skip_octets(count);
            assert_eq!((octets.len(), octets.is_empty()), (count, count == 0));
            assert_eq!(octets.to_vec(), data, "{count} octets behind {lead} bits");
            let mut copy = vec![0; count];
            octets.copy_to(&mut copy);
            assert_eq!(copy, data, "{count} octets behind {lead} bits");
            let mut longer = vec![1, 2, 3];
            octets.append_to(&mut longer);
            assert_eq!(longer.split_at(3), (&[1, 2, 3][..], &data[..]), "{count} octets behind {lead} bits");
            assert_eq!(octets.is_ascii(), data.is_ascii(), "{count} octets behind {lead} bits");
            assert_eq!(reader.bits(3), 0b101);
            assert!(!reader.overrun());
        }
    }
}

#[test]
fn numbers_of_any_width_are_written_and_read_at_any_bit() {
    for lead in 0..8 {
        for width in 0..=32u32 {
            let value = 0xDEAD_BEEF_u64 & ((1 << width) - 1);
            let (mut writer, mut model) = (Writer::default(), Model::default());
            for (number, count) in [(0, lead), (value, width), (1, 1)] {
                writer.bits(number, count);
                model.bits(number, count);
            }
            let bytes = writer.finish();
            assert_eq!(bytes, model.bytes());
            let stream = padded(&bytes);
            let mut reader = stream.reader();
            reader.skip(lead);
            if width > 0 {
                assert_eq!(reader.bits(width), value);
            }
            assert_eq!(reader.bits(1), 1);
            assert_eq!(reader.position(), u64::from(lead + width + 1));
        }
    }
}

#[test]
fn a_look_shows_57_bits_and_zeros_behind_the_end() {
    let data = [0xFF; 9];
    let stream = padded(&data);
    for position in 0..=72u32 {
        let mut reader = stream.reader();
        reader.skip(position);
        let left = 72 - position;
        let seen = reader.peek();
        let ones = seen.leading_ones();
        assert!(ones >= left.min(57), "{ones} ones at {position}");
        assert!(left >= 57 || seen << left == 0, "bits behind the end at {position}");
        assert_eq!(reader.remaining(), left.into());
        assert!(!reader.overrun());
    }
}

#[test]
fn a_reader_far_behind_the_end_sees_zeros_and_says_so() {
    for data in [&[][..], &[0xFF], &[0xFF; 8]] {
        let stream = padded(data);
        for beyond in [1u32, 7, 8, 63, 64, 127, 128, 129, 1 << 20, u32::MAX] {
            let mut reader = stream.reader();
            reader.skip(data.len() as u32 * 8);
            reader.skip(beyond);
            assert_eq!(reader.peek(), 0);
            assert_eq!(reader.remaining(), 0);
            assert!(reader.overrun());
            let mut out = [7; 4];
            reader.octets(4).copy_to(&mut out);
            let mut none = Vec::new();
            reader.octets(4).append_to(&mut none);
            assert!(none.iter().all(|o| *o == 0), "nothing from outside the stream");
            assert!(out.iter().all(|o| *o == 0 || *o == 7), "nothing from outside the stream");
        }
    }
}

#[test]
fn the_rest_tells_padding_bits_and_trailing_bytes() {
    type Rest = (bool, usize, bool);
    let cases: [(&[u8], u32, Rest); 8] = [
        (&[0x80, 0xFF], 8, (true, 1, false)),
        (&[0x80], 8, (true, 0, true)),
        (&[0x80], 1, (true, 0, true)),
        (&[0x81], 1, (false, 0, true)),
        (&[0x80, 0, 0], 3, (true, 2, true)),
        (&[0x80, 0, 1], 3, (true, 2, false)),
        (&[0x80, 0, 1], 24, (true, 0, true)),
        (&[0xFF, 0xFE], 15, (true, 0, true)),
    ];
    for (data, position, expected) in cases {
        let stream = padded(data);
        let mut reader = stream.reader();
        reader.skip(position);
        assert_eq!(reader.rest(), expected, "{data:02x?} at {position}");
    }
}

#[test]
fn the_first_bits_of_a_word_are_0_to_63() {
    assert_eq!(top(u64::MAX, 0), 0);
    assert_eq!(top(0x8000_0000_0000_0000, 1), 1);
    assert_eq!(top(0x7FFF_FFFF_FFFF_FFFF, 1), 0);
    assert_eq!(top(u64::MAX, 63), u64::MAX >> 1);
    assert_eq!(top(0xABCD_0000_0000_0000, 12), 0xABC);
}

#[test]
fn a_stream_without_bits_is_empty_and_memory_is_used_again() {
    assert_eq!(Writer::default().finish(), []);
    let mut writer = Writer::new(vec![1, 2, 3]);
    writer.octets(&[]);
    writer.bits(1, 1);
    writer.octets(&[]);
    assert_eq!(writer.finish(), [0x80]);
    let mut stream = padded(&[1; 100]);
    stream.fill(&[0xF0]);
    assert_eq!(stream.reader().remaining(), 8);
    assert_eq!(stream.reader().peek(), 0xF0 << 56);
}

#[derive(Clone, Debug)]
enum Piece {
    Bits(u64, u32),
    Octets(Vec<u8>),
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        (any::<u32>(), 1..=32u32)
            .prop_map(|(v, width)| Piece::Bits(u64::from(v) & ((1 << width) - 1), width)),
        prop::collection::vec(any::<u8>(), 0..70).prop_map(Piece::Octets),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(pieces in prop::collection::vec(piece(), 0..40)) {
        let (mut writer, mut model) = (Writer::default(), Model::default());
        for piece in &pieces {
            match piece {
                Piece::Bits(value, width) => { writer.bits(*value, *width); model.bits(*value, *width); }
                Piece::Octets(data) => {
                    writer.octets(data);
                    model.octets(data);
                }
            }
        }
        let bytes = writer.finish();
        prop_assert_eq!(&bytes, &model.bytes());
        let stream = padded(&bytes);
        let mut reader = stream.reader();
        for piece in &pieces {
            match piece {
                Piece::Bits(value, width) => prop_assert_eq!(reader.bits(*width), *value),
                Piece::Octets(data) => {
                    prop_assert_eq!(&reader.octets(data.len()).to_vec(), data);
                    reader.skip_octets(data.len());
                }
            }
        }
        prop_assert!(!reader.overrun());
        prop_assert!(reader.remaining() < 8);
    }
}
