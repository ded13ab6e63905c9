//! Python binding of `v2g-exi`: builds `secc._exi`.
//!
//! Knows no message: the classes are handed to [`Codec`] in table order, so this file never changes with a
//! schema.
//!
//! Objects are made and read by their memory where that is certain, see [`memory`], else by their classes.

#![deny(unsafe_code)]

mod builder;
mod class;
mod field;
mod layout;
#[allow(unsafe_code)]
mod memory;
mod runtime_tables;
mod walker;

use builder::{Builder, Kept};
use class::Class;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyType};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use v2g_exi::decode::{Decoder, FullLists, Options};
use v2g_exi::encode::{Encoder, Style};
use v2g_exi::error::{DecodeError, EncodeError, Failure, Kind as Fault};
use v2g_exi::grammar::{DatatypeKind, Grammar, Kind, Root, Roots};
use v2g_exi::tables;

/// A class whose objects are whole documents.
struct Message {
    class: Py<PyType>,
    /// The global elements that hold one.
    roots: Vec<u16>,
}

/// What reading a message needs.
#[derive(Default)]
struct Reading {
    decoder: Decoder,
    kept: Kept<'static>,
}

thread_local! {
    /// Keeps its memory from one message to the next.
    static READING: RefCell<Reading> = RefCell::default();
    /// The room for streams that are written.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Content of the root element, its name, and the number of zero bytes behind its end.
type Named<'py> = (Bound<'py, PyAny>, Py<PyString>, usize);
/// The same with the number of the root element.
type Whole<'py> = (Bound<'py, PyAny>, u16, usize);
/// Room for more is given back.
const ENOUGH: usize = 1 << 16;

type ExplainFault = (String, u64, String, String);
type ExplainRow = (u64, u64, String, Option<(u16, u16)>, String, String, Option<u16>);

/// The grammar of a codec: the name of a set that is built in, or tables.
#[derive(FromPyObject)]
#[allow(clippy::large_enum_variant)] // made once per codec
enum Schema {
    Name(String),
    Tables(runtime_tables::Raw),
}

/// The codec of one schema set.
#[pyclass(frozen, module = "secc._exi")]
pub(crate) struct Codec {
    pub(crate) grammar: Cow<'static, Grammar>,
    pub(crate) classes: Vec<Class>,
    pub(crate) by_class: HashMap<usize, u16>,
    /// The members of the enumeration that each datatype is.
    literals: Vec<Vec<Py<PyAny>>>,
    pub(crate) small: Vec<Py<PyAny>>,
    pub(crate) item: Py<PyAny>,
    messages: Vec<Message>,
    document_names: Vec<Py<PyString>>,
    fragment_names: Vec<Py<PyString>>,
    decode_error: Py<PyAny>,
    encode_error: Py<PyAny>,
    lenient_lists: bool,
    lenient_ranges: bool,
    style: Style,
    max_bytes: usize,
    /// Objects are made and read by their memory, not by their classes.
    pub(crate) direct: bool,
}

#[pymethods]
impl Codec {
    /// `schema` names the table set or is one (`secc.exi.schema.raw_tables.Raw`); `types` and `enums` are its
    /// classes in table order (None for a flat type); `item` is the class of ordered content, `messages` are
    /// those among `types` that are whole documents. `direct`: objects are made and read by their
    /// memory where that is certain; False never does.
    #[new]
    #[pyo3(signature = (schema, types, enums, item, decode_error, encode_error, *, messages = Vec::new(),
                        lenient_lists = true, full_lists = "specified", lenient_ranges = false, empty_values = false,
                        max_bytes = 65536, direct = true))]
    #[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools)]
    fn new(
        py: Python<'_>,
        schema: Schema,
        types: Vec<Option<Bound<'_, PyType>>>,
        enums: Vec<Bound<'_, PyAny>>,
        item: Py<PyAny>,
        decode_error: Py<PyAny>,
        encode_error: Py<PyAny>,
        messages: Vec<Bound<'_, PyType>>,
        lenient_lists: bool,
        full_lists: &str,
        lenient_ranges: bool,
        empty_values: bool,
        max_bytes: usize,
        direct: bool,
    ) -> PyResult<Self> {
        let grammar = match schema {
            Schema::Name(name) => {
                let unknown = || PyValueError::new_err(format!("no schema set is called {name:?}"));
                Cow::Borrowed(tables::by_name(&name).ok_or_else(unknown)?)
            }
            Schema::Tables(raw) => Cow::Owned(runtime_tables::grammar(raw)?),
        };
        if types.len() != grammar.types.len() {
            let detail = format!("{} classes for {} types", types.len(), grammar.types.len());
            return Err(PyValueError::new_err(detail));
        }
        let mut by_class: HashMap<usize, u16> = HashMap::new();
        let mut classes = Vec::with_capacity(types.len());
        for (index, class) in types.iter().enumerate() {
            if let Some(class) = class {
                by_class.insert(class.as_ptr() as usize, index as u16);
            }
            classes.push(Class::new(&grammar, index, &types, item.bind(py), direct)?);
        }
        let members = enums
            .iter()
            .map(|class| class.try_iter()?.map(|member| Ok(member?.unbind())).collect())
            .collect::<PyResult<Vec<Vec<Py<PyAny>>>>>()?;
        let literals = grammar.datatypes.iter();
        let literals = literals.map(|d| {
            let found = members.get(d.enumeration as usize).filter(|_| d.kind == DatatypeKind::Enumeration);
            found.map_or_else(Vec::new, |all| all.iter().map(|member| member.clone_ref(py)).collect())
        });
        let literals = literals.collect();
        let names = |roots: &Roots| {
            let entries = roots.entries.iter();
            entries.map(|r| PyString::intern(py, grammar.local_name(r.name)).unbind()).collect()
        };
        let messages = messages
            .into_iter()
            .map(|class| {
                let index = by_class.get(&(class.as_ptr() as usize));
                let holds = |r: &Root| r.kind == Kind::Complex && Some(&r.target) == index;
                let roots = (0..).zip(grammar.documents.entries.iter());
                let roots = roots.filter(|(_, r)| holds(r)).map(|(number, _)| number).collect();
                Message { class: class.unbind(), roots }
            })
            .collect();
        Ok(Self {
            messages,
            document_names: names(&grammar.documents),
            fragment_names: names(&grammar.fragments),
            grammar,
            classes,
            by_class,
            literals,
            small: builder::small_integers(py)?,
            item,
            decode_error,
            encode_error,
            lenient_lists,
            lenient_ranges,
            style: Style { full_lists: form_called(full_lists)?, empty_values },
            max_bytes,
            direct,
        })
    }

    /// How many classes have objects that are made and read by their memory, and how many there are.
    fn direct_classes(&self) -> (usize, usize) {
        let classes = self.classes.iter().filter(|class| class.class.is_some());
        (classes.clone().filter(|class| class.layout.is_some()).count(), classes.count())
    }

    /// The message in `data`; what is in the schema but no message is refused.
    fn decode_message<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let (value, root, _) = self.read(py, data, false)?;
        if self.messages.iter().any(|message| message.class.as_ptr() == value.get_type_ptr().cast()) {
            return Ok(value);
        }
        let name = self.grammar.documents.entries.get(root as usize);
        let path = name.map_or("?", |r| self.grammar.local_name(r.name)).to_owned();
        let detail = format!("{path} is no message of its own");
        Err(self.decode_failure(py, &DecodeError { kind: Fault::Root, bit: 8, path, detail }))
    }

    /// The document of `message`; `element` names its root where several may hold it.
    #[pyo3(signature = (message, *, element = None))]
    fn encode_message<'py>(
        &self,
        py: Python<'py>,
        message: &Bound<'py, PyAny>,
        element: Option<&str>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let index = match element {
            None => self.root_of(message)?,
            Some(name) => self.root_called(py, name, false)?,
        };
        self.write(py, index, message, false)
    }

    /// Name of the root element that holds `message`.
    fn root_name(&self, message: &Bound<'_, PyAny>) -> PyResult<&str> {
        let root = self.grammar.documents.entries.get(self.root_of(message)? as usize);
        Ok(root.map_or("?", |r| self.grammar.local_name(r.name)))
    }

    /// The message in `data`, the name of its root element, and the number of zero bytes behind its end.
    fn decode<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Named<'py>> {
        self.named(py, data, false)
    }

    /// The element in the fragment `data`, its name, and the number of zero bytes behind its end.
    fn decode_fragment<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Named<'py>> {
        self.named(py, data, true)
    }

    /// The document whose root element `name` holds `value`.
    fn encode<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.write(py, self.root_called(py, name, false)?, value, false)
    }

    /// The fragment of element `name` that holds `value`.
    fn encode_fragment<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.write(py, self.root_called(py, name, true)?, value, true)
    }

    /// The stream piece by piece: rows of (first bit, number of bits, event, code and alternatives or None,
    /// path, value, index of the datatype or None), and what stopped the decoder: None, or kind, bit, path
    /// and detail.
    fn explain(&self, data: &[u8], fragment: bool) -> (Vec<ExplainRow>, Option<ExplainFault>) {
        let (rows, outcome) = v2g_exi::trace::explain(&self.grammar, data, self.options(), fragment);
        let rows = rows.into_iter().map(|r| (r.from, r.width, r.event, r.code, r.path, r.value, r.datatype));
        let fault = outcome.err().map(|e| (e.kind.as_str().to_owned(), e.bit, e.path, e.detail));
        (rows.collect(), fault)
    }

    /// The structure of the schema set, for texts made from messages: per type its slots, per slot whether it
    /// is a list, and the elements that may fill it with the index of their type; then the datatypes.
    fn layout(&self) -> (Vec<layout::TypeLayout>, Vec<layout::DatatypeLayout>) {
        layout::layout(&self.grammar)
    }

    /// Namespace of each alternative in [`Self::layout`], and whether it is an attribute.
    fn namespaces(&self) -> Vec<Vec<Vec<(String, bool)>>> {
        layout::namespaces(&self.grammar)
    }

    /// Namespace of each type, and the number of the type that it extends.
    fn families(&self) -> Vec<(String, Option<u16>)> {
        layout::families(&self.grammar)
    }

    /// Namespaces of the document roots and of the fragment roots.
    fn root_namespaces(&self) -> (Vec<String>, Vec<String>) {
        let list = |roots| layout::root_namespaces(&self.grammar, roots);
        (list(&self.grammar.documents), list(&self.grammar.fragments))
    }

    /// Names, kinds and type indices of the document roots and of the fragment roots.
    fn roots(&self) -> (Vec<layout::Alternative>, Vec<layout::Alternative>) {
        (
            layout::roots(&self.grammar, &self.grammar.documents),
            layout::roots(&self.grammar, &self.grammar.fragments),
        )
    }

    /// The global elements whose value is an instance of `class`.
    fn roots_of(&self, class: &Bound<'_, PyType>) -> Vec<String> {
        let Some(wanted) = self.by_class.get(&(class.as_ptr() as usize)) else {
            return Vec::new();
        };
        let roots = self.grammar.documents.entries.iter();
        roots
            .filter(|r| r.kind == Kind::Complex && r.target == *wanted)
            .map(|r| self.grammar.local_name(r.name).to_owned())
            .collect()
    }
}

impl Codec {
    /// The members of the enumeration that datatype `index` is.
    pub(crate) fn literals_of(&self, index: u16) -> &[Py<PyAny>] {
        self.literals.get(index as usize).map_or(&[], Vec::as_slice)
    }

    fn named<'py>(&self, py: Python<'py>, data: &[u8], fragment: bool) -> PyResult<Named<'py>> {
        let (value, root, zeros) = self.read(py, data, fragment)?;
        let names = if fragment { &self.fragment_names } else { &self.document_names };
        let name = names.get(root as usize);
        let name = name.map_or_else(|| PyString::intern(py, "?").unbind(), |n| n.clone_ref(py));
        Ok((value, name, zeros))
    }

    #[inline(always)]
    fn read<'py>(&self, py: Python<'py>, data: &[u8], fragment: bool) -> PyResult<Whole<'py>> {
        // A constructor could, in theory, decode another message: then that one makes another decoder.
        READING.with(|shared| match shared.try_borrow_mut() {
            Ok(mut reading) => self.read_with(py, data, fragment, &mut reading),
            Err(_) => self.read_with(py, data, fragment, &mut Reading::default()),
        })
    }

    fn read_with<'py>(
        &self,
        py: Python<'py>,
        data: &[u8],
        fragment: bool,
        reading: &mut Reading,
    ) -> PyResult<Whole<'py>> {
        let options = self.options();
        let Reading { decoder, kept } = reading;
        let mut builder = Builder::new(py, self, std::mem::take(kept));
        let outcome = if fragment {
            decoder.fragment(&self.grammar, data, options, &mut builder)
        } else {
            decoder.document(&self.grammar, data, options, &mut builder)
        };
        let report = match outcome {
            Ok(report) => report,
            Err(Failure::Stream(error)) => return Err(self.decode_failure(py, &error)),
            Err(Failure::Sink(error)) => return Err(error),
        };
        let (root, memory) = builder.finish();
        *kept = memory.emptied();
        Ok((root, report.root, report.trailing_bytes))
    }

    /// How this codec reads.
    fn options(&self) -> Options {
        let full_lists = if self.lenient_lists { None } else { Some(FullLists::Specified) };
        let (max_bytes, lenient_ranges) = (self.max_bytes, self.lenient_ranges);
        Options { max_bytes, full_lists, lenient_ranges, ..Options::default() }
    }

    /// Number of the one root element that holds `message`.
    fn root_of(&self, message: &Bound<'_, PyAny>) -> PyResult<u16> {
        let class = message.get_type_ptr().cast();
        let found = self.messages.iter().find(|message| message.class.as_ptr() == class);
        let roots = found.map_or(&[][..], |message| &message.roots);
        if let [root] = roots {
            return Ok(*root);
        }
        let name = message.get_type().name()?;
        let entries = roots.iter().filter_map(|root| self.grammar.documents.entries.get(*root as usize));
        let roots: Vec<&str> = entries.map(|r| self.grammar.local_name(r.name)).collect();
        let detail = match roots.join(" and ") {
            none if none.is_empty() => format!("{name} is not a message of schema set {}", self.grammar.name),
            several => format!("{name} is the content of {several}: say which"),
        };
        Err(self.encode_failure(message.py(), "", &detail))
    }

    /// Number of the root element of that name.
    fn root_called(&self, py: Python<'_>, name: &str, fragment: bool) -> PyResult<u16> {
        let roots = if fragment { &self.grammar.fragments } else { &self.grammar.documents };
        let found = roots.entries.iter().position(|r| self.grammar.local_name(r.name) == name);
        let refused = || self.encode_failure(py, name, "no such element in this schema set");
        found.map(|index| index as u16).ok_or_else(refused)
    }

    fn write<'py>(
        &self,
        py: Python<'py>,
        root: u16,
        value: &Bound<'py, PyAny>,
        fragment: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut encoder = Encoder::new(&self.grammar, ROOM.take(), self.style);
        match walker::write_root(self, &mut encoder, root, fragment, value) {
            Ok(()) => {}
            Err(walker::Stop::Value(error)) => return Err(self.refusal(py, &error)),
            Err(walker::Stop::Python(error)) => return Err(error),
        }
        match encoder.finish() {
            Ok(stream) => {
                let written = PyBytes::new(py, &stream);
                if stream.capacity() <= ENOUGH {
                    ROOM.set(stream);
                }
                Ok(written)
            }
            Err(error) => Err(self.refusal(py, &error)),
        }
    }

    fn decode_failure(&self, py: Python<'_>, error: &DecodeError) -> PyErr {
        raise(py, &self.decode_error, error.to_string(), |keywords| {
            keywords.set_item("kind", error.kind.as_str())?;
            keywords.set_item("bit_offset", error.bit)?;
            keywords.set_item("path", &error.path)
        })
    }

    fn refusal(&self, py: Python<'_>, error: &EncodeError) -> PyErr {
        self.encode_failure(py, &error.path, &error.detail)
    }

    fn encode_failure(&self, py: Python<'_>, path: &str, detail: &str) -> PyErr {
        raise(py, &self.encode_error, detail.to_owned(), |keywords| keywords.set_item("path", path))
    }
}

/// The form of full lists that has this name.
fn form_called(name: &str) -> PyResult<FullLists> {
    match name {
        "specified" => Ok(FullLists::Specified),
        "marked" => Ok(FullLists::Marked),
        "loop" => Ok(FullLists::Loop),
        _ => {
            Err(PyValueError::new_err(format!("{name:?} is no form of full lists: specified, marked, loop")))
        }
    }
}

fn raise(
    py: Python<'_>,
    class: &Py<PyAny>,
    message: String,
    fill: impl FnOnce(&Bound<'_, pyo3::types::PyDict>) -> PyResult<()>,
) -> PyErr {
    let keywords = pyo3::types::PyDict::new(py);
    match fill(&keywords).and_then(|()| class.bind(py).call((message,), Some(&keywords))) {
        Ok(instance) => PyErr::from_value(instance),
        Err(error) => error,
    }
}

#[pymodule(gil_used = false)]
fn _exi(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Codec>()
}
