//! Streams to test with: the messages of the benchmark, the project's vectors, and random walks through the
//! grammars.
#![allow(dead_code)] // each test file uses its part

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use v2g_exi::decode::{Decoder, FullLists, Options, Sink};
use v2g_exi::encode::{Encoder, Style};
use v2g_exi::error::{DecodeError, Failure};
use v2g_exi::grammar::{Datatype, DatatypeKind, Grammar, Kind, Production, Record, UNBOUNDED};
use v2g_exi::tables;
use v2g_exi::tape::Tape;
use v2g_exi::trace::explain;
use v2g_exi::value::{At, Found, Given};

/// A stream that is known to be valid.
pub struct Sample {
    pub name: String,
    pub grammar: &'static Grammar,
    pub fragment: bool,
    pub data: Vec<u8>,
}

/// The grammar called `name`.
pub fn grammar(name: &str) -> &'static Grammar {
    tables::by_name(name).unwrap_or_else(|| panic!("no set {name}"))
}

/// The nine messages that speed is measured on.
pub fn bench_messages() -> Vec<Sample> {
    let text = std::fs::read_to_string(root().join("benches/messages.txt")).expect("benches/messages.txt");
    let samples = text.lines().map(|line| {
        let [name, set, hex] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("three words") };
        Sample { name: name.into(), grammar: grammar(set), fragment: false, data: unhex(hex) }
    });
    samples.collect()
}

/// The vectors of `tests/vectors/exi`: one to a line, made by an independent processor.
pub fn vectors() -> Vec<Sample> {
    let folder = root().join("tests/vectors/exi");
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("tests/vectors/exi") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let set = text.split("\"set\": \"").nth(1).and_then(|t| t.split('"').next()).expect("a set");
        for line in text.lines() {
            let Some(hex) = line.split("\"hex\": \"").nth(1).and_then(|t| t.split('"').next()) else {
                continue;
            };
            let name = line.split("\"name\": \"").nth(1).and_then(|t| t.split('"').next()).expect("a name");
            samples.push(Sample {
                name: format!("{set}: {name}"),
                grammar: grammar(set),
                fragment: line.contains("\"kind\": \"fragment\""),
                data: unhex(hex),
            });
        }
    }
    samples
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Octets from hexadecimal digits.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).expect("ASCII"), 16).expect("hex")).collect()
}

/// Hexadecimal digits of octets.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
}

/// A stream written as bits, with anything else between them ignored; filled up with zeros.
pub fn from_bits(text: &str) -> Vec<u8> {
    let bits: Vec<u8> = text.bytes().filter(|b| *b == b'0' || *b == b'1').map(|b| b - b'0').collect();
    bits.chunks(8).map(|c| c.iter().enumerate().fold(0, |byte, (i, bit)| byte | bit << (7 - i))).collect()
}

// --- decoding and encoding in one call ---

/// Decodes with full lists as specified.
pub fn decode_strictly(grammar: &Grammar, data: &[u8], fragment: bool) -> Result<Tape, Box<DecodeError>> {
    decode(grammar, data, fragment, FullLists::Specified)
}

/// Decodes with full lists of one form.
pub fn decode(
    grammar: &Grammar,
    data: &[u8],
    fragment: bool,
    full_lists: FullLists,
) -> Result<Tape, Box<DecodeError>> {
    let (mut decoder, mut tape) = (Decoder::default(), Tape::default());
    let options = Options { full_lists: Some(full_lists), ..Options::default() };
    match tape.decode(&mut decoder, grammar, data, options, fragment) {
        Ok(_) => Ok(tape),
        Err(Failure::Stream(error)) => Err(error),
        Err(Failure::Sink(never)) => match never {},
    }
}

/// The form of full lists in which a stream can be read.
pub fn form_of(sample: &Sample) -> FullLists {
    let fits = |form: &FullLists| decode(sample.grammar, &sample.data, sample.fragment, *form).is_ok();
    let form = [FullLists::Specified, FullLists::Loop].into_iter().find(fits);
    form.unwrap_or_else(|| panic!("{} is not valid", sample.name))
}

/// Encodes with full lists as specified.
pub fn encode(grammar: &Grammar, tape: &Tape) -> Vec<u8> {
    let style = Style::default();
    tape.encode(grammar, style, Vec::new()).expect("what was decoded can be encoded")
}

/// If `data` is accepted then encoding what was decoded gives a stream of the same content, and the same
/// bytes again. Returns whether it was accepted.
pub fn assert_canonicalisable(grammar: &Grammar, data: &[u8], fragment: bool) -> bool {
    let Ok(tape) = decode_strictly(grammar, data, fragment) else { return false };
    let canonical = encode(grammar, &tape);
    let again = decode_strictly(grammar, &canonical, fragment);
    let again =
        again.unwrap_or_else(|e| panic!("{} {e} for {} of {}", grammar.name, hex(&canonical), hex(data)));
    assert_eq!(content(grammar, data, fragment), content(grammar, &canonical, fragment), "of {}", hex(data));
    assert_eq!(encode(grammar, &again), canonical, "of {}", hex(data));
    true
}

/// What a stream is explained to be is what it is decoded to: the rows join from its first bit to its last,
/// and the fault, if there is one, is the same in kind, place and words and lies where the rows say.
pub fn assert_explained(grammar: &Grammar, data: &[u8], fragment: bool) {
    let said = || format!("{} {fragment} {}", grammar.name, hex(data));
    let (rows, outcome) = explain(grammar, data, Options::default(), fragment);
    let mut next = 0;
    for row in &rows {
        assert_eq!(row.from, next, "{row:?} in {}", said());
        assert!(row.width > 0 || row.event == "value", "{row:?} in {}", said());
        next = row.from + row.width;
    }
    assert_eq!(next, data.len() as u64 * 8, "{}", said());
    let found = Tape::default().decode(&mut Decoder::default(), grammar, data, Options::default(), fragment);
    match (outcome, found) {
        (Ok(told), Ok(found)) => assert_eq!(told, found, "{}", said()),
        (Err(told), Err(Failure::Stream(found))) => {
            assert_eq!(told, found, "{}", said());
            let read: u64 =
                rows.iter().filter(|r| r.event != "fault" && r.event != "unread").map(|r| r.width).sum();
            assert!(read <= told.bit && told.bit <= next, "{told:?} behind {read} bits, {}", said());
        }
        (told, found) => panic!("told {told:?}, found {found:?}, {}", said()),
    }
}

/// What a stream says, piece by piece, without the short cuts that records are.
pub fn content(grammar: &Grammar, data: &[u8], fragment: bool) -> Vec<String> {
    let mut flat = Flat(Vec::new());
    let mut decoder = Decoder::default();
    let options = Options { full_lists: Some(FullLists::Specified), ..Options::default() };
    let outcome = if fragment {
        decoder.fragment(grammar, data, options, &mut flat)
    } else {
        decoder.document(grammar, data, options, &mut flat)
    };
    outcome.expect("a valid stream");
    flat.0
}

fn found_text(value: Found<'_>) -> String {
    value.text().expect("a string")
}

struct Flat(Vec<String>);

impl Sink for Flat {
    type Error = Infallible;
    const TRACE: bool = true;

    fn open(&mut self, at: At<'_>, type_index: u16) -> Result<(), Infallible> {
        self.0.push(format!("{}: type {type_index}", at.index));
        Ok(())
    }

    fn retype(&mut self, at: At<'_>, type_index: u16) -> Result<(), Infallible> {
        self.0.pop();
        self.open(at, type_index)
    }

    fn value(&mut self, at: At<'_>, value: Found<'_>) -> Result<(), Infallible> {
        let text = match value {
            Found::Octets(octets) => format!("{:02x?}", octets.to_vec()),
            Found::Ascii(_) => format!("Text({:?})", found_text(value)),
            other => format!("{other:?}"),
        };
        self.0.push(format!("{}.{}: {text}", at.index, at.production.slot));
        Ok(())
    }

    fn close(&mut self, _: At<'_>) -> Result<(), Infallible> {
        self.0.push("end".into());
        Ok(())
    }

    fn record(&mut self, _: At<'_>, _: &Record, _: [i32; 3]) -> Result<(), Infallible> {
        panic!("a record although every piece was asked for")
    }

    fn restart(&mut self) {
        self.0.clear();
    }
}

// --- random messages ---

/// Numbers that look random and follow from a seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// From 0 to before `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    /// True once in `of` times.
    pub fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn between(&mut self, low: i128, high: i128) -> i128 {
        let near = [low, high, 0, 1, -1, 127, 128, 16383, 16384, 1 << 21, 1 << 28, (1 << 63) - 1, 1 << 63];
        let picked = near[self.below(near.len())];
        if picked >= low && picked <= high && self.once_in(2) {
            return picked;
        }
        low + (i128::from(self.number()) % (high - low + 1))
    }
}

/// What random messages are made of.
#[derive(Clone, Copy)]
pub struct Walk {
    pub style: Style,
    /// Characters beyond ASCII in one of eight strings.
    pub odd_text: bool,
    /// Elements and attributes that are left out where that is possible.
    pub without: &'static [&'static str],
    /// How many elements make a message large enough to end it where possible.
    pub elements: usize,
    /// Strings and octets are as long as allowed where that is known: the tables say nothing about shortest
    /// lengths.
    pub full_length: bool,
    /// Octets of the largest integer without bounds.
    pub integer: usize,
    /// Longest list; where the schema demands a shorter one, that.
    pub list: u16,
    /// Lists are mostly as long as they may be.
    pub full: bool,
}

impl Default for Walk {
    fn default() -> Self {
        let style = Style::default();
        Self {
            style,
            odd_text: true,
            without: &[],
            elements: 60,
            full_length: false,
            integer: 20,
            list: 30,
            full: false,
        }
    }
}

impl Walk {
    fn greedy(self, random: &mut Random) -> bool {
        if self.full {
            !random.once_in(4)
        } else {
            random.once_in(4)
        }
    }
}

struct Level {
    state: u16,
    counter: u16,
    greedy: bool,
}

/// A random valid stream of root element `root`; None when chance led to an element that has no legal
/// content.
pub fn walk(grammar: &Grammar, root: u16, fragment: bool, random: &mut Random, how: Walk) -> Option<Vec<u8>> {
    let roots = if fragment { &grammar.fragments } else { &grammar.documents };
    if roots.entries[root as usize].kind == Kind::Escape {
        return None;
    }
    let mut encoder = Encoder::new(grammar, Vec::new(), how.style);
    let entry = encoder.root(root, fragment).expect("a root");
    let legal = "the walk takes legal steps only";
    if entry.kind != Kind::Complex {
        let datatype = grammar.datatypes[entry.target as usize];
        with_value(&datatype, random, how, |value| encoder.root_value(entry, value)).expect(legal);
        return Some(encoder.finish().expect(legal));
    }
    if entry.relaxed && fragment || grammar.types[entry.target as usize].is_abstract {
        return None;
    }
    let start = grammar.types[entry.target as usize].start;
    let mut levels = vec![Level { state: start, counter: 0, greedy: how.greedy(random) }];
    let mut elements = 0;
    while let Some(level) = levels.last_mut() {
        let state = grammar.states[level.state as usize];
        let first = state.first as usize;
        let run = &grammar.productions[first..first + state.count as usize];
        let end = run.iter().any(|p| p.kind == Kind::EndElement);
        let ways: Vec<usize> =
            (0..run.len()).filter(|i| possible(grammar, &run[*i], level.counter, how)).collect();
        let enough = elements > how.elements && !level.greedy || elements > 20 * how.elements;
        let stop = enough || !level.greedy && random.once_in(6);
        if end && (stop || ways.is_empty()) {
            encoder.close().expect(legal);
            levels.pop();
            continue;
        }
        let first_way = *ways.first()?;
        let way = if level.greedy || random.once_in(2) { first_way } else { ways[random.below(ways.len())] };
        let (index, production) = (state.first + way as u16, &run[way]);
        elements += 1;
        if elements > 100 * how.elements {
            return None;
        }
        advance(level, production, how.style);
        if production.kind != Kind::Complex {
            let text = Datatype { kind: DatatypeKind::String, ..grammar.datatypes[0] };
            let datatype = if production.kind == Kind::Text {
                Datatype { max_length: UNBOUNDED, ..text }
            } else {
                grammar.datatypes[production.target as usize]
            };
            let mut empty = false;
            with_value(&datatype, random, how, |value| {
                empty = matches!(value, Given::Text("") | Given::Octets([])) && !how.style.empty_values;
                encoder.value_at(index, value)
            })
            .expect(legal);
            if empty && production.kind == Kind::Content {
                encoder.close().expect(legal);
                levels.pop();
            }
            continue;
        }
        let element = &grammar.types[production.target as usize];
        if element.record > 0 && random.once_in(2) {
            let record = &grammar.records[element.record as usize - 1];
            let mut values = [0; 3];
            for (value, field) in values.iter_mut().zip(&record.fields) {
                *value = i32::from(field.low) + random.below(field.span as usize + 1) as i32;
            }
            if let Some(tail) = &record.tail {
                let high = i64::from(tail.high);
                let low = if tail.sign == 1 { !high } else { 0 };
                values[2] = random.between(low.into(), high.into()) as i32;
            }
            encoder.record_at(index, values).expect(legal);
            continue;
        }
        if levels.len() >= 14 {
            return None;
        }
        encoder.open_at(index).expect(legal);
        levels.push(Level { state: element.start, counter: 0, greedy: how.greedy(random) });
    }
    Some(encoder.finish().expect(legal))
}

fn possible(grammar: &Grammar, production: &Production, counter: u16, how: Walk) -> bool {
    use v2g_exi::grammar::Count;
    if matches!(production.count, Count::Step | Count::Soft) {
        let most = if production.number == 0 { 256 } else { production.number };
        if counter >= most || counter >= how.list && production.number > 64 {
            return false;
        }
    }
    let name =
        if production.name == v2g_exi::value::NO_NAME { "" } else { grammar.local_name(production.name) };
    match production.kind {
        Kind::EndElement | Kind::Any => false,
        _ if how.without.contains(&name) => false,
        Kind::Complex => !grammar.types[production.target as usize].is_abstract,
        Kind::Text => !how.without.contains(&"#text"),
        _ => true,
    }
}

fn advance(level: &mut Level, production: &Production, style: Style) {
    use v2g_exi::grammar::Count;
    level.state = production.next;
    match production.count {
        Count::None => {}
        Count::Set => level.counter = production.number,
        Count::Step | Count::Soft => {
            level.counter += 1;
            let short = match style.full_lists {
                FullLists::Specified => true,
                FullLists::Marked => production.count == Count::Step,
                FullLists::Loop => false,
            };
            if level.counter == production.number && short {
                level.state = production.last;
            }
        }
    }
}

fn with_value<T>(d: &Datatype, random: &mut Random, how: Walk, write: impl FnOnce(Given<'_>) -> T) -> T {
    match d.kind {
        DatatypeKind::Boolean => write(Given::Boolean(random.once_in(2))),
        DatatypeKind::Enumeration => write(Given::Literal(random.below(d.high as usize + 1) as u16)),
        DatatypeKind::NBit | DatatypeKind::Integer => {
            write(Given::Integer(random.between(d.low.into(), d.high.into()) as i64))
        }
        DatatypeKind::Unsigned => {
            let value = random.between(d.low.into(), d.high.into()) as u64;
            write(i64::try_from(value).map_or(Given::Unsigned(value), Given::Integer))
        }
        DatatypeKind::Big => {
            let magnitude: Vec<u8> = (0..random.below(how.integer)).map(|_| random.number() as u8).collect();
            let some = magnitude.iter().any(|octet| *octet != 0);
            write(Given::Big(some && random.once_in(2), &magnitude))
        }
        DatatypeKind::Binary | DatatypeKind::Hex => {
            let octets: Vec<u8> = (0..size(d, random, how)).map(|_| random.number() as u8).collect();
            write(Given::Octets(&octets))
        }
        DatatypeKind::String => {
            let odd = how.odd_text && random.once_in(8);
            let text: String = (0..size(d, random, how)).map(|_| character(random, odd)).collect();
            write(Given::Text(&text))
        }
    }
}

fn size(d: &Datatype, random: &mut Random, how: Walk) -> usize {
    let most = d.max_length as usize;
    if how.full_length {
        return if most <= 400 { most } else { 1 + random.below(40) };
    }
    match random.below(8) {
        0 => 0,
        1 if most <= 1024 => most,
        _ => random.below(most.min(40) + 1),
    }
}

fn character(random: &mut Random, odd: bool) -> char {
    const PLAIN: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/*#";
    const ODD: &[char] = &['\0', '\t', '\u{7f}', '\u{80}', 'é', '€', '漢', '\u{ffff}', '🔌', '\u{10ffff}'];
    if odd && random.once_in(3) {
        return ODD[random.below(ODD.len())];
    }
    char::from(PLAIN[random.below(PLAIN.len())])
}

/// A random valid document or fragment of any root element of `grammar`.
pub fn any_message(grammar: &Grammar, random: &mut Random, how: Walk) -> (Vec<u8>, bool) {
    loop {
        let fragment = random.once_in(4);
        let roots = if fragment { &grammar.fragments } else { &grammar.documents };
        let root = random.below(roots.entries.len()) as u16;
        if let Some(stream) = walk(grammar, root, fragment, random, how) {
            return (stream, fragment);
        }
    }
}
