//! Makes message objects without calling their classes.

use crate::field::Field;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use std::ptr::fn_addr_eq;
use v2g_exi::grammar::Slot;

/// A class whose objects are their fields and nothing else, so that its constructor does no more than put
/// each argument in its place.
pub(crate) struct Mould {
    class: Py<PyType>,
    places: Vec<Place>,
}

struct Place {
    /// Where the field lies in an object.
    offset: usize,
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

impl Mould {
    /// The mould of `class`, if it is one of that kind and has the metaclass of `item`, hence its
    /// constructor.
    pub(crate) fn of(
        class: &Bound<'_, PyType>,
        item: &Bound<'_, PyAny>,
        fields: &[Field],
        slots: &[Slot],
    ) -> PyResult<Option<Self>> {
        let py = class.py();
        let offsets: Vec<usize> = fields.iter().filter_map(Field::offset).collect();
        let end = HEADER + slots.len() * POINTER;
        let mut inside = offsets.clone();
        inside.sort_unstable();
        let hooks = class.hasattr("__post_init__")? || !class.get_type().is(item.get_type());
        if hooks || !inside.into_iter().eq((HEADER..end).step_by(POINTER)) || !is_bare(class, end) {
            return Ok(None);
        }
        let absent = |slot: &Slot| match slot {
            Slot::Single => py.None(),
            Slot::List | Slot::Items => PyTuple::empty(py).into_any().unbind(),
        };
        let places = offsets.into_iter().zip(slots);
        let places = places.map(|(offset, slot)| Place { offset, absent: absent(slot) }).collect();
        Ok(Some(Self { class: class.clone().unbind(), places }))
    }

    /// An object with the fields that `last_first` gives, in that order; where it gives none a field is
    /// absent.
    #[inline(always)]
    pub(crate) fn make<'py>(
        &self,
        py: Python<'py>,
        mut last_first: impl FnMut() -> Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: `of` has found that objects of this class are allocated and freed in the common way and are
        // a header and one pointer for each of `places`, whose offsets are all of these; so every byte of the
        // object is initialised before anybody sees it, and each field has a reference of its own.
        unsafe {
            let object = ffi::PyObject_New::<ffi::PyObject>(self.class.as_ptr().cast());
            if object.is_null() {
                return Err(PyErr::fetch(py));
            }
            for place in self.places.iter().rev() {
                let value = last_first().unwrap_or_else(|| place.absent.bind(py).clone());
                object.byte_add(place.offset).cast::<*mut ffi::PyObject>().write(value.into_ptr());
            }
            Ok(Bound::from_owned_ptr(py, object))
        }
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
