//! A message as a flat list of nodes: the value type of Rust users, tests and benchmarks.

use crate::decode::{Decoder, Options, Report, Sink};
use crate::encode::{Encoder, Style};
use crate::error::{EncodeError, Failure};
use crate::grammar::{Grammar, Kind, Type};
use crate::value::{Found, Given, Place, TEXT};
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
    /// xs:integer: sign, start and length of the magnitude.
    Big(bool, u32, u32),
    /// Start and length.
    Octets(u32, u32),
    /// Start and length.
    Text(u32, u32),
    /// Index of a literal.
    Literal(u16),
}

/// One step of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// An element of this complex type starts.
    Open(Place, u16),
    /// A simple element, attribute or text.
    Value(Place, Scalar),
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
    open: Vec<usize>,
}

impl Tape {
    /// Decodes a document, replacing what the tape holds.
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
        self.open.clear();
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
    pub fn encode(&self, grammar: &Grammar, buffer: Vec<u8>) -> Result<Vec<u8>, Box<EncodeError>> {
        let mut encoder = Encoder::new(grammar, buffer, Style::default());
        let root = encoder.root(self.root, self.fragment)?;
        let mut nodes = self.nodes.iter();
        if root.kind == Kind::Simple {
            if let Some(Node::Value(_, scalar)) = nodes.next() {
                encoder.root_value(root, self.given(*scalar))?;
            }
            return encoder.finish();
        }
        for node in nodes.skip(1) {
            match node {
                Node::Open(place, _) => {
                    let (code, p) = encoder.find(place.slot, |p| p.name == place.name && p.kind == Kind::Complex)?;
                    encoder.open(code, p)?;
                }
                Node::Value(place, scalar) => {
                    let (code, p) = encoder.find(place.slot, |p| match p.kind {
                        Kind::Text => place.name == TEXT,
                        Kind::Content => true,
                        _ => p.name == place.name,
                    })?;
                    encoder.value(code, p, self.given(*scalar))?;
                }
                Node::Close => encoder.close()?,
            }
        }
        encoder.finish()
    }

    /// The octets or characters a scalar refers to.
    pub fn bytes(&self, start: u32, length: u32) -> &[u8] {
        self.store.get(start as usize..(start + length) as usize).unwrap_or(&[])
    }

    fn given(&self, scalar: Scalar) -> Given<'_> {
        match scalar {
            Scalar::Boolean(v) => Given::Boolean(v),
            Scalar::Integer(v) => Given::Integer(v),
            Scalar::Unsigned(v) => Given::Unsigned(v),
            Scalar::Big(negative, start, length) => Given::Big(negative, self.bytes(start, length)),
            Scalar::Octets(start, length) => Given::Octets(self.bytes(start, length)),
            Scalar::Text(start, length) => {
                Given::Text(std::str::from_utf8(self.bytes(start, length)).unwrap_or_default())
            }
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

    fn open(&mut self, type_index: u16, _: &Type) -> Result<(), Infallible> {
        let nowhere = Place { slot: 0, list: false, items: false, name: 0 };
        self.open.push(self.nodes.len());
        self.nodes.push(Node::Open(nowhere, type_index));
        Ok(())
    }

    fn value(&mut self, place: Place, value: Found<'_>) -> Result<(), Infallible> {
        let scalar = match value {
            Found::Boolean(v) => Scalar::Boolean(v),
            Found::Integer(v) => Scalar::Integer(v),
            Found::Unsigned(v) => Scalar::Unsigned(v),
            Found::Big(negative, magnitude) => {
                let (start, length) = self.keep(magnitude);
                Scalar::Big(negative, start, length)
            }
            Found::Octets(octets) => {
                let start = self.store.len();
                self.store.resize(start + octets.len(), 0);
                if let Some(room) = self.store.get_mut(start..) {
                    octets.copy_to(room);
                }
                Scalar::Octets(start as u32, octets.len() as u32)
            }
            Found::Text(text) => {
                let (start, length) = self.keep(text.as_bytes());
                Scalar::Text(start, length)
            }
            Found::Literal(_, index) => Scalar::Literal(index),
        };
        self.nodes.push(Node::Value(place, scalar));
        Ok(())
    }

    fn close(&mut self, place: Place) -> Result<(), Infallible> {
        let opened = self.open.pop().and_then(|at| self.nodes.get_mut(at));
        if let Some(Node::Open(at, _)) = opened {
            *at = place;
        }
        self.nodes.push(Node::Close);
        Ok(())
    }
}
