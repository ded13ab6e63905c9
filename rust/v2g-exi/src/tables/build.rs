//! Constructors that keep the generated tables short.

use crate::grammar::{
    Count, Datatype, DatatypeKind, Kind, Locals, Name, Production, Root, Short, Space, State, Type,
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

pub(super) const fn s(first: u16, count: u8, bits: u8, start: bool) -> State {
    State { first, count, bits, start }
}

pub(super) const fn r(name: u16, kind: Kind, target: u16, relaxed: bool) -> Root {
    Root { name, kind, target, relaxed }
}

pub(super) const fn t(
    name: &'static str,
    start: u16,
    first_slot: u16,
    slots: u8,
    is_abstract: bool,
    flat: bool,
    record: u8,
) -> Type {
    Type { name: Borrowed(name), start, first_slot, slots, is_abstract, flat, record }
}

#[allow(clippy::too_many_arguments)]
pub(super) const fn p(
    kind: Kind,
    slot: u8,
    list: bool,
    items: bool,
    name: u16,
    target: u16,
    next: u16,
    count: Count,
    number: u16,
    last: u16,
    fixed: (u8, Short, i16, u16),
) -> Production {
    let (bits, short, low, span) = fixed;
    Production { kind, slot, list, items, count, name, target, next, number, last, bits, short, low, span }
}

/// The value of the production is not of fixed width.
pub(super) const NOT_FIXED: (u8, Short, i16, u16) = (0, Short::No, 0, 0);
