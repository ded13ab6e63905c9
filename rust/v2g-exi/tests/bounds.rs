//! Values at their bounds and one beyond, in every representation: their encoded bits, and what is refused.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use support::{decode_strictly, from_bits, grammar};
use v2g_exi::encode::{Encoder, Style};
use v2g_exi::error::Kind;
use v2g_exi::tape::{Node, Scalar};
use v2g_exi::value::Given;

/// The bits of a value as the fragment `name` holds it, or why it is not written.
fn written(set: &str, name: &str, given: Given<'_>) -> Result<String, String> {
    let set = grammar(set);
    let mut encoder = Encoder::new(set, Vec::new(), Style { empty_values: true, ..Style::default() });
    let root = encoder.root(set.fragment_root(name).expect("declared"), true).expect("a root");
    encoder.root_value(root, given).map_err(|error| format!("{}: {}", error.path, error.detail))?;
    let stream = encoder.finish().expect("ends");
    let bits = stream.iter().map(|octet| format!("{octet:08b}")).collect::<Vec<_>>().concat();
    // Header, code of the element and CH before the value; EE, end of the fragment and padding behind it.
    let value = &bits[8 + usize::from(set.fragments.bits) + 1..];
    let end = format!("0{:0width$b}", set.fragments.entries.len() + 1, width = set.fragments.bits.into());
    let length = value.rfind(&end).expect("an end");
    assert!(value[length + end.len()..].bytes().all(|bit| bit == b'0'), "padding");
    Ok(value[..length].to_owned())
}

/// What the fragment `name` holds whose value is `bits`; the fault and its words.
fn read(set: &str, name: &str, bits: &str) -> Result<Scalar, (Kind, String)> {
    let set = grammar(set);
    let width = set.fragments.bits.into();
    let (root, end) = (set.fragment_root(name).expect("declared"), set.fragments.entries.len() + 1);
    let stream = from_bits(&format!("10000000 {root:0width$b} 0 {bits} 0 {end:0width$b}"));
    let tape = decode_strictly(set, &stream, true).map_err(|error| {
        assert_eq!(error.path, name);
        (error.kind, error.detail)
    })?;
    let [Node::Value(_, scalar)] = tape.nodes[..] else { panic!("one value") };
    Ok(scalar)
}

fn both(set: &str, name: &str, number: i64, bits: &str) {
    assert_eq!(written(set, name, Given::Integer(number)).as_deref(), Ok(bits), "{name} {number}");
    let found = match read(set, name, bits) {
        Ok(Scalar::Integer(value)) => Ok(value),
        Ok(Scalar::Unsigned(value)) => Ok(value as i64),
        other => Err(other),
    };
    assert_eq!(found, Ok(number), "{name} {bits}");
}

fn refused(set: &str, name: &str, number: i64, expected: &str) {
    let said = format!("{name}: {number}, expected an integer from {expected}");
    assert_eq!(written(set, name, Given::Integer(number)), Err(said));
}

fn out_of_range(set: &str, name: &str, bits: &str, said: &str) {
    assert_eq!(read(set, name, bits), Err((Kind::Range, said.to_owned())), "{name} {bits}");
}

#[test]
fn a_number_of_few_values_has_as_many_bits_as_these_need() {
    both("iso2", "Multiplier", -3, "000");
    both("iso2", "Multiplier", 0, "011");
    both("iso2", "Multiplier", 3, "110");
    refused("iso2", "Multiplier", -4, "-3 to 3");
    refused("iso2", "Multiplier", 4, "-3 to 3");
    out_of_range("iso2", "Multiplier", "111", "4, expected -3 to 3");
    both("iso2", "byteValue", -128, "00000000");
    both("iso2", "byteValue", 127, "11111111");
    refused("iso2", "byteValue", -129, "-128 to 127");
    refused("iso2", "byteValue", 128, "-128 to 127");
    both("iso2", "BulkSOC", 100, "1100100");
    refused("iso2", "BulkSOC", -1, "0 to 100");
    refused("iso2", "BulkSOC", 101, "0 to 100");
    out_of_range("iso2", "BulkSOC", "1100101", "101, expected 0 to 100");
    both("iso2", "SAScheduleTupleID", 1, "00000000");
    both("iso2", "SAScheduleTupleID", 255, "11111110");
    refused("iso2", "SAScheduleTupleID", 0, "1 to 255");
    refused("iso2", "SAScheduleTupleID", 256, "1 to 255");
    both("iso20-common", "MaximumSupportingPoints", 12, "0000000000");
    both("iso20-common", "MaximumSupportingPoints", 1024, "1111110100");
    out_of_range("iso20-common", "MaximumSupportingPoints", "1111110101", "1025, expected 12 to 1024");
}

#[test]
fn a_number_of_many_values_has_a_sign_bit_and_groups_of_seven_bits() {
    both("iso2", "MeterStatus", 0, "000000000");
    both("iso2", "MeterStatus", -1, "100000000");
    both("iso2", "MeterStatus", 127, "001111111");
    both("iso2", "MeterStatus", 128, "01000000000000001");
    both("iso2", "MeterStatus", -129, "11000000000000001");
    both("iso2", "MeterStatus", 32767, "0111111111111111100000001");
    both("iso2", "MeterStatus", -32768, "1111111111111111100000001");
    refused("iso2", "MeterStatus", 32768, "-32768 to 32767");
    refused("iso2", "MeterStatus", -32769, "-32768 to 32767");
    out_of_range("iso2", "MeterStatus", "0100000001000000000000010", "32768, expected -32768 to 32767");
    out_of_range("iso2", "MeterStatus", "1100000001000000000000010", "-32769, expected -32768 to 32767");
    both("iso2", "intValue", i32::MAX.into(), "01111111111111111111111111111111100000111");
    both("iso2", "intValue", i32::MIN.into(), "11111111111111111111111111111111100000111");
    let nines = "11111111".repeat(8);
    both("iso2", "EVSETimeStamp", i64::MAX, &format!("0{nines}01111111"));
    both("iso2", "EVSETimeStamp", i64::MIN, &format!("1{nines}01111111"));
    let wide = "-9223372036854775808 to 9223372036854775807";
    let zeros = "10000000".repeat(9);
    let said = format!("9223372036854775808, expected {wide}");
    out_of_range("iso2", "EVSETimeStamp", &format!("0{zeros}00000001"), &said);
    assert_eq!(
        written("iso2", "EVSETimeStamp", Given::Unsigned(1 << 63)),
        Err(format!("EVSETimeStamp: 9223372036854775808, expected an integer from {wide}"))
    );
}

#[test]
fn a_number_that_is_never_negative_has_no_sign_bit() {
    both("iso2", "duration", 0, "00000000");
    both("iso2", "duration", 86400, "100000001010001100000101");
    refused("iso2", "duration", 86401, "0 to 86400");
    refused("iso2", "duration", -1, "0 to 86400");
    out_of_range("iso2", "duration", "100000011010001100000101", "86401, expected 0 to 86400");
    both("iso20-common", "PriceScheduleID", 1, "00000001");
    refused("iso20-common", "PriceScheduleID", 0, "1 to 4294967295");
    out_of_range("iso20-common", "PriceScheduleID", "00000000", "0, expected 1 to 4294967295");
    both("iso2", "start", 1 << 14, "100000001000000000000001");
    both("iso2", "start", (1 << 21) - 1, "111111111111111101111111");
    both("iso2", "start", 1 << 21, "10000000100000001000000000000001");
    both("iso20-common", "PriceScheduleID", i64::from(u32::MAX), "1111111111111111111111111111111100001111");
    let beyond = "1000000010000000100000001000000000010000";
    out_of_range("iso20-common", "PriceScheduleID", beyond, "4294967296, expected 1 to 4294967295");
    for (octets, most) in [(6u32, (1i64 << 42) - 1), (7, (1 << 49) - 1), (8, (1 << 56) - 1)] {
        let bits = format!("{}01111111", "11111111".repeat(octets as usize - 1));
        assert_eq!(read("iso2", "MeterReading", &bits), Ok(Scalar::Unsigned(most as u64)));
    }
    let most = format!("{}00000001", "11111111".repeat(9));
    assert_eq!(written("iso2", "MeterReading", Given::Unsigned(u64::MAX)).as_deref(), Ok(most.as_str()));
    assert_eq!(read("iso2", "MeterReading", &most), Ok(Scalar::Unsigned(u64::MAX)));
    let said = "duration: 86401, expected an integer from 0 to 86400";
    assert_eq!(written("iso2", "duration", Given::Unsigned(86401)), Err(said.to_owned()));
    assert_eq!(
        written("iso2", "duration", Given::Unsigned(86400)).as_deref(),
        Ok("100000001010001100000101")
    );
}

#[test]
fn an_integer_has_at_most_64_bits_however_many_groups_it_has() {
    let too_large = (Kind::IntegerTooLarge, "an integer of more bits than its type has".to_owned());
    let group = |count: usize, last: &str| format!("{}{last}", "10000000".repeat(count));
    assert_eq!(read("iso2", "MeterReading", &group(9, "00000001")), Ok(Scalar::Unsigned(1 << 63)));
    assert_eq!(read("iso2", "MeterReading", &group(9, "00000010")), Err(too_large.clone()));
    assert_eq!(read("iso2", "MeterReading", &group(10, "00000001")), Err(too_large.clone()));
    assert_eq!(read("iso2", "MeterReading", &group(19, "00000000")), Ok(Scalar::Unsigned(0)));
    assert_eq!(read("iso2", "MeterReading", &group(20, "00000000")), Err(too_large));
}

#[test]
fn an_integer_without_bounds_is_a_sign_and_groups_of_seven_bits() {
    let big = |negative: bool, magnitude: &[u8]| {
        written("iso2", "HMACOutputLength", Given::Big(negative, magnitude))
    };
    assert_eq!(big(false, &[]).as_deref(), Ok("000000000"));
    assert_eq!(big(false, &[0, 0]).as_deref(), Ok("000000000"));
    assert_eq!(big(false, &[0x7F]).as_deref(), Ok("001111111"));
    assert_eq!(big(false, &[0x80]).as_deref(), Ok("01000000000000001"));
    assert_eq!(big(false, &[0x12, 0x34]).as_deref(), Ok("01011010000100100"));
    assert_eq!(big(true, &[1]).as_deref(), Ok("100000000"));
    assert_eq!(big(true, &[0x80]).as_deref(), Ok("101111111"));
    assert_eq!(big(true, &[1, 0]).as_deref(), Ok("11111111100000001"));
    let twenty = written("iso2", "HMACOutputLength", Given::Big(false, &[0xFF; 20])).expect("20 octets");
    assert_eq!(twenty, format!("0{}00111111", "11111111".repeat(22)));
    assert_eq!(big(false, &[&[0; 3][..], &[0xFF; 20]].concat()), Ok(twenty), "zeros in front do not count");
    assert_eq!(big(false, &[1; 21]), Err("HMACOutputLength: an integer of 21 octets, at most 20".into()));
    let said = "HMACOutputLength: Boolean(true), expected an integer";
    assert_eq!(written("iso2", "HMACOutputLength", Given::Boolean(true)), Err(said.into()));
}

#[test]
fn the_magnitude_of_a_large_integer_is_read_in_whole() {
    let read = |bits: &str| {
        let set = grammar("iso2");
        let root = set.fragment_root("HMACOutputLength").expect("declared");
        let stream =
            from_bits(&format!("10000000 {root:08b} 0 {bits} 0 {:08b}", set.fragments.entries.len() + 1));
        let tape = decode_strictly(set, &stream, true).map_err(|error| error.kind)?;
        let (negative, octets) = match tape.nodes[..] {
            [Node::Value(_, Scalar::Negative(start, length))] => (true, tape.bytes(start, length.into())),
            [Node::Value(_, Scalar::Positive(start, length))] => (false, tape.bytes(start, length.into())),
            _ => panic!("one integer"),
        };
        let octets: Vec<u8> = octets.iter().copied().skip_while(|octet| *octet == 0).collect();
        Ok((negative, octets))
    };
    // 2 to the power of 7 times the number of the group.
    let power = |group: usize| format!("{}00000001", "10000000".repeat(group));
    for group in 0..=22 {
        let mut octets = vec![0; 7 * group / 8 + 1];
        octets[0] = 1 << (7 * group % 8);
        assert_eq!(read(&format!("0{}", power(group))), Ok((false, octets)), "group {group}");
    }
    let ones = |groups: usize, last: &str| format!("{}{last}", "11111111".repeat(groups));
    // All ones and one more, which is what the sign means, carry through the whole.
    let carried = [&[1][..], &[0; 16]].concat();
    assert_eq!(read(&format!("1{}", ones(18, "00000011"))), Ok((true, carried)));
    assert_eq!(read(&format!("0{}", ones(18, "00000011"))), Ok((false, vec![0xFF; 16])));
    assert_eq!(read(&format!("1{}", ones(17, "01111111"))), Ok((true, [&[0x40][..], &[0; 15]].concat())));
    assert_eq!(read(&format!("0{}", ones(22, "00111111"))), Ok((false, vec![0xFF; 20])));
    assert_eq!(read(&format!("0{}01000000", "10000000".repeat(22))), Err(Kind::IntegerTooLarge), "21 octets");
    let less = format!("11111110{}", ones(21, "00111111"));
    assert_eq!(read(&format!("1{less}")), Ok((true, vec![0xFF; 20])), "one more is added");
    assert_eq!(read(&format!("1{}", ones(22, "00111111"))), Err(Kind::IntegerTooLarge), "and carries");
    assert_eq!(read(&format!("0{}", ones(23, "00000000"))), Err(Kind::IntegerTooLarge), "24 groups");
    assert_eq!(
        read(&format!("0{}00000000", "10000000".repeat(22))),
        Ok((false, vec![])),
        "23 groups of zeros"
    );
}

#[test]
fn a_boolean_and_a_literal_are_what_the_schema_lists() {
    assert_eq!(written("iso2", "BulkChargingComplete", Given::Boolean(false)).as_deref(), Ok("0"));
    assert_eq!(written("iso2", "BulkChargingComplete", Given::Boolean(true)).as_deref(), Ok("1"));
    assert_eq!(read("iso2", "BulkChargingComplete", "0"), Ok(Scalar::Boolean(false)));
    assert_eq!(read("iso2", "BulkChargingComplete", "1"), Ok(Scalar::Boolean(true)));
    let said = "BulkChargingComplete: 1, expected a boolean";
    assert_eq!(written("iso2", "BulkChargingComplete", Given::Integer(1)), Err(said.into()));
    assert_eq!(written("iso2", "EVErrorCode", Given::Literal(0)).as_deref(), Ok("0000"));
    assert_eq!(written("iso2", "EVErrorCode", Given::Literal(11)).as_deref(), Ok("1011"));
    let said = "EVErrorCode: Literal(12), expected literal 0 to 11";
    assert_eq!(written("iso2", "EVErrorCode", Given::Literal(12)), Err(said.into()));
    let said = "EVErrorCode: 3, expected literal 0 to 11";
    assert_eq!(written("iso2", "EVErrorCode", Given::Integer(3)), Err(said.into()));
    assert_eq!(read("iso2", "EVErrorCode", "1011"), Ok(Scalar::Literal(11)));
    out_of_range("iso2", "EVErrorCode", "1100", "12, expected 0 to 11");
    assert_eq!(read("iso2", "ChargingSession", "1"), Ok(Scalar::Literal(1)));
}

#[test]
fn octets_and_characters_are_counted_before_they_are_written() {
    assert_eq!(written("iso2", "EVCCID", Given::Octets(&[0xA5])).as_deref(), Ok("0000000110100101"));
    assert_eq!(written("iso2", "EVCCID", Given::Octets(&[])).as_deref(), Ok("00000000"));
    assert!(written("iso2", "EVCCID", Given::Octets(&[1; 6])).is_ok());
    let said = "EVCCID: 7 octets, expected at most 6 octets";
    assert_eq!(written("iso2", "EVCCID", Given::Octets(&[1; 7])), Err(said.into()));
    assert!(written("iso2", "GenChallenge", Given::Octets(&[1; 16])).is_ok());
    let said = "GenChallenge: 17 octets, expected at most 16 octets";
    assert_eq!(written("iso2", "GenChallenge", Given::Octets(&[1; 17])), Err(said.into()));
    let said = "GenChallenge: 1 characters, expected at most 16 octets";
    assert_eq!(written("iso2", "GenChallenge", Given::Text("A")), Err(said.into()));

    assert_eq!(written("iso2", "MeterID", Given::Text("A")).as_deref(), Ok("0000001101000001"));
    assert_eq!(written("iso2", "MeterID", Given::Characters(b"A")).as_deref(), Ok("0000001101000001"));
    assert_eq!(written("iso2", "MeterID", Given::Text("")).as_deref(), Ok("00000010"));
    assert_eq!(written("iso2", "MeterID", Given::Text("\u{e9}")).as_deref(), Ok("000000111110100100000001"));
    let said = |count: usize| Err(format!("MeterID: {count} characters, expected at most 32 characters"));
    for character in ["A", "\u{e9}", "\u{20ac}", "\u{1f50c}"] {
        let (fits, over) = (character.repeat(32), character.repeat(33));
        assert!(written("iso2", "MeterID", Given::Text(&fits)).is_ok(), "32 of {character}");
        assert_eq!(written("iso2", "MeterID", Given::Text(&over)), said(33), "33 of {character}");
        assert_eq!(
            written("iso2", "MeterID", Given::Characters(over.as_bytes())),
            said(33),
            "33 of {character}"
        );
    }
    let said = "octets that are no UTF-8";
    assert_eq!(written("iso2", "MeterID", Given::Characters(&[0xC3])), Err(format!(": {said}")));
    let said = "MeterID: 2 octets, expected at most 32 characters";
    assert_eq!(written("iso2", "MeterID", Given::Octets(b"AB")), Err(said.into()));
}

#[test]
fn a_length_beyond_that_of_the_type_or_of_the_stream_is_refused_with_both_numbers() {
    let length = |said: &str| Err((Kind::Length, said.to_owned()));
    assert_eq!(read("iso2", "EVCCID", &format!("00000111{}", "0".repeat(56))), length("length 7, at most 6"));
    assert_eq!(
        read("iso2", "MeterID", &format!("00100011{}", "0".repeat(264))),
        length("length 33, at most 32")
    );
    // No limit in the schema: what is left of the stream is one.
    assert_eq!(
        read("iso2", "KeyName", "1111111100000001 01000001"),
        Err((Kind::Truncated, "length 253, but 2 bytes are left".into()))
    );
    let cut = read("iso2", "MeterID", "00001000 01000001");
    assert_eq!(cut, Err((Kind::Truncated, "length 6, but 2 bytes are left".into())));
    let hit = |which: &str| {
        Err((Kind::StringTable, format!("a hit in the {which} value table, which is empty in V2G")))
    };
    assert_eq!(read("iso2", "MeterID", "00000000"), hit("local"));
    assert_eq!(read("iso2", "MeterID", "00000001"), hit("global"));
    let said = "U+D800 is not a character".to_owned();
    assert_eq!(read("iso2", "MeterID", "00000011 100000001011000000000011"), Err((Kind::Character, said)));
}
