//! What to say about a bad stream.

use super::run::{Outcome, Run};
use crate::error::{DecodeError, Failure, Kind as Fault};
use crate::grammar::Datatype;
use crate::value::NO_NAME;

const ENDS_INSIDE: &str = "the stream ends inside the message";

impl<'g> Run<'_, 'g> {
    pub(super) fn opener_name(&self, opener: u16) -> &'g str {
        let listed = self.tables.productions.get(opener as usize);
        self.grammar.local_name(listed.map_or_else(|| self.unlisted(opener, 0).name, |p| p.name))
    }

    #[cold]
    pub(super) fn fault<E>(&self, kind: Fault, detail: String) -> Failure<E> {
        self.fault_at(kind, detail, NO_NAME)
    }

    #[cold]
    pub(super) fn fault_at<E>(&self, kind: Fault, detail: String, name: u16) -> Failure<E> {
        let outer = self.outer.iter().take(self.depth).skip(1);
        let open = outer.chain((self.depth > 0).then_some(&self.frame));
        let mut path: Vec<&str> = open.map(|f| self.opener_name(f.opener)).collect();
        if name != NO_NAME {
            path.push(self.grammar.local_name(name));
        }
        let bit = self.reader.position().min(self.reader.end());
        // Everything found behind the end came from zeros that are not in the stream.
        let (kind, detail) =
            if self.reader.overrun() { (Fault::Truncated, ENDS_INSIDE.into()) } else { (kind, detail) };
        Failure::Stream(Box::new(DecodeError { kind, bit, path: path.join("/"), detail }))
    }

    /// The stream ends where `bits` more were to come. When every piece of a stream is looked at, each is
    /// looked at so: what lies behind the end reads as zeros, and has no name.
    #[inline(always)]
    pub(super) fn all_there<E>(&self, bits: u32, name: u16) -> Outcome<(), E> {
        if self.reader.remaining() < bits.into() {
            return Err(self.ends_inside(name));
        }
        Ok(())
    }

    #[cold]
    fn ends_inside<E>(&self, name: u16) -> Failure<E> {
        let mut here = self.fault_at(Fault::Truncated, ENDS_INSIDE.into(), name);
        if let Failure::Stream(error) = &mut here {
            error.bit = self.reader.end();
        }
        here
    }

    #[cold]
    pub(super) fn truncated<E>(&self, name: u16) -> Failure<E> {
        self.fault_at(Fault::Truncated, ENDS_INSIDE.into(), name)
    }

    #[cold]
    pub(super) fn undeclared<E>(&self, what: &str, name: u16) -> Failure<E> {
        self.fault(Fault::Undeclared, format!("{}: {what}", self.grammar.local_name(name)))
    }

    #[cold]
    pub(super) fn out_of_range<E>(
        &self,
        found: impl std::fmt::Display,
        d: &Datatype,
        name: u16,
    ) -> Failure<E> {
        self.fault_at(Fault::Range, format!("{found}, expected {} to {}", d.low, d.high), name)
    }

    #[cold]
    pub(super) fn too_large<E>(&self, name: u16) -> Failure<E> {
        self.fault_at(Fault::IntegerTooLarge, "an integer of more bits than its type has".into(), name)
    }

    #[cold]
    pub(super) fn too_long<E>(&self, length: u64, limit: u32, name: u16) -> Failure<E> {
        let left = self.reader.remaining() / 8;
        if length <= left || length > limit.into() {
            let limit = if limit == crate::grammar::UNBOUNDED { left } else { limit.into() };
            return self.fault_at(Fault::Length, format!("length {length}, at most {limit}"), name);
        }
        self.fault_at(Fault::Truncated, format!("length {length}, but {left} bytes are left"), name)
    }

    #[cold]
    pub(super) fn too_deep<E>(&self) -> Failure<E> {
        self.fault(Fault::Depth, format!("more than {} levels", self.outer.len()))
    }

    #[cold]
    pub(super) fn too_many<E>(&self) -> Failure<E> {
        self.fault(Fault::Size, format!("more than {} elements", self.options.max_elements))
    }

    /// The tables contradict themselves: only possible with tables that this crate did not generate.
    #[cold]
    pub(super) fn broken<E>(&self) -> Failure<E> {
        self.fault(Fault::EventCode, "the grammar tables are inconsistent".into())
    }
}
