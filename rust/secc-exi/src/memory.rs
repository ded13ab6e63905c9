//! Message objects by their memory: all the unsafe code of this crate.
//!
//! # Why
//!
//! Calling a class with keyword arguments and asking an object for an attribute by its name take several
//! times longer than everything else that happens to a message. A message class is a `msgspec.Struct` that
//! defines no constructor: its objects are a header and one pointer for each field, and it puts each argument
//! in its place. So an object can be filled where it lies, and its fields can be read where they
//! lie.
//!
//! # Proof
//!
//! What must hold is checked twice, and where a check fails the safe way is taken: the class is called,
//! attributes are read by name, strings are made from UTF-8. The results are the same
//! (`tests/exi/test_safe_path.py`).
//!
//! 1. [`slot_offset`], for each field: the attribute of the class is `CPython`'s own member descriptor, of
//!    this very class, of type `Py_T_OBJECT_EX`. For such a member `CPython` itself reads, at this offset of
//!    any object of the class, an aligned pointer that is null or owns a reference. That makes [`Slot::read`]
//!    sound: it takes a new reference while the object is alive, and the GIL or the per-object rules of a
//!    free-threaded build protect it as they protect `CPython`'s own read: message objects are frozen, so
//!    that no other thread writes the slot.
//! 2. [`is_bare`] and [`ObjectLayout::of`]: objects of the class have a fixed size, are allocated by
//!    `PyType_GenericAlloc` and freed by `PyObject_Free`, are not tracked by the garbage collector, have no
//!    dictionary and no list of weak references; and the offsets of the fields are all the pointers between
//!    the header and the end, each once. So [`ObjectLayout::make`] initialises every byte of a new object
//!    before anything else sees it, and each slot gets a separate reference, which the class gives up when
//!    the object is freed.
//! 3. [`ObjectLayout::of`] tries it: an object made by calling the class holds, slot by slot, what it was
//!    called with, and an object made here has these as attributes and equals the other one. This is no part
//!    of the proof; it notices a release of `CPython` or msgspec for which the first two are not the whole
//!    truth.
//!
//! [`ascii_string`] needs none of this: `CPython` documents that `PyUnicode_New` with 127 as the largest
//! character makes a string of that many bytes, to be filled before it is used.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};
use std::ptr::fn_addr_eq;
use v2g_exi::grammar;
use v2g_exi::value::Octets;

/// Where objects of one class keep a field.
#[derive(Clone, Copy)]
pub(crate) struct Slot(usize);

impl Slot {
    /// Where `class` keeps the field of this name; None if that is not certain.
    pub(crate) fn of(class: &Bound<'_, PyType>, name: &Bound<'_, PyString>) -> PyResult<Option<Self>> {
        Ok(slot_offset(class, &class.getattr(name)?).map(Self))
    }

    /// The field of `object`, which is an instance of exactly the class the slot was made for; None if it is
    /// not set.
    #[inline(always)]
    pub(crate) fn read<'py>(self, object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: see the first point of the proof.
        unsafe {
            let slot = object.as_ptr().byte_add(self.0).cast::<*mut ffi::PyObject>();
            Bound::from_borrowed_ptr_or_opt(object.py(), slot.read())
        }
    }
}

/// The offset in a member descriptor for an object slot of `class` itself.
fn slot_offset(class: &Bound<'_, PyType>, descriptor: &Bound<'_, PyAny>) -> Option<usize> {
    // SAFETY: the type check makes the cast valid, and the definition it points to lives as long as the
    // class.
    unsafe {
        if descriptor.get_type_ptr() != &raw mut ffi::PyMemberDescr_Type {
            return None;
        }
        let member = descriptor.as_ptr().cast::<ffi::PyMemberDescrObject>();
        if (*member).d_common.d_type.cast() != class.as_ptr() {
            return None;
        }
        let definition = (*member).d_member;
        if definition.is_null() || (*definition).type_code != ffi::Py_T_OBJECT_EX {
            return None;
        }
        usize::try_from((*definition).offset).ok().filter(|offset| *offset > 0)
    }
}

/// A class whose objects are their fields and nothing else.
pub(crate) struct ObjectLayout {
    class: Py<PyType>,
    places: Vec<Place>,
}

struct Place {
    slot: Slot,
    /// What an absent field holds.
    absent: Py<PyAny>,
}

const HEADER: usize = size_of::<ffi::PyObject>();
const POINTER: usize = size_of::<*mut ffi::PyObject>();

/// Classes whose objects are more than their fields.
const MORE: u64 =
    ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_MANAGED_DICT | MANAGED_WEAKREF | ffi::Py_TPFLAGS_IS_ABSTRACT;
/// In Python 3.11 this flag means nothing.
const MANAGED_WEAKREF: u64 = 1 << 3;

impl ObjectLayout {
    /// The layout of `class`, whose fields lie at `slots` in this order and hold what `kinds` says, if it has
    /// the metaclass of `item`, hence its constructor, and everything is as it must be.
    pub(crate) fn of(
        class: &Bound<'_, PyType>,
        item: &Bound<'_, PyAny>,
        names: &Bound<'_, PyTuple>,
        slots: &[Option<Slot>],
        kinds: &[grammar::Slot],
    ) -> PyResult<Option<Self>> {
        let Some(slots) = slots.iter().copied().collect::<Option<Vec<Slot>>>() else { return Ok(None) };
        let end = HEADER + kinds.len() * POINTER;
        let mut inside: Vec<usize> = slots.iter().map(|slot| slot.0).collect();
        inside.sort_unstable();
        let hooks = class.hasattr("__post_init__")? || !class.get_type().is(item.get_type());
        if hooks || !inside.into_iter().eq((HEADER..end).step_by(POINTER)) || !is_bare(class, end) {
            return Ok(None);
        }
        let places = slots.into_iter().zip(kinds);
        let places =
            places.map(|(slot, kind)| Place { slot, absent: absent(class.py(), *kind).unbind() }).collect();
        let found = Self { class: class.clone().unbind(), places };
        Ok(if found.holds(names)? { Some(found) } else { None })
    }

    /// Whether objects that the class makes and objects made here are the same.
    fn holds(&self, names: &Bound<'_, PyTuple>) -> PyResult<bool> {
        let py = names.py();
        let values: Vec<Bound<'_, PyAny>> =
            (0..names.len()).map(|number| PyString::new(py, &format!("value {number}")).into_any()).collect();
        let called = crate::class::call(self.class.bind(py), names, values.clone())?;
        let mut last_first = values.clone();
        let made = self.make(py, || last_first.pop())?;
        let in_place = self.places.iter().zip(&values).all(|(place, value)| {
            [&called, &made].into_iter().all(|one| place.slot.read(one).is_some_and(|found| found.is(value)))
        });
        let by_name = names.iter().zip(&values).all(|(name, value)| {
            name.cast::<PyString>().is_ok_and(|name| made.getattr(name).is_ok_and(|found| found.is(value)))
        });
        Ok(in_place && by_name && made.get_type().is(called.get_type()) && made.eq(&called)?)
    }

    /// An object with the fields that `last_first` gives, in that order; where it gives none a field is
    /// absent.
    #[inline(always)]
    pub(crate) fn make<'py>(
        &self,
        py: Python<'py>,
        mut last_first: impl FnMut() -> Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: see the second point of the proof. `last_first` cannot reach the object, and does not
        // unwind: where it fails it returns None.
        unsafe {
            let object = ffi::PyObject_New::<ffi::PyObject>(self.class.as_ptr().cast());
            if object.is_null() {
                return Err(PyErr::fetch(py));
            }
            for place in self.places.iter().rev() {
                let value = last_first().unwrap_or_else(|| place.absent.bind(py).clone());
                object.byte_add(place.slot.0).cast::<*mut ffi::PyObject>().write(value.into_ptr());
            }
            Ok(Bound::from_owned_ptr(py, object))
        }
    }
}

/// What a field holds that is absent.
pub(crate) fn absent(py: Python<'_>, kind: grammar::Slot) -> Bound<'_, PyAny> {
    match kind {
        grammar::Slot::Single => py.None().into_bound(py),
        grammar::Slot::List | grammar::Slot::Items => PyTuple::empty(py).into_any(),
    }
}

/// Whether objects of `class` are `size` bytes of common memory that nothing but their references refers to.
fn is_bare(class: &Bound<'_, PyType>, size: usize) -> bool {
    // SAFETY: the pointer is that of a type object, which lives as long as `class` and does not change in
    // these parts once it is ready.
    let (flags, class) = unsafe { (ffi::PyType_GetFlags(class.as_type_ptr()), &*class.as_type_ptr()) };
    usize::try_from(class.tp_basicsize) == Ok(size)
        && class.tp_itemsize == 0
        && class.tp_dictoffset == 0
        && class.tp_weaklistoffset == 0
        && flags & MORE == 0
        && class.tp_alloc.is_some_and(|f| fn_addr_eq(f, ffi::PyType_GenericAlloc as ffi::allocfunc))
        && class.tp_free.is_some_and(|f| fn_addr_eq(f, ffi::PyObject_Free as ffi::freefunc))
}

/// A string of ASCII characters, copied from the stream to where the object keeps it.
pub(crate) fn ascii_string<'py>(py: Python<'py>, characters: Octets<'_>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: an object made for `length` characters of at most 127 keeps them as that many bytes, which
    // nothing else sees before this function returns, and which are initialised at once.
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
