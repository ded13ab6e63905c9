//! Elements where the schema allows any, and names that are spelled out.

use super::run::{production_of, Outcome, Run};
use super::{Sink, Step};
use crate::bits::top;
use crate::error::{Failure, Kind as Fault};
use crate::grammar::{Kind, Production, Slot};
use crate::value::{At, NO_NAME, ROOT, WILD};

impl Run<'_, '_> {
    /// An element of any name: read if it is a global element of the schema set, else reported by name.
    #[cold]
    pub(super) fn wildcard<S: Sink>(&mut self, any: &Production, sink: &mut S) -> Outcome<(), S::Error> {
        let from = self.reader.position();
        let (uri, local) = self.qualified_name(false)?;
        if self.reader.overrun() {
            return Err(self.truncated(NO_NAME));
        }
        sink.step(from, self.reader.position(), Step::Name(&uri, &local));
        let Some((number, root)) = self.grammar.global_element(&uri, &local) else {
            let detail = format!("{{{uri}}}{local} is no global element of this schema set");
            return Err(self.fault(Fault::Undeclared, detail));
        };
        if root.kind == Kind::Complex {
            return self.open_type(root.target, WILD | number, any.slot, sink);
        }
        let production = self.unlisted(WILD | number, any.slot);
        self.simple_here(At { index: WILD | number, production: &production }, sink)
    }

    /// A name through the URI and local name tables (EXI 1.0, section 7.1.7). `known`: a name that is not in
    /// them is refused and not read.
    pub(super) fn qualified_name<E>(&mut self, known: bool) -> Outcome<(String, String), E> {
        let spaces = &self.grammar.spaces;
        let width = usize::BITS - spaces.len().leading_zeros();
        let hit = self.reader.bits(width) as usize;
        let space = hit.checked_sub(1).and_then(|index| spaces.get(index));
        let uri = match space {
            Some(space) => space.uri.to_string(),
            None if hit == 0 && known => return Err(self.unknown_name()),
            None if hit == 0 => self.spelled(0)?,
            None => return Err(self.fault(Fault::EventCode, format!("URI {hit} of {}", spaces.len()))),
        };
        let raw = self.unsigned_here(NO_NAME)?;
        if raw > 0 && known {
            return Err(self.unknown_name());
        }
        if raw > 0 {
            return Ok((uri, self.characters(raw - 1)?));
        }
        let count = space.map_or(0, |s| s.locals.len());
        let width = usize::BITS - count.saturating_sub(1).leading_zeros();
        let index = top(self.reader.peek(), width) as usize;
        self.reader.skip(width);
        match space.and_then(|s| s.locals.get(index)) {
            Some(local) => Ok((uri, local.to_owned())),
            None => Err(self.fault(Fault::EventCode, format!("local name {index} of {count}"))),
        }
    }

    fn unknown_name<E>(&self) -> Failure<E> {
        let name = self.opener_name(self.frame.opener);
        self.fault(Fault::Undeclared, format!("{name}: xsi:type with a name that the schema does not have"))
    }

    fn spelled<E>(&mut self, less: u64) -> Outcome<String, E> {
        let length = self.unsigned_here(NO_NAME)?;
        self.characters(length.saturating_sub(less))
    }

    fn characters<E>(&mut self, length: u64) -> Outcome<String, E> {
        self.text_of(length, NO_NAME)?;
        Ok(self.scratch.text.clone())
    }

    /// The production of an element without one in the tables: the root, or an element of a wildcard.
    pub(super) fn unlisted(&self, opener: u16, slot: u8) -> Production {
        let entry = self.grammar.documents.entries.get((opener & !WILD) as usize);
        match entry {
            Some(root) if opener != ROOT => Production { kept: Slot::Items, ..production_of(*root, slot) },
            _ => production_of(self.root, 0),
        }
    }
}
