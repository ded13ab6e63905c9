//! Fields of message objects, read where they lie.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

/// A field of a message class.
pub(crate) struct Field {
    name: Py<PyString>,
    /// Where the object keeps it, as the class's own member descriptor says; None: ask the object.
    offset: Option<usize>,
}

impl Field {
    pub(crate) fn new(class: Option<&Bound<'_, PyType>>, name: Bound<'_, PyString>) -> PyResult<Self> {
        let offset = match class {
            Some(class) => member_offset(class, &class.getattr(&name)?),
            None => None,
        };
        Ok(Self { name: name.unbind(), offset })
    }

    pub(crate) fn name(&self) -> String {
        self.name.to_string()
    }

    pub(crate) fn offset(&self) -> Option<usize> {
        self.offset
    }

    /// The value of the field in `object`, which is an instance of exactly the class the field was made for.
    #[inline]
    pub(crate) fn read<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(offset) = self.offset {
            // SAFETY: the offset is that of an object slot of this very class, so an aligned, initialised
            // pointer to an object, or null, lies there for as long as `object` lives; a new reference is
            // taken at once.
            let found = unsafe {
                let slot = object.as_ptr().byte_add(offset).cast::<*mut ffi::PyObject>();
                Bound::from_borrowed_ptr_or_opt(object.py(), slot.read())
            };
            if let Some(value) = found {
                return Ok(value);
            }
        }
        object.getattr(&self.name)
    }
}

/// The offset in a member descriptor for an object slot of `class` itself.
fn member_offset(class: &Bound<'_, PyType>, descriptor: &Bound<'_, PyAny>) -> Option<usize> {
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
