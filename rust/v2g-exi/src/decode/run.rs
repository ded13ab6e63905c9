//! The walk through the tables.

use super::values::short_unsigned;
use super::{FullLists, Options, Report, Sink, Step, MAX_DEPTH};
use crate::bits::{top, Reader};
use crate::error::{Failure, Kind as Fault};
use crate::grammar::{Count, Grammar, Kind, Production, Record, Root, Short, Slices};
use crate::value::{At, Found, NO_NAME, ROOT};

#[derive(Clone, Copy)]
#[repr(align(8))] // moved as one word
pub(super) struct Frame {
    pub(super) state: u16,
    pub(super) counter: u16,
    pub(super) opener: u16,
    /// Slot of the surrounding element, where the opener is no production of the tables.
    pub(super) slot: u8,
}

pub(super) const EMPTY: Frame = Frame { state: 0, counter: 0, opener: ROOT, slot: 0 };

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) magnitude: Vec<u8>,
    pub(super) text: String,
}

pub(super) struct Run<'a, 'g> {
    pub(super) grammar: &'g Grammar,
    pub(super) tables: Slices<'g>,
    pub(super) options: Options,
    pub(super) reader: Reader<'a>,
    pub(super) memory: &'a mut Memory,
    pub(super) root: Production,
    pub(super) frame: Frame,
    pub(super) outer: [Frame; MAX_DEPTH],
    pub(super) depth: usize,
    pub(super) elements_met: u32,
    pub(super) met_full_list: bool,
}

pub(super) type Outcome<T, E> = Result<T, Failure<E>>;

impl<'a, 'g> Run<'a, 'g> {
    pub(super) fn new(
        grammar: &'g Grammar,
        options: Options,
        reader: Reader<'a>,
        memory: &'a mut Memory,
    ) -> Self {
        Self {
            grammar,
            tables: grammar.slices(),
            options,
            reader,
            memory,
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
        }
    }

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
            self.open(root.target, ROOT, 0, sink)?;
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
        if self.reader.overrun() {
            return Err(self.truncated());
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

    pub(super) fn find_root<E>(&mut self, fragment: bool) -> Outcome<(u16, Root), E> {
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
    pub(super) fn elements<S: Sink>(&mut self, sink: &mut S) -> Outcome<(), S::Error> {
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
                    self.text(at, sink)?;
                }
                Kind::Any => {
                    self.reader.skip(state.bits.into());
                    self.advance(production)?;
                    self.wildcard(production, sink)?;
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn advance<E>(&mut self, production: &Production) -> Outcome<(), E> {
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

    pub(super) fn step<E>(&mut self, production: &Production) -> Outcome<(), E> {
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
            let leaves = match self.options.full_lists {
                FullLists::Specified => true,
                FullLists::Marked => production.count == Count::Step,
                FullLists::Loop => false,
            };
            if leaves {
                self.frame.state = production.last;
            }
        }
        Ok(())
    }

    /// An element of complex type has started: read it at one look if it is a record.
    #[inline(always)]
    pub(super) fn complex<S: Sink>(&mut self, at: At<'g>, sink: &mut S) -> Outcome<(), S::Error> {
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
        self.open(type_index, at.index, at.production.slot, sink)
    }

    /// Reads a record whose codes are all zero and whose values are in range; None if it is not that simple.
    #[inline(always)]
    pub(super) fn record(&mut self, record: &Record) -> Option<[i32; 3]> {
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

    pub(super) fn open<S: Sink>(
        &mut self,
        type_index: u16,
        opener: u16,
        slot: u8,
        sink: &mut S,
    ) -> Outcome<(), S::Error> {
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
        self.frame = Frame { state: element.start, counter: 0, opener, slot };
        let unlisted;
        let production = if let Some(production) = self.tables.productions.get(opener as usize) {
            production
        } else {
            unlisted = self.unlisted(opener, slot);
            &unlisted
        };
        sink.open(At { index: opener, production }, type_index, element).map_err(Failure::Sink)
    }

    #[inline(always)]
    pub(super) fn close<S: Sink>(&mut self, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        if self.elements_met > self.options.max_elements {
            let detail = format!("more than {} elements", self.options.max_elements);
            return Err(self.fault(Fault::Size, detail));
        }
        let Frame { opener, slot, .. } = self.frame;
        self.depth = self.depth.saturating_sub(1);
        self.frame = self.outer.get(self.depth).copied().unwrap_or(EMPTY);
        let unlisted;
        let production = if let Some(production) = self.tables.productions.get(opener as usize) {
            production
        } else {
            unlisted = self.unlisted(opener, slot);
            &unlisted
        };
        sink.close(At { index: opener, production }).map_err(Failure::Sink)
    }
}
