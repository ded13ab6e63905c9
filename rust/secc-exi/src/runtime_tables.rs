//! Grammar tables handed over at run time.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::borrow::Cow::Owned;
use v2g_exi::grammar::{
    Count, Datatype, DatatypeKind, Grammar, Kind, Locals, Name, Production, Record, RecordField, RecordTail,
    Relaxed, Root, Roots, Short, Slot, Space, State, Type,
};

type RawDatatype = (String, u8, i64, u64, u32, u16);
type RawType = (String, u16, u16, u16, u16, u8, bool, bool, u8);
type RawState = (u16, u8, u8, u8, bool);
/// Kind, slot, slot kind, name, target, next, count, number, last; width, meaning, smallest value and span of
/// a short value; first state and record of a complex type, and whether only the end can follow.
type RawProduction = ((u8, u8, u8, u16, u16, u16, u8, u16, u16), (u8, u8, i16, u16), (u16, u8, bool));
type RawRoot = (u16, u8, u16, bool);
type RawRecord = (Vec<(u8, u8, i16, u16)>, u64, u8, Option<(u8, u8, u32)>);
type RawRelaxed = (Vec<(u16, u8, u16)>, u8, u16, u8, u16, u8, u16);

/// The tables as `secc.exi.schema.raw_tables.raw` gives them.
#[derive(FromPyObject)]
pub(crate) struct Raw {
    name: String,
    uris: Vec<String>,
    names: Vec<(u16, String)>,
    datatypes: Vec<RawDatatype>,
    types: Vec<RawType>,
    slots: Vec<u8>,
    states: Vec<RawState>,
    productions: Vec<RawProduction>,
    documents: (Vec<RawRoot>, u8),
    fragments: (Vec<RawRoot>, u8),
    records: Vec<RawRecord>,
    relaxed: Option<RawRelaxed>,
    spaces: Vec<(String, Vec<String>)>,
}

/// The grammar that the tables describe.
pub(crate) fn grammar(raw: Raw) -> PyResult<Grammar> {
    let datatypes = raw.datatypes.into_iter().map(datatype).collect::<PyResult<Vec<_>>>()?;
    let productions = raw.productions.into_iter().map(production).collect::<PyResult<Vec<_>>>()?;
    let types = raw.types.into_iter().map(
        |(name, uri, base, start, first_slot, slots, is_abstract, flat, record)| Type {
            name: Owned(name),
            uri,
            base,
            start,
            first_slot,
            slots,
            is_abstract,
            flat,
            record,
        },
    );
    let states = raw.states.into_iter().map(|(first, count, bits, end, start)| State {
        first,
        count,
        bits,
        end,
        start,
    });
    let relaxed = raw.relaxed.map(
        |(attributes, tag_bits, tag_text, content_bits, content_end, value_slot, value_datatype)| Relaxed {
            attributes: Owned(attributes),
            tag_bits,
            tag_text,
            content_bits,
            content_end,
            value_slot,
            value_datatype,
        },
    );
    let spaces = raw.spaces.into_iter();
    let spaces = spaces.map(|(uri, locals)| Space { uri: Owned(uri), locals: Locals::Given(locals) });
    Ok(Grammar {
        spaces: Owned(spaces.collect()),
        name: Owned(raw.name),
        uris: Owned(raw.uris.into_iter().map(Owned).collect()),
        names: Owned(raw.names.into_iter().map(|(uri, local)| Name { uri, local: Owned(local) }).collect()),
        types: Owned(types.collect()),
        records: Owned(raw.records.iter().map(record).collect()),
        slots: Owned(raw.slots.iter().map(|s| slot(*s)).collect::<PyResult<_>>()?),
        states: Owned(states.collect()),
        documents: roots(raw.documents)?,
        fragments: roots(raw.fragments)?,
        relaxed,
        productions: Owned(productions),
        datatypes: Owned(datatypes),
    })
}

fn unknown(what: &str, value: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(format!("{value} is no {what}"))
}

fn datatype((kind, bits, low, high, max_length, enumeration): RawDatatype) -> PyResult<Datatype> {
    let kind = match kind.as_str() {
        "boolean" => DatatypeKind::Boolean,
        "nbit" => DatatypeKind::NBit,
        "unsigned" => DatatypeKind::Unsigned,
        "integer" => DatatypeKind::Integer,
        "big" => DatatypeKind::Big,
        "binary" => DatatypeKind::Binary,
        "hex" => DatatypeKind::Hex,
        "string" => DatatypeKind::String,
        "enumeration" => DatatypeKind::Enumeration,
        other => return Err(unknown("datatype", other)),
    };
    Ok(Datatype { kind, bits, low, high, max_length, enumeration })
}

fn kind(number: u8) -> PyResult<Kind> {
    Ok(match number {
        0 => Kind::EndElement,
        1 => Kind::Complex,
        2 => Kind::Simple,
        3 => Kind::Attribute,
        4 => Kind::Content,
        5 => Kind::Text,
        6 => Kind::Any,
        7 => Kind::Escape,
        other => return Err(unknown("kind of production", other)),
    })
}

fn slot(number: u8) -> PyResult<Slot> {
    Ok(match number {
        0 => Slot::Single,
        1 => Slot::List,
        2 => Slot::Items,
        other => return Err(unknown("kind of slot", other)),
    })
}

fn production((head, fixed, (start, record, ends)): RawProduction) -> PyResult<Production> {
    let (kind_number, slot_number, slot_kind, name, target, next, count, number, last) = head;
    let count = match count {
        0 => Count::None,
        1 => Count::Set,
        2 => Count::Step,
        3 => Count::Soft,
        other => return Err(unknown("count", other)),
    };
    let (bits, short, low, span) = fixed;
    let short = match short {
        0 => Short::No,
        1 => Short::Boolean,
        2 => Short::Number,
        3 => Short::Literal,
        4 => Short::Unsigned,
        5 => Short::Signed,
        other => return Err(unknown("short value", other)),
    };
    Ok(Production {
        kind: kind(kind_number)?,
        slot: slot_number,
        kept: slot(slot_kind)?,
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
    })
}

fn roots((entries, bits): (Vec<RawRoot>, u8)) -> PyResult<Roots> {
    let root =
        |(name, number, target, relaxed): RawRoot| Ok(Root { name, kind: kind(number)?, target, relaxed });
    Ok(Roots { entries: Owned(entries.into_iter().map(root).collect::<PyResult<Vec<_>>>()?), bits })
}

fn record((fields, mask, width, tail): &RawRecord) -> Record {
    let tail = tail.map(|(shift, sign, high)| RecordTail { shift, sign, high });
    let lead = if tail.is_some() { 2usize.saturating_sub(fields.len()) } else { 0 };
    let mut own = [RecordField::NONE; 3];
    for (field, (down, bits, low, span)) in own.iter_mut().skip(lead).zip(fields) {
        *field = RecordField::new(*down, *bits, *low, *span);
    }
    let count = fields.len() as u8 + u8::from(tail.is_some());
    Record { fields: own, lead: lead as u8, count, mask: *mask, width: *width, tail }
}
