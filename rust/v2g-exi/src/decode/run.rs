//! The walk through the tables.
//!
//! # Theory
//!
//! EXI is a walk through a grammar. At each point only some events are possible: a certain element starts, an
//! attribute or a value comes, the element ends. The stream holds the number of the event among them (its
//! code), in as many bits as that takes, and then the value, if the event has one. So a decoder needs three
//! things: the state, that is the point in the grammar; the stack of the elements that are open; the position
//! in the stream.
//!
//! *Tables.* A state has 2^bits productions, one for each code that its bits can say, and codes beyond the
//! alternatives have productions of the kind [`Kind::Escape`]. So a look at `bits` bits is an index that
//! needs no check, and what is not in the tables cannot be reached. A production says what comes (`kind`,
//! `name`, `target`), where the value goes (`slot`, `kept`), the next state (`next`), and how a simple value
//! looks in the stream (`bits`, `short`, `low`, `span`). The generated tables name the type and the state of
//! each production.
//!
//! *Stack.* [`Frame`] is one open element: its state, the counter of the list it is in, and the production
//! that opened it, by which the sink knows where the finished element goes. The innermost frame is in
//! `frame`, the others in `outer`. An element whose opener is no production of the tables (a root, an element
//! of any name) has [`ROOT`] there or one beyond them, and its slot in `scratch.slots`.
//!
//! *Lists.* The tables do not repeat the states of a list 1024 times, as the specification does: a production
//! that begins a list sets the counter, each further one counts ([`Count`]), and at the number of the
//! production the state becomes `last`, from which no further member is possible. How a list that is exactly
//! full ends is the one thing on which encoders disagree; `met_full_list` notes that it mattered, so that the
//! caller reads the stream a second time if the first form leaves something behind ([`super::Decoder`]).
//!
//! *Looks.* [`Reader::peek`] gives the next 64 bits, with zeros behind the end. An element of simple type is
//! decided by one look: its code, the code of its value (zero), the value, the code of its end (zero), and
//! the code of the end around it, if nothing else can follow (`ends`). A complex type of two or three such
//! elements is a record: one look reads it whole, if all its codes are zero and its values are in range
//! ([`Run::record`]). Whatever does not fit goes the long way, piece by piece, with the same result; so do
//! all streams that are explained ([`Sink::TRACE`]).
//!
//! *The end of the stream* is not checked at each read. Reading on gives zeros, and [`Reader::overrun`] is
//! asked at the end of each element, before its object is made, and before anything that could run long. A
//! stream that is cut is read at most to the end of the innermost element.
//!
//! *Faults.* Nothing here panics: each index is a `get`, each sum wraps or saturates where it cannot be wrong
//! in a way that matters. A table that contradicts itself ends in [`Run::broken`]. A stream that is refused
//! is read once more, as if to explain it, to find the bit and the words ([`super::faults`]).
//!
//! *Limits.* The depth is that of `outer`; the number of elements is counted only in streams that are long
//! enough to hold too many (`elements_left`); members of a list without a limit in the schema end at
//! `max_occurs`.

use super::values::short_unsigned;
use super::{Options, Report, Sink, Step, MAX_DEPTH};
use crate::bits::{head, Reader};
use crate::error::{Failure, Kind as Fault};
use crate::grammar::{Count, Grammar, Kind, Production, Record, RecordField, Root, Short, Slices, Slot};
use crate::value::{At, Found, NO_NAME, ROOT};

#[derive(Clone, Copy, Debug, Default)]
#[repr(align(8))] // moved as one word
pub(super) struct Frame {
    pub(super) state: u16,
    pub(super) counter: u16,
    pub(super) opener: u16,
}

const EMPTY: Frame = Frame { state: 0, counter: 0, opener: ROOT };

/// What is kept from one stream to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    scratch: Scratch,
    outer: [Frame; MAX_DEPTH],
}

#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) magnitude: Vec<u8>,
    pub(super) text: String,
    /// Slots of the elements around, where their openers are no productions of the tables.
    pub(super) slots: [u8; MAX_DEPTH],
}

pub(super) struct Run<'a, 'g> {
    pub(super) grammar: &'g Grammar,
    pub(super) tables: Slices<'g>,
    pub(super) options: &'a Options,
    pub(super) reader: Reader<'a>,
    pub(super) scratch: &'a mut Scratch,
    /// The frames around the innermost one, from outside in; as many as may be.
    pub(super) outer: &'a mut [Frame],
    pub(super) root: Root,
    pub(super) frame: Frame,
    pub(super) depth: usize,
    /// How many more elements of complex type may come; None where the stream is too short for too many.
    elements_left: Option<u32>,
    pub(super) met_full_list: bool,
}

pub(super) type Outcome<T, E> = Result<T, Failure<E>>;

impl<'a, 'g> Run<'a, 'g> {
    #[inline(always)]
    pub(super) fn new(
        grammar: &'g Grammar,
        options: &'a Options,
        reader: Reader<'a>,
        memory: &'a mut Memory,
    ) -> Self {
        Self {
            grammar,
            tables: grammar.slices(),
            options,
            reader,
            scratch: &mut memory.scratch,
            outer: memory.outer.get_mut(..options.max_depth.min(MAX_DEPTH)).unwrap_or(&mut []),
            root: Root { name: NO_NAME, kind: Kind::Complex, target: 0, relaxed: false },
            frame: EMPTY,
            depth: 0,
            elements_left: (reader.end() / 2 > options.max_elements.into()).then_some(options.max_elements),
            met_full_list: false,
        }
    }

    #[inline(always)]
    pub(super) fn whole<S: Sink>(
        &mut self,
        data: &[u8],
        sink: &mut S,
        fragment: bool,
    ) -> Outcome<Report, S::Error> {
        match data.first() {
            None => return Err(self.fault(Fault::Truncated, "empty stream".into())),
            Some(0x80) => {
                self.reader.skip(8);
                sink.step(0, 8, Step::Header);
            }
            Some(other) => return Err(self.fault(Fault::Header, header_fault(*other))),
        }
        let (index, root) = self.find_root(fragment)?;
        if S::TRACE {
            let roots = if fragment { &self.grammar.fragments } else { &self.grammar.documents };
            let alternatives = roots.entries.len() as u16 + 1 + u16::from(fragment);
            let to = self.reader.position();
            sink.step(to.saturating_sub(roots.bits.into()), to, Step::Root(index, alternatives, root.name));
        }
        self.root = root;
        if root.relaxed && fragment {
            self.relaxed(root, sink)?;
        } else if root.kind == Kind::Complex {
            self.open_root(sink)?;
            self.elements(sink)?;
        } else {
            let production = production_of(root, 0);
            self.simple_here(At { index: ROOT, production: &production }, sink)?;
        }
        if fragment {
            let end = self.grammar.fragments.entries.len() as u64 + 1;
            let code = self.reader.bits(self.grammar.fragments.bits.into());
            if self.reader.overrun() {
                return Err(self.truncated(NO_NAME));
            }
            if code != end {
                let detail = format!("the fragment ends with code {code}, expected {end}");
                return Err(self.fault(Fault::EventCode, detail));
            }
            let to = self.reader.position();
            let from = to.saturating_sub(self.grammar.fragments.bits.into());
            sink.step(from, to, Step::FragmentEnd(code as u16, end as u16 + 1));
        }
        if self.reader.overrun() {
            return Err(self.truncated(NO_NAME));
        }
        let at = self.reader.position();
        let (clean_padding, trailing_bytes, zero) = self.reader.rest();
        let behind = at.next_multiple_of(8);
        if S::TRACE && behind > at {
            sink.step(at, behind, Step::Padding);
        }
        if S::TRACE && zero && trailing_bytes > 0 {
            sink.step(behind, self.reader.end(), Step::Trailing);
        }
        if !zero {
            self.reader.go_to(behind);
            let detail = format!("{trailing_bytes} bytes behind the end of the message");
            return Err(self.fault(Fault::Trailing, detail));
        }
        Ok(Report { root: index, trailing_bytes, clean_padding })
    }

    #[inline(always)]
    pub(super) fn find_root<E>(&mut self, fragment: bool) -> Outcome<(u16, Root), E> {
        let roots = if fragment { &self.grammar.fragments } else { &self.grammar.documents };
        let code = self.reader.bits(roots.bits.into());
        if self.reader.overrun() {
            return Err(self.truncated(NO_NAME));
        }
        if let Some(root) = roots.entries.get(code as usize) {
            if root.kind == Kind::Escape {
                return Err(self.fault(Fault::Root, left_out(self.grammar.local_name(root.name))));
            }
            return Ok((code as u16, *root));
        }
        if code as usize == roots.entries.len() {
            return Err(self.fault(Fault::Root, "an element that the schema does not declare".into()));
        }
        let detail = format!("root code {code}, expected 0 to {}", roots.entries.len());
        Err(self.fault(Fault::EventCode, detail))
    }

    /// The elements under the innermost frame, to the end of the outermost.
    pub(super) fn elements<S: Sink>(&mut self, sink: &mut S) -> Outcome<(), S::Error> {
        loop {
            let Some(state) = self.tables.states.get(self.frame.state as usize) else {
                return Err(self.broken());
            };
            let word = self.reader.peek();
            let bits = u32::from(state.bits);
            let index = usize::from(state.first).wrapping_add(head(word, bits) as usize);
            let Some(production) = self.tables.productions.get(index) else {
                return Err(self.broken());
            };
            let at = At { index: index as u16, production };
            if S::TRACE {
                self.all_there(bits, NO_NAME)?;
            }
            if S::TRACE && production.kind != Kind::Escape {
                let from = self.reader.position();
                let code = at.index.wrapping_sub(state.first);
                let step = Step::Code(code, u16::from(state.count) + 1, Some(production));
                sink.step(from, from + u64::from(state.bits), step);
            }
            match production.kind {
                Kind::Simple => {
                    let look = word.wrapping_shl(bits);
                    self.advance(production)?;
                    if !self.element(look, bits, at, sink)? {
                        continue;
                    }
                    self.reader.skip(1);
                }
                Kind::EndElement => self.reader.skip(bits),
                Kind::Complex => {
                    self.reader.skip(bits);
                    self.advance(production)?;
                    if production.record == 0 {
                        self.open(at, sink)?;
                        continue;
                    }
                    if !self.special(word.wrapping_shl(bits), at, sink)? {
                        continue;
                    }
                    self.reader.skip(1);
                }
                _ => {
                    if self.other(bits, at, state.first, sink)? {
                        return Ok(());
                    }
                    continue;
                }
            }
            if self.close(sink)? {
                return Ok(());
            }
        }
    }

    /// An element of simple type, whose start code of `bits` bits is followed by `look`. True if the end of
    /// the element around it is next.
    #[inline(always)]
    fn element<S: Sink>(
        &mut self,
        look: u64,
        bits: u32,
        at: At<'g>,
        sink: &mut S,
    ) -> Outcome<bool, S::Error> {
        let production = at.production;
        let width = u32::from(production.bits).wrapping_add(2);
        // CH and EE are zero around a value in range: behind this, EE is the topmost bit.
        let raw = head(look, width).rotate_right(1);
        let short = if S::TRACE { Short::No } else { production.short };
        let found = match short {
            Short::No => None,
            Short::Unsigned | Short::Signed => {
                if let Some(rest) = self.integer(look, bits, at, sink)? {
                    return Ok(production.ends && rest >> 63 == 0);
                }
                None
            }
            _ if raw > production.span.into() => None,
            Short::Boolean => Some(Found::Boolean(raw == 1)),
            Short::Literal => Some(Found::Literal(production.target, raw as u16)),
            Short::Number => Some(Found::Integer((raw as i64).wrapping_add(production.low.into()))),
        };
        if let Some(found) = found {
            // An overrun is noticed at the end of the element around it.
            self.reader.skip(bits.wrapping_add(width));
            sink.value(at, found).map_err(Failure::Sink)?;
            return Ok(production.ends && look.wrapping_shl(width) >> 63 == 0);
        }
        self.reader.skip(bits);
        let rest = self.simple(look, at, sink)?;
        Ok(!S::TRACE && production.ends && rest >> 63 == 0)
    }

    /// Attributes, simple content, text, elements of any name, and codes beyond the alternatives. True if the
    /// outermost element has ended.
    fn other<S: Sink>(&mut self, bits: u32, at: At<'g>, first: u16, sink: &mut S) -> Outcome<bool, S::Error> {
        self.reader.skip(bits);
        if at.production.kind == Kind::Escape {
            self.escape(at.index.wrapping_sub(first), sink)?;
            return Ok(self.depth == 0);
        }
        self.advance(at.production)?;
        match at.production.kind {
            Kind::Attribute | Kind::Content => self.datum_here(at, sink)?,
            Kind::Text => self.text(at, sink)?,
            _ => self.wildcard(at.production, sink)?,
        }
        Ok(false)
    }

    #[inline(always)]
    pub(super) fn advance<E>(&mut self, production: &Production) -> Outcome<(), E> {
        self.frame.state = production.next;
        if production.count == Count::None {
            return Ok(());
        }
        self.count(production)
    }

    #[inline(always)]
    fn count<E>(&mut self, production: &Production) -> Outcome<(), E> {
        if production.count == Count::Set {
            self.frame.counter = production.number;
            return Ok(());
        }
        self.frame.counter = self.frame.counter.saturating_add(1);
        if self.frame.counter < production.number {
            return Ok(());
        }
        self.full(production)
    }

    /// The counter has come to the number of the production, or that is 0.
    fn full<E>(&mut self, production: &Production) -> Outcome<(), E> {
        if self.reader.overrun() {
            return Err(self.truncated(NO_NAME));
        }
        let limit = if production.number == 0 { self.options.max_occurs } else { production.number };
        if self.frame.counter > limit {
            let detail = format!("more than {limit} {}", self.grammar.local_name(production.name));
            return Err(self.fault(Fault::Size, detail));
        }
        if self.frame.counter == production.number {
            self.met_full_list = true;
            if self.options.full_lists.unwrap_or_default().leaves(production) {
                self.frame.state = production.last;
            }
        }
        Ok(())
    }

    /// The start of an element whose type is a record or abstract: a record is read at one look if it can be.
    /// True if the end of the element around it is next.
    #[inline(always)]
    fn special<S: Sink>(&mut self, look: u64, at: At<'g>, sink: &mut S) -> Outcome<bool, S::Error> {
        let number = at.production.record;
        let Some(record) = self.tables.records.get((number as usize).wrapping_sub(1)) else {
            self.abstract_element(at, sink)?;
            return Ok(false);
        };
        let width = u32::from(at.production.bits);
        let whole = if S::TRACE { None } else { self.record(record, look, width) };
        let Some((used, values)) = whole else {
            self.open(at, sink)?;
            return Ok(false);
        };
        if self.elements_left.is_some() {
            self.count_element()?;
        }
        sink.record(at, record, values).map_err(Failure::Sink)?;
        Ok(at.production.ends && look.wrapping_shl(used) >> 63 == 0)
    }

    /// Reads a record of at least `width` bits whose codes are all zero and whose values are in range: how
    /// many bits it took, and the values; None if it is not that simple.
    #[inline(always)]
    fn record(&mut self, record: &Record, look: u64, width: u32) -> Option<(u32, [i32; 3])> {
        // The sign bit of a difference is set where something is above its limit.
        let mut over = 0;
        let mut field = |field: &RecordField| {
            let raw = look.wrapping_shr(field.down.into()) & u64::from(field.mask);
            over |= u64::from(field.span).wrapping_sub(raw);
            (raw as i32).wrapping_add(field.low.into())
        };
        let [first, second, third] = &record.fields;
        let (first, second) = (field(first), field(second));
        let (last, more, ends) = if let Some(tail) = &record.tail {
            let rest = look.wrapping_shl(tail.shift.into());
            let negative = (rest as i64 >> 63) as u64 & u64::from(tail.sign).wrapping_neg();
            let rest = rest.wrapping_shl(tail.sign.into());
            let (raw, more) = short_unsigned(rest)?;
            over |= u64::from(tail.high).wrapping_sub(raw);
            ((raw ^ negative) as i32, more, rest.wrapping_shl(more) >> 62)
        } else {
            (field(third), 0, 0)
        };
        let used = width.wrapping_add(more);
        let end = self.reader.position().wrapping_add(used.into());
        over |= self.reader.end().wrapping_sub(end);
        over |= (self.outer.len() as u64).wrapping_sub(self.depth as u64).wrapping_sub(1);
        if look & record.mask | over >> 63 | ends != 0 {
            return None;
        }
        self.reader.go_to(end);
        Some((used, [first, second, last]))
    }

    /// Starts the complex element of a production.
    #[inline(always)]
    pub(super) fn open<S: Sink>(&mut self, at: At<'g>, sink: &mut S) -> Outcome<(), S::Error> {
        self.push(at.production.start, at.index)?;
        sink.open(at, at.production.target).map_err(Failure::Sink)
    }

    fn open_root<S: Sink>(&mut self, sink: &mut S) -> Outcome<(), S::Error> {
        let root = self.root;
        self.open_type(root.target, ROOT, 0, sink)
    }

    /// Starts an element that no production of the tables describes.
    #[inline(always)]
    pub(super) fn open_type<S: Sink>(
        &mut self,
        type_index: u16,
        opener: u16,
        slot: u8,
        sink: &mut S,
    ) -> Outcome<(), S::Error> {
        let Some(element) = self.grammar.types.get(type_index as usize) else {
            return Err(self.broken());
        };
        if element.is_abstract {
            return self.abstract_unlisted(element.start, opener, slot, sink);
        }
        self.open_unlisted(element.start, opener, slot, sink)
    }

    #[inline(always)]
    pub(super) fn open_unlisted<S: Sink>(
        &mut self,
        start: u16,
        opener: u16,
        slot: u8,
        sink: &mut S,
    ) -> Outcome<(), S::Error> {
        self.push(start, opener)?;
        if let Some(kept) = self.scratch.slots.get_mut(self.depth.wrapping_sub(1)) {
            *kept = slot;
        }
        let production = self.unlisted(opener, slot);
        sink.open(At { index: opener, production: &production }, production.target).map_err(Failure::Sink)
    }

    #[inline(always)]
    fn push<E>(&mut self, state: u16, opener: u16) -> Outcome<(), E> {
        let Some(outer) = self.outer.get_mut(self.depth) else {
            return Err(self.too_deep());
        };
        *outer = self.frame;
        self.depth = self.depth.wrapping_add(1);
        self.frame = Frame { state, counter: 0, opener };
        if self.elements_left.is_some() {
            return self.count_element();
        }
        Ok(())
    }

    #[cold]
    fn count_element<E>(&mut self) -> Outcome<(), E> {
        self.elements_left = self.elements_left.and_then(|left| left.checked_sub(1));
        if self.elements_left.is_none() {
            return Err(self.too_many());
        }
        Ok(())
    }

    /// Ends the innermost element; true if it was the outermost.
    #[inline(always)]
    pub(super) fn close<S: Sink>(&mut self, sink: &mut S) -> Outcome<bool, S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated(NO_NAME));
        }
        let opener = self.frame.opener;
        let depth = self.depth.wrapping_sub(1);
        let Some(outer) = self.outer.get(depth) else { return Err(self.broken()) };
        self.frame = *outer;
        self.depth = depth;
        if let Some(production) = self.tables.productions.get(opener as usize) {
            sink.close(At { index: opener, production }).map_err(Failure::Sink)?;
        } else {
            let slot = self.scratch.slots.get(depth).copied().unwrap_or(0);
            let production = self.unlisted(opener, slot);
            sink.close(At { index: opener, production: &production }).map_err(Failure::Sink)?;
        }
        Ok(depth == 0)
    }
}

/// The production of an element that has none in the tables.
pub(super) fn production_of(root: Root, slot: u8) -> Production {
    Production {
        kind: root.kind,
        slot,
        kept: Slot::Single,
        count: Count::None,
        name: root.name,
        target: root.target,
        next: 0,
        number: 0,
        last: 0,
        bits: 0,
        short: Short::No,
        low: 0,
        span: 0,
        start: 0,
        record: 0,
        ends: false,
    }
}

/// What is wrong with a fragment that cannot be read, nor written.
pub(crate) fn left_out(name: &str) -> String {
    format!("{name} is declared with different types and is no fragment of this codec")
}

/// What is wrong with the first byte of a stream.
fn header_fault(byte: u8) -> String {
    let what = match byte {
        0x24 => "the start of the cookie $EXI, which V2G does not have",
        0xA0..=0xBF => "an options document, but the options of V2G are fixed",
        0x90..=0x9F => "a preview version of the format",
        0x81..=0x8F => "another version of the format",
        _ => "no EXI",
    };
    format!("first byte {byte:02x}, expected 80: {what}")
}
