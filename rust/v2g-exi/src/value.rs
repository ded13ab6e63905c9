//! Simple values on their way in or out.

use crate::grammar::Production;

pub use crate::bits::Octets;

/// A simple value met while decoding.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// xs:boolean
    Boolean(bool),
    /// An integer that fits.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// xs:integer: sign and magnitude, most significant octet first.
    Big(bool, &'a [u8]),
    /// xs:hexBinary, xs:base64Binary
    Octets(Octets<'a>),
    /// xs:string and its kin, of ASCII characters only
    Ascii(Octets<'a>),
    /// xs:string and its kin
    Text(&'a str),
    /// Datatype and index of the literal.
    Literal(u16, u16),
}

impl Found<'_> {
    /// The characters of a string of either kind.
    pub fn text(&self) -> Option<String> {
        match self {
            Found::Ascii(octets) => String::from_utf8(octets.to_vec()).ok(),
            Found::Text(text) => Some((*text).to_owned()),
            _ => None,
        }
    }
}

/// A simple value to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given<'a> {
    /// xs:boolean
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// An integer above the range of `i64`.
    Unsigned(u64),
    /// xs:integer: sign and magnitude, most significant octet first.
    Big(bool, &'a [u8]),
    /// xs:hexBinary, xs:base64Binary
    Octets(&'a [u8]),
    /// xs:string and its kin
    Text(&'a str),
    /// The same as UTF-8 that is not validated yet.
    Characters(&'a [u8]),
    /// Index of a literal.
    Literal(u16),
}

/// Where a value or element belongs in the element around it: the production that was taken.
#[derive(Clone, Copy, Debug)]
pub struct At<'g> {
    /// Its index in the tables; [`ROOT`] for the root element.
    pub index: u16,
    /// The production itself.
    pub production: &'g Production,
}

/// Production index of the root element.
pub const ROOT: u16 = u16::MAX;

/// Set in the index of an element that stands where the schema allows any; the rest is its number among the
/// global elements.
pub const WILD: u16 = 0x8000;

impl At<'_> {
    /// Number of the global element if it stands where the schema allows any.
    pub fn wild(&self) -> Option<u16> {
        (self.index != ROOT && self.index & WILD != 0).then_some(self.index & !WILD)
    }
}

/// No name: text in mixed content.
pub const NO_NAME: u16 = u16::MAX;
