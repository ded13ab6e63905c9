//! Fields of message objects.

use crate::memory::Slot;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

/// A field of a message class.
pub(crate) struct Field {
    name: Py<PyString>,
    /// Where the object keeps it; None: ask the object.
    slot: Option<Slot>,
}

impl Field {
    /// The field of this name; `direct`: read where it lies if that is certain.
    pub(crate) fn new(
        class: Option<&Bound<'_, PyType>>,
        name: Bound<'_, PyString>,
        direct: bool,
    ) -> PyResult<Self> {
        let slot = match class {
            Some(class) if direct => Slot::of(class, &name)?,
            _ => None,
        };
        Ok(Self { name: name.unbind(), slot })
    }

    pub(crate) fn name(&self) -> String {
        self.name.to_string()
    }

    pub(crate) fn slot(&self) -> Option<Slot> {
        self.slot
    }

    /// Read it by its name from now on.
    pub(crate) fn by_name(&mut self) {
        self.slot = None;
    }

    /// The value of the field in `object`, which is an instance of exactly the class the field was made for.
    #[inline]
    pub(crate) fn read<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.slot.and_then(|slot| slot.read(object)) {
            Some(value) => Ok(value),
            None => object.getattr(&self.name),
        }
    }
}
