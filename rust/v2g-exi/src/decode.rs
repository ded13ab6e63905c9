//! The decoder: walks the tables over a stream and tells a [`Sink`] what it finds.

use crate::bits::{top, Padded, Reader};
use crate::error::{DecodeError, Failure, Kind as Fault};
use crate::grammar::{
    Count, Datatype, DatatypeKind, Grammar, Kind, Production, Record, Relaxed, Root, Short, Slices, Type,
};
use crate::value::{At, Found, Octets, NO_NAME, ROOT};

/// Receives the content of a stream.
pub trait Sink {
    /// What can go wrong on this side.
    type Error;
    /// Whether every piece of the stream is reported by [`Sink::step`]; then nothing is read in larger pieces.
    const TRACE: bool = false;
    /// A piece of the stream from bit `from` to before bit `to`.
    fn step(&mut self, _from: u64, _to: u64, _step: Step<'_>) {}
    /// An element of complex type starts.
    fn open(&mut self, at: At<'_>, type_index: u16, element: &Type) -> Result<(), Self::Error>;
    /// A simple element, attribute or text.
    fn value(&mut self, at: At<'_>, value: Found<'_>) -> Result<(), Self::Error>;
    /// The innermost open element ends; it belongs to `at` of the one around it.
    fn close(&mut self, at: At<'_>) -> Result<(), Self::Error>;
    /// A whole element whose type is a record: the raw values of its `count` fields. An enumeration gives the index
    /// of the literal, a boolean 0 or 1.
    fn record(
        &mut self,
        at: At<'_>,
        type_index: u16,
        count: usize,
        values: [i32; 3],
    ) -> Result<(), Self::Error>;
}

/// A piece of a stream.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The header byte.
    Header,
    /// An event code, the number of alternatives, and the production it stands for; None is the escape to the second
    /// level or an end.
    Code(u16, u16, Option<&'a Production>),
    /// Root element: code, alternatives, name.
    Root(u16, u16, u16),
    /// CH: the value of an element of simple type follows.
    Characters,
    /// The end of an element of simple type.
    SimpleEnd,
    /// A code of the second level.
    SecondLevel(u16, &'static str),
    /// A value.
    Value(At<'a>, Found<'a>),
    /// The end of a fragment.
    FragmentEnd(u16, u16),
    /// Bits that fill the last byte.
    Padding,
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
    /// Most elements of complex type in a stream.
    pub max_elements: u32,
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
            max_elements: 1 << 16,
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
#[repr(align(8))] // moved as one word
struct Frame {
    state: u16,
    counter: u16,
    opener: u16,
}

const EMPTY: Frame = Frame { state: 0, counter: 0, opener: ROOT };

/// Decodes one stream after the other, reusing its memory.
#[derive(Debug, Default)]
pub struct Decoder {
    stream: Padded,
    memory: Memory,
    /// A list was full in the last decode: an error may be due to [`FullLists`].
    pub met_full_list: bool,
}

#[derive(Debug, Default)]
struct Memory {
    magnitude: Vec<u8>,
    text: String,
}

struct Run<'a, 'g> {
    grammar: &'g Grammar,
    tables: Slices<'g>,
    options: Options,
    reader: Reader<'a>,
    memory: &'a mut Memory,
    root: Production,
    frame: Frame,
    outer: [Frame; MAX_DEPTH],
    depth: usize,
    elements_met: u32,
    met_full_list: bool,
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
        if data.len() > options.max_bytes {
            let detail = format!("{} bytes, at most {} are read", data.len(), options.max_bytes);
            let error = DecodeError { kind: Fault::Size, bit: 0, path: String::new(), detail };
            return Err(Failure::Stream(Box::new(error)));
        }
        self.stream.fill(data);
        let mut run = Run {
            grammar,
            tables: grammar.slices(),
            options,
            reader: self.stream.reader(),
            memory: &mut self.memory,
            root: Production {
                kind: Kind::Complex,
                slot: 0,
                list: false,
                items: false,
                count: Count::None,
                name: NO_NAME,
                target: 0,
                next: 0,
                number: 0,
                last: 0,
                bits: 0,
                short: Short::No,
                low: 0,
                span: 0,
            },
            frame: EMPTY,
            outer: [EMPTY; MAX_DEPTH],
            depth: 0,
            elements_met: 0,
            met_full_list: false,
        };
        let outcome = run.whole(data, sink, fragment);
        self.met_full_list = run.met_full_list;
        outcome
    }
}

impl<'g> Run<'_, 'g> {
    fn whole<S: Sink>(&mut self, data: &[u8], sink: &mut S, fragment: bool) -> Outcome<Report, S::Error> {
        match data.first() {
            None => return Err(self.fault(Fault::Truncated, "empty stream".into())),
            Some(0x80) => {
                self.reader.skip(8);
                sink.step(0, 8, Step::Header);
            }
            Some(other) => {
                let detail = format!("first byte {other:02x}, expected 80");
                return Err(self.fault(Fault::Header, detail));
            }
        }
        let (index, root) = self.find_root(fragment)?;
        if S::TRACE {
            let roots = if fragment { &self.grammar.fragments } else { &self.grammar.documents };
            let alternatives = roots.entries.len() as u16 + 1 + u16::from(fragment);
            let to = self.reader.position();
            sink.step(to.saturating_sub(roots.bits.into()), to, Step::Root(index, alternatives, root.name));
        }
        self.root = Production { kind: root.kind, name: root.name, target: root.target, ..self.root };
        if root.relaxed && fragment {
            self.relaxed(root, sink)?;
        } else if root.kind == Kind::Complex {
            self.open(root.target, ROOT, sink)?;
            self.elements(sink)?;
        } else {
            let production = self.root;
            self.simple(0, At { index: ROOT, production: &production }, sink)?;
        }
        if fragment {
            let end = self.grammar.fragments.entries.len() as u64 + 1;
            let code = self.reader.bits(self.grammar.fragments.bits.into());
            if self.reader.overrun() {
                return Err(self.truncated());
            }
            if code != end {
                let detail = format!("the fragment ends with code {code}, expected {end}");
                return Err(self.fault(Fault::EventCode, detail));
            }
            let to = self.reader.position();
            let from = to.saturating_sub(self.grammar.fragments.bits.into());
            sink.step(from, to, Step::FragmentEnd(code as u16, end as u16 + 1));
        }
        let at = self.reader.position();
        if at % 8 != 0 {
            sink.step(at, at.next_multiple_of(8), Step::Padding);
        }
        let (clean_padding, trailing_bytes, zero) = self.reader.rest();
        if !zero {
            let detail = format!("{trailing_bytes} bytes behind the end of the message");
            return Err(self.fault(Fault::Trailing, detail));
        }
        Ok(Report { root: index, trailing_bytes, clean_padding })
    }

    fn find_root<E>(&mut self, fragment: bool) -> Outcome<(u16, Root), E> {
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
        while self.depth > 0 {
            let Some(state) = self.tables.states.get(self.frame.state as usize) else {
                return Err(self.broken());
            };
            let word = self.reader.peek();
            let code = top(word, state.bits.into()) as u16;
            if code >= u16::from(state.count) {
                self.reader.skip(state.bits.into());
                self.escape(code, sink)?;
                continue;
            }
            let index = state.first.wrapping_add(code);
            let Some(production) = self.tables.productions.get(index as usize) else {
                return Err(self.broken());
            };
            let at = At { index, production };
            if S::TRACE {
                let from = self.reader.position();
                let alternatives = u16::from(state.count) + 1;
                sink.step(
                    from,
                    from + u64::from(state.bits),
                    Step::Code(code, alternatives, Some(production)),
                );
            }
            match production.kind {
                Kind::Simple => {
                    let value = word.wrapping_shl(state.bits.into());
                    let bits = u32::from(production.bits);
                    let raw = top(value << 1, bits) as u16;
                    // CH and EE must be zero around a value in range; all else takes the long way.
                    let odd = value >> 63 | (value << 1).wrapping_shl(bits) >> 63;
                    self.advance(production)?;
                    if S::TRACE || production.short == Short::No || odd != 0 || raw > production.span {
                        self.simple(state.bits.into(), at, sink)?;
                        continue;
                    }
                    // An overrun is noticed at the end of the element around it.
                    self.reader.skip(u32::from(state.bits).wrapping_add(bits).wrapping_add(2));
                    let found = match production.short {
                        Short::Boolean => Found::Boolean(raw == 1),
                        Short::Literal => Found::Literal(production.target, raw),
                        _ => Found::Integer(i64::from(raw).wrapping_add(production.low.into())),
                    };
                    sink.value(at, found).map_err(Failure::Sink)?;
                }
                Kind::Complex => {
                    self.reader.skip(state.bits.into());
                    self.advance(production)?;
                    self.complex(at, sink)?;
                }
                Kind::EndElement => {
                    self.reader.skip(state.bits.into());
                    self.close(sink)?;
                }
                Kind::Attribute | Kind::Content => {
                    self.reader.skip(state.bits.into());
                    self.advance(production)?;
                    self.datum(at, sink)?;
                }
                Kind::Text => {
                    self.reader.skip(state.bits.into());
                    self.advance(production)?;
                    self.string(crate::grammar::UNBOUNDED, NO_NAME)?;
                    sink.value(at, Found::Text(&self.memory.text)).map_err(Failure::Sink)?;
                }
                Kind::Any => {
                    self.reader.skip(state.bits.into());
                    let detail = "an element where the schema allows any: wildcard content is not read";
                    return Err(self.fault(Fault::Undeclared, detail.into()));
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn advance<E>(&mut self, production: &Production) -> Outcome<(), E> {
        self.frame.state = production.next;
        match production.count {
            Count::None => Ok(()),
            Count::Set => {
                self.frame.counter = production.number;
                Ok(())
            }
            Count::Step | Count::Soft => self.step(production),
        }
    }

    fn step<E>(&mut self, production: &Production) -> Outcome<(), E> {
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        self.frame.counter = self.frame.counter.saturating_add(1);
        let limit = if production.number == 0 { self.options.max_occurs } else { production.number };
        if self.frame.counter > limit {
            let detail = format!("more than {limit} {}", self.grammar.local_name(production.name));
            return Err(self.fault(Fault::Size, detail));
        }
        if self.frame.counter == production.number {
            self.met_full_list = true;
            if self.options.full_lists == FullLists::Specified {
                self.frame.state = production.last;
            }
        }
        Ok(())
    }

    /// An element of complex type has started: read it at one look if it is a record.
    #[inline(always)]
    fn complex<S: Sink>(&mut self, at: At<'g>, sink: &mut S) -> Outcome<(), S::Error> {
        let type_index = at.production.target;
        let Some(element) = self.tables.types.get(type_index as usize) else {
            return Err(self.broken());
        };
        let records = if S::TRACE { &[] } else { self.tables.records };
        if let Some(record) = records.get((element.record as usize).wrapping_sub(1)) {
            if let Some(values) = self.record(record) {
                return sink.record(at, type_index, record.len(), values).map_err(Failure::Sink);
            }
        }
        self.open(type_index, at.index, sink)
    }

    /// Reads a record whose codes are all zero and whose values are in range; None if it is not that simple.
    #[inline(always)]
    fn record(&mut self, record: &Record) -> Option<[i32; 3]> {
        let word = self.reader.peek();
        let mut odd = word & record.mask;
        let mut values = [0i32; 3];
        for (value, field) in values.iter_mut().zip(&record.fields) {
            let raw = top(word.wrapping_shl(field.shift.into()), field.bits.into()) as u32;
            odd |= u64::from(raw > field.span.into());
            *value = (raw as i32).wrapping_add(field.low.into());
        }
        let mut used = u32::from(record.width);
        if let Some(tail) = &record.tail {
            let signed = u32::from(tail.signed);
            let rest = word.wrapping_shl(tail.shift.into());
            let negative = top(rest, signed);
            let rest = rest.wrapping_shl(signed);
            let (raw, width) = short_unsigned(rest)?;
            let value = (raw ^ negative.wrapping_neg()) as i32;
            odd |= u64::from(value < tail.low) | u64::from(value > tail.high);
            odd |= top(rest.wrapping_shl(width), 2);
            *values.get_mut(record.fixed as usize)? = value;
            used = used.wrapping_add(signed).wrapping_add(width).wrapping_add(2);
        }
        if odd != 0 || u64::from(used) > self.reader.remaining() || self.depth >= self.options.max_depth {
            return None;
        }
        self.reader.skip(used);
        Some(values)
    }

    fn open<S: Sink>(&mut self, type_index: u16, opener: u16, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(element) = self.tables.types.get(type_index as usize) else {
            return Err(self.broken());
        };
        if element.is_abstract {
            let detail = format!("{} is abstract", self.opener_name(opener));
            return Err(self.fault(Fault::Range, detail));
        }
        let deepest = self.options.max_depth.min(MAX_DEPTH);
        if self.depth >= deepest {
            return Err(self.fault(Fault::Depth, format!("more than {deepest} levels")));
        }
        if let Some(outer) = self.outer.get_mut(self.depth) {
            *outer = self.frame;
        }
        self.depth = self.depth.wrapping_add(1);
        self.elements_met = self.elements_met.wrapping_add(1);
        self.frame = Frame { state: element.start, counter: 0, opener };
        let root = self.root;
        let production = self.tables.productions.get(opener as usize).unwrap_or(&root);
        sink.open(At { index: opener, production }, type_index, element).map_err(Failure::Sink)
    }

    #[inline(always)]
    fn close<S: Sink>(&mut self, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        if self.elements_met > self.options.max_elements {
            let detail = format!("more than {} elements", self.options.max_elements);
            return Err(self.fault(Fault::Size, detail));
        }
        let opener = self.frame.opener;
        self.depth = self.depth.saturating_sub(1);
        self.frame = self.outer.get(self.depth).copied().unwrap_or(EMPTY);
        let root = self.root;
        let production = self.tables.productions.get(opener as usize).unwrap_or(&root);
        sink.close(At { index: opener, production }).map_err(Failure::Sink)
    }

    /// Start code, CH, value and EE of an element of simple type. `lead`: width of the start code.
    #[inline(always)]
    fn simple<S: Sink>(&mut self, lead: u32, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(d) = self.tables.datatypes.get(at.production.target as usize) else {
            return Err(self.broken());
        };
        let word = self.reader.peek().wrapping_shl(lead);
        if word >> 63 == 1 {
            self.reader.skip(lead.wrapping_add(1));
            return self.empty_simple(at, sink);
        }
        self.reader.skip(lead.wrapping_add(1));
        if S::TRACE {
            let to = self.reader.position();
            sink.step(to - 1, to, Step::Characters);
        } else if d.bits > 0 {
            let bits = u32::from(d.bits);
            let raw = top(word << 1, bits);
            if top((word << 1).wrapping_shl(bits), 1) == 0 {
                self.reader.skip(bits.wrapping_add(1));
                return self.short(d, raw, at, sink);
            }
        }
        self.datum(at, sink)?;
        if self.reader.bits(1) == 1 {
            return Err(self.undeclared("content after a value", at.production.name));
        }
        if S::TRACE {
            let to = self.reader.position();
            sink.step(to - 1, to, Step::SimpleEnd);
        }
        Ok(())
    }

    /// A value of fixed width that has been read.
    #[inline(always)]
    fn short<S: Sink>(&mut self, d: &Datatype, raw: u64, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        let found = match d.kind {
            DatatypeKind::Boolean => Found::Boolean(raw == 1),
            DatatypeKind::Enumeration if raw <= d.high => Found::Literal(at.production.target, raw as u16),
            DatatypeKind::Enumeration => return Err(self.out_of_range(raw, d, at.production.name)),
            _ => {
                let number = (raw as i64).wrapping_add(d.low);
                if number > d.high as i64 {
                    return Err(self.out_of_range(number, d, at.production.name));
                }
                Found::Integer(number)
            }
        };
        sink.value(at, found).map_err(Failure::Sink)
    }

    /// The second level at the start of a simple element: seven productions, the first an undeclared end.
    #[cold]
    fn empty_simple<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let code = self.reader.bits(3);
        let to = self.reader.position();
        sink.step(to.saturating_sub(4), to - 3, Step::Code(1, 2, None));
        sink.step(
            to - 3,
            to,
            Step::SecondLevel(code as u16, SECOND_LEVEL.get(code as usize).unwrap_or(&"?")),
        );
        if code != 0 {
            let what = SECOND_LEVEL.get(code as usize).unwrap_or(&"no production");
            return Err(self.undeclared(what, at.production.name));
        }
        self.empty(at, sink)
    }

    fn empty<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        let value = match self.tables.datatypes.get(at.production.target as usize).map(|d| d.kind) {
            Some(DatatypeKind::String) => Found::Text(""),
            Some(DatatypeKind::Binary | DatatypeKind::Hex) => {
                Found::Octets(Octets { reader: self.reader, length: 0 })
            }
            _ => return Err(self.undeclared("an end instead of a value", at.production.name)),
        };
        sink.value(at, value).map_err(Failure::Sink)
    }

    /// A code that no declared production has: an end without content, or something this codec does not take.
    #[cold]
    fn escape<S: Sink>(&mut self, code: u16, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(state) = self.tables.states.get(self.frame.state as usize).copied() else {
            return Err(self.broken());
        };
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        if code > u16::from(state.count) {
            return Err(self.fault(Fault::EventCode, format!("code {code}, expected 0 to {}", state.count)));
        }
        let from = self.reader.position();
        sink.step(from - u64::from(state.bits), from, Step::Code(code, code + 1, None));
        let run = state.first as usize..state.first as usize + state.count as usize;
        let run = self.tables.productions.get(run).unwrap_or(&[]);
        let names = second_level(run, state.start, state.start && self.right_behind_start_tag());
        let width = names.len().next_power_of_two().trailing_zeros();
        let second = self.reader.bits(width) as usize;
        let what = names.get(second).copied().unwrap_or("no production");
        sink.step(from, self.reader.position(), Step::SecondLevel(second as u16, what));
        match run.iter().zip(state.first..).find(|(p, _)| p.kind == Kind::Content) {
            Some((production, index)) if what == SECOND_LEVEL[0] => {
                self.empty(At { index, production }, sink)?;
                self.close(sink)
            }
            _ => {
                let name = self.opener_name(self.frame.opener);
                let detail = format!("{name}: {what} that the schema does not declare here");
                Err(self.fault(Fault::Undeclared, detail))
            }
        }
    }

    fn right_behind_start_tag(&self) -> bool {
        self.tables.types.iter().any(|t| t.start == self.frame.state)
    }

    #[inline(always)]
    fn datum<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let from = self.reader.position();
        let name = at.production.name;
        let Some(d) = self.tables.datatypes.get(at.production.target as usize) else {
            return Err(self.broken());
        };
        let found = match d.kind {
            DatatypeKind::Boolean | DatatypeKind::NBit | DatatypeKind::Enumeration => {
                let raw = top(self.reader.peek(), d.bits.into());
                self.reader.skip(d.bits.into());
                if S::TRACE {
                    let found = match d.kind {
                        DatatypeKind::Boolean => Found::Boolean(raw == 1),
                        DatatypeKind::NBit => Found::Integer((raw as i64).wrapping_add(d.low)),
                        _ => Found::Literal(at.production.target, raw as u16),
                    };
                    sink.step(from, self.reader.position(), Step::Value(at, found));
                }
                return self.short(d, raw, at, sink);
            }
            DatatypeKind::Unsigned => {
                let raw = self.unsigned(name)?;
                if raw > d.high || raw < d.low.unsigned_abs() {
                    return Err(self.out_of_range(raw, d, name));
                }
                Found::Unsigned(raw)
            }
            DatatypeKind::Integer => {
                let negative = self.reader.bits(1);
                let raw = self.unsigned(name)?;
                if raw > i64::MAX as u64 {
                    return Err(self.out_of_range(raw, d, name));
                }
                let value = (raw ^ negative.wrapping_neg()) as i64;
                if value < d.low || value > d.high as i64 {
                    return Err(self.out_of_range(value, d, name));
                }
                Found::Integer(value)
            }
            DatatypeKind::Big => {
                let negative = self.big(name)?;
                Found::Big(negative, &self.memory.magnitude)
            }
            DatatypeKind::Binary | DatatypeKind::Hex => {
                let length = self.unsigned(name)?;
                if length > self.reader.remaining() / 8 || length > d.max_length.into() {
                    return Err(self.too_long(length, d.max_length, name));
                }
                let octets = Octets { reader: self.reader, length: length as usize };
                self.reader.skip_octets(length as usize);
                Found::Octets(octets)
            }
            DatatypeKind::String => {
                self.string(d.max_length, name)?;
                Found::Text(&self.memory.text)
            }
        };
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        if S::TRACE {
            sink.step(from, self.reader.position(), Step::Value(at, found));
        }
        sink.value(at, found).map_err(Failure::Sink)
    }

    /// Unsigned integer of at most 64 bits (EXI 1.0, section 7.1.6).
    #[inline(always)]
    fn unsigned<E>(&mut self, name: u16) -> Outcome<u64, E> {
        match short_unsigned(self.reader.peek()) {
            Some((value, width)) => {
                self.reader.skip(width);
                Ok(value)
            }
            None => self.long_unsigned(name),
        }
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
                let magnitude = &mut self.memory.magnitude;
                magnitude.clear();
                magnitude.extend_from_slice(&high.to_be_bytes());
                magnitude.extend_from_slice(&low.to_be_bytes());
                return Ok(negative);
            }
        }
        Err(self.too_large(name))
    }

    /// A literal string into the text memory (EXI 1.0, section 7.3.3 with empty value tables).
    fn string<E>(&mut self, max_length: u32, name: u16) -> Outcome<(), E> {
        let raw = self.unsigned(name)?;
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        let Some(length) = raw.checked_sub(2) else {
            let which = if raw == 0 { "local" } else { "global" };
            let detail = format!("a hit in the {which} value table, which is empty in V2G");
            return Err(self.fault_at(Fault::StringTable, detail, name));
        };
        if length > self.reader.remaining() / 8 || length > max_length.into() {
            return Err(self.too_long(length, max_length, name));
        }
        let mut octets = std::mem::take(&mut self.memory.text).into_bytes();
        octets.clear();
        octets.resize(length as usize, 0);
        let before = self.reader;
        self.reader.octets(&mut octets);
        if octets.iter().fold(0, |all, &b| all | b) >= 0x80 {
            self.reader = before;
            return self.wide_string(length, name);
        }
        self.memory.text = String::from_utf8(octets).unwrap_or_default();
        Ok(())
    }

    #[cold]
    fn wide_string<E>(&mut self, length: u64, name: u16) -> Outcome<(), E> {
        let mut text = String::with_capacity(length as usize * 2);
        for _ in 0..length {
            let raw = self.unsigned(name)?;
            if self.reader.overrun() {
                return Err(self.truncated());
            }
            let Some(character) = u32::try_from(raw).ok().and_then(char::from_u32) else {
                let detail = format!("U+{raw:04X} is not a character");
                return Err(self.fault_at(Fault::Character, detail, name));
            };
            text.push(character);
        }
        self.memory.text = text;
        Ok(())
    }

    /// The element fragment grammar of a name with several types: attributes, then text, then the end.
    fn relaxed<S: Sink>(&mut self, root: Root, sink: &mut S) -> Outcome<(), S::Error> {
        let grammar = self.grammar;
        let Some(Relaxed {
            attributes,
            tag_bits,
            tag_text,
            content_bits,
            content_end,
            value_slot,
            value_datatype,
        }) = &grammar.relaxed
        else {
            return Err(self.broken());
        };
        self.open(root.target, ROOT, sink)?;
        let mut least = 0;
        let base = self.root;
        let mut ended = false;
        loop {
            let code = self.reader.bits((*tag_bits).into()) as u16;
            if self.reader.overrun() {
                return Err(self.truncated());
            }
            if code == *tag_text {
                break;
            }
            if code + 1 == *tag_text {
                ended = true;
                break;
            }
            let known = attributes.iter().find(|(c, ..)| *c == code && code >= least);
            let Some((_, slot, datatype)) = known else {
                return Err(self.undeclared("content that this element does not have", root.name));
            };
            least = code + 1;
            let production = Production { slot: *slot, target: *datatype, kind: Kind::Attribute, ..base };
            self.datum(At { index: ROOT, production: &production }, sink)?;
        }
        let production =
            Production { slot: *value_slot, target: *value_datatype, kind: Kind::Content, ..base };
        let at = At { index: ROOT, production: &production };
        if ended {
            self.empty(at, sink)?;
            return self.close(sink);
        }
        self.datum(at, sink)?;
        if self.reader.bits((*content_bits).into()) != u64::from(*content_end) {
            return Err(self.undeclared("content after the value", root.name));
        }
        self.close(sink)
    }

    fn opener_name(&self, opener: u16) -> &'g str {
        let production = self.tables.productions.get(opener as usize).unwrap_or(&self.root);
        self.grammar.local_name(production.name)
    }

    #[cold]
    fn fault<E>(&self, kind: Fault, detail: String) -> Failure<E> {
        self.fault_at(kind, detail, NO_NAME)
    }

    #[cold]
    fn fault_at<E>(&self, kind: Fault, detail: String, name: u16) -> Failure<E> {
        let outer = self.outer.iter().take(self.depth).skip(1);
        let open = outer.chain((self.depth > 0).then_some(&self.frame));
        let mut path: Vec<&str> = open.map(|f| self.opener_name(f.opener)).collect();
        if name != NO_NAME {
            path.push(self.grammar.local_name(name));
        }
        let bit = self.reader.position();
        // Whatever was found behind the end was made of zeros that are not there.
        let (kind, detail) = if self.reader.overrun() {
            (Fault::Truncated, "the stream ends inside the message".into())
        } else {
            (kind, detail)
        };
        Failure::Stream(Box::new(DecodeError { kind, bit, path: path.join("/"), detail }))
    }

    #[cold]
    fn truncated<E>(&self) -> Failure<E> {
        self.fault(Fault::Truncated, "the stream ends inside the message".into())
    }

    #[cold]
    fn undeclared<E>(&self, what: &str, name: u16) -> Failure<E> {
        self.fault(Fault::Undeclared, format!("{}: {what}", self.grammar.local_name(name)))
    }

    #[cold]
    fn out_of_range<E>(&self, found: impl std::fmt::Display, d: &Datatype, name: u16) -> Failure<E> {
        self.fault_at(Fault::Range, format!("{found}, expected {} to {}", d.low, d.high), name)
    }

    #[cold]
    fn too_large<E>(&self, name: u16) -> Failure<E> {
        self.fault_at(Fault::IntegerTooLarge, "an integer of more bits than its type has".into(), name)
    }

    #[cold]
    fn too_long<E>(&self, length: u64, limit: u32, name: u16) -> Failure<E> {
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

/// An unsigned integer of one to three octets at the head of `word`, and its width in bits.
#[inline(always)]
fn short_unsigned(word: u64) -> Option<(u64, u32)> {
    if word >> 63 == 0 {
        return Some((word >> 56, 8));
    }
    let (low, middle) = (word >> 56 & 0x7F, word >> 48 & 0x7F);
    if word & 1 << 55 == 0 {
        return Some((low | middle << 7, 16));
    }
    if word & 1 << 47 == 0 {
        return Some((low | middle << 7 | (word >> 40 & 0x7F) << 14, 24));
    }
    None
}

/// The second-level productions of a state, in order (EXI 1.0, section 8.5.4.4).
fn second_level(run: &[Production], start: bool, first: bool) -> Vec<&'static str> {
    let [end, typed, nil, attribute, untyped, element, text] = SECOND_LEVEL;
    let mut names = Vec::with_capacity(SECOND_LEVEL.len());
    if !run.iter().any(|p| p.kind == Kind::EndElement) {
        names.push(end);
    }
    if first {
        names.extend([typed, nil]);
    }
    if start {
        names.extend([attribute, untyped]);
    }
    names.extend([element, text]);
    names
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
