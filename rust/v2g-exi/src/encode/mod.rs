//! The encoder: takes elements and values in schema order and writes the shortest codes.

mod faults;
mod second_level;
mod values;

use crate::bits::Writer;
use crate::decode::{left_out, FullLists, MAX_DEPTH};
use crate::error::EncodeError;
use crate::grammar::{Count, Grammar, Kind, Production, Root, Slices, State, ABSTRACT, NO_END};
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

/// Choices where encoders in the field differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// How full lists end.
    pub full_lists: FullLists,
    /// Write an empty string or binary element as a value of length 0, which generated C codecs need.
    /// Otherwise as an element without content, as a processor does that reads XML.
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

    /// Starts a document or fragment with root element `index`; returns whether it is complex, and its type.
    pub fn root(&mut self, index: u16, fragment: bool) -> Outcome<Root> {
        let roots = if fragment { &self.grammar.fragments } else { &self.grammar.documents };
        let Some(root) = roots.entries.get(index as usize).copied() else {
            return Err(self.fault(NO_NAME, "no such root element".into()));
        };
        if root.kind == Kind::Escape {
            return Err(self.fault(root.name, left_out(self.grammar.local_name(root.name))));
        }
        self.fragment = fragment;
        self.writer.bits(index.into(), roots.bits.into());
        if root.kind == Kind::Complex {
            let mode = if root.relaxed && fragment { Mode::Relaxed } else { Mode::Plain };
            self.push(root.target, root.name, mode)?;
        }
        Ok(root)
    }

    /// The production for `slot` in the present state that `wanted` accepts, with its event code.
    #[inline(always)]
    pub fn find(&self, slot: u8, wanted: impl Fn(&Production) -> bool) -> Outcome<(u16, &'g Production)> {
        let state = self.state()?;
        for (code, production) in state.run(self.tables.productions).iter().enumerate() {
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
        self.start(code, production)
    }

    #[inline(always)]
    fn start(&mut self, code: u16, production: &Production) -> Outcome<()> {
        self.writer.bits(code.into(), self.state()?.bits.into());
        self.advance(production)?;
        self.push_state(production.start, production.name, Mode::Plain)
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

    fn here(&self, index: u16) -> Outcome<(u16, &'g Production)> {
        let state = self.state()?;
        let code = index.wrapping_sub(state.first);
        match self.tables.productions.get(index as usize) {
            Some(production) if code < u16::from(state.count) => Ok((code, production)),
            _ => Err(self.misplaced(0)),
        }
    }

    /// The first production of the present state: in a relaxed fragment none has a separate index.
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
        if self.style.full_lists.leaves(production) {
            self.frame.state = production.last;
        }
        Ok(())
    }
}
