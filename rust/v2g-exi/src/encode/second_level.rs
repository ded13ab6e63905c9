//! What most messages never need: `xsi:type`, elements where any may stand, and the grammar of ambiguous
//! fragments.

use super::{Encoder, Mode, Outcome};
use crate::decode::{second_level, XSI_TYPE};
use crate::grammar::{Kind, Production, Root};
use crate::value::{Given, NO_NAME, WILD};

impl Encoder<'_> {
    /// Starts the element of `production` as one of type `type_index`, which extends the declared one.
    #[cold]
    pub fn open_as(&mut self, code: u16, production: &Production, type_index: u16) -> Outcome<()> {
        self.start(code, production)?;
        self.retype(type_index)
    }

    /// Says that the element which has just been started is of type `type_index`: `xsi:type` on the second
    /// level (EXI 1.0, section 8.5.4.4).
    #[cold]
    pub fn retype(&mut self, type_index: u16) -> Outcome<()> {
        let (state, name) = (self.state()?, self.frame.name);
        let Some(element) = self.grammar.types.get(type_index as usize) else {
            return Err(self.fault(NO_NAME, "has no type in the tables".into()));
        };
        if self.frame.mode != Mode::Plain {
            return Err(self.fault(NO_NAME, "cannot name its type here".into()));
        }
        let names = second_level(state.run(self.tables.productions), state.start, true);
        let code = names.iter().position(|what| *what == XSI_TYPE).unwrap_or(0);
        self.writer.bits(state.count.into(), state.bits.into());
        self.writer.bits(code as u64, names.len().next_power_of_two().trailing_zeros());
        self.qualified_name(element.uri, &element.name, name)?;
        self.frame.state = element.start;
        Ok(())
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

    pub(super) fn any_slot(&self) -> Outcome<u8> {
        let state = self.state()?;
        let run = state.run(self.tables.productions);
        let any = run.iter().find(|p| p.kind == Kind::Any);
        any.map(|p| p.slot).ok_or_else(|| self.misplaced(0))
    }

    /// Ends an element whose end is written already, or one of a relaxed fragment.
    #[cold]
    pub(super) fn close_special(&mut self) {
        if self.frame.mode == Mode::Relaxed {
            if let Some(relaxed) = &self.grammar.relaxed {
                self.writer.bits(relaxed.content_end.into(), relaxed.content_bits.into());
            }
        }
        self.pop();
    }

    /// In a fragment whose name has several types every event code comes from the relaxed grammar.
    pub(super) fn relaxed_value(&mut self, production: &Production, value: Given<'_>) -> Outcome<()> {
        let Some(relaxed) = &self.grammar.relaxed else {
            return Err(self.fault(production.name, "has no relaxed grammar".into()));
        };
        let code = if production.kind == Kind::Content && self.ends_empty(production.target, value) {
            // The end comes right before the text in the alternatives.
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
}
