//! Builds message objects while a stream is decoded.

use crate::{Class, Codec, RecordField};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyString, PyTuple};
use v2g_exi::decode::Sink;
use v2g_exi::grammar::{Record, Slot};
use v2g_exi::value::{At, Found, Octets, NO_NAME};

/// Collects the fields of the open elements; slot 0 holds the finished root.
pub(crate) struct Builder<'c, 'py> {
    py: Python<'py>,
    codec: &'c Codec,
    fields: Vec<Option<Bound<'py, PyAny>>>,
    open: Vec<(usize, usize)>,
}

impl<'c, 'py> Builder<'c, 'py> {
    pub(crate) fn new(py: Python<'py>, codec: &'c Codec) -> Self {
        let mut fields = Vec::with_capacity(64);
        fields.push(None);
        Self { py, codec, fields, open: Vec::with_capacity(8) }
    }

    pub(crate) fn finish(mut self) -> Bound<'py, PyAny> {
        let root = self.fields.first_mut().and_then(Option::take);
        root.unwrap_or_else(|| self.py.None().into_bound(self.py))
    }

    fn put(&mut self, at: At<'_>, value: Bound<'py, PyAny>) -> PyResult<()> {
        let base = self.open.last().map_or(0, |(_, base)| *base);
        let place = at.production;
        let value = if place.kept == Slot::Items { self.item(at, value)? } else { value };
        let Some(field) = self.fields.get_mut(base + place.slot as usize) else {
            return Ok(());
        };
        if place.kept == Slot::Single {
            *field = Some(value);
            return Ok(());
        }
        if let Some(list) = field {
            return list.cast::<PyList>()?.append(value);
        }
        *field = Some(PyList::new(self.py, [value])?.into_any());
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

    /// The object of the innermost open element.
    fn build(&mut self, class: &Class, base: usize) -> PyResult<Bound<'py, PyAny>> {
        for (field, slot) in self.fields.iter_mut().skip(base).zip(&class.slots) {
            *field = match (field.take(), slot) {
                (Some(list), Slot::List | Slot::Items) => Some(list.cast::<PyList>()?.to_tuple().into_any()),
                (None, Slot::List | Slot::Items) => Some(PyTuple::empty(self.py).into_any()),
                (None, Slot::Single) => Some(self.py.None().into_bound(self.py)),
                (found, Slot::Single) => found,
            };
        }
        let Some(constructor) = &class.class else {
            let value = self.fields.pop().flatten();
            return Ok(value.unwrap_or_else(|| self.py.None().into_bound(self.py)));
        };
        let arguments = self.fields.get(base..).unwrap_or(&[]);
        let result = call(self.py, constructor.as_ptr(), arguments, class.keywords.as_ptr());
        self.fields.truncate(base);
        result
    }
}

/// Calls `class` with keyword arguments by the vectorcall protocol, which has no safe form for them.
fn call<'py>(
    py: Python<'py>,
    class: *mut ffi::PyObject,
    arguments: &[Option<Bound<'py, PyAny>>],
    keywords: *mut ffi::PyObject,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: `Option<Bound>` is a nullable object pointer (guaranteed layout of a transparent `NonNull`), every entry
    // is filled, `keywords` is a tuple of as many interned strings, and all references outlive the call.
    unsafe {
        let first = arguments.as_ptr().cast::<*mut ffi::PyObject>();
        let names = if arguments.is_empty() { std::ptr::null_mut() } else { keywords };
        let made = ffi::PyObject_Vectorcall(class, first, 0, names);
        Bound::from_owned_ptr_or_err(py, made)
    }
}

impl Sink for Builder<'_, '_> {
    type Error = PyErr;

    fn open(&mut self, _: At<'_>, type_index: u16) -> PyResult<()> {
        let base = self.fields.len();
        let slots = self.codec.classes.get(type_index as usize).map_or(0, |class| class.slots.len());
        self.fields.resize_with(base + slots, || None);
        self.open.push((type_index as usize, base));
        Ok(())
    }

    fn retype(&mut self, at: At<'_>, type_index: u16) -> PyResult<()> {
        if let Some((_, base)) = self.open.pop() {
            self.fields.truncate(base);
        }
        self.open(at, type_index)
    }

    fn value(&mut self, at: At<'_>, value: Found<'_>) -> PyResult<()> {
        let object = self.object(value)?;
        self.put(at, object)
    }

    fn close(&mut self, at: At<'_>) -> PyResult<()> {
        let Some((type_index, base)) = self.open.pop() else {
            return Ok(());
        };
        let codec = self.codec;
        let Some(class) = codec.classes.get(type_index) else {
            return Ok(());
        };
        let object = self.build(class, base)?;
        self.put(at, object)
    }

    fn record(&mut self, at: At<'_>, record: &Record, values: [i32; 3]) -> PyResult<()> {
        let codec = self.codec;
        let class = codec.classes.get(at.production.target as usize);
        let Some((class, constructor)) = class.and_then(|c| Some((c, c.class.as_ref()?))) else {
            return Ok(());
        };
        let mut arguments = [const { None }; 3];
        for ((argument, value), kind) in
            arguments.iter_mut().zip(values.into_iter().skip(record.lead.into())).zip(&class.record)
        {
            *argument = Some(match kind {
                RecordField::Boolean => self.object(Found::Boolean(value == 1))?,
                RecordField::Literal(number) => self.object(Found::Literal(*number, value as u16))?,
                RecordField::Integer => self.object(Found::Integer(value.into()))?,
            });
        }
        let arguments = arguments.get(..record.count.into()).unwrap_or(&[]);
        let object = call(self.py, constructor.as_ptr(), arguments, class.keywords.as_ptr())?;
        self.put(at, object)
    }
}

impl<'py> Builder<'_, 'py> {
    fn object(&self, value: Found<'_>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match value {
            Found::Boolean(v) => v.into_pyobject(py)?.to_owned().into_any(),
            Found::Integer(v) => v.into_pyobject(py)?.into_any(),
            Found::Unsigned(v) => v.into_pyobject(py)?.into_any(),
            Found::Big(negative, magnitude) => big(py, negative, magnitude)?,
            Found::Octets(octets) => PyBytes::new_with(py, octets.len(), |room| {
                octets.copy_to(room);
                Ok(())
            })?
            .into_any(),
            Found::Ascii(characters) => ascii(py, characters)?,
            Found::Text(text) => PyString::new(py, text).into_any(),
            Found::Literal(number, index) => {
                let literals = self.codec.literals_of(number);
                match literals.get(index as usize) {
                    Some(member) => member.bind(py).clone(),
                    None => index.into_pyobject(py)?.into_any(),
                }
            }
        })
    }
}

/// A string of ASCII characters, copied from the stream to where the object keeps it.
fn ascii<'py>(py: Python<'py>, characters: Octets<'_>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: an object made for `length` characters of at most 127 keeps them as that many bytes, which nobody else
    // sees before this function returns, and which are initialised at once.
    unsafe {
        let length = characters.len();
        let made = ffi::PyUnicode_New(length as ffi::Py_ssize_t, 127);
        let string = Bound::from_owned_ptr_or_err(py, made)?;
        if length > 0 {
            let room = ffi::PyUnicode_1BYTE_DATA(string.as_ptr());
            std::ptr::write_bytes(room, 0, length);
            characters.copy_to(std::slice::from_raw_parts_mut(room, length));
        }
        Ok(string)
    }
}

fn big<'py>(py: Python<'py>, negative: bool, magnitude: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let bytes = PyBytes::new(py, magnitude);
    let value = py.get_type::<PyInt>().call_method1("from_bytes", (bytes, "big"))?;
    if negative {
        return value.neg();
    }
    Ok(value)
}
