//! Message classes as the tables see them.

use crate::field::Field;
use crate::layout;
use crate::memory::ObjectLayout;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use v2g_exi::grammar::{DatatypeKind, Grammar, Kind, Slot};

/// A message class and its fields in slot order.
pub(crate) struct Class {
    pub(crate) class: Option<Py<PyType>>,
    /// How its objects are made without calling it; None: call it.
    pub(crate) layout: Option<ObjectLayout>,
    pub(crate) fields: Vec<Field>,
    pub(crate) keywords: Py<PyTuple>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) contents: Vec<Content>,
    /// Fields of a record, and places before them.
    pub(crate) record: Vec<RecordField>,
    pub(crate) lead: usize,
}

/// What a slot may hold.
pub(crate) enum Content {
    /// Values of simple types.
    Simple,
    /// Objects of these classes, with the index of their type.
    Classes(Vec<(usize, u16)>),
    /// The one slot of a flat type.
    Flat,
}

/// How the raw value of a record field becomes an object.
pub(crate) enum RecordField {
    Boolean,
    Integer,
    Literal(u16),
}

impl Class {
    /// Type `index` of `grammar`, whose class is in `types` at that place; `item` is the class of ordered
    /// content. `direct`: objects are made and read by their memory where that is certain.
    pub(crate) fn new(
        grammar: &Grammar,
        index: usize,
        types: &[Option<Bound<'_, PyType>>],
        item: &Bound<'_, PyAny>,
        direct: bool,
    ) -> PyResult<Self> {
        let py = item.py();
        let class = types.get(index).and_then(Clone::clone);
        let broken = || PyValueError::new_err("the grammar tables are inconsistent");
        let entry = grammar.types.get(index).ok_or_else(broken)?;
        let first = entry.first_slot as usize;
        let slots = grammar.slots.get(first..first + entry.slots as usize).ok_or_else(broken)?.to_vec();
        let keywords = match &class {
            Some(class) => class.getattr("__struct_fields__")?.cast_into::<PyTuple>()?,
            None if entry.flat => PyTuple::empty(py),
            None => return Err(PyTypeError::new_err(format!("{} needs a class", entry.name))),
        };
        if class.is_some() && keywords.len() != slots.len() {
            let detail = format!("{}: {} fields for {} slots", entry.name, keywords.len(), slots.len());
            return Err(PyTypeError::new_err(detail));
        }
        let mut fields = keywords
            .iter()
            .map(|name| Field::new(class.as_ref(), name.cast_into::<PyString>()?, direct))
            .collect::<PyResult<Vec<_>>>()?;
        let places: Vec<_> = fields.iter().map(Field::slot).collect();
        let layout = match &class {
            Some(class) if direct => ObjectLayout::of(class, item, &keywords, &places, &slots)?,
            _ => None,
        };
        if layout.is_none() {
            fields.iter_mut().for_each(Field::by_name);
        }
        let mut contents: Vec<Content> = slots.iter().map(|_| Content::Simple).collect();
        for production in layout::productions(grammar, entry).filter(|p| p.kind == Kind::Complex) {
            let Some(content) = contents.get_mut(production.slot as usize) else { continue };
            if grammar.types.get(production.target as usize).is_some_and(|t| t.flat) {
                *content = Content::Flat;
                continue;
            }
            let class = types.get(production.target as usize).and_then(Option::as_ref);
            let pointer = class.map_or(0, |c| c.as_ptr() as usize);
            match content {
                Content::Classes(known) if known.contains(&(pointer, production.target)) => {}
                Content::Classes(known) => known.push((pointer, production.target)),
                _ => *content = Content::Classes(vec![(pointer, production.target)]),
            }
        }
        let shape = grammar.records.get((entry.record as usize).wrapping_sub(1));
        let record = layout::productions(grammar, entry)
            .take(shape.map_or(0, |r| r.count.into()))
            .map(|p| match grammar.datatypes.get(p.target as usize) {
                Some(d) if d.kind == DatatypeKind::Boolean => RecordField::Boolean,
                Some(d) if d.kind == DatatypeKind::Enumeration => RecordField::Literal(p.target),
                _ => RecordField::Integer,
            })
            .collect();
        Ok(Self {
            class: class.map(Bound::unbind),
            layout,
            fields,
            keywords: keywords.unbind(),
            slots,
            contents,
            record,
            lead: shape.map_or(0, |r| r.lead.into()),
        })
    }
}

/// Calls `class` with its fields as keyword arguments.
pub(crate) fn call<'py>(
    class: &Bound<'py, PyType>,
    names: &Bound<'py, PyTuple>,
    values: impl IntoIterator<Item = Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let keywords = PyDict::new(class.py());
    for (name, value) in names.iter().zip(values) {
        keywords.set_item(name, value)?;
    }
    class.call((), Some(&keywords))
}
