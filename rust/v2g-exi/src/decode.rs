//! The decoder: walks the tables over a stream and tells a [`Sink`] what it finds.

use crate::bits::Reader;
use crate::error::{DecodeError, Failure, Kind as Fault};
use crate::grammar::{Count, Datatype, DatatypeKind, Grammar, Kind, Production, Relaxed, Root, Type};
use crate::value::{Found, Octets, Place, TEXT};

/// Receives the content of a stream.
pub trait Sink {
    /// What can go wrong on this side.
    type Error;
    /// An element of complex type starts.
    fn open(&mut self, type_index: u16, element: &Type) -> Result<(), Self::Error>;
    /// A simple element, attribute or text.
    fn value(&mut self, place: Place, value: Found<'_>) -> Result<(), Self::Error>;
    /// The innermost open element ends; it belongs to `place` of the one around it.
    fn close(&mut self, place: Place) -> Result<(), Self::Error>;
}

/// How the end of a list that is exactly full is read; encoders differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullLists {
    /// As EXI 1.0 has it: the element is no longer among the alternatives.
    Specified,
    /// As some encoders write it: as if one more could follow.
    Loop,
}

/// Limits and choices of a decode.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Longest stream in bytes.
    pub max_bytes: usize,
    /// Deepest nesting; at most [`MAX_DEPTH`].
    pub max_depth: usize,
    /// Most events in a stream.
    pub max_events: u32,
    /// Most occurrences of an element that the schema does not limit.
    pub max_occurs: u16,
    /// Form of full lists.
    pub full_lists: FullLists,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 16,
            max_depth: MAX_DEPTH,
            max_events: 1 << 16,
            max_occurs: 256,
            full_lists: FullLists::Specified,
        }
    }
}

/// The deepest legitimate V2G message has ten levels.
pub const MAX_DEPTH: usize = 16;

/// What a successful decode tells besides the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Root element: index into the document or fragment roots.
    pub root: u16,
    /// Zero bytes behind the end.
    pub trailing_bytes: usize,
    /// The bits that fill the last byte are zero.
    pub clean_padding: bool,
}

#[derive(Clone, Copy)]
struct Frame {
    state: u16,
    counter: u16,
    opener: Place,
}

const NOWHERE: Place = Place { slot: 0, list: false, items: false, name: 0 };

/// Decodes one stream after the other, reusing its memory.
#[derive(Debug, Default)]
pub struct Decoder {
    scratch: Vec<u8>,
    text: String,
    /// A list was full in the last decode: an error may be due to [`FullLists`].
    pub met_full_list: bool,
}

struct Run<'d, 'g, 'a> {
    grammar: &'g Grammar,
    options: Options,
    reader: Reader<'a>,
    frames: [Frame; MAX_DEPTH],
    depth: usize,
    events: u32,
    memory: &'d mut Decoder,
}

type Outcome<T, E> = Result<T, Failure<E>>;

impl Decoder {
    /// Decodes a document: the header, one global element, padding.
    pub fn document<S: Sink>(
        &mut self,
        grammar: &Grammar,
        data: &[u8],
        options: Options,
        sink: &mut S,
    ) -> Outcome<Report, S::Error> {
        self.stream(grammar, data, options, sink, false)
    }

    /// Decodes a fragment: the header, one declared element, the end-of-document code, padding.
    pub fn fragment<S: Sink>(
        &mut self,
        grammar: &Grammar,
        data: &[u8],
        options: Options,
        sink: &mut S,
    ) -> Outcome<Report, S::Error> {
        self.stream(grammar, data, options, sink, true)
    }

    fn stream<S: Sink>(
        &mut self,
        grammar: &Grammar,
        data: &[u8],
        options: Options,
        sink: &mut S,
        fragment: bool,
    ) -> Outcome<Report, S::Error> {
        self.met_full_list = false;
        let frame = Frame { state: 0, counter: 0, opener: NOWHERE };
        let mut run = Run {
            grammar,
            options,
            reader: Reader::new(data),
            frames: [frame; MAX_DEPTH],
            depth: 0,
            events: 0,
            memory: self,
        };
        if data.len() > options.max_bytes {
            let detail = format!("{} bytes, at most {} are read", data.len(), options.max_bytes);
            return Err(run.fault(Fault::Size, detail));
        }
        run.whole(data, sink, fragment)
    }
}

impl<'a> Run<'_, '_, 'a> {
    fn whole<S: Sink>(&mut self, data: &[u8], sink: &mut S, fragment: bool) -> Outcome<Report, S::Error> {
        match data.first() {
            None => return Err(self.fault(Fault::Truncated, "empty stream".into())),
            Some(0x80) => self.reader.skip(8),
            Some(other) => {
                let detail = format!("first byte {other:02x}, expected 80");
                return Err(self.fault(Fault::Header, detail));
            }
        }
        let (index, root) = self.root(fragment)?;
        let place = Place { name: root.name, ..NOWHERE };
        if root.relaxed && fragment {
            self.relaxed(root, sink)?;
        } else if root.kind == Kind::Complex {
            self.open(root.target, place, sink)?;
            self.elements(sink)?;
        } else {
            self.simple(root.target, place, sink)?;
        }
        if fragment {
            let end = self.grammar.fragments.entries.len() as u64 + 1;
            let code = self.reader.bits(self.grammar.fragments.bits.into());
            if self.reader.overrun() {
                return Err(self.truncated());
            }
            if code != end {
                return Err(self.fault(Fault::EventCode, format!("fragment ends with code {code}, expected {end}")));
            }
        }
        let (clean_padding, trailing_bytes, zero) = self.reader.rest();
        if !zero {
            let detail = format!("{trailing_bytes} bytes behind the end of the message");
            return Err(self.fault(Fault::Trailing, detail));
        }
        Ok(Report { root: index, trailing_bytes, clean_padding })
    }

    fn root<E>(&mut self, fragment: bool) -> Outcome<(u16, Root), E> {
        let roots = if fragment { &self.grammar.fragments } else { &self.grammar.documents };
        let code = self.reader.bits(roots.bits.into());
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        if let Some(root) = roots.entries.get(code as usize) {
            return Ok((code as u16, *root));
        }
        if code as usize == roots.entries.len() {
            return Err(self.fault(Fault::Root, "an element that the schema does not declare".into()));
        }
        let detail = format!("root code {code}, expected 0 to {}", roots.entries.len());
        Err(self.fault(Fault::EventCode, detail))
    }

    /// The elements under the innermost frame, to the end of the outermost.
    fn elements<S: Sink>(&mut self, sink: &mut S) -> Outcome<(), S::Error> {
        loop {
            let Some(frame) = self.depth.checked_sub(1).and_then(|top| self.frames.get(top)) else {
                return Ok(());
            };
            let Some(state) = self.grammar.states.get(frame.state as usize) else {
                return Err(self.broken());
            };
            self.events += 1;
            let code = (self.reader.peek() >> (64 - u32::from(state.bits))) as u16;
            self.reader.skip(state.bits.into());
            if code >= u16::from(state.count) {
                self.escape(code, sink)?;
                continue;
            }
            let Some(production) = self.grammar.productions.get((state.first + code) as usize) else {
                return Err(self.broken());
            };
            let place = Place {
                slot: production.slot,
                list: production.list,
                items: production.items,
                name: production.name,
            };
            match production.kind {
                Kind::Simple => {
                    self.advance(production)?;
                    self.simple(production.target, place, sink)?;
                }
                Kind::Complex => {
                    self.advance(production)?;
                    self.open(production.target, place, sink)?;
                }
                Kind::EndElement => self.close(sink)?,
                Kind::Attribute | Kind::Content => {
                    self.advance(production)?;
                    self.datum(production.target, place, sink)?;
                }
                Kind::Text => {
                    self.advance(production)?;
                    self.string(crate::grammar::UNBOUNDED, place)?;
                    let place = Place { name: TEXT, ..place };
                    sink.value(place, Found::Text(&self.memory.text)).map_err(Failure::Sink)?;
                }
                Kind::Any => {
                    let detail = "an element where the schema allows any: wildcard content is not read";
                    return Err(self.fault(Fault::Undeclared, detail.into()));
                }
            }
        }
    }

    #[inline(always)]
    fn advance<E>(&mut self, production: &Production) -> Outcome<(), E> {
        let loops = self.options.full_lists == FullLists::Loop;
        let max_occurs = self.options.max_occurs;
        let Some(frame) = self.depth.checked_sub(1).and_then(|top| self.frames.get_mut(top)) else {
            return Err(self.broken());
        };
        frame.state = production.next;
        match production.count {
            Count::None => {}
            Count::Set => frame.counter = production.number,
            Count::Step | Count::Soft => {
                frame.counter += 1;
                let limit = if production.number == 0 { max_occurs } else { production.number };
                if frame.counter > limit {
                    let detail = format!("more than {limit} {}", self.grammar.local_name(production.name));
                    return Err(self.fault(Fault::Size, detail));
                }
                if frame.counter == production.number {
                    self.memory.met_full_list = true;
                    if !loops {
                        frame.state = production.last;
                    }
                }
            }
        }
        Ok(())
    }

    fn open<S: Sink>(&mut self, type_index: u16, opener: Place, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(element) = self.grammar.types.get(type_index as usize) else {
            return Err(self.broken());
        };
        if element.is_abstract {
            let detail = format!("{} is abstract", self.grammar.local_name(opener.name));
            return Err(self.fault(Fault::Range, detail));
        }
        if self.depth >= self.options.max_depth {
            let detail = format!("more than {} levels", self.options.max_depth);
            return Err(self.fault(Fault::Depth, detail));
        }
        let Some(frame) = self.frames.get_mut(self.depth) else {
            return Err(self.broken());
        };
        *frame = Frame { state: element.start, counter: 0, opener };
        self.depth += 1;
        sink.open(type_index, element).map_err(Failure::Sink)
    }

    fn close<S: Sink>(&mut self, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        if self.events > self.options.max_events {
            let detail = format!("more than {} events", self.options.max_events);
            return Err(self.fault(Fault::Size, detail));
        }
        let Some(frame) = self.depth.checked_sub(1).and_then(|top| self.frames.get(top)) else {
            return Err(self.broken());
        };
        self.depth -= 1;
        sink.close(frame.opener).map_err(Failure::Sink)
    }

    /// CH, value and EE of an element of simple type.
    #[inline(always)]
    fn simple<S: Sink>(&mut self, datatype: u16, place: Place, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.bits(1) == 1 {
            return self.empty_simple(datatype, place, sink);
        }
        self.datum(datatype, place, sink)?;
        if self.reader.bits(1) == 1 {
            return Err(self.undeclared("content after a value", place.name));
        }
        Ok(())
    }

    /// The second level at the start of a simple element: seven productions, the first an undeclared end.
    #[cold]
    fn empty_simple<S: Sink>(&mut self, datatype: u16, place: Place, sink: &mut S) -> Outcome<(), S::Error> {
        let code = self.reader.bits(3);
        if code != 0 {
            return Err(self.undeclared(SECOND_LEVEL.get(code as usize).unwrap_or(&"no production"), place.name));
        }
        self.empty(datatype, place, sink)
    }

    fn empty<S: Sink>(&mut self, datatype: u16, place: Place, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        let value = match self.grammar.datatypes.get(datatype as usize).map(|d| d.kind) {
            Some(DatatypeKind::String) => Found::Text(""),
            Some(DatatypeKind::Binary | DatatypeKind::Hex) => Found::Octets(Octets { reader: self.reader, length: 0 }),
            _ => return Err(self.undeclared("an end instead of a value", place.name)),
        };
        sink.value(place, value).map_err(Failure::Sink)
    }

    /// A code that no declared production has: an end without content, or something this codec does not take.
    #[cold]
    fn escape<S: Sink>(&mut self, code: u16, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(frame) = self.depth.checked_sub(1).and_then(|top| self.frames.get(top)) else {
            return Err(self.broken());
        };
        let name = frame.opener.name;
        let Some(state) = self.grammar.states.get(frame.state as usize) else {
            return Err(self.broken());
        };
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        if code > u16::from(state.count) {
            return Err(self.fault(Fault::EventCode, format!("code {code}, expected 0 to {}", state.count)));
        }
        let first = self.grammar.productions.get(state.first as usize).copied();
        match first {
            Some(p) if state.start && p.kind == Kind::Content && self.reader.bits(3) == 0 => {
                let place = Place { slot: p.slot, list: false, items: false, name: p.name };
                self.empty(p.target, place, sink)?;
                self.close(sink)
            }
            _ => Err(self.undeclared("content that the schema does not declare", name)),
        }
    }

    #[inline(always)]
    fn datum<S: Sink>(&mut self, datatype: u16, place: Place, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(d) = self.grammar.datatypes.get(datatype as usize) else {
            return Err(self.broken());
        };
        let found = match d.kind {
            DatatypeKind::Boolean => Found::Boolean(self.reader.bits(1) == 1),
            DatatypeKind::NBit => {
                let raw = self.reader.bits(d.bits.into()) as i64 + d.low;
                if raw > d.high as i64 {
                    return Err(self.out_of_range(raw, d, place.name));
                }
                Found::Integer(raw)
            }
            DatatypeKind::Enumeration => {
                let raw = self.reader.bits(d.bits.into());
                if raw > d.high {
                    return Err(self.out_of_range(raw as i64, d, place.name));
                }
                Found::Literal(d.enumeration, raw as u16)
            }
            DatatypeKind::Unsigned => {
                let raw = self.unsigned(place.name)?;
                if raw > d.high || raw < d.low.unsigned_abs() {
                    return Err(self.out_of_range(raw, d, place.name));
                }
                Found::Unsigned(raw)
            }
            DatatypeKind::Integer => {
                let negative = self.reader.bits(1) == 1;
                let raw = self.unsigned(place.name)?;
                let value = match i64::try_from(raw) {
                    Ok(value) => if negative { -1 - value } else { value },
                    Err(_) => return Err(self.out_of_range(raw, d, place.name)),
                };
                if value < d.low || value > d.high as i64 {
                    return Err(self.out_of_range(value, d, place.name));
                }
                Found::Integer(value)
            }
            DatatypeKind::Big => {
                let negative = self.big(place.name)?;
                Found::Big(negative, &self.memory.scratch)
            }
            DatatypeKind::Binary | DatatypeKind::Hex => {
                let length = self.unsigned(place.name)?;
                if length > self.reader.remaining() / 8 || length > d.max_length.into() {
                    return Err(self.too_long(length, d.max_length, place.name));
                }
                let octets = Octets { reader: self.reader, length: length as usize };
                self.reader.skip(length as u32 * 8);
                Found::Octets(octets)
            }
            DatatypeKind::String => {
                self.string(d.max_length, place)?;
                Found::Text(&self.memory.text)
            }
        };
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        sink.value(place, found).map_err(Failure::Sink)
    }

    /// Unsigned integer of at most 64 bits (EXI 1.0, section 7.1.6).
    #[inline(always)]
    fn unsigned<E>(&mut self, name: u16) -> Outcome<u64, E> {
        let window = self.reader.peek() >> 40;
        if window & 0x80_0000 == 0 {
            self.reader.skip(8);
            return Ok(window >> 16);
        }
        if window & 0x8000 == 0 {
            self.reader.skip(16);
            return Ok((window >> 16 & 0x7F) | (window >> 8 & 0x7F) << 7);
        }
        self.long_unsigned(name)
    }

    fn long_unsigned<E>(&mut self, name: u16) -> Outcome<u64, E> {
        let mut value = 0u64;
        for group in 0..20u32 {
            let octet = self.reader.bits(8);
            let bits = octet & 0x7F;
            if bits != 0 {
                if group > 9 || group == 9 && bits > 1 {
                    return Err(self.too_large(name));
                }
                value |= bits << (7 * group);
            }
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.too_large(name))
    }

    /// xs:integer: the magnitude goes to the scratch memory, most significant octet first.
    fn big<E>(&mut self, name: u16) -> Outcome<bool, E> {
        let negative = self.reader.bits(1) == 1;
        let mut low = 0u128;
        let mut high = 0u64;
        for group in 0..23u32 {
            let octet = self.reader.bits(8);
            let bits = octet & 0x7F;
            let shift = 7 * group;
            if shift < 126 {
                low |= u128::from(bits) << shift;
            } else if shift == 126 {
                low |= u128::from(bits & 3) << 126;
                high |= bits >> 2;
            } else if bits != 0 {
                if shift - 128 > 57 {
                    return Err(self.too_large(name));
                }
                high |= bits << (shift - 128);
            }
            if octet & 0x80 == 0 {
                if negative {
                    let (sum, carry) = low.overflowing_add(1);
                    low = sum;
                    high += u64::from(carry);
                }
                let scratch = &mut self.memory.scratch;
                scratch.clear();
                scratch.extend_from_slice(&high.to_be_bytes());
                scratch.extend_from_slice(&low.to_be_bytes());
                return Ok(negative);
            }
        }
        Err(self.too_large(name))
    }

    /// A literal string into the text memory (EXI 1.0, section 7.3.3 with empty value tables).
    fn string<E>(&mut self, max_length: u32, place: Place) -> Outcome<(), E> {
        let raw = self.unsigned(place.name)?;
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        let Some(length) = raw.checked_sub(2) else {
            let which = if raw == 0 { "local" } else { "global" };
            let detail = format!("a hit in the {which} value table, which is empty in V2G");
            return Err(self.fault_at(Fault::StringTable, detail, place.name));
        };
        if length > self.reader.remaining() / 8 || length > max_length.into() {
            return Err(self.too_long(length, max_length, place.name));
        }
        let mut octets = std::mem::take(&mut self.memory.text).into_bytes();
        octets.clear();
        octets.resize(length as usize, 0);
        let before = self.reader;
        self.reader.octets(&mut octets);
        if octets.iter().fold(0, |all, &b| all | b) >= 0x80 {
            self.reader = before;
            return self.wide_string(length, place);
        }
        self.memory.text = String::from_utf8(octets).unwrap_or_default();
        Ok(())
    }

    #[cold]
    fn wide_string<E>(&mut self, length: u64, place: Place) -> Outcome<(), E> {
        let mut text = String::with_capacity(length as usize * 2);
        for _ in 0..length {
            let raw = self.unsigned(place.name)?;
            if self.reader.overrun() {
                return Err(self.truncated());
            }
            let Some(character) = u32::try_from(raw).ok().and_then(char::from_u32) else {
                let detail = format!("U+{raw:04X} is not a character");
                return Err(self.fault_at(Fault::Character, detail, place.name));
            };
            text.push(character);
        }
        self.memory.text = text;
        Ok(())
    }

    /// The element fragment grammar of a name with several types: attributes, then text, then the end.
    fn relaxed<S: Sink>(&mut self, root: Root, sink: &mut S) -> Outcome<(), S::Error> {
        let grammar = self.grammar;
        let Some(Relaxed { attributes, tag_bits, tag_text, content_bits, content_end, value_slot, value_datatype }) =
            &grammar.relaxed
        else {
            return Err(self.broken());
        };
        let opener = Place { name: root.name, ..NOWHERE };
        self.open(root.target, opener, sink)?;
        let mut least = 0;
        loop {
            let code = self.reader.bits((*tag_bits).into()) as u16;
            if self.reader.overrun() {
                return Err(self.truncated());
            }
            if code == *tag_text {
                break;
            }
            let known = attributes.iter().find(|(c, ..)| *c == code && code >= least);
            let Some((_, slot, datatype)) = known else {
                return Err(self.undeclared("content that this element does not have", root.name));
            };
            least = code + 1;
            self.datum(*datatype, Place { slot: *slot, ..opener }, sink)?;
        }
        self.datum(*value_datatype, Place { slot: *value_slot, ..opener }, sink)?;
        if self.reader.bits((*content_bits).into()) != u64::from(*content_end) {
            return Err(self.undeclared("content after the value", root.name));
        }
        self.close(sink)
    }

    #[cold]
    fn fault<E>(&self, kind: Fault, detail: String) -> Failure<E> {
        self.fault_at(kind, detail, TEXT)
    }

    #[cold]
    fn fault_at<E>(&self, kind: Fault, detail: String, name: u16) -> Failure<E> {
        let names = self.frames.iter().take(self.depth).map(|f| f.opener.name);
        let path: Vec<&str> = names
            .chain((name != TEXT).then_some(name))
            .map(|n| self.grammar.local_name(n))
            .collect();
        let bit = self.reader.position();
        Failure::Stream(Box::new(DecodeError { kind, bit, path: path.join("/"), detail }))
    }

    #[cold]
    fn truncated<E>(&self) -> Failure<E> {
        self.fault(Fault::Truncated, "the stream ends inside the message".into())
    }

    #[cold]
    fn undeclared<E>(&self, what: &str, name: u16) -> Failure<E> {
        if self.reader.overrun() {
            return self.truncated();
        }
        self.fault(Fault::Undeclared, format!("{}: {what}", self.grammar.local_name(name)))
    }

    #[cold]
    fn out_of_range<E>(&self, found: impl std::fmt::Display, d: &Datatype, name: u16) -> Failure<E> {
        if self.reader.overrun() {
            return self.truncated();
        }
        self.fault_at(Fault::Range, format!("{found}, expected {} to {}", d.low, d.high), name)
    }

    #[cold]
    fn too_large<E>(&self, name: u16) -> Failure<E> {
        if self.reader.overrun() {
            return self.truncated();
        }
        self.fault_at(Fault::IntegerTooLarge, "an integer of more bits than its type has".into(), name)
    }

    #[cold]
    fn too_long<E>(&self, length: u64, limit: u32, name: u16) -> Failure<E> {
        if self.reader.overrun() {
            return self.truncated();
        }
        let left = self.reader.remaining() / 8;
        if length <= left || length > limit.into() {
            let limit = if limit == crate::grammar::UNBOUNDED { left } else { limit.into() };
            return self.fault_at(Fault::Length, format!("length {length}, at most {limit}"), name);
        }
        self.fault_at(Fault::Truncated, format!("length {length}, but {left} bytes are left"), name)
    }

    /// The tables contradict themselves: only possible with tables that this crate did not generate.
    #[cold]
    fn broken<E>(&self) -> Failure<E> {
        self.fault(Fault::EventCode, "the grammar tables are inconsistent".into())
    }
}

const SECOND_LEVEL: [&str; 7] = [
    "an end",
    "xsi:type",
    "xsi:nil",
    "an attribute",
    "an attribute with an untyped value",
    "an element",
    "a value that is not of its type",
];
