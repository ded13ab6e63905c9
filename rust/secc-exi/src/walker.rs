//! Walks message objects and feeds the encoder.

use crate::class::{Class, Content, RecordField};
use crate::Codec;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString, PyTuple};
use v2g_exi::encode::Encoder;
use v2g_exi::error::EncodeError;
use v2g_exi::grammar::{DatatypeKind, Kind, Production, Root, Slot};
use v2g_exi::value::{Given, NO_NAME};

/// Why writing stopped.
pub(crate) enum Stop {
    /// The schema does not allow the value.
    Value(Box<EncodeError>),
    /// Reading the object failed.
    Python(PyErr),
}

impl From<PyErr> for Stop {
    fn from(error: PyErr) -> Self {
        Stop::Python(error)
    }
}

impl From<Box<EncodeError>> for Stop {
    fn from(error: Box<EncodeError>) -> Self {
        Stop::Value(error)
    }
}

type Outcome<T> = Result<T, Stop>;

/// Writes the whole stream of root element `index`.
pub(crate) fn write_root(
    codec: &Codec,
    encoder: &mut Encoder<'_>,
    index: u16,
    fragment: bool,
    value: &Bound<'_, PyAny>,
) -> Outcome<()> {
    let root = encoder.root(index, fragment)?;
    root_content(codec, encoder, root, value)
}

fn root_content(
    codec: &Codec,
    encoder: &mut Encoder<'_>,
    root: Root,
    value: &Bound<'_, PyAny>,
) -> Outcome<()> {
    if root.kind == Kind::Complex {
        let own = subtype(codec, root.target, value);
        if let Some(own) = own {
            encoder.retype(own)?;
        }
        return element(codec, encoder, own.unwrap_or(root.target), value);
    }
    let name = codec.grammar.local_name(root.name);
    let mut written = Ok(());
    let taken = given(codec, root.target, name, value, |v| {
        written = encoder.root_value(root, v);
    });
    taken.map_err(|stop| within(encoder, stop))?;
    Ok(written?)
}

/// The type of `value`, if it is another one than `declared` and extends that.
fn subtype(codec: &Codec, declared: u16, value: &Bound<'_, PyAny>) -> Option<u16> {
    let own = *codec.by_class.get(&(value.get_type_ptr() as usize))?;
    (own != declared && codec.grammar.extends(own, declared)).then_some(own)
}

/// Adds the path of the open elements to a refusal that only knows its own name.
fn within(encoder: &Encoder<'_>, stop: Stop) -> Stop {
    match stop {
        Stop::Value(mut error) => {
            let path = encoder.path();
            let glue = if path.is_empty() || error.path.is_empty() { "" } else { "/" };
            error.path = format!("{path}{glue}{}", error.path);
            Stop::Value(error)
        }
        python @ Stop::Python(_) => python,
    }
}

/// Writes the content of an open element of complex type and ends it.
fn element(
    codec: &Codec,
    encoder: &mut Encoder<'_>,
    type_index: u16,
    value: &Bound<'_, PyAny>,
) -> Outcome<()> {
    let Some(class) = codec.classes.get(type_index as usize) else {
        return Err(refused("", "has no class".into()));
    };
    let Some(expected) = &class.class else {
        if !value.is_none() {
            field(codec, encoder, class, 0, value)?;
        }
        return Ok(encoder.close()?);
    };
    if value.get_type_ptr().cast() != expected.as_ptr() {
        let wanted = expected.bind(value.py()).name()?;
        return Err(within(encoder, wrong_class("", &wanted.to_string(), value)));
    }
    for (number, (field_of, slot)) in class.fields.iter().zip(&class.slots).enumerate() {
        let content = field_of.read(value)?;
        let number = number as u8;
        match slot {
            Slot::Single if content.is_none() => empty(codec, encoder, class, number)?,
            Slot::Single => field(codec, encoder, class, number, &content)?,
            Slot::List => {
                let Ok(list) = content.cast::<PyTuple>() else {
                    return Err(within(encoder, wrong_class(&field_of.name(), "tuple", &content)));
                };
                for entry in list.iter() {
                    field(codec, encoder, class, number, &entry)?;
                }
            }
            Slot::Items => {
                for entry in content.try_iter()? {
                    item(codec, encoder, number, &entry?)?;
                }
            }
        }
    }
    Ok(encoder.close()?)
}

/// None in a field whose type is flat means the empty element.
fn empty(codec: &Codec, encoder: &mut Encoder<'_>, class: &Class, number: u8) -> Outcome<()> {
    if let Some(Content::Flat) = class.contents.get(number as usize) {
        let (code, production) = encoder.find(number, |p| is_flat(codec, p))?;
        encoder.open(code, production)?;
        encoder.close()?;
    }
    Ok(())
}

fn is_flat(codec: &Codec, production: &Production) -> bool {
    production.kind == Kind::Complex
        && codec.grammar.types.get(production.target as usize).is_some_and(|t| t.flat)
}

fn field(
    codec: &Codec,
    encoder: &mut Encoder<'_>,
    class: &Class,
    number: u8,
    value: &Bound<'_, PyAny>,
) -> Outcome<()> {
    let found = match class.contents.get(number as usize) {
        Some(Content::Classes(classes)) => {
            let own = value.get_type_ptr() as usize;
            match classes.iter().find(|(class, _)| *class == own) {
                Some((_, target)) => encoder.find(number, |p| p.kind == Kind::Complex && p.target == *target),
                None => return other_field(codec, encoder, number, value),
            }
        }
        _ => encoder.find(number, |_| true),
    };
    written(codec, encoder, number, value, found)
}

/// A field for elements of certain classes that holds a value of another one: of a class that extends one of
/// them, or of simple type.
#[cold]
fn other_field(
    codec: &Codec,
    encoder: &mut Encoder<'_>,
    number: u8,
    value: &Bound<'_, PyAny>,
) -> Outcome<()> {
    let own = |p: &Production| subtype(codec, p.target, value).filter(|_| p.kind == Kind::Complex);
    let found = encoder.find(number, |p| p.kind != Kind::Complex || own(p).is_some());
    match found {
        Ok((code, production)) if production.kind == Kind::Complex => {
            let own = own(production).unwrap_or(production.target);
            encoder.open_as(code, production, own)?;
            element(codec, encoder, own, value)
        }
        _ => written(codec, encoder, number, value, found),
    }
}

#[inline(always)]
fn written(
    codec: &Codec,
    encoder: &mut Encoder<'_>,
    number: u8,
    value: &Bound<'_, PyAny>,
    found: Result<(u16, &Production), Box<EncodeError>>,
) -> Outcome<()> {
    match found {
        Ok((code, production)) => write(codec, encoder, code, production, value),
        Err(mut error) => {
            error.detail = format!("{} in field {number}; {}", class_name(value), error.detail);
            Err(Stop::Value(error))
        }
    }
}

fn item(codec: &Codec, encoder: &mut Encoder<'_>, number: u8, entry: &Bound<'_, PyAny>) -> Outcome<()> {
    let name = entry.getattr("name")?.extract::<String>()?;
    let value = entry.getattr("value")?;
    if let Some((uri, local)) = name.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        let Some((index, _)) = codec.grammar.global_element(uri, local) else {
            return Err(within(encoder, refused(&name, "is no global element of this schema set".into())));
        };
        let root = encoder.wild(number, index)?;
        return root_content(codec, encoder, root, &value);
    }
    let (code, production) = encoder.find(number, |p| match p.kind {
        Kind::Text => name.is_empty(),
        Kind::Simple | Kind::Complex => codec.grammar.local_name(p.name) == name,
        _ => false,
    })?;
    if let (Kind::Complex, Some(own)) = (production.kind, subtype(codec, production.target, &value)) {
        encoder.open_as(code, production, own)?;
        return element(codec, encoder, own, &value);
    }
    write(codec, encoder, code, production, &value)
}

fn write(
    codec: &Codec,
    encoder: &mut Encoder<'_>,
    code: u16,
    production: &Production,
    value: &Bound<'_, PyAny>,
) -> Outcome<()> {
    if production.kind == Kind::Complex {
        if let Some(values) = record(codec, production.target, value)? {
            return Ok(encoder.record(code, production, values)?);
        }
        encoder.open(code, production)?;
        return element(codec, encoder, production.target, value);
    }
    let mut written = Ok(());
    if production.kind == Kind::Text {
        let text = value.cast::<PyString>().map_err(|_| within(encoder, wrong_class("", "str", value)))?;
        written = encoder.value(code, production, Given::Text(text.to_str()?));
    } else {
        let name = if production.name == NO_NAME { "" } else { codec.grammar.local_name(production.name) };
        let taken = given(codec, production.target, name, value, |v| {
            written = encoder.value(code, production, v);
        });
        taken.map_err(|stop| within(encoder, stop))?;
    }
    Ok(written?)
}

/// The raw values of an object whose type is a record; None if it must be written field by field, which
/// also finds the words for what is wrong with it.
fn record(codec: &Codec, type_index: u16, value: &Bound<'_, PyAny>) -> Outcome<Option<[i32; 3]>> {
    let Some(class) = codec.classes.get(type_index as usize) else { return Ok(None) };
    let own = class.class.as_ref().is_some_and(|c| c.as_ptr() == value.get_type_ptr().cast());
    if class.record.is_empty() || !own {
        return Ok(None);
    }
    let mut values = [0; 3];
    for ((raw, field_of), kind) in values.iter_mut().skip(class.lead).zip(&class.fields).zip(&class.record) {
        let content = field_of.read(value)?;
        *raw = match kind {
            RecordField::Boolean => match content.cast::<PyBool>() {
                Ok(flag) => flag.is_true().into(),
                Err(_) => return Ok(None),
            },
            RecordField::Literal(datatype) => {
                match codec.literals_of(*datatype).iter().position(|m| m.is(&content)) {
                    Some(index) => index as i32,
                    None => return Ok(None),
                }
            }
            RecordField::Integer => match content.cast_exact::<PyInt>().map(|number| number.extract::<i32>())
            {
                Ok(Ok(number)) => number,
                _ => return Ok(None),
            },
        };
    }
    Ok(Some(values))
}

/// Hands the value of a simple type to `write`.
fn given(
    codec: &Codec,
    datatype: u16,
    name: &str,
    value: &Bound<'_, PyAny>,
    write: impl FnOnce(Given<'_>),
) -> Outcome<()> {
    let Some(d) = codec.grammar.datatypes.get(datatype as usize) else {
        return Err(refused(name, "has no datatype".into()));
    };
    match d.kind {
        DatatypeKind::Boolean => {
            let flag = value.cast::<PyBool>().map_err(|_| wrong_class(name, "bool", value))?;
            write(Given::Boolean(flag.is_true()));
        }
        DatatypeKind::Binary | DatatypeKind::Hex => {
            let octets = value.cast::<PyBytes>().map_err(|_| wrong_class(name, "bytes", value))?;
            write(Given::Octets(octets.as_bytes()));
        }
        DatatypeKind::String => {
            let text = value.cast::<PyString>().map_err(|_| wrong_class(name, "str", value))?;
            write(Given::Text(text.to_str()?));
        }
        DatatypeKind::Enumeration => {
            let members = codec.literals_of(datatype);
            let Some(index) = members.iter().position(|m| m.is(value)) else {
                let first = members.first().map(|m| class_name(m.bind(value.py()))).unwrap_or_default();
                return Err(wrong_class(name, &first, value));
            };
            write(Given::Literal(index as u16));
        }
        _ => integer(name, value, write)?,
    }
    Ok(())
}

fn integer(name: &str, value: &Bound<'_, PyAny>, write: impl FnOnce(Given<'_>)) -> Outcome<()> {
    if !value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>() {
        return Err(wrong_class(name, "int", value));
    }
    if let Ok(small) = value.extract::<i64>() {
        write(Given::Integer(small));
    } else if let Ok(large) = value.extract::<u64>() {
        write(Given::Unsigned(large));
    } else {
        let negative = value.lt(0)?;
        let magnitude = if negative { value.neg()? } else { value.clone() };
        let length = magnitude.call_method0("bit_length")?.extract::<usize>()?.div_ceil(8);
        let octets = magnitude.call_method1("to_bytes", (length, "big"))?;
        write(Given::Big(negative, octets.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes()));
    }
    Ok(())
}

fn class_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".into(), |n| n.to_string())
}

fn wrong_class(name: &str, expected: &str, value: &Bound<'_, PyAny>) -> Stop {
    refused(name, format!("{} found, {expected} expected", class_name(value)))
}

fn refused(name: &str, detail: String) -> Stop {
    Stop::Value(Box::new(EncodeError { path: name.to_owned(), detail }))
}
