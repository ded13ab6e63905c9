//! Where the schema's grammar is left: the second level, and the grammar of ambiguous fragments.

use super::run::{production_of, Outcome, Run};
use super::{Sink, Step};
use crate::error::{Failure, Kind as Fault};
use crate::grammar::{DatatypeKind, Kind, Production, Relaxed, Root};
use crate::value::{At, Found, Octets, ROOT};

impl Run<'_, '_> {
    /// The second level at the start of a simple element: seven productions, the first an undeclared end.
    #[cold]
    pub(super) fn empty_simple<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
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

    pub(super) fn empty<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        let value = match self.tables.datatypes.get(at.production.target as usize).map(|d| d.kind) {
            Some(DatatypeKind::String) => Found::Text(""),
            Some(DatatypeKind::Binary | DatatypeKind::Hex) => Found::Octets(Octets::EMPTY),
            _ => return Err(self.undeclared("an end instead of a value", at.production.name)),
        };
        sink.value(at, value).map_err(Failure::Sink)
    }

    /// A code that no declared production has: an end without content, or something this codec does not take.
    #[cold]
    pub(super) fn escape<S: Sink>(&mut self, code: u16, sink: &mut S) -> Outcome<(), S::Error> {
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

    pub(super) fn right_behind_start_tag(&self) -> bool {
        self.tables.types.iter().any(|t| t.start == self.frame.state)
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
            let production = Production { slot: *slot, target: *datatype, kind: Kind::Attribute, ..base };
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

    fn relaxed_code<E>(&mut self, bits: u8) -> Outcome<u16, E> {
        let code = self.reader.bits(bits.into()) as u16;
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        Ok(code)
    }

    fn tell_code<S: Sink>(&self, bits: u8, code: u16, production: &Production, sink: &mut S) {
        let to = self.reader.position();
        sink.step(to - u64::from(bits), to, Step::Relaxed(code, production));
    }
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
