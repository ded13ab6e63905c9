//! What can be wrong with a stream or a value.

use std::fmt;

/// Class of a fault in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first byte is not the V2G header `80`.
    Header,
    /// The stream ends inside an event or before the last one.
    Truncated,
    /// An event code beyond the alternatives of its state.
    EventCode,
    /// A production that the schema does not declare and this codec does not take.
    Undeclared,
    /// A string refers to a table that V2G keeps empty.
    StringTable,
    /// An integer with more groups than any V2G value needs.
    IntegerTooLarge,
    /// A value outside the bounds of its type, or an abstract element.
    Range,
    /// A length beyond the input or the schema's limit.
    Length,
    /// Not a Unicode scalar value.
    Character,
    /// Nested too deep.
    Depth,
    /// Too many events or occurrences, or the input is too large.
    Size,
    /// Bytes behind the end that are not zero.
    Trailing,
    /// Not a root element of this schema set.
    Root,
}

impl Kind {
    /// The name used in messages and bindings.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Header => "header",
            Kind::Truncated => "truncated",
            Kind::EventCode => "event code",
            Kind::Undeclared => "undeclared",
            Kind::StringTable => "string table",
            Kind::IntegerTooLarge => "integer too large",
            Kind::Range => "value range",
            Kind::Length => "length",
            Kind::Character => "character",
            Kind::Depth => "depth",
            Kind::Size => "size",
            Kind::Trailing => "trailing",
            Kind::Root => "root",
        }
    }
}

/// A stream that is not a message: what, where in the stream, and in which element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Class of the fault.
    pub kind: Kind,
    /// Bit position, counted from the start of the stream, at or just behind the fault.
    pub bit: u64,
    /// Element names from the root down, separated by slashes.
    pub path: String,
    /// What was found and what was expected.
    pub detail: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.detail)
    }
}

impl std::error::Error for DecodeError {}

/// A value that the schema does not allow: what, and in which element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// Element names from the root down, separated by slashes.
    pub path: String,
    /// What was found and what was expected.
    pub detail: String,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for EncodeError {}

/// Why decoding stopped: the stream is bad, or the sink failed.
#[derive(Debug)]
pub enum Failure<E> {
    /// The stream is not a valid message.
    Stream(Box<DecodeError>),
    /// The sink could not take an event.
    Sink(E),
}
