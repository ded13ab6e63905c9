//! The first byte of an input says which schema set and whether a fragment; the rest is the stream.

use v2g_exi::grammar::Grammar;
use v2g_exi::tables;

/// What to decode.
pub struct Input<'a> {
    pub grammar: &'static Grammar,
    pub fragment: bool,
    pub stream: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn of(data: &'a [u8]) -> Option<Self> {
        let (first, stream) = data.split_first()?;
        let grammar = tables::by_name(tables::NAMES[(first >> 1) as usize % tables::NAMES.len()])?;
        Some(Self { grammar, fragment: first & 1 == 1, stream })
    }
}
