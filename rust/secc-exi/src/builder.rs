//! Builds message objects while a stream is decoded.

use crate::class::{call, Class, RecordField};
use crate::memory::{absent, ascii_string};
use crate::Codec;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString, PyTuple};
use v2g_exi::decode::Sink;
use v2g_exi::grammar::{Production, Record, Slot};
use v2g_exi::value::{At, Found, Octets, NO_NAME};

/// Collects the fields of the open elements; the first field holds the finished root.
pub(crate) struct Builder<'c, 'py> {
    py: Python<'py>,
    codec: &'c Codec,
    kept: Kept<'py>,
    frame: Frame,
}

/// What is open, in memory that goes from one builder to the next.
#[derive(Default)]
pub(crate) struct Kept<'py> {
    /// Fields of the open elements, from outside in.
    fields: Vec<Option<Bound<'py, PyAny>>>,
    /// Members of the lists that are not finished, from outside in.
    members: Vec<Bound<'py, PyAny>>,
    /// The elements around the innermost one.
    outer: Vec<Frame>,
}

/// Memory for more is given back.
const MOST: usize = 1 << 14;

impl Kept<'_> {
    /// The memory alone, for another builder.
    pub(crate) fn emptied(mut self) -> Kept<'static> {
        self.fields.clear();
        self.members.clear();
        self.outer.clear();
        self.fields.shrink_to(MOST);
        self.members.shrink_to(MOST);
        Kept { fields: recycled(self.fields), members: recycled(self.members), outer: self.outer }
    }
}

/// The memory of a vector for values of another lifetime: collecting in place keeps it.
fn recycled<A, B>(empty: Vec<A>) -> Vec<B> {
    empty.into_iter().filter_map(|_| None).collect()
}

/// An open element.
#[derive(Clone, Copy)]
#[repr(align(16))] // moved as one word
struct Frame {
    class: u16,
    /// The slot whose members are being collected, or [`NO_LIST`].
    list: u16,
    /// Its first field and its first member.
    field: u32,
    member: u32,
}

const NO_LIST: u16 = u16::MAX;

impl<'c, 'py> Builder<'c, 'py> {
    pub(crate) fn new(py: Python<'py>, codec: &'c Codec, mut kept: Kept<'py>) -> Self {
        kept.fields.push(None);
        Self { py, codec, kept, frame: Frame { class: 0, list: NO_LIST, field: 0, member: 0 } }
    }

    /// The root, and the memory.
    pub(crate) fn finish(mut self) -> (Bound<'py, PyAny>, Kept<'py>) {
        let root = self.kept.fields.first_mut().and_then(Option::take);
        (root.unwrap_or_else(|| self.py.None().into_bound(self.py)), self.kept)
    }

    #[inline(always)]
    fn put(&mut self, at: At<'_>, value: Bound<'py, PyAny>) -> PyResult<()> {
        let place = at.production;
        if place.kept != Slot::Single {
            return self.member(at, value);
        }
        if let Some(field) = self.kept.fields.get_mut(self.frame.field as usize + place.slot as usize) {
            *field = Some(value);
        }
        Ok(())
    }

    fn member(&mut self, at: At<'_>, value: Bound<'py, PyAny>) -> PyResult<()> {
        let Production { slot, kept, .. } = *at.production;
        let value = if kept == Slot::Items { self.item(at, value)? } else { value };
        if self.frame.list != u16::from(slot) {
            if self.frame.list != NO_LIST {
                self.end_list()?;
            }
            self.frame.list = slot.into();
            self.frame.member = self.kept.members.len() as u32;
        }
        self.kept.members.push(value);
        Ok(())
    }

    /// Puts the members that were collected into their field; those of a list that goes on behind another one
    /// are added.
    fn end_list(&mut self) -> PyResult<()> {
        let slot = std::mem::replace(&mut self.frame.list, NO_LIST);
        let first = (self.frame.member as usize).min(self.kept.members.len());
        let list = PyTuple::new(self.py, self.kept.members.drain(first..))?;
        let Some(field) = self.kept.fields.get_mut(self.frame.field as usize + slot as usize) else {
            return Ok(());
        };
        *field = Some(match field.take() {
            Some(before) => before.add(list)?,
            None => list.into_any(),
        });
        Ok(())
    }

    /// Ordered content: text has no name, an element where any may stand has its namespace in it.
    fn item(&self, at: At<'_>, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let grammar = &self.codec.grammar;
        let name = at.production.name;
        let name = match at.wild().and_then(|_| grammar.names.get(name as usize)) {
            Some(full) => {
                let uri = grammar.uris.get(full.uri as usize).map_or("", |uri| uri);
                PyString::new(self.py, &format!("{{{uri}}}{}", full.local))
            }
            None if name == NO_NAME => PyString::intern(self.py, ""),
            None => PyString::intern(self.py, grammar.local_name(name)),
        };
        self.codec.item.bind(self.py).call1((name, value))
    }

    /// The object of the innermost open element, whose fields are the last ones.
    #[inline(always)]
    fn build(&mut self, class: &Class) -> PyResult<Bound<'py, PyAny>> {
        if let Some(layout) = &class.layout {
            return layout.make(self.py, || self.kept.fields.pop().flatten());
        }
        let Some(constructor) = &class.class else {
            let value = self.kept.fields.pop().flatten();
            return Ok(value.unwrap_or_else(|| self.py.None().into_bound(self.py)));
        };
        let fields = self.kept.fields.split_off(self.frame.field as usize);
        let values = fields.into_iter().zip(&class.slots);
        let values = values.map(|(field, slot)| field.unwrap_or_else(|| absent(self.py, *slot)));
        call(constructor.bind(self.py), class.keywords.bind(self.py), values)
    }
}

impl Sink for Builder<'_, '_> {
    type Error = PyErr;

    fn open(&mut self, _: At<'_>, type_index: u16) -> PyResult<()> {
        let kept = &mut self.kept;
        let field = kept.fields.len();
        kept.outer.push(self.frame);
        self.frame = Frame { class: type_index, list: NO_LIST, field: field as u32, member: 0 };
        let slots = self.codec.classes.get(type_index as usize).map_or(0, |class| class.slots.len());
        // One by one: they are few, and filling a range would be a call.
        (0..slots).for_each(|_| kept.fields.push(None));
        Ok(())
    }

    fn retype(&mut self, at: At<'_>, type_index: u16) -> PyResult<()> {
        self.kept.fields.truncate(self.frame.field as usize);
        if let Some(outer) = self.kept.outer.pop() {
            self.frame = outer;
        }
        self.open(at, type_index)
    }

    #[inline(always)]
    fn value(&mut self, at: At<'_>, value: Found<'_>) -> PyResult<()> {
        let object = self.object(value)?;
        self.put(at, object)
    }

    fn close(&mut self, at: At<'_>) -> PyResult<()> {
        if self.frame.list != NO_LIST {
            self.end_list()?;
        }
        let codec = self.codec;
        let class = codec.classes.get(self.frame.class as usize);
        let object = class.map(|class| self.build(class)).transpose()?;
        if let Some(outer) = self.kept.outer.pop() {
            self.frame = outer;
        }
        object.map_or(Ok(()), |object| self.put(at, object))
    }

    #[inline(always)]
    fn record(&mut self, at: At<'_>, record: &Record, values: [i32; 3]) -> PyResult<()> {
        let codec = self.codec;
        let Some(class) = codec.classes.get(at.production.target as usize) else {
            return Ok(());
        };
        let values = values.get(record.lead.into()..).unwrap_or(&[]);
        let mut raw = values.iter().zip(&class.record);
        let Some(layout) = class.layout.as_ref().filter(|_| raw.len() == class.slots.len()) else {
            let object = self.record_by_call(class, raw)?;
            return self.put(at, object);
        };
        let mut failed = None;
        let object = layout.make(self.py, || {
            let (value, kind) = raw.next_back()?;
            self.number(kind, *value).map_err(|error| failed = Some(error)).ok()
        })?;
        failed.map_or_else(|| self.put(at, object), Err)
    }

    fn restart(&mut self) {
        let kept = &mut self.kept;
        kept.fields.clear();
        kept.fields.push(None);
        kept.members.clear();
        kept.outer.clear();
        self.frame = Frame { class: 0, list: NO_LIST, field: 0, member: 0 };
    }
}

impl<'py> Builder<'_, 'py> {
    #[inline(always)]
    fn object(&self, value: Found<'_>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match value {
            Found::Boolean(v) => v.into_pyobject(py)?.to_owned().into_any(),
            Found::Integer(v) => self.integer(v)?,
            Found::Unsigned(v) => match i64::try_from(v) {
                Ok(v) => self.integer(v)?,
                Err(_) => v.into_pyobject(py)?.into_any(),
            },
            Found::Literal(number, index) => match self.codec.literals_of(number).get(index as usize) {
                Some(member) => member.bind(py).clone(),
                None => self.integer(index.into())?,
            },
            Found::Octets(octets) => PyBytes::new_with(py, octets.len(), |room| {
                octets.copy_to(room);
                Ok(())
            })?
            .into_any(),
            Found::Ascii(characters) if self.codec.direct => ascii_string(py, characters)?,
            Found::Ascii(characters) => copied_string(py, characters),
            Found::Text(text) => PyString::new(py, text).into_any(),
            Found::Big(negative, magnitude) => big(py, negative, magnitude)?,
        })
    }

    /// The object for a raw value of a record.
    #[inline(always)]
    fn number(&self, kind: &RecordField, value: i32) -> PyResult<Bound<'py, PyAny>> {
        self.object(match kind {
            RecordField::Boolean => Found::Boolean(value == 1),
            RecordField::Literal(number) => Found::Literal(*number, value as u16),
            RecordField::Integer => Found::Integer(value.into()),
        })
    }

    #[cold]
    fn record_by_call<'a>(
        &mut self,
        class: &Class,
        raw: impl Iterator<Item = (&'a i32, &'a RecordField)>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let field = self.kept.fields.len();
        for (value, kind) in raw {
            let value = self.number(kind, *value)?;
            self.kept.fields.push(Some(value));
        }
        self.kept.fields.resize_with(field + class.slots.len(), || None);
        let outer = std::mem::replace(&mut self.frame.field, field as u32);
        let object = self.build(class);
        self.frame.field = outer;
        object
    }

    #[inline(always)]
    fn integer(&self, value: i64) -> PyResult<Bound<'py, PyAny>> {
        match self.codec.small.get(value.wrapping_sub(SMALLEST) as usize) {
            Some(known) => Ok(known.bind(self.py).clone()),
            None => Ok(value.into_pyobject(self.py)?.into_any()),
        }
    }
}

/// The integers that Python has once each.
pub(crate) fn small_integers(py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
    (SMALLEST..=256).map(|value| Ok(value.into_pyobject(py)?.into_any().unbind())).collect()
}

const SMALLEST: i64 = -5;

/// A string of ASCII characters, by way of a copy.
fn copied_string<'py>(py: Python<'py>, characters: Octets<'_>) -> Bound<'py, PyAny> {
    let mut copy = vec![0; characters.len()];
    characters.copy_to(&mut copy);
    PyString::new(py, &String::from_utf8_lossy(&copy)).into_any()
}

fn big<'py>(py: Python<'py>, negative: bool, magnitude: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let first = magnitude.iter().take_while(|octet| **octet == 0).count();
    let digits = magnitude.get(first..).unwrap_or(&[]);
    let value = if digits.len() > 8 {
        py.get_type::<PyInt>().call_method1("from_bytes", (PyBytes::new(py, digits), "big"))?
    } else {
        digits.iter().fold(0, |value, digit| value << 8 | u64::from(*digit)).into_pyobject(py)?.into_any()
    };
    if negative {
        return value.neg();
    }
    Ok(value)
}
