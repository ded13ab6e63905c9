//! The first byte of an input says which schema set and whether a fragment; the rest is the stream.

use v2g_exi::grammar::Grammar;
use v2g_exi::tables;

const SETS: [&str; 11] = [
    "sap",
    "iso2",
    "xmldsig",
    "din",
    "iso20-common",
    "iso20-ac",
    "iso20-dc",
    "iso20-wpt",
    "iso20-acdp",
    "iso20-ac-der-iec",
    "iso20-ac-der-sae",
];

/// What to decode.
pub struct Input<'a> {
    pub grammar: &'static Grammar,
    pub fragment: bool,
    pub stream: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn of(data: &'a [u8]) -> Option<Self> {
        let (first, stream) = data.split_first()?;
        let grammar = tables::by_name(SETS[(first >> 1) as usize % SETS.len()])?;
        Some(Self { grammar, fragment: first & 1 == 1, stream })
    }
}
