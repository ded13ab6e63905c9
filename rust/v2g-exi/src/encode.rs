//! The encoder: takes elements and values in schema order and writes the shortest codes.

use crate::bits::{head, Writer};
use crate::decode::{second_level, MAX_DEPTH, XSI_TYPE};
use crate::error::EncodeError;
use crate::grammar::{
    Count, Datatype, DatatypeKind, Grammar, Kind, Production, Record, RecordField, Root, Short, Slices,
    State, ABSTRACT, NO_END,
};
use crate::value::{Given, NO_NAME, ROOT, WILD};

#[derive(Clone, Copy, Debug)]
#[repr(align(8))] // moved as one word
struct Frame {
    state: u16,
    counter: u16,
    name: u16,
    mode: Mode,
}

/// How an element goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// By its states.
    Plain,
    /// By the grammar of ambiguous fragments.
    Relaxed,
    /// Not at all: its end is written.
    Ended,
}

/// No element is open: no table has such a state.
const EMPTY: Frame = Frame { state: u16::MAX, counter: 0, name: NO_NAME, mode: Mode::Plain };

/// Integers below take at most three octets.
const SHORT: u64 = 1 << 21;

/// Escape, then the first of the second-level productions at the start of a simple value: the end.
const UNDECLARED_END: u64 = 0b1000;

/// Choices where encoders in the field differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// End every full list as EXI 1.0 has it. Otherwise the lists that are marked in the tables end as the precompiled
    /// tables of common Java stacks end them: as if one more element could follow.
    pub specified_lists: bool,
    /// Write an empty string or binary element as a value of length 0, which generated C codecs need. Otherwise as an
    /// element without content, as a processor does that reads XML.
    pub empty_values: bool,
}

/// Writes one stream.
#[derive(Debug)]
pub struct Encoder<'g> {
    grammar: &'g Grammar,
    tables: Slices<'g>,
    writer: Writer,
    frame: Frame,
    outer: [Frame; MAX_DEPTH],
    depth: usize,
    style: Style,
    fragment: bool,
}

type Outcome<T> = Result<T, Box<EncodeError>>;

impl<'g> Encoder<'g> {
    /// A stream of `grammar` that reuses the memory of `buffer`.
    pub fn new(grammar: &'g Grammar, buffer: Vec<u8>, style: Style) -> Self {
        let mut writer = Writer::new(buffer);
        writer.bits(0x80, 8);
        Self {
            grammar,
            tables: grammar.slices(),
            writer,
            frame: EMPTY,
            outer: [EMPTY; MAX_DEPTH],
            depth: 0,
            style,
            fragment: false,
        }
    }

    /// Starts a document or fragment with root element `index`; tells whether it is complex and its type.
    pub fn root(&mut self, index: u16, fragment: bool) -> Outcome<Root> {
        let roots = if fragment { &self.grammar.fragments } else { &self.grammar.documents };
        let Some(root) = roots.entries.get(index as usize).copied() else {
            return Err(self.fault(NO_NAME, "no such root element".into()));
        };
        self.fragment = fragment;
        self.writer.bits(index.into(), roots.bits.into());
        if root.kind == Kind::Complex {
            let mode = if root.relaxed && fragment { Mode::Relaxed } else { Mode::Plain };
            self.push(root.target, root.name, mode)?;
        }
        Ok(root)
    }

    /// Writes the value of a root element of simple type.
    pub fn root_value(&mut self, root: Root, value: Given<'_>) -> Outcome<()> {
        if self.ends_empty(root.target, value) {
            self.writer.bits(UNDECLARED_END, 4);
            return Ok(());
        }
        self.writer.bits(0, 1);
        self.datum(root.target, root.name, value)?;
        self.writer.bits(0, 1);
        Ok(())
    }

    /// The production for `slot` in the present state that `wanted` accepts, with its event code.
    #[inline(always)]
    pub fn find(&self, slot: u8, wanted: impl Fn(&Production) -> bool) -> Outcome<(u16, &'g Production)> {
        let state = self.state()?;
        let first = state.first as usize;
        let run = self.tables.productions.get(first..first + state.count as usize).unwrap_or(&[]);
        for (code, production) in run.iter().enumerate() {
            if production.slot == slot && production.kind != Kind::EndElement && wanted(production) {
                return Ok((code as u16, production));
            }
        }
        Err(self.misplaced(slot))
    }

    /// Starts the complex element of `production`.
    #[inline(always)]
    pub fn open(&mut self, code: u16, production: &Production) -> Outcome<()> {
        if production.record == ABSTRACT || production.kind != Kind::Complex {
            return Err(self.fault(production.name, "is abstract and cannot be written".into()));
        }
        let bits = self.state()?.bits;
        self.writer.bits(code.into(), bits.into());
        self.advance(production)?;
        self.push_state(production.start, production.name, Mode::Plain)
    }

    /// Starts the element of `production` as one of type `type_index`, which extends the declared one.
    #[cold]
    pub fn open_as(&mut self, code: u16, production: &Production, type_index: u16) -> Outcome<()> {
        self.writer.bits(code.into(), self.state()?.bits.into());
        self.advance(production)?;
        self.push_state(production.start, production.name, Mode::Plain)?;
        self.retype(type_index)
    }

    /// Says that the element which has just been started is of type `type_index`: `xsi:type` on the second level (EXI
    /// 1.0, section 8.5.4.4).
    #[cold]
    pub fn retype(&mut self, type_index: u16) -> Outcome<()> {
        let (state, name) = (self.state()?, self.frame.name);
        let Some(element) = self.grammar.types.get(type_index as usize) else {
            return Err(self.fault(NO_NAME, "has no type in the tables".into()));
        };
        if self.frame.mode != Mode::Plain {
            return Err(self.fault(NO_NAME, "cannot name its type here".into()));
        }
        let first = state.first as usize;
        let run = self.tables.productions.get(first..first + state.count as usize).unwrap_or(&[]);
        let names = second_level(run, state.start, true);
        let code = names.iter().position(|what| *what == XSI_TYPE).unwrap_or(0);
        self.writer.bits(state.count.into(), state.bits.into());
        self.writer.bits(code as u64, names.len().next_power_of_two().trailing_zeros());
        self.qualified_name(element.uri, &element.name, name)?;
        self.frame.state = element.start;
        Ok(())
    }

    /// Writes a simple element, attribute, content or text.
    #[inline(always)]
    pub fn value(&mut self, code: u16, production: &Production, value: Given<'_>) -> Outcome<()> {
        if self.frame.mode == Mode::Relaxed {
            return self.relaxed_value(production, value);
        }
        let bits = u32::from(self.state()?.bits);
        if production.kind == Kind::Simple {
            return self.simple(u64::from(code), bits, production, value);
        }
        self.other(code, bits, production, value)
    }

    /// An element of simple type: code, CH, value and EE.
    #[inline(always)]
    fn simple(&mut self, code: u64, bits: u32, production: &Production, value: Given<'_>) -> Outcome<()> {
        self.advance(production)?;
        let (low, span) = (i64::from(production.low), u64::from(production.span));
        let (word, width) = match (production.short, value) {
            (Short::Boolean, Given::Boolean(flag)) => (flag.into(), 1),
            (Short::Literal, Given::Literal(index)) if u64::from(index) <= span => {
                (index.into(), production.bits.into())
            }
            (Short::Number, Given::Integer(v)) if v.wrapping_sub(low) as u64 <= span => {
                (v.wrapping_sub(low) as u64, production.bits.into())
            }
            // Types of such a production have no bounds that short values could break.
            (Short::Unsigned, Given::Integer(v)) if (v as u64) < SHORT => short_octets(v as u64),
            (Short::Unsigned, Given::Unsigned(v)) if v < SHORT => short_octets(v),
            (Short::Signed, Given::Integer(v)) if ((v ^ v >> 63) as u64) < SHORT => {
                let (octets, width) = short_octets((v ^ v >> 63) as u64);
                ((v as u64 >> 63).wrapping_shl(width) | octets, width.wrapping_add(1))
            }
            _ if self.ends_empty(production.target, value) => {
                self.writer.bits(code << 4 | UNDECLARED_END, bits.wrapping_add(4));
                return Ok(());
            }
            _ => {
                self.writer.bits(code << 1, bits.wrapping_add(1));
                self.datum(production.target, production.name, value)?;
                self.writer.bits(0, 1);
                return Ok(());
            }
        };
        let around = width.wrapping_add(2);
        self.writer.bits(code.wrapping_shl(around) | word << 1, bits.wrapping_add(around));
        Ok(())
    }

    /// An attribute, content or text.
    fn other(&mut self, code: u16, bits: u32, production: &Production, value: Given<'_>) -> Outcome<()> {
        match production.kind {
            Kind::Content if self.ends_empty(production.target, value) => {
                let escape = u64::from(self.state()?.count);
                self.writer.bits(escape << 3, bits + 3);
                self.frame.mode = Mode::Ended;
                Ok(())
            }
            Kind::Attribute | Kind::Content => {
                self.writer.bits(code.into(), bits);
                self.advance(production)?;
                self.datum(production.target, production.name, value)
            }
            Kind::Text => {
                self.writer.bits(code.into(), bits);
                self.advance(production)?;
                match value {
                    Given::Text(text) => self.text(text.as_bytes()),
                    Given::Characters(octets) => self.text(octets),
                    _ => Err(self.fault(NO_NAME, "text expected between the elements".into())),
                }
            }
            _ => Err(self.fault(production.name, "a message object expected, not a value".into())),
        }
    }

    /// Starts the complex element of production `index`, which must be one of the present state.
    #[inline(always)]
    pub fn open_at(&mut self, index: u16) -> Outcome<()> {
        if index & WILD != 0 {
            let slot = self.any_slot()?;
            return self.wild(slot, index & !WILD).map(|_| ());
        }
        let (code, production) = self.here(index)?;
        self.open(code, production)
    }

    /// As [`Self::open_at`], as an element of type `type_index`, which extends the declared one.
    #[cold]
    pub fn open_at_as(&mut self, index: u16, type_index: u16) -> Outcome<()> {
        if index & WILD != 0 {
            self.open_at(index)?;
            return self.retype(type_index);
        }
        let (code, production) = self.here(index)?;
        self.open_as(code, production, type_index)
    }

    /// Writes a value for production `index`, which must be one of the present state.
    #[inline(always)]
    pub fn value_at(&mut self, index: u16, value: Given<'_>) -> Outcome<()> {
        if index & WILD != 0 && index != ROOT {
            let slot = self.any_slot()?;
            let root = self.wild(slot, index & !WILD)?;
            return self.root_value(root, value);
        }
        if self.frame.mode == Mode::Relaxed {
            return self.relaxed_value(self.first()?, value);
        }
        let (code, production) = self.here(index)?;
        self.value(code, production, value)
    }

    /// Writes the whole element of production `index`, whose type is a record, from the values of its fields.
    #[inline(always)]
    pub fn record_at(&mut self, index: u16, values: [i32; 3]) -> Outcome<()> {
        let (code, production) = self.here(index)?;
        self.record(code, production, values)
    }

    /// Writes the whole element of `production`, whose type is a record, from the values of its fields in their places:
    /// numbers, index of the literal, 0 or 1.
    #[inline(always)]
    pub fn record(&mut self, code: u16, production: &Production, values: [i32; 3]) -> Outcome<()> {
        let Some(record) = self.tables.records.get((production.record as usize).wrapping_sub(1)) else {
            return Err(self.fault(production.name, "is not a record".into()));
        };
        let bits = u32::from(self.state()?.bits);
        // The sign bit is set where a value is out of range.
        let mut odd = 0;
        let mut word = 0;
        let mut field = |value: i32, field: &RecordField| {
            let raw = i64::from(value).wrapping_sub(field.low.into()) as u64;
            odd |= raw | u64::from(field.span).wrapping_sub(raw);
            word |= raw.wrapping_shl(field.down.into());
        };
        let [first, second, third] = &record.fields;
        let [one, two, three] = values;
        let Some(tail) = &record.tail else {
            field(one, first);
            field(two, second);
            field(three, third);
            if odd >> 63 != 0 {
                return self.record_by_field(code, production, record, values);
            }
            let width = u32::from(record.width);
            self.writer
                .bits(u64::from(code).wrapping_shl(width) | head(word, width), bits.wrapping_add(width));
            return self.advance(production);
        };
        field(one, first);
        field(two, second);
        let negative = three >> 31;
        let raw = u64::from((three ^ negative) as u32);
        odd |= u64::from(tail.high).wrapping_sub(raw);
        odd |= i64::from(negative) as u64 & u64::from(tail.sign).wrapping_sub(1);
        if odd >> 63 != 0 {
            return self.record_by_field(code, production, record, values);
        }
        let (octets, octets_width) = short_octets(raw);
        let (shift, sign) = (u32::from(tail.shift), u32::from(tail.sign));
        let lead = u64::from(code).wrapping_shl(shift) | head(word, shift);
        let lead = lead.wrapping_shl(sign) | (negative as u64 & u64::from(tail.sign));
        let width = octets_width.wrapping_add(2);
        self.writer.bits(
            lead.wrapping_shl(width) | octets << 2,
            bits.wrapping_add(shift).wrapping_add(sign).wrapping_add(width),
        );
        self.advance(production)
    }

    /// The long way round, which knows the name of the field that is out of range.
    #[cold]
    fn record_by_field(
        &mut self,
        code: u16,
        production: &Production,
        record: &Record,
        values: [i32; 3],
    ) -> Outcome<()> {
        self.open(code, production)?;
        for value in values.into_iter().skip(record.lead.into()) {
            let field = self.first()?;
            let kind = self.tables.datatypes.get(field.target as usize).map(|d| d.kind);
            if field.kind == Kind::EndElement {
                break;
            }
            let given = match (kind, u16::try_from(value)) {
                (Some(DatatypeKind::Boolean), Ok(flag @ 0..=1)) => Given::Boolean(flag == 1),
                (Some(DatatypeKind::Enumeration), Ok(index)) => Given::Literal(index),
                _ => Given::Integer(value.into()),
            };
            self.value(0, field, given)?;
        }
        self.close()
    }

    /// Starts global element `number` where the schema allows any, in `slot`; its value or content follows.
    pub fn wild(&mut self, slot: u8, number: u16) -> Outcome<Root> {
        let (code, production) = self.find(slot, |p| p.kind == Kind::Any)?;
        let Some(root) = self.grammar.documents.entries.get(number as usize).copied() else {
            return Err(self.fault(NO_NAME, "no such global element".into()));
        };
        self.writer.bits(code.into(), self.state()?.bits.into());
        self.advance(production)?;
        let named = self.grammar.names.get(root.name as usize);
        let (uri, local) = named.map_or((u16::MAX, ""), |n| (n.uri, &n.local));
        self.qualified_name(uri, local, root.name)?;
        if root.kind == Kind::Complex {
            self.push(root.target, root.name, Mode::Plain)?;
        }
        Ok(root)
    }

    /// A name through the URI and local name tables (EXI 1.0, section 7.1.7).
    fn qualified_name(&mut self, uri: u16, local: &str, name: u16) -> Outcome<()> {
        let grammar = self.grammar;
        let found = grammar.uris.get(uri as usize).and_then(|uri| {
            let space = grammar.spaces.iter().position(|s| s.uri == *uri)?;
            let locals = &grammar.spaces.get(space)?.locals;
            Some((space, locals.find(local)?, locals.len()))
        });
        let Some((space, local, count)) = found else {
            return Err(self.fault(name, "is not in the name tables".into()));
        };
        self.writer.bits(space as u64 + 1, usize::BITS - grammar.spaces.len().leading_zeros());
        self.unsigned(0);
        self.writer.bits(local as u64, usize::BITS - count.saturating_sub(1).leading_zeros());
        Ok(())
    }

    fn here(&self, index: u16) -> Outcome<(u16, &'g Production)> {
        let state = self.state()?;
        let code = index.wrapping_sub(state.first);
        match self.tables.productions.get(index as usize) {
            Some(production) if code < u16::from(state.count) => Ok((code, production)),
            _ => Err(self.misplaced(0)),
        }
    }

    fn any_slot(&self) -> Outcome<u8> {
        let state = self.state()?;
        let first = state.first as usize;
        let run = self.tables.productions.get(first..first + state.count as usize).unwrap_or(&[]);
        let any = run.iter().find(|p| p.kind == Kind::Any);
        any.map(|p| p.slot).ok_or_else(|| self.misplaced(0))
    }

    /// The first production of the present state: in a relaxed fragment none has an index of its own.
    fn first(&self) -> Outcome<&'g Production> {
        let found = self.tables.productions.get(self.state()?.first as usize);
        found.ok_or_else(|| self.misplaced(0))
    }

    /// Ends the innermost element.
    #[inline(always)]
    pub fn close(&mut self) -> Outcome<()> {
        if self.frame.mode != Mode::Plain {
            self.close_special();
            return Ok(());
        }
        let state = self.state()?;
        if state.end == NO_END {
            return Err(self.incomplete());
        }
        self.writer.bits(state.end.into(), state.bits.into());
        self.pop();
        Ok(())
    }

    /// Ends an element whose end is written already, or one of a relaxed fragment.
    #[cold]
    fn close_special(&mut self) {
        if self.frame.mode == Mode::Relaxed {
            if let Some(relaxed) = &self.grammar.relaxed {
                self.writer.bits(relaxed.content_end.into(), relaxed.content_bits.into());
            }
        }
        self.pop();
    }

    /// Names of the open elements, separated by slashes.
    pub fn path(&self) -> String {
        self.fault(NO_NAME, String::new()).path
    }

    /// Ends the stream and hands it out; nothing can be written behind it.
    #[inline(always)]
    pub fn finish(&mut self) -> Outcome<Vec<u8>> {
        if self.depth > 0 {
            return Err(self.fault(NO_NAME, "not all elements were ended".into()));
        }
        if self.fragment {
            let roots = &self.grammar.fragments;
            self.writer.bits(roots.entries.len() as u64 + 1, roots.bits.into());
        }
        Ok(std::mem::take(&mut self.writer).finish())
    }

    #[inline(always)]
    fn state(&self) -> Outcome<State> {
        let found = self.tables.states.get(self.frame.state as usize);
        found.copied().ok_or_else(|| self.fault(NO_NAME, "no element is open".into()))
    }

    #[inline(always)]
    fn push(&mut self, type_index: u16, name: u16, mode: Mode) -> Outcome<()> {
        let Some(element) = self.grammar.types.get(type_index as usize) else {
            return Err(self.fault(name, "has no type in the tables".into()));
        };
        self.push_state(element.start, name, mode)
    }

    #[inline(always)]
    fn push_state(&mut self, state: u16, name: u16, mode: Mode) -> Outcome<()> {
        let Some(outer) = self.outer.get_mut(self.depth) else {
            return Err(self.fault(name, format!("more than {MAX_DEPTH} levels")));
        };
        *outer = self.frame;
        self.depth = self.depth.wrapping_add(1);
        self.frame = Frame { state, counter: 0, name, mode };
        Ok(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.frame = self.outer.get(self.depth).copied().unwrap_or(EMPTY);
    }

    #[inline(always)]
    fn advance(&mut self, production: &Production) -> Outcome<()> {
        self.frame.state = production.next;
        if production.count == Count::None {
            return Ok(());
        }
        self.count(production)
    }

    #[inline(always)]
    fn count(&mut self, production: &Production) -> Outcome<()> {
        if production.count == Count::Set {
            self.frame.counter = production.number;
            return Ok(());
        }
        self.frame.counter = self.frame.counter.saturating_add(1);
        if self.frame.counter < production.number || production.number == 0 {
            return Ok(());
        }
        self.full(production)
    }

    /// The counter has come to the number of the production.
    fn full(&mut self, production: &Production) -> Outcome<()> {
        if self.frame.counter > production.number {
            let detail = format!("more than {} of them", production.number);
            return Err(self.fault(production.name, detail));
        }
        if self.style.specified_lists || production.count == Count::Step {
            self.frame.state = production.last;
        }
        Ok(())
    }

    /// Bits and width of a value of fixed width that is in range.
    #[inline(always)]
    fn short(&self, datatype: u16, value: Given<'_>) -> Option<(u64, u32)> {
        let d = self.tables.datatypes.get(datatype as usize)?;
        match (d.kind, value) {
            (DatatypeKind::Boolean, Given::Boolean(flag)) => Some((flag.into(), 1)),
            (DatatypeKind::Enumeration, Given::Literal(index)) if u64::from(index) <= d.high => {
                Some((index.into(), d.bits.into()))
            }
            (DatatypeKind::NBit, Given::Integer(v)) if v >= d.low && v <= d.high as i64 => {
                Some((v.wrapping_sub(d.low) as u64, d.bits.into()))
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn ends_empty(&self, datatype: u16, value: Given<'_>) -> bool {
        let length = match value {
            Given::Octets(octets) | Given::Characters(octets) => octets.len(),
            Given::Text(text) => text.len(),
            _ => return false,
        };
        length == 0 && self.may_end_empty(datatype, value)
    }

    /// Whether an empty value of the type is written as an element without content.
    fn may_end_empty(&self, datatype: u16, value: Given<'_>) -> bool {
        let kind = self.tables.datatypes.get(datatype as usize).map(|d| d.kind);
        let fits = match value {
            Given::Octets(_) => matches!(kind, Some(DatatypeKind::Binary | DatatypeKind::Hex)),
            _ => kind == Some(DatatypeKind::String),
        };
        fits && !self.style.empty_values
    }

    #[inline(always)]
    fn datum(&mut self, datatype: u16, name: u16, value: Given<'_>) -> Outcome<()> {
        let Some(d) = self.tables.datatypes.get(datatype as usize) else {
            return Err(self.fault(name, "has no datatype in the tables".into()));
        };
        let limit = d.max_length as usize;
        match (value, d.kind) {
            (Given::Octets(octets), DatatypeKind::Binary | DatatypeKind::Hex) if octets.len() <= limit => {
                self.unsigned(octets.len() as u64);
                self.writer.octets(octets);
                Ok(())
            }
            (Given::Text(text), DatatypeKind::String) if fits(text.as_bytes(), limit) => {
                self.text(text.as_bytes())
            }
            (Given::Characters(octets), DatatypeKind::String) if fits(octets, limit) => self.text(octets),
            _ => self.number(datatype, d, name, value),
        }
    }

    /// A value of any other type.
    #[inline(never)]
    fn number(&mut self, datatype: u16, d: &Datatype, name: u16, value: Given<'_>) -> Outcome<()> {
        match (d.kind, value) {
            (DatatypeKind::Boolean | DatatypeKind::Enumeration | DatatypeKind::NBit, _) => {
                match self.short(datatype, value) {
                    Some((raw, width)) => self.writer.bits(raw, width),
                    None => return Err(self.refused(d, name, value)),
                }
            }
            (DatatypeKind::Integer, Given::Integer(v)) if v >= d.low && v <= d.high as i64 => {
                self.writer.bits(u64::from(v < 0), 1);
                self.unsigned(if v < 0 { !v as u64 } else { v as u64 });
            }
            (DatatypeKind::Unsigned, Given::Integer(v)) if v >= d.low && v as u64 <= d.high => {
                self.unsigned(v as u64);
            }
            (DatatypeKind::Unsigned, Given::Unsigned(v)) if v <= d.high => self.unsigned(v),
            (DatatypeKind::Big, Given::Integer(v)) => {
                self.writer.bits(u64::from(v < 0), 1);
                self.unsigned(if v < 0 { !v as u64 } else { v as u64 });
            }
            (DatatypeKind::Big, Given::Unsigned(v)) => return self.big(name, false, &v.to_be_bytes()),
            (DatatypeKind::Big, Given::Big(negative, magnitude)) => {
                return self.big(name, negative, magnitude)
            }
            _ => return Err(self.refused(d, name, value)),
        }
        Ok(())
    }

    #[inline(always)]
    fn unsigned(&mut self, mut value: u64) {
        if value < SHORT {
            let (octets, width) = short_octets(value);
            return self.writer.bits(octets, width);
        }
        while value >= 0x80 {
            self.writer.bits(value & 0x7F | 0x80, 8);
            value >>= 7;
        }
        self.writer.bits(value, 8);
    }

    fn big(&mut self, name: u16, negative: bool, magnitude: &[u8]) -> Outcome<()> {
        let digits = magnitude.iter().skip_while(|b| **b == 0).count();
        if digits > 20 {
            return Err(self.fault(name, format!("an integer of {digits} octets, at most 20")));
        }
        let mut octets: Vec<u8> = magnitude.iter().rev().copied().collect();
        if negative {
            // EXI writes -v as v - 1.
            for octet in &mut octets {
                let (less, borrow) = octet.overflowing_sub(1);
                *octet = less;
                if !borrow {
                    break;
                }
            }
        }
        self.writer.bits(negative.into(), 1);
        let bit = |index: usize| octets.get(index / 8).map_or(0, |o| u64::from(o >> (index % 8) & 1));
        let used = (0..octets.len() * 8).rev().find(|i| bit(*i) == 1).map_or(1, |i| i + 1);
        let groups = used.div_ceil(7);
        for group in 0..groups {
            let value = (0..7).fold(0, |v, i| v | bit(group * 7 + i) << i);
            let more = if group + 1 < groups { 0x80 } else { 0 };
            self.writer.bits(value | more, 8);
        }
        Ok(())
    }

    #[inline(always)]
    fn text(&mut self, octets: &[u8]) -> Outcome<()> {
        if octets.is_ascii() {
            self.unsigned((octets.len() as u64).wrapping_add(2));
            self.writer.octets(octets);
            return Ok(());
        }
        self.wide_text(octets)
    }

    #[cold]
    fn wide_text(&mut self, octets: &[u8]) -> Outcome<()> {
        let Ok(text) = std::str::from_utf8(octets) else {
            return Err(self.fault(NO_NAME, "octets that are no UTF-8".into()));
        };
        self.unsigned(text.chars().count() as u64 + 2);
        for character in text.chars() {
            self.unsigned(u32::from(character).into());
        }
        Ok(())
    }

    /// In a fragment whose name has several types every event code comes from the relaxed grammar.
    fn relaxed_value(&mut self, production: &Production, value: Given<'_>) -> Outcome<()> {
        let Some(relaxed) = &self.grammar.relaxed else {
            return Err(self.fault(production.name, "has no relaxed grammar".into()));
        };
        let code = if production.kind == Kind::Content && self.ends_empty(production.target, value) {
            // The end stands right before the text among the alternatives.
            self.writer.bits(u64::from(relaxed.tag_text) - 1, relaxed.tag_bits.into());
            self.frame.mode = Mode::Ended;
            return Ok(());
        } else if production.kind == Kind::Content {
            relaxed.tag_text
        } else {
            let found = relaxed.attributes.iter().find(|(_, slot, _)| *slot == production.slot);
            found.map_or(relaxed.tag_text, |(code, ..)| *code)
        };
        self.writer.bits(code.into(), relaxed.tag_bits.into());
        self.advance(production)?;
        self.datum(production.target, production.name, value)
    }

    #[cold]
    fn refused(&self, d: &Datatype, name: u16, value: Given<'_>) -> Box<EncodeError> {
        let found = match value {
            Given::Octets(octets) => format!("{} octets", octets.len()),
            Given::Text(text) => format!("{} characters", text.chars().count()),
            Given::Characters(octets) => format!("{} characters", characters(octets)),
            Given::Integer(v) => v.to_string(),
            Given::Unsigned(v) => v.to_string(),
            other => format!("{other:?}"),
        };
        let expected = match d.kind {
            DatatypeKind::Boolean => "a boolean".into(),
            DatatypeKind::Binary | DatatypeKind::Hex => format!("at most {} octets", d.max_length),
            DatatypeKind::String => format!("at most {} characters", d.max_length),
            DatatypeKind::Enumeration => format!("literal 0 to {}", d.high),
            DatatypeKind::Big => "an integer".into(),
            _ => format!("an integer from {} to {}", d.low, d.high),
        };
        self.fault(name, format!("{found}, expected {expected}"))
    }

    #[cold]
    fn misplaced(&self, slot: u8) -> Box<EncodeError> {
        let expected = self.expected();
        self.fault(NO_NAME, format!("field {slot} cannot be written here, expected {expected}"))
    }

    #[cold]
    fn incomplete(&self) -> Box<EncodeError> {
        let expected = self.expected();
        self.fault(NO_NAME, format!("incomplete, expected {expected}"))
    }

    fn expected(&self) -> String {
        let Ok(state) = self.state() else {
            return "nothing".into();
        };
        let first = state.first as usize;
        let run = self.tables.productions.get(first..first + state.count as usize).unwrap_or(&[]);
        let names: Vec<&str> = run
            .iter()
            .map(|p| match p.kind {
                Kind::EndElement => "the end",
                Kind::Content => "the value",
                Kind::Text => "text",
                Kind::Any => "any element",
                _ => self.grammar.local_name(p.name),
            })
            .collect();
        names.join(", ")
    }

    #[cold]
    fn fault(&self, name: u16, detail: String) -> Box<EncodeError> {
        let outer = self.outer.iter().take(self.depth).skip(1);
        let open = outer.chain((self.depth > 0).then_some(&self.frame));
        let names = open.map(|f| f.name).chain((name != NO_NAME).then_some(name));
        let path: Vec<&str> = names.map(|n| self.grammar.local_name(n)).collect();
        Box::new(EncodeError { path: path.join("/"), detail })
    }
}

/// Whether the type allows so many characters.
#[inline(always)]
fn fits(octets: &[u8], limit: usize) -> bool {
    octets.len() <= limit || characters(octets) <= limit
}

/// How many characters UTF-8 has.
fn characters(octets: &[u8]) -> usize {
    octets.iter().filter(|octet| **octet & 0xC0 != 0x80).count()
}

/// The octets of an unsigned integer below [`SHORT`] (EXI 1.0, section 7.1.6), and their bits.
#[inline(always)]
fn short_octets(raw: u64) -> (u64, u32) {
    if raw < 0x80 {
        (raw, 8)
    } else if raw < 0x4000 {
        ((raw & 0x7F | 0x80) << 8 | raw >> 7, 16)
    } else {
        ((raw & 0x7F | 0x80) << 16 | (raw >> 7 & 0x7F | 0x80) << 8 | raw >> 14, 24)
    }
}
