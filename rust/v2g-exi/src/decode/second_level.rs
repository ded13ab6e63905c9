//! Where the schema's grammar is left: the second level, and the grammar of ambiguous fragments.

use super::run::{production_of, Outcome, Run};
use super::{Sink, Step};
use crate::error::{Failure, Kind as Fault};
use crate::grammar::{DatatypeKind, Kind, Production, Relaxed, Root, State, ABSTRACT};
use crate::value::{At, Found, Octets, NO_NAME, ROOT};

impl<'g> Run<'_, 'g> {
    /// The second level at the start of a simple element: seven productions, the first an undeclared end.
    #[cold]
    pub(super) fn empty_simple<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let code = self.reader.bits(3);
        if self.reader.overrun() {
            return Err(self.truncated(at.production.name));
        }
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

    pub(super) fn empty<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated(at.production.name));
        }
        let value = match self.tables.datatypes.get(at.production.target as usize).map(|d| d.kind) {
            Some(DatatypeKind::String) => Found::Text(""),
            Some(DatatypeKind::Binary | DatatypeKind::Hex) => Found::Octets(Octets::EMPTY),
            _ => return Err(self.undeclared("an end instead of a value", at.production.name)),
        };
        sink.value(at, value).map_err(Failure::Sink)
    }

    /// A code that no declared production has: an end without content, the type of the element, or something
    /// this codec does not take.
    #[cold]
    pub(super) fn escape<S: Sink>(&mut self, code: u16, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(state) = self.tables.states.get(self.frame.state as usize).copied() else {
            return Err(self.broken());
        };
        let run = state.run(self.tables.productions);
        let what = self.second_level(state, code, sink)?;
        if what == XSI_TYPE {
            let opener = self.frame.opener;
            let (index, target) = self.typed(opener, sink)?;
            if index != opener || target != self.declared(opener) {
                self.retype(index, target, sink)?;
            }
            return Ok(());
        }
        match run.iter().zip(state.first..).find(|(p, _)| p.kind == Kind::Content) {
            Some((production, index)) if what == SECOND_LEVEL[0] => {
                self.empty(At { index, production }, sink)?;
                self.close(sink)?;
                Ok(())
            }
            _ => {
                let name = self.opener_name(self.frame.opener);
                let detail = format!("{name}: {what} that the schema does not declare here");
                Err(self.fault(Fault::Undeclared, detail))
            }
        }
    }

    /// The second-level production that follows `code` in `state`.
    fn second_level<S: Sink>(
        &mut self,
        state: State,
        code: u16,
        sink: &mut S,
    ) -> Outcome<&'static str, S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated(NO_NAME));
        }
        if code > u16::from(state.count) {
            return Err(self.fault(Fault::EventCode, format!("code {code}, expected 0 to {}", state.count)));
        }
        let from = self.reader.position();
        sink.step(from - u64::from(state.bits), from, Step::Code(code, code + 1, None));
        let run = state.run(self.tables.productions);
        let names = second_level(run, state.start, state.start && self.right_behind_start_tag());
        let width = names.len().next_power_of_two().trailing_zeros();
        let second = self.reader.bits(width) as usize;
        let what = names.get(second).copied().unwrap_or("no production");
        if self.reader.overrun() {
            return Err(self.truncated(NO_NAME));
        }
        sink.step(from, self.reader.position(), Step::SecondLevel(second as u16, what));
        Ok(what)
    }

    /// An element whose declared type is abstract has started: it is of the type that it names.
    #[cold]
    pub(super) fn abstract_element<S: Sink>(&mut self, at: At<'g>, sink: &mut S) -> Outcome<(), S::Error> {
        self.abstract_start(at.production.start, at.index, sink)?;
        let (index, target) = self.typed(at.index, sink)?;
        let Some(production) = self.tables.productions.get(index as usize) else {
            return Err(self.broken());
        };
        self.open(At { index, production }, sink)?;
        if target != production.target {
            self.retype(index, target, sink)?;
        }
        Ok(())
    }

    /// The same for an element without a production.
    #[cold]
    pub(super) fn abstract_unlisted<S: Sink>(
        &mut self,
        start: u16,
        opener: u16,
        slot: u8,
        sink: &mut S,
    ) -> Outcome<(), S::Error> {
        self.abstract_start(start, opener, sink)?;
        let (_, target) = self.typed(opener, sink)?;
        self.open_unlisted(start, opener, slot, sink)?;
        self.retype(opener, target, sink)
    }

    /// The start tag of an element in state `start` must be followed by its type.
    fn abstract_start<S: Sink>(&mut self, start: u16, opener: u16, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(state) = self.tables.states.get(start as usize).copied() else {
            return Err(self.broken());
        };
        // Only for the second level, which looks at the present state.
        let before = std::mem::replace(&mut self.frame.state, start);
        let code = self.reader.bits(state.bits.into()) as u16;
        let named =
            if code == u16::from(state.count) { self.second_level(state, code, sink)? } else { "no type" };
        self.frame.state = before;
        if named != XSI_TYPE {
            let detail = format!("{} is abstract", self.opener_name(opener));
            return Err(self.fault(Fault::Range, detail));
        }
        Ok(())
    }

    /// The current element continues as type `target`, and as the element of `opener`.
    fn retype<S: Sink>(&mut self, opener: u16, target: u16, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(element) = self.grammar.types.get(target as usize) else {
            return Err(self.broken());
        };
        self.frame.opener = opener;
        self.frame.state = element.start;
        if let Some(production) = self.tables.productions.get(opener as usize) {
            return sink.retype(At { index: opener, production }, target).map_err(Failure::Sink);
        }
        let slot = self.scratch.slots.get(self.depth.wrapping_sub(1)).copied().unwrap_or(0);
        let production = self.unlisted(opener, slot);
        sink.retype(At { index: opener, production: &production }, target).map_err(Failure::Sink)
    }

    /// The declared type of an element.
    fn declared(&self, opener: u16) -> u16 {
        let listed = self.tables.productions.get(opener as usize);
        listed.map_or_else(|| self.unlisted(opener, 0).target, |p| p.target)
    }

    /// The value of `xsi:type`, and the opener of an element of that type in place of `opener`. If that is
    /// another element of a substitution group, it has the same meaning without the name of its type.
    fn typed<S: Sink>(&mut self, opener: u16, sink: &mut S) -> Outcome<(u16, u16), S::Error> {
        let from = self.reader.position();
        let (uri, local) = self.qualified_name(true)?;
        if self.reader.overrun() {
            return Err(self.truncated(NO_NAME));
        }
        sink.step(from, self.reader.position(), Step::Name(&uri, &local));
        let tables = self.tables;
        let (uris, types) = (&self.grammar.uris, &self.grammar.types);
        let named = |target: u16| {
            let found = types.get(target as usize);
            found.is_some_and(|t| t.name == local && uris.get(t.uri as usize).is_some_and(|u| *u == uri))
        };
        let declared = self.declared(opener);
        let extends = |target: u16| named(target) && self.grammar.extends(target, declared);
        let place = tables.states.iter().find(|s| (s.first..s.first + u16::from(s.count)).contains(&opener));
        let slot = tables.productions.get(opener as usize).map(|p| p.slot);
        for index in place.map_or(0..0, |s| s.first..s.first + u16::from(s.count)) {
            let Some(production) = tables.productions.get(index as usize) else { break };
            let fits = production.kind == Kind::Complex && slot == Some(production.slot);
            if fits && production.record != ABSTRACT && extends(production.target) {
                return Ok((index, production.target));
            }
        }
        let found = (0u16..).zip(types.iter()).find(|(index, t)| !t.is_abstract && extends(*index));
        if let Some((target, _)) = found {
            return Ok((opener, target));
        }
        let name = self.opener_name(opener);
        let detail = format!("{name}: xsi:type {{{uri}}}{local}, which does not extend its type");
        Err(self.fault(Fault::Undeclared, detail))
    }

    pub(super) fn right_behind_start_tag(&self) -> bool {
        self.grammar.types.iter().any(|t| t.start == self.frame.state)
    }

    /// The element fragment grammar of a name with several types: attributes, then text, then the end.
    pub(super) fn relaxed<S: Sink>(&mut self, root: Root, sink: &mut S) -> Outcome<(), S::Error> {
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
        self.open_type(root.target, ROOT, 0, sink)?;
        let mut least = 0;
        let base = production_of(self.root, 0);
        let mut ended = false;
        let value = Production { slot: *value_slot, target: *value_datatype, kind: Kind::Content, ..base };
        let end = Production { kind: Kind::EndElement, ..base };
        loop {
            let code = self.relaxed_code(*tag_bits)?;
            if code == *tag_text {
                self.tell_code(*tag_bits, code, &value, sink);
                break;
            }
            if code + 1 == *tag_text {
                self.tell_code(*tag_bits, code, &end, sink);
                ended = true;
                break;
            }
            let known = attributes.iter().find(|(c, ..)| *c == code && code >= least);
            let Some((_, slot, datatype)) = known else {
                return Err(self.undeclared("content that this element does not have", root.name));
            };
            least = code + 1;
            let name = self.attribute_name(root.target, *slot);
            let production =
                Production { name, slot: *slot, target: *datatype, kind: Kind::Attribute, ..base };
            self.tell_code(*tag_bits, code, &production, sink);
            self.datum_here(At { index: ROOT, production: &production }, sink)?;
        }
        let at = At { index: ROOT, production: &value };
        if ended {
            self.empty(at, sink)?;
            self.close(sink)?;
            return Ok(());
        }
        self.datum_here(at, sink)?;
        let code = self.relaxed_code(*content_bits)?;
        if code != *content_end {
            return Err(self.undeclared("content after the value", root.name));
        }
        self.tell_code(*content_bits, code, &end, sink);
        self.close(sink)?;
        Ok(())
    }

    /// The name of the attribute in `slot` of a type.
    fn attribute_name(&self, type_index: u16, slot: u8) -> u16 {
        let start = self.grammar.types.get(type_index as usize).map_or(0, |t| t.start);
        let state = self.tables.states.get(start as usize).copied();
        let mut run = state.map_or(&[][..], |s| s.run(self.tables.productions)).iter();
        run.find(|p| p.kind == Kind::Attribute && p.slot == slot).map_or(NO_NAME, |p| p.name)
    }

    fn relaxed_code<E>(&mut self, bits: u8) -> Outcome<u16, E> {
        let code = self.reader.bits(bits.into()) as u16;
        if self.reader.overrun() {
            return Err(self.truncated(NO_NAME));
        }
        Ok(code)
    }

    fn tell_code<S: Sink>(&self, bits: u8, code: u16, production: &Production, sink: &mut S) {
        let to = self.reader.position();
        sink.step(to - u64::from(bits), to, Step::Relaxed(code, production));
    }
}

/// The second-level productions of a state, in order (EXI 1.0, section 8.5.4.4).
pub(crate) fn second_level(run: &[Production], start: bool, first: bool) -> Vec<&'static str> {
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

pub(crate) const XSI_TYPE: &str = "xsi:type";

const SECOND_LEVEL: [&str; 7] = [
    "an end",
    XSI_TYPE,
    "xsi:nil",
    "an attribute",
    "an attribute with an untyped value",
    "an element",
    "a value that is not of its type",
];
