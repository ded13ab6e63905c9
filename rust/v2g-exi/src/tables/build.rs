//! Constructors that keep the generated tables short.

use crate::grammar::{
    Count, Datatype, DatatypeKind, Kind, Locals, Name, Production, RecordField, Root, Short, Slot, Space,
    State, Type,
};
use std::borrow::Cow::Borrowed;

pub(super) const fn n(uri: u16, local: &'static str) -> Name {
    Name { uri, local: Borrowed(local) }
}

pub(super) const fn x(uri: &'static str, locals: &'static [&'static str]) -> Space {
    Space { uri: Borrowed(uri), locals: Locals::Listed(locals) }
}

pub(super) const fn a(code: u16, slot: u8, datatype: u16) -> (u16, u8, u16) {
    (code, slot, datatype)
}

pub(super) const fn d(
    kind: DatatypeKind,
    bits: u8,
    low: i64,
    high: u64,
    max_length: u32,
    enumeration: u16,
) -> Datatype {
    Datatype { kind, bits, low, high, max_length, enumeration }
}

pub(super) const fn f(down: u8, bits: u8, low: i16, span: u16) -> RecordField {
    RecordField::new(down, bits, low, span)
}

pub(super) const fn s(first: u16, count: u8, bits: u8, end: u8, start: bool) -> State {
    State { first, count, bits, end, start }
}

pub(super) const fn r(name: u16, kind: Kind, target: u16, relaxed: bool) -> Root {
    Root { name, kind, target, relaxed }
}

#[allow(clippy::too_many_arguments)]
pub(super) const fn t(
    name: &'static str,
    uri: u16,
    base: u16,
    start: u16,
    first_slot: u16,
    slots: u8,
    is_abstract: bool,
    flat: bool,
    record: u8,
) -> Type {
    Type { name: Borrowed(name), uri, base, start, first_slot, slots, is_abstract, flat, record }
}

#[allow(clippy::too_many_arguments)]
pub(super) const fn p(
    kind: Kind,
    slot: u8,
    kept: Slot,
    name: u16,
    target: u16,
    next: u16,
    count: Count,
    number: u16,
    last: u16,
    fixed: (u8, Short, i16, u16),
    start: u16,
    record: u8,
    ends: bool,
) -> Production {
    let (bits, short, low, span) = fixed;
    Production {
        kind,
        slot,
        kept,
        count,
        name,
        target,
        next,
        number,
        last,
        bits,
        short,
        low,
        span,
        start,
        record,
        ends,
    }
}

/// No field of a record.
pub(super) const NONE: RecordField = RecordField::NONE;

/// A code beyond the alternatives.
pub(super) const E: Production =
    p(Kind::Escape, 0, Slot::Single, 0, 0, 0, Count::None, 0, 0, LONG, 0, 0, false);

/// The value of the production is not read at one look.
pub(super) const LONG: (u8, Short, i16, u16) = (0, Short::No, 0, 0);
