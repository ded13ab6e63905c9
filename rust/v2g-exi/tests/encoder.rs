//! The encoder step by step: elements whole and field by field, what it refuses, and in which element.
#![allow(missing_docs, clippy::doc_markdown)] // names of the schema

mod support;

use support::{decode_strictly, grammar, hex};
use v2g_exi::decode::FullLists;
use v2g_exi::encode::{Encoder, Style};
use v2g_exi::error::EncodeError;
use v2g_exi::grammar::{Grammar, Kind, Production};
use v2g_exi::value::{Given, NO_NAME};

const SPECIFIED: Style = Style { full_lists: FullLists::Specified, empty_values: false };

/// An encoder that finds its way by the names of elements and attributes; `#` is text or content.
struct Steps {
    set: &'static Grammar,
    encoder: Encoder<'static>,
}

type Outcome = Result<(), Box<EncodeError>>;

impl Steps {
    fn fragment(set: &str, root: &str) -> Self {
        Self::styled(set, root, SPECIFIED)
    }

    fn styled(set: &str, root: &str, style: Style) -> Self {
        let set = grammar(set);
        let mut encoder = Encoder::new(set, Vec::new(), style);
        encoder.root(set.fragment_root(root).expect("declared"), true).expect("a root");
        Self { set, encoder }
    }

    /// A message of ISO 15118-2 up to its body.
    fn message() -> Self {
        let set = grammar("iso2");
        let mut encoder = Encoder::new(set, Vec::new(), SPECIFIED);
        let root = set.global_element("urn:iso:15118:2:2013:MsgDef", "V2G_Message").expect("declared").0;
        encoder.root(root, false).expect("a root");
        let mut steps = Self { set, encoder };
        steps.open("Header").expect("Header");
        steps.value("SessionID", Given::Octets(&[7; 8])).expect("SessionID");
        steps.encoder.close().expect("the end");
        steps.open("Body").expect("Body");
        steps
    }

    fn find(&self, name: &str) -> (u16, &'static Production) {
        let fits = |p: &Production| match name {
            "#" => matches!(p.kind, Kind::Text | Kind::Content),
            _ => p.name != NO_NAME && self.set.local_name(p.name) == name,
        };
        let found = (0..50).find_map(|slot| self.encoder.find(slot, fits).ok());
        found.unwrap_or_else(|| panic!("no {name} here"))
    }

    fn open(&mut self, name: &str) -> Outcome {
        let (code, production) = self.find(name);
        self.encoder.open(code, production)
    }

    fn value(&mut self, name: &str, given: Given<'_>) -> Outcome {
        let (code, production) = self.find(name);
        self.encoder.value(code, production, given)
    }

    fn with(mut self, name: &str, given: Given<'_>) -> Self {
        self.value(name, given).unwrap_or_else(|error| panic!("{name}: {error}"));
        self
    }

    fn inside(mut self, name: &str) -> Self {
        self.open(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        self
    }

    fn end(mut self) -> Self {
        self.encoder.close().expect("the end");
        self
    }

    fn stream(mut self) -> Vec<u8> {
        self.encoder.finish().expect("the end")
    }
}

fn said(outcome: Outcome) -> (String, String) {
    let error = outcome.expect_err("a fault");
    (error.path, error.detail)
}

fn pair(path: &str, detail: &str) -> (String, String) {
    (path.to_owned(), detail.to_owned())
}

// --- elements that are written whole ---

/// A CurrentDemandReq up to and with its status and current, these whole or field by field.
fn demand(
    ready: bool,
    code: u16,
    soc: i64,
    current: (i64, u16, i64),
    whole: bool,
) -> Result<Vec<u8>, (String, String)> {
    let mut steps = Steps::message().inside("CurrentDemandReq");
    let (multiplier, unit, value) = current;
    if whole {
        let (at, production) = steps.find("DC_EVStatus");
        steps
            .encoder
            .record(at, production, [ready.into(), code.into(), soc as i32])
            .map_err(|e| said(Err(e)))?;
        let (at, production) = steps.find("EVTargetCurrent");
        let values = [multiplier as i32, unit.into(), value as i32];
        steps.encoder.record(at, production, values).map_err(|e| said(Err(e)))?;
    } else {
        let fields = |steps: &mut Steps| {
            steps.open("DC_EVStatus")?;
            steps.value("EVReady", Given::Boolean(ready))?;
            steps.value("EVErrorCode", Given::Literal(code))?;
            steps.value("EVRESSSOC", Given::Integer(soc))?;
            steps.encoder.close()?;
            steps.open("EVTargetCurrent")?;
            steps.value("Multiplier", Given::Integer(multiplier))?;
            steps.value("Unit", Given::Literal(unit))?;
            steps.value("Value", Given::Integer(value))?;
            steps.encoder.close()
        };
        fields(&mut steps).map_err(|e| said(Err(e)))?;
    }
    let steps = steps.with("ChargingComplete", Given::Boolean(true)).inside("EVTargetVoltage");
    let steps = steps
        .with("Multiplier", Given::Integer(0))
        .with("Unit", Given::Literal(4))
        .with("Value", Given::Integer(400));
    Ok(steps.end().end().end().end().stream())
}

#[test]
fn an_element_written_whole_is_the_element_written_field_by_field() {
    for (ready, code, soc, current) in [
        (true, 0, 0, (0, 3, 0)),
        (false, 11, 100, (-3, 0, -1)),
        (true, 5, 42, (3, 6, 32767)),
        (true, 1, 1, (-1, 1, -32768)),
        (false, 2, 2, (1, 2, 127)),
        (false, 2, 2, (1, 2, 128)),
        (false, 2, 2, (1, 2, -128)),
        (false, 2, 2, (1, 2, -129)),
        (false, 2, 2, (2, 2, 16383)),
        (false, 2, 2, (2, 2, 16384)),
        (false, 2, 2, (2, 2, -16384)),
        (false, 2, 2, (2, 2, -16385)),
    ] {
        let whole = demand(ready, code, soc, current, true).expect("in range");
        assert_eq!(Ok(&whole), demand(ready, code, soc, current, false).as_ref(), "{code} {current:?}");
        assert!(decode_strictly(grammar("iso2"), &whole, false).is_ok(), "{code} {current:?}");
    }
}

#[test]
fn a_field_out_of_range_is_refused_by_its_name_in_either_way() {
    let status = "V2G_Message/Body/CurrentDemandReq/DC_EVStatus";
    let current = "V2G_Message/Body/CurrentDemandReq/EVTargetCurrent";
    for whole in [true, false] {
        let refused = |code: u16, soc: i64, current: (i64, u16, i64)| {
            demand(true, code, soc, current, whole).expect_err("out of range")
        };
        let good = (0, 3, 10);
        for code in [12, 13, 15, 0x8000] {
            let said = format!("Literal({code}), expected literal 0 to 11");
            assert_eq!(refused(code, 0, good), pair(&format!("{status}/EVErrorCode"), &said));
        }
        for soc in [101, 102, 127, 128, -1, -2, -128] {
            let said = format!("{soc}, expected an integer from 0 to 100");
            assert_eq!(refused(0, soc, good), pair(&format!("{status}/EVRESSSOC"), &said));
        }
        for multiplier in [4, 5, 12, -4, -5, -8] {
            let said = format!("{multiplier}, expected an integer from -3 to 3");
            assert_eq!(refused(0, 0, (multiplier, 3, 0)), pair(&format!("{current}/Multiplier"), &said));
        }
        for unit in [7, 8, 0x100] {
            let said = format!("Literal({unit}), expected literal 0 to 6");
            assert_eq!(refused(0, 0, (0, unit, 0)), pair(&format!("{current}/Unit"), &said));
        }
        for value in [32768, 32769, 65536, 1 << 21, i32::MAX.into(), -32769, -32770, -65536, i32::MIN.into()]
        {
            let said = format!("{value}, expected an integer from -32768 to 32767");
            assert_eq!(refused(0, 0, (0, 3, value)), pair(&format!("{current}/Value"), &said));
        }
    }
}

#[test]
fn a_response_code_beyond_the_list_is_refused_where_it_is_the_only_field() {
    for (name, slot) in [("SessionStopRes", 0), ("ServicePaymentSelectionRes", 0)] {
        for code in [23, 24, 25, 31, 32, 0x7FFF] {
            let mut steps = Steps::fragment("din", "Body");
            let set = steps.set;
            let found = steps.encoder.find(slot, |p| set.local_name(p.name) == name);
            let (at, production) = found.expect("declared");
            let said_of = format!("Literal({code}), expected literal 0 to 22");
            assert_eq!(
                said(steps.encoder.record(at, production, [code; 3])),
                pair(&format!("Body/{name}/ResponseCode"), &said_of)
            );
        }
    }
}

#[test]
fn a_service_id_written_whole_has_neither_sign_nor_more_than_16_bits() {
    let written = |id: i32| {
        let mut steps = Steps::message();
        let (code, production) = steps.find("ServiceDetailReq");
        let outcome = steps.encoder.record(code, production, [0, 0, id]);
        outcome.map_err(|error| said(Err(error)))?;
        Ok(steps.end().end().stream())
    };
    let by_field = |id: i64| {
        let steps = Steps::message().inside("ServiceDetailReq").with("ServiceID", Given::Integer(id));
        steps.end().end().end().stream()
    };
    for id in [0, 1, 127, 128, 16383, 16384, 65535] {
        assert_eq!(written(id as i32), Ok(by_field(id)), "{id}");
    }
    let path = "V2G_Message/Body/ServiceDetailReq/ServiceID";
    for id in [65536, 65537, -1, -2, i32::MAX, i32::MIN] {
        assert_eq!(written(id), Err(pair(path, &format!("{id}, expected an integer from 0 to 65535"))));
    }
}

#[test]
fn a_rational_number_written_whole_is_its_exponent_and_value() {
    let steps = || {
        let mut steps = Steps::fragment("iso20-dc", "DC_CPDReqEnergyTransferMode");
        steps.set = grammar("iso20-dc");
        steps
    };
    for (exponent, value) in [(0, 0), (-128, -32768), (127, 32767), (1, -1), (-3, 8191), (5, 128)] {
        let mut whole = steps();
        let (code, production) = whole.find("EVMaximumChargePower");
        whole.encoder.record(code, production, [0, exponent, value]).expect("in range");
        let mut fields = steps().inside("EVMaximumChargePower");
        fields = fields
            .with("Exponent", Given::Integer(exponent.into()))
            .with("Value", Given::Integer(value.into()))
            .end();
        for steps in [&mut whole, &mut fields] {
            let (code, production) = steps.find("EVMinimumChargePower");
            steps.encoder.record(code, production, [0, 0, 0]).expect("in range");
        }
        assert_eq!(whole.encoder.path(), fields.encoder.path());
        let ends = [whole, fields].map(|mut steps| {
            for name in
                ["EVMaximumChargeCurrent", "EVMinimumChargeCurrent", "EVMaximumVoltage", "EVMinimumVoltage"]
            {
                let (code, production) = steps.find(name);
                steps.encoder.record(code, production, [0, 0, 1]).expect("in range");
            }
            hex(&steps.end().stream())
        });
        assert_eq!(ends[0], ends[1], "{exponent} {value}");
    }
    let mut whole = steps();
    let (code, production) = whole.find("EVMaximumChargePower");
    let path = "DC_CPDReqEnergyTransferMode/EVMaximumChargePower";
    assert_eq!(
        said(whole.encoder.record(code, production, [0, 128, 0])),
        pair(&format!("{path}/Exponent"), "128, expected an integer from -128 to 127")
    );
}

#[test]
fn what_is_no_record_is_not_written_as_one() {
    let mut steps = Steps::message();
    let (code, production) = steps.find("CurrentDemandReq");
    assert_eq!(
        said(steps.encoder.record(code, production, [0; 3])),
        pair("V2G_Message/Body/CurrentDemandReq", "is not a record")
    );
}

// --- what is refused, and where ---

#[test]
fn the_path_names_the_open_elements() {
    let mut steps = Steps::message();
    assert_eq!(steps.encoder.path(), "V2G_Message/Body");
    steps = steps.inside("CurrentDemandReq");
    assert_eq!(steps.encoder.path(), "V2G_Message/Body/CurrentDemandReq");
    let fresh = Encoder::new(grammar("iso2"), Vec::new(), SPECIFIED);
    assert_eq!(fresh.path(), "");
}

#[test]
fn what_is_misplaced_is_told_what_may_stand_there() {
    let steps = Steps::message().inside("PowerDeliveryRes");
    let error = steps.encoder.find(9, |_| true).expect_err("no such field");
    assert_eq!(error.path, "V2G_Message/Body/PowerDeliveryRes");
    assert_eq!(error.detail, "field 9 cannot be written here, expected ResponseCode");
    let error = steps.encoder.find(0, |_| false).expect_err("not wanted");
    assert_eq!(error.detail, "field 0 cannot be written here, expected ResponseCode");
    let mut steps = Steps::fragment("iso2", "SignatureValue").with("Id", Given::Text("a"));
    let error = steps.encoder.close().expect_err("no content yet");
    assert_eq!(
        (error.path.as_str(), error.detail.as_str()),
        ("SignatureValue", "incomplete, expected the value")
    );
    let steps = Steps::fragment("iso2", "Object").with("Id", Given::Text("a"));
    let error = steps.encoder.find(9, |_| true).expect_err("no such field");
    assert_eq!(error.detail, "field 9 cannot be written here, expected MimeType, any element, the end, text");
    let mut steps = Steps::fragment("sap", "AppProtocol").with("ProtocolNamespace", Given::Text("a"));
    let error = steps.encoder.finish().expect_err("open");
    assert_eq!((error.path.as_str(), error.detail.as_str()), ("AppProtocol", "not all elements were ended"));
    let fresh = Encoder::new(grammar("sap"), Vec::new(), SPECIFIED);
    assert_eq!(fresh.find(0, |_| true).expect_err("nothing open").detail, "no element is open");
}

#[test]
fn what_is_no_alternative_of_the_present_state_is_told_what_may_stand_there() {
    let set = grammar("iso2");
    let root = set.fragment_root("PowerDeliveryRes").expect("declared");
    let start = set.types[set.fragments.entries[root as usize].target as usize].start;
    let state = set.states[start as usize];
    let first = state.first;
    for index in [first - 1, first + u16::from(state.count), first + u16::from(state.count) + 1, 0x7FFF] {
        let mut encoder = Encoder::new(set, Vec::new(), SPECIFIED);
        encoder.root(root, true).expect("a root");
        let expected = "field 0 cannot be written here, expected ResponseCode";
        let path = "PowerDeliveryRes";
        assert_eq!(said(encoder.open_at(index)), pair(path, expected), "{index}");
        assert_eq!(said(encoder.value_at(index, Given::Literal(0))), pair(path, expected), "{index}");
        assert_eq!(said(encoder.record_at(index, [0; 3])), pair(path, expected), "{index}");
        assert_eq!(said(encoder.open_at(0x8000)), pair(path, expected), "nothing of any name");
        assert!(encoder.value_at(first, Given::Literal(0)).is_ok());
    }
}

#[test]
fn values_and_elements_are_not_confused() {
    let mut steps = Steps::message();
    assert_eq!(
        said(steps.value("CurrentDemandReq", Given::Integer(1))),
        pair("V2G_Message/Body/CurrentDemandReq", "a message object expected, not a value")
    );
    let mut steps = Steps::message().inside("PowerDeliveryRes");
    assert_eq!(
        said(steps.open("ResponseCode")),
        pair("V2G_Message/Body/PowerDeliveryRes/ResponseCode", "is abstract and cannot be written")
    );
    let mut steps = steps.with("ResponseCode", Given::Literal(0));
    assert_eq!(
        said(steps.open("EVSEStatus")),
        pair("V2G_Message/Body/PowerDeliveryRes/EVSEStatus", "is abstract and cannot be written")
    );
    let mut steps = Steps::fragment("iso2", "Transform").with("Algorithm", Given::Text("a"));
    assert_eq!(
        said(steps.value("#", Given::Integer(1))),
        pair("Transform", "text expected between the elements")
    );
}

#[test]
fn nesting_ends_at_sixteen_levels() {
    // Object in Object: the schema sets no limit.
    let set = grammar("xmldsig");
    let object = set.global_element("http://www.w3.org/2000/09/xmldsig#", "Object").expect("declared").0;
    let mut encoder = Encoder::new(set, Vec::new(), SPECIFIED);
    encoder.root(object, false).expect("a root");
    for _ in 1..16 {
        encoder.wild(3, object).expect("below the limit");
    }
    let error = encoder.wild(3, object).expect_err("the seventeenth");
    assert_eq!(error.detail, "more than 16 levels");
    assert_eq!(error.path, ["Object"; 17].join("/"));
    let mut encoder = Encoder::new(set, Vec::new(), SPECIFIED);
    encoder.root(object, false).expect("a root");
    let error = encoder.wild(3, 24).expect_err("there are 24");
    assert_eq!((error.path.as_str(), error.detail.as_str()), ("Object", "no such global element"));
    let error = encoder.wild(0, object).expect_err("no such slot");
    assert_eq!(
        error.detail,
        "field 0 cannot be written here, expected Encoding, Id, MimeType, any element, the end, text"
    );
}

// --- simple elements and content ---

/// The value of `name` in a MeterInfo, as bits from its event code to its end.
fn metered(name: &str, given: Given<'_>, style: Style) -> Result<String, (String, String)> {
    let mut steps = Steps::styled("iso2", "MeterInfo", style);
    steps.value("MeterID", Given::Text("A")).expect("MeterID");
    // Header, code of the root, and SE, CH, length, character and EE of MeterID.
    let before = 8 + 8 + 1 + 1 + 8 + 8 + 1;
    steps.value(name, given).map_err(|error| said(Err(error)))?;
    let stream = steps.end().stream();
    let tape = decode_strictly(grammar("iso2"), &stream, true).expect("valid");
    let again = tape.encode(grammar("iso2"), style, Vec::new()).expect("what was read can be written");
    assert_eq!(hex(&again), hex(&stream), "{name} {given:?}");
    let bits = stream.iter().map(|octet| format!("{octet:08b}")).collect::<Vec<_>>().concat();
    Ok(bits[before..].to_owned())
}

#[test]
fn a_simple_element_is_its_code_a_zero_the_value_and_a_zero() {
    let full = |name: &str, given| metered(name, given, SPECIFIED);
    let starts = |found: Result<String, (String, String)>, bits: &str| {
        let bits: String = bits.chars().filter(|c| *c != ' ').collect();
        let found = found.expect("in range");
        assert!(found.starts_with(&bits), "{found}, expected {bits}");
    };
    // The alternatives: MeterReading, SigMeterReading, MeterStatus, TMeter, the end. Last come the end of
    // MeterInfo and that of the fragment, 244.
    let reading = Given::Unsigned;
    starts(full("MeterReading", reading(0)), "000 0 00000000 0 011 11110100");
    starts(full("MeterReading", Given::Integer(0)), "000 0 00000000 0 011 11110100");
    starts(full("MeterReading", reading(127)), "000 0 01111111 0 011 11110100");
    starts(full("MeterReading", reading(128)), "000 0 10000000 00000001 0 011 11110100");
    starts(full("MeterReading", reading(16383)), "000 0 11111111 01111111 0 011 11110100");
    starts(full("MeterReading", reading(16384)), "000 0 10000000 10000000 00000001 0 011 11110100");
    starts(full("MeterReading", reading((1 << 21) - 1)), "000 0 11111111 11111111 01111111 0 011 11110100");
    starts(
        full("MeterReading", reading(1 << 21)),
        "000 0 10000000 10000000 10000000 00000001 0 011 11110100",
    );
    starts(
        full("MeterReading", Given::Integer(1 << 21)),
        "000 0 10000000 10000000 10000000 00000001 0 011 11110100",
    );
    starts(full("TMeter", Given::Integer(5)), "011 0 0 00000101 0 0 11110100");
    starts(full("TMeter", Given::Integer(-6)), "011 0 1 00000101 0 0 11110100");
    starts(full("TMeter", Given::Integer(-128)), "011 0 1 01111111 0 0 11110100");
    starts(full("TMeter", Given::Integer(-129)), "011 0 1 10000000 00000001 0 0 11110100");
    starts(full("TMeter", Given::Integer((1 << 21) - 1)), "011 0 0 11111111 11111111 01111111 0 0 11110100");
    starts(
        full("TMeter", Given::Integer(1 << 21)),
        "011 0 0 10000000 10000000 10000000 00000001 0 0 11110100",
    );
    starts(full("TMeter", Given::Integer(-1 << 21)), "011 0 1 11111111 11111111 01111111 0 0 11110100");
    starts(
        full("TMeter", Given::Integer((-1 << 21) - 1)),
        "011 0 1 10000000 10000000 10000000 00000001 0 0 11110100",
    );
    starts(full("SigMeterReading", Given::Octets(&[0xA5])), "001 0 00000001 10100101 0 10 11110100");
    // An empty value: the end behind the escape, or a length of 0.
    starts(full("SigMeterReading", Given::Octets(&[])), "001 1 000 10 11110100");
    let empty = Style { empty_values: true, ..SPECIFIED };
    starts(metered("SigMeterReading", Given::Octets(&[]), empty), "001 0 00000000 0 10 11110100");
    let path = "MeterInfo/MeterReading";
    assert_eq!(
        full("MeterReading", Given::Integer(-1)),
        Err(pair(path, "-1, expected an integer from 0 to 18446744073709551615"))
    );
}

#[test]
fn empty_content_is_an_end_or_a_length_of_zero() {
    let written = |id: Option<&str>, octets: &[u8], style: Style| {
        let mut steps = Steps::styled("xmldsig", "SignatureValue", style);
        if let Some(id) = id {
            steps = steps.with("Id", Given::Text(id));
        }
        let steps = steps.with("#", Given::Octets(octets));
        let bits =
            steps.end().stream().iter().map(|octet| format!("{octet:08b}")).collect::<Vec<_>>().concat();
        // Header and code of the root before, the end of the fragment and padding behind.
        let end = bits.rfind("101110").expect("the end of the fragment");
        bits[14..end].to_owned()
    };
    let lengths = Style { empty_values: true, ..SPECIFIED };
    assert_eq!(written(None, &[], SPECIFIED), "10000", "the escape, and the first of the second level");
    assert_eq!(written(Some("i"), &[], SPECIFIED), "0000000011011010011000");
    assert_eq!(written(None, &[], lengths), "01000000000");
    assert_eq!(written(None, &[0xFF], SPECIFIED), "0100000001111111110");
}

#[test]
fn an_empty_text_is_no_number() {
    let set = grammar("iso2");
    for (name, given) in [
        ("MeterReading", Given::Text("")),
        ("EVReady", Given::Octets(&[])),
        ("Multiplier", Given::Characters(&[])),
        ("ServiceName", Given::Octets(&[])),
        ("SessionID", Given::Text("")),
    ] {
        let mut encoder = Encoder::new(set, Vec::new(), Style::default());
        let root = encoder.root(set.fragment_root(name).expect("declared"), true).expect("a root");
        assert!(encoder.root_value(root, given).is_err(), "{name} {given:?}");
    }
}

#[test]
fn a_field_of_a_record_is_not_cut_to_fit() {
    let set = grammar("iso2");
    for (name, field, values) in [
        ("Body", "SessionStopReq", [65536, 0, 0]),
        ("Body", "SessionStopReq", [2, 0, 0]),
        ("CurrentDemandReq", "DC_EVStatus", [2, 0, 0]),
    ] {
        let mut encoder = Encoder::new(set, Vec::new(), Style::default());
        encoder.root(set.fragment_root(name).expect("declared"), true).expect("a root");
        let (code, production) = encoder.find(0, |p| set.local_name(p.name) == field).expect("its place");
        assert!(encoder.record(code, production, values).is_err(), "{field} {values:?}");
    }
}

// --- elements that name their type ---

impl Steps {
    /// The present state: number of the production of an element.
    fn index(&self, name: &str) -> u16 {
        let wanted = self.find(name).1;
        let found = self.set.productions.iter().position(|production| std::ptr::eq(production, wanted));
        u16::try_from(found.expect("listed")).expect("few")
    }

    /// Starts an element and says its type.
    fn typed(mut self, element: &str, name: &str) -> Self {
        let found = self.set.types.iter().position(|one| one.name == name).expect("declared");
        let index = self.index(element);
        self.encoder.open_at_as(index, u16::try_from(found).expect("few")).expect("legal");
        self
    }
}

#[test]
fn an_abstract_element_of_a_named_type_is_read_as_the_element_of_that_type() {
    let status = |steps: Steps| {
        let steps = steps.with("NotificationMaxDelay", Given::Integer(0));
        let steps = steps.with("EVSENotification", Given::Literal(0));
        steps.with("EVSEStatusCode", Given::Literal(1)).end().end().stream()
    };
    let answer = || Steps::fragment("iso2", "PowerDeliveryRes").with("ResponseCode", Given::Literal(0));
    let named = status(answer().typed("EVSEStatus", "DC_EVSEStatusType"));
    let plain = status(answer().inside("DC_EVSEStatus"));
    assert!(named.len() > plain.len());
    let tape = decode_strictly(grammar("iso2"), &named, true).expect("valid");
    assert_eq!(hex(&tape.encode(grammar("iso2"), SPECIFIED, Vec::new()).expect("encodes")), hex(&plain));
}

#[test]
fn an_element_that_names_its_own_type_is_that_element_and_not_one_beside_it() {
    let limits = |named: bool| {
        let steps = Steps::fragment("iso2", "DC_EVChargeParameter").inside("DC_EVStatus");
        let steps = steps.with("EVReady", Given::Boolean(true)).with("EVErrorCode", Given::Literal(0));
        let steps = steps.with("EVRESSSOC", Given::Integer(50)).end();
        let physical = |steps: Steps| {
            let steps = steps.with("Multiplier", Given::Integer(0)).with("Unit", Given::Literal(4));
            steps.with("Value", Given::Integer(400)).end()
        };
        let steps = physical(steps.inside("EVMaximumCurrentLimit"));
        let voltage = "EVMaximumVoltageLimit";
        let steps = if named { steps.typed(voltage, "PhysicalValueType") } else { steps.inside(voltage) };
        physical(steps).end().stream()
    };
    let tape = decode_strictly(grammar("iso2"), &limits(true), true).expect("valid");
    let again = tape.encode(grammar("iso2"), SPECIFIED, Vec::new()).expect("encodes");
    assert_eq!(hex(&again), hex(&limits(false)));
}
