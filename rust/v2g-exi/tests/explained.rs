//! Explanations, row by row, of streams written out by hand.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use support::{from_bits, grammar};
use v2g_exi::decode::Options;
use v2g_exi::trace::{explain, Row};

/// The explanation of a stream: bit, width, event, code and alternatives, path, representation and value.
fn explained(set: &str, fragment: bool, bits: &str) -> Vec<String> {
    let (rows, outcome) = explain(grammar(set), &from_bits(bits), Options::default(), fragment);
    let mut lines: Vec<String> = rows.iter().map(|row| line(set, row)).collect();
    lines.extend(outcome.err().map(|error| format!("{} {}: {}", error.bit, error.path, error.detail)));
    lines
}

fn line(set: &str, row: &Row) -> String {
    let code = row.code.map_or(String::new(), |(code, of)| format!(" {code}/{of}"));
    let datatype = row.datatype.map(|number| grammar(set).datatypes[number as usize].kind);
    let datatype = datatype.map_or(String::new(), |kind| format!(" as {kind:?}"));
    let value = if row.value.is_empty() { String::new() } else { format!(" = {}", row.value) };
    format!("{}+{} {}{code} [{}]{datatype}{value}", row.from, row.width, row.event, row.path)
}

#[test]
fn a_document_is_explained_from_the_header_to_the_padding() {
    // supportedAppProtocolRes with the second of three literals and SchemaID 7.
    assert_eq!(
        explained("sap", false, "10000000 01  0 0 01 0  00 0 00000111 0  0"),
        [
            "0+8 header []",
            "8+2 SE(supportedAppProtocolRes) 1/3 []",
            "10+1 SE(ResponseCode) 0/2 [supportedAppProtocolRes]",
            "11+1 CH 0/2 [supportedAppProtocolRes/ResponseCode]",
            "12+2 value [supportedAppProtocolRes/ResponseCode] as Enumeration = 1",
            "14+1 EE 0/2 [supportedAppProtocolRes/ResponseCode]",
            "15+2 SE(SchemaID) 0/3 [supportedAppProtocolRes]",
            "17+1 CH 0/2 [supportedAppProtocolRes/SchemaID]",
            "18+8 value [supportedAppProtocolRes/SchemaID] as NBit = 7",
            "26+1 EE 0/2 [supportedAppProtocolRes/SchemaID]",
            "27+1 EE 0/2 [supportedAppProtocolRes]",
            "28+4 padding []",
        ]
    );
}

#[test]
fn a_fragment_is_explained_with_text_and_integers_of_both_signs() {
    // MeterInfo: an e with an acute accent, 300, status -2.
    let stream = "10000000 01110110  0 0 00000011 11101001 00000001 0  000 0 10101100 00000010 0  001 0 100000001 0  01 \
                  11110100";
    assert_eq!(
        explained("iso2", true, stream),
        [
            "0+8 header []",
            "8+8 SE(MeterInfo) 118/245 []",
            "16+1 SE(MeterID) 0/2 [MeterInfo]",
            "17+1 CH 0/2 [MeterInfo/MeterID]",
            "18+24 value [MeterInfo/MeterID] as String = \u{e9}",
            "42+1 EE 0/2 [MeterInfo/MeterID]",
            "43+3 SE(MeterReading) 0/6 [MeterInfo]",
            "46+1 CH 0/2 [MeterInfo/MeterReading]",
            "47+16 value [MeterInfo/MeterReading] as Unsigned = 300",
            "63+1 EE 0/2 [MeterInfo/MeterReading]",
            "64+3 SE(MeterStatus) 1/5 [MeterInfo]",
            "67+1 CH 0/2 [MeterInfo/MeterStatus]",
            "68+9 value [MeterInfo/MeterStatus] as Integer = -2",
            "77+1 EE 0/2 [MeterInfo/MeterStatus]",
            "78+2 EE 1/3 [MeterInfo]",
            "80+8 ED 244/245 []",
        ]
    );
}

#[test]
fn attributes_and_booleans_are_explained() {
    // Parameter with Name="x" and boolValue true.
    assert_eq!(
        explained("iso2", true, "10000000 10001010  0 00000011 01111000  000 0 1 0  0 11110100"),
        [
            "0+8 header []",
            "8+8 SE(Parameter) 138/245 []",
            "16+1 AT(Name) 0/2 [Parameter]",
            "17+16 value [Parameter] as String = x",
            "33+3 SE(boolValue) 0/7 [Parameter]",
            "36+1 CH 0/2 [Parameter/boolValue]",
            "37+1 value [Parameter/boolValue] as Boolean = true",
            "38+1 EE 0/2 [Parameter/boolValue]",
            "39+1 EE 0/2 [Parameter]",
            "40+8 ED 244/245 []",
        ]
    );
}

#[test]
fn a_number_is_explained_as_it_is_and_not_as_it_is_written() {
    // A PhysicalValue of -3, the second unit and 127.
    assert_eq!(
        explained("iso2", true, "10000000 00111001  0 0 000 0  0 0 001 0  0 0 0 01111111 0  0 11110100")[4..],
        [
            "18+3 value [EVMaxCurrent/Multiplier] as NBit = -3",
            "21+1 EE 0/2 [EVMaxCurrent/Multiplier]",
            "22+1 SE(Unit) 0/2 [EVMaxCurrent]",
            "23+1 CH 0/2 [EVMaxCurrent/Unit]",
            "24+3 value [EVMaxCurrent/Unit] as Enumeration = 1",
            "27+1 EE 0/2 [EVMaxCurrent/Unit]",
            "28+1 SE(Value) 0/2 [EVMaxCurrent]",
            "29+1 CH 0/2 [EVMaxCurrent/Value]",
            "30+9 value [EVMaxCurrent/Value] as Integer = 127",
            "39+1 EE 0/2 [EVMaxCurrent/Value]",
            "40+1 EE 0/2 [EVMaxCurrent]",
            "41+8 ED 244/245 []",
            "49+7 padding []",
        ]
    );
}

#[test]
fn content_text_and_large_integers_are_explained() {
    // SignatureValue with Id="i" and two octets.
    assert_eq!(
        explained(
            "xmldsig",
            true,
            "10000000 011111  00 00000011 01101001  0 00000010 10101011 00000001  0 101110"
        )[2..],
        [
            "14+2 AT(Id) 0/3 [SignatureValue]",
            "16+16 value [SignatureValue] as String = i",
            "32+1 CH 0/2 [SignatureValue]",
            "33+24 value [SignatureValue] as Binary = ab01",
            "57+1 EE 0/2 [SignatureValue]",
            "58+6 ED 46/47 []",
        ]
    );
    // SignatureMethod with Algorithm="a", a text and HMACOutputLength -256.
    let stream =
        "10000000 011100  0 00000011 01100001  011 00000011 01110100  000 0 1 11111111 00000001 0  01 101110";
    assert_eq!(
        explained("xmldsig", true, stream)[4..],
        [
            "31+3 CH 3/5 [SignatureMethod]",
            "34+16 value [SignatureMethod] = t",
            "50+3 SE(HMACOutputLength) 0/5 [SignatureMethod]",
            "53+1 CH 0/2 [SignatureMethod/HMACOutputLength]",
            "54+17 value [SignatureMethod/HMACOutputLength] as Big = -0x000000000000000000000000000000000000000000000100",
            "71+1 EE 0/2 [SignatureMethod/HMACOutputLength]",
            "72+2 EE 1/4 [SignatureMethod]",
            "74+6 ED 46/47 []",
        ]
    );
}

#[test]
fn an_end_without_content_is_explained_in_its_two_codes() {
    // X509IssuerSerial with an empty name and 5.
    let rows = explained("xmldsig", true, "10000000 100111  0 1 000  0 0 0 00000101 0  0 101110");
    assert_eq!(rows[2], "14+1 SE(X509IssuerName) 0/2 [X509IssuerSerial]");
    assert_eq!(rows[3], "15+1 escape 1/2 [X509IssuerSerial/X509IssuerName]");
    assert!(rows[4].starts_with("16+3 second level: an end 0/0 [X509IssuerSerial"), "{}", rows[4]);
    assert_eq!(rows[5], "19+1 SE(X509SerialNumber) 0/2 [X509IssuerSerial]");
    assert_eq!(rows[8], "30+1 EE 0/2 [X509IssuerSerial/X509SerialNumber]");
    // An empty SignatureValue.
    assert_eq!(
        explained("xmldsig", true, "10000000 011111  10 000  101110")[2..],
        [
            "14+2 escape 2/3 [SignatureValue]",
            "16+3 second level: an end 0/0 [SignatureValue]",
            "19+6 ED 46/47 []",
            "25+7 padding []",
        ]
    );
}

#[test]
fn an_element_where_any_may_stand_is_explained_by_its_name() {
    // Object with MgmtData "abc", and with an empty DigestMethod whose Algorithm is "x".
    let name = |local: &str| format!("16+18 name [Object] = {{http://www.w3.org/2000/09/xmldsig#}}{local}");
    let rows = explained(
        "xmldsig",
        false,
        "10000000 01001 011 101 00000000 0010101  0 00000101 01100001 01100010 01100011 0  01",
    );
    assert_eq!(rows[2..4], ["13+3 SE(*) 3/7 [Object]".to_owned(), name("MgmtData")]);
    assert_eq!(
        rows[4..],
        [
            "34+1 CH 0/2 [Object]",
            "35+32 value [Object] as String = abc",
            "67+1 EE 0/2 [Object]",
            "68+2 EE 1/4 [Object]",
            "70+2 padding []",
        ]
    );
    let rows =
        explained("xmldsig", false, "10000000 01001 011 101 00000000 0000101  0 00000011 01111000 01  01");
    assert_eq!(rows[3], name("DigestMethod"));
    assert_eq!(
        rows[4..],
        [
            "34+1 AT(Algorithm) 0/2 [Object/DigestMethod]",
            "35+16 value [Object/DigestMethod] as String = x",
            "51+2 EE 1/4 [Object/DigestMethod]",
            "53+2 EE 1/4 [Object]",
            "55+1 padding []",
        ]
    );
}

#[test]
fn the_grammar_of_the_ambiguous_fragment_is_explained() {
    // eMAID with Id="a" and "B", and one without an Id that is empty.
    let rows = explained(
        "iso2",
        true,
        "10000000 11101100  000000100 00000011 01100001  100000000 00000011 01000010  11110100 11110100",
    );
    assert_eq!(rows[2], "16+9 AT(Id) 4/0 [eMAID]");
    assert_eq!(
        rows[3..],
        [
            "25+16 value [eMAID] as String = a",
            "41+9 CH 256/0 [eMAID]",
            "50+16 value [eMAID] as String = B",
            "66+8 EE 244/0 [eMAID]",
            "74+8 ED 244/245 []",
            "82+6 padding []",
        ]
    );
    assert_eq!(
        explained("iso2", true, "10000000 11101100  011111111  11110100")[2..],
        ["16+9 EE 255/0 [eMAID]", "25+8 ED 244/245 []", "33+7 padding []"]
    );
}

#[test]
fn an_explanation_ends_at_the_fault_with_its_words() {
    let last = |set: &str, fragment: bool, bits: &str| explained(set, fragment, bits).pop().expect("a fault");
    assert_eq!(
        last("sap", false, "00100100 01"),
        "0 : first byte 24, expected 80: the start of the cookie $EXI, which V2G does not have"
    );
    assert_eq!(explained("sap", false, "10000000")[1..], ["8 : the stream ends inside the message"]);
    let rows = explained("sap", false, "10000000 01  0 0 11 0  00 0 00000111 0  0");
    assert_eq!(rows[4], "12+2 value [supportedAppProtocolRes/ResponseCode] as Enumeration = 3");
    assert_eq!(
        rows[5..],
        [
            "14+18 unread [supportedAppProtocolRes/ResponseCode]",
            "14 supportedAppProtocolRes/ResponseCode: 3, expected 0 to 2"
        ]
    );
    // supportedAppProtocolRes with a code beyond its alternatives: 0 SchemaID, 1 the end, 2 leads to the
    // second level.
    let code = |code: &str| last("sap", false, &format!("10000000 01  0 0 01 0  {code}"));
    assert_eq!(code("11 000000"), "17 supportedAppProtocolRes: code 3, expected 0 to 2");
    let what = |what: &str| {
        format!("18 supportedAppProtocolRes: supportedAppProtocolRes: {what} that the schema does not declare here")
    };
    assert_eq!(code("10 0 00000"), what("an element"));
    assert_eq!(code("10 1 00000"), what("a value that is not of its type"));
}

#[test]
fn what_the_second_level_offers_depends_on_the_place() {
    // Behind the start tag of supportedAppProtocolRes: an end, a type, nil, attributes, an element, a value.
    let first = |code: &str| {
        let rows = explained("sap", false, &format!("10000000 01  1 {code} 00000000 00000000"));
        rows[2..].iter().map(|row| row.split_once(' ').expect("two words").1.to_owned()).collect::<Vec<_>>()
    };
    let fault = |what: &str| {
        format!(
            "supportedAppProtocolRes: supportedAppProtocolRes: {what} that the schema does not declare here"
        )
    };
    let names = [
        "an end",
        "xsi:type",
        "xsi:nil",
        "an attribute",
        "an attribute with an untyped value",
        "an element",
        "a value that is not of its type",
        "no production",
    ];
    for (code, name) in names.into_iter().enumerate().filter(|(code, _)| *code != 1) {
        let rows = first(&format!("{code:03b}"));
        assert_eq!(rows[0], "escape 1/2 [supportedAppProtocolRes]");
        assert_eq!(rows[1], format!("second level: {name} {code}/0 [supportedAppProtocolRes]"));
        assert!(rows[2].starts_with("unread"), "{rows:?}");
        assert_eq!(rows[3], fault(name));
    }
}

#[test]
fn a_value_that_the_stream_does_not_hold_is_a_fault_to_the_end_of_the_stream() {
    // supportedAppProtocolRes, cut in its value of 8 bits.
    let events = |bits: &str| {
        let (rows, outcome) = explain(grammar("sap"), &from_bits(bits), Options::default(), false);
        assert_eq!(outcome.expect_err("cut").detail, "the stream ends inside the message");
        rows.last().map(|row| (row.from, row.event.clone()))
    };
    assert_eq!(events("10000000 01  0 0 01 0  00 0 000001"), Some((18, "fault".into())));
    // MeterInfo in the length and in the characters of MeterID.
    let events = |bits: &str| {
        let (rows, outcome) = explain(grammar("iso2"), &from_bits(bits), Options::default(), true);
        assert_eq!(outcome.expect_err("cut").kind.as_str(), "truncated");
        let said = rows[rows.len() - 2..].iter().map(|row| (row.from, row.width, row.event.clone()));
        said.collect::<Vec<_>>()
    };
    let rows = |rows: [(u64, u64, &str); 2]| rows.map(|(from, width, event)| (from, width, event.to_owned()));
    assert_eq!(events("10000000 01110110  0 0 100000"), rows([(17, 1, "CH"), (18, 6, "fault")]));
    // The length is read, the characters are not.
    let cut = "10000000 01110110  0 0 00000100 010000";
    assert_eq!(events(cut), rows([(18, 8, "fault"), (26, 6, "unread")]));
    let (_, outcome) = explain(grammar("iso2"), &from_bits(cut), Options::default(), true);
    assert_eq!(outcome.expect_err("cut").path, "MeterInfo/MeterID");
}

#[test]
fn what_lies_behind_the_end_is_explained_too() {
    let read = "10000000 01  0 0 01 0  00 0 00000111 0  0 0000";
    let rows = explained("sap", false, &format!("{read} 00000000 00000000"));
    assert_eq!(rows[rows.len() - 2..], ["28+4 padding []", "32+16 zero octets []"]);
    let rows = explained("sap", false, &format!("{read} 00000000 00000001"));
    assert_eq!(rows[rows.len() - 3..rows.len() - 1], ["28+4 padding []", "32+16 unread []"]);
    assert_eq!(rows[rows.len() - 1], "32 : 2 bytes behind the end of the message");
}
