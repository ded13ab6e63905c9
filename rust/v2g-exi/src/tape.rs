//! A message as a flat list of nodes: the value type of Rust users, tests and benchmarks.

use crate::decode::{Decoder, Options, Report, Sink};
use crate::encode::{Encoder, Style};
use crate::error::{EncodeError, Failure};
use crate::grammar::{Grammar, Kind, Record};
use crate::value::{At, Found, Given};
use std::convert::Infallible;

/// A simple value; octets and text lie in the tape's byte store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// xs:boolean
    Boolean(bool),
    /// An integer that fits.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// xs:integer, negative: start and length of the magnitude.
    Negative(u32, u16),
    /// xs:integer, not negative: start and length of the magnitude.
    Positive(u32, u16),
    /// Start and length.
    Octets(u32, u32),
    /// Start and length.
    Text(u32, u32),
    /// Index of a literal.
    Literal(u16),
}

/// One step of a message. The first number is the production taken: index into [`Grammar::productions`], or
/// [`crate::value::ROOT`] for the root element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// An element of this complex type starts.
    Open(u16, u16),
    /// An element starts whose declared type this one extends: it says so.
    Typed(u16, u16),
    /// A simple element, attribute or text.
    Value(u16, Scalar),
    /// An element whose type is a record, with the values of its fields in their places.
    Record(u16, [i32; 3]),
    /// The innermost element ends.
    Close,
}

/// A decoded message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tape {
    /// The nodes in document order.
    pub nodes: Vec<Node>,
    /// Root element index.
    pub root: u16,
    /// Whether it is a fragment.
    pub fragment: bool,
    store: Vec<u8>,
}

impl Tape {
    /// Decodes a document or fragment, replacing what the tape holds.
    pub fn decode(
        &mut self,
        decoder: &mut Decoder,
        grammar: &Grammar,
        data: &[u8],
        options: Options,
        fragment: bool,
    ) -> Result<Report, Failure<Infallible>> {
        self.nodes.clear();
        self.store.clear();
        self.fragment = fragment;
        let report = if fragment {
            decoder.fragment(grammar, data, options, self)
        } else {
            decoder.document(grammar, data, options, self)
        }?;
        self.root = report.root;
        Ok(report)
    }

    /// Encodes the message into `buffer`'s memory.
    pub fn encode(
        &self,
        grammar: &Grammar,
        style: Style,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, Box<EncodeError>> {
        let mut encoder = Encoder::new(grammar, buffer, style);
        let root = encoder.root(self.root, self.fragment)?;
        let nodes = if root.kind == Kind::Simple {
            if let Some(Node::Value(_, scalar)) = self.nodes.first() {
                encoder.root_value(root, self.given(*scalar))?;
            }
            &[]
        } else {
            if let Some(Node::Typed(_, type_index)) = self.nodes.first() {
                encoder.retype(*type_index)?;
            }
            self.nodes.get(1..).unwrap_or(&[])
        };
        for node in nodes {
            match node {
                Node::Open(index, _) => encoder.open_at(*index)?,
                Node::Typed(index, type_index) => encoder.open_at_as(*index, *type_index)?,
                Node::Value(index, scalar) => encoder.value_at(*index, self.given(*scalar))?,
                Node::Record(index, values) => encoder.record_at(*index, *values)?,
                Node::Close => encoder.close()?,
            }
        }
        encoder.finish()
    }

    /// The octets or characters a scalar refers to.
    pub fn bytes(&self, start: u32, length: u32) -> &[u8] {
        let start = start as usize;
        self.store.get(start..start + length as usize).unwrap_or(&[])
    }

    fn given(&self, scalar: Scalar) -> Given<'_> {
        match scalar {
            Scalar::Boolean(v) => Given::Boolean(v),
            Scalar::Integer(v) => Given::Integer(v),
            Scalar::Unsigned(v) => Given::Unsigned(v),
            Scalar::Negative(start, length) => Given::Big(true, self.bytes(start, length.into())),
            Scalar::Positive(start, length) => Given::Big(false, self.bytes(start, length.into())),
            Scalar::Octets(start, length) => Given::Octets(self.bytes(start, length)),
            Scalar::Text(start, length) => Given::Characters(self.bytes(start, length)),
            Scalar::Literal(index) => Given::Literal(index),
        }
    }

    fn keep(&mut self, data: &[u8]) -> (u32, u32) {
        let start = self.store.len() as u32;
        self.store.extend_from_slice(data);
        (start, data.len() as u32)
    }
}

impl Sink for Tape {
    type Error = Infallible;

    #[inline(always)]
    fn open(&mut self, at: At<'_>, type_index: u16) -> Result<(), Infallible> {
        self.nodes.push(Node::Open(at.index, type_index));
        Ok(())
    }

    fn retype(&mut self, at: At<'_>, type_index: u16) -> Result<(), Infallible> {
        self.nodes.pop();
        let declared = at.production.target == type_index;
        self.nodes.push(if declared { Node::Open } else { Node::Typed }(at.index, type_index));
        Ok(())
    }

    #[inline(always)]
    fn value(&mut self, at: At<'_>, value: Found<'_>) -> Result<(), Infallible> {
        let scalar = match value {
            Found::Boolean(v) => Scalar::Boolean(v),
            Found::Integer(v) => Scalar::Integer(v),
            Found::Unsigned(v) => Scalar::Unsigned(v),
            Found::Literal(_, index) => Scalar::Literal(index),
            Found::Big(negative, magnitude) => {
                let (start, length) = self.keep(magnitude);
                if negative {
                    Scalar::Negative(start, length as u16)
                } else {
                    Scalar::Positive(start, length as u16)
                }
            }
            Found::Octets(octets) => {
                let start = self.store.len() as u32;
                octets.append_to(&mut self.store);
                Scalar::Octets(start, octets.len() as u32)
            }
            Found::Ascii(characters) => {
                let start = self.store.len() as u32;
                characters.append_to(&mut self.store);
                Scalar::Text(start, characters.len() as u32)
            }
            Found::Text(text) => {
                let (start, length) = self.keep(text.as_bytes());
                Scalar::Text(start, length)
            }
        };
        self.nodes.push(Node::Value(at.index, scalar));
        Ok(())
    }

    #[inline(always)]
    fn record(&mut self, at: At<'_>, _: &Record, values: [i32; 3]) -> Result<(), Infallible> {
        self.nodes.push(Node::Record(at.index, values));
        Ok(())
    }

    #[inline(always)]
    fn close(&mut self, _: At<'_>) -> Result<(), Infallible> {
        self.nodes.push(Node::Close);
        Ok(())
    }

    fn restart(&mut self) {
        self.nodes.clear();
        self.store.clear();
    }
}
