//! EXI 1.0 as ISO 15118 uses it: schema-informed, bit-packed, header `80`, empty value tables.
//!
//! The engine is small and hand-written, the grammars are tables ([`grammar`], [`tables`]). Decoding drives a
//! [`decode::Sink`]; encoding is driven through an [`encode::Encoder`]. Nothing here panics on peer data,
//! recurses, or allocates by a length that the peer wrote before checking it against the input.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bits;
pub mod decode;
pub mod encode;
pub mod error;
pub mod grammar;
pub mod tables;
pub mod tape;
pub mod trace;
pub mod value;
