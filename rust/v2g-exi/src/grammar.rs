//! Grammar tables: what the engine walks.
//!
//! A table set is plain data. The ones that ship with the crate are statics written by the schema generator;
//! others can be built at run time, hence the `Cow`s.

use std::borrow::Cow;

/// One alternative of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The element ends.
    EndElement,
    /// An element of complex type starts.
    Complex,
    /// An element of simple type: start, value and end in one.
    Simple,
    /// An attribute.
    Attribute,
    /// The value of a type with simple content.
    Content,
    /// Text between elements of mixed content.
    Text,
    /// Any element (wildcard).
    Any,
    /// None: a code beyond the alternatives, the first of which leads to the second level.
    Escape,
}

/// What a production does to the loop counter of its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Nothing.
    None,
    /// Sets it to `number`.
    Set,
    /// Adds one; at `number` (0: never) the next state is `last`.
    Step,
    /// As `Step`, but peers in the field end a full list as if one more could follow.
    Soft,
}

/// How a field of an element is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// At most one value.
    Single,
    /// A list of values.
    List,
    /// A list of named items whose order matters.
    Items,
}

/// One way to go on from a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(8))] // look-ups by shift and add
pub struct Production {
    /// Kind of event.
    pub kind: Kind,
    /// Field of the element that the event belongs to.
    pub slot: u8,
    /// How that field is kept.
    pub kept: Slot,
    /// Loop counter operation.
    pub count: Count,
    /// Name of the element or attribute: index into [`Grammar::names`].
    pub name: u16,
    /// Complex type or datatype, by `kind`.
    pub target: u16,
    /// State after the event.
    pub next: u16,
    /// Operand of `count`.
    pub number: u16,
    /// State after the last copy of a bounded list.
    pub last: u16,
    /// Width of the value of a simple element if that is fixed, or [`Record::width`] of a record; else 0.
    pub bits: u8,
    /// What can be read at one look.
    pub short: Short,
    /// Its smallest value.
    pub low: i16,
    /// Largest raw value above `low`.
    pub span: u16,
    /// First state of a complex type; as in the type.
    pub start: u16,
    /// Record of a complex type, counted from 1; 0 if it is none, [`ABSTRACT`] if it may not appear.
    pub record: u8,
    /// Only the end of the element around it can follow: a code of one bit.
    pub ends: bool,
}

/// Instead of the number of a record: the type is abstract.
pub const ABSTRACT: u8 = 0xFF;

/// A value that is read at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// It is not.
    No,
    /// xs:boolean
    Boolean,
    /// Integer of at most 4096 values.
    Number,
    /// Index of a literal.
    Literal,
    /// Unsigned integer, mostly of up to three octets.
    Unsigned,
    /// The same behind a sign bit.
    Signed,
}

/// Instead of the code of an end: there is none.
pub const NO_END: u8 = 0xFF;

/// A state: a run of productions and the width of its event code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(8))]
pub struct State {
    /// First production; there is one for each code of `bits` bits, those beyond `count` being
    /// [`Kind::Escape`].
    pub first: u16,
    /// Number of alternatives; this value itself is the escape to the second level.
    pub count: u8,
    /// Width of the event code in bits.
    pub bits: u8,
    /// Code of the end of the element; [`NO_END`] if it cannot end here.
    pub end: u8,
    /// Attributes could still come here.
    pub start: bool,
}

impl State {
    /// Its productions, among all of a grammar.
    #[inline(always)]
    pub fn run<'g>(&self, productions: &'g [Production]) -> &'g [Production] {
        let first = self.first as usize;
        productions.get(first..first + self.count as usize).unwrap_or(&[])
    }
}

/// Representation of a simple value (EXI 1.0, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatatypeKind {
    /// One bit, with `bits` 1.
    Boolean,
    /// `bits` bits above `low`.
    NBit,
    /// Unsigned integer.
    Unsigned,
    /// Sign bit and unsigned integer.
    Integer,
    /// Integer without bounds.
    Big,
    /// Length and octets, base64 in texts.
    Binary,
    /// Length and octets, hexadecimal in texts.
    Hex,
    /// Length and code points.
    String,
    /// Index of a literal.
    Enumeration,
}

/// A simple type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datatype {
    /// Representation.
    pub kind: DatatypeKind,
    /// Width of an n-bit value.
    pub bits: u8,
    /// Smallest value.
    pub low: i64,
    /// Largest value.
    pub high: u64,
    /// Longest string or octet sequence; [`UNBOUNDED`] when the schema sets no limit.
    pub max_length: u32,
    /// Number of the enumeration.
    pub enumeration: u16,
}

/// Length of a list or string without limit.
pub const UNBOUNDED: u32 = 1 << 30;

/// A complex type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Name in the schema.
    pub name: Cow<'static, str>,
    /// Its namespace: index into [`Grammar::uris`].
    pub uri: u16,
    /// The complex type that it extends; beyond all types if there is none.
    pub base: u16,
    /// State after the start tag.
    pub start: u16,
    /// First entry in [`Grammar::slots`].
    pub first_slot: u16,
    /// Number of slots.
    pub slots: u8,
    /// May not appear in a document.
    pub is_abstract: bool,
    /// Has one slot whose value represents the type.
    pub flat: bool,
    /// Number of its entry in [`Grammar::records`], counted from 1, if the type is a record; else 0.
    pub record: u8,
}

/// A type that is read in one look: a sequence of at most three short simple elements, of which only the
/// last may be of variable width. Its states and productions are consecutive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The fields of fixed width. With one of variable width they stand right before it, which is last;
    /// places that are not used hold [`RecordField::NONE`].
    pub fields: [RecordField; 3],
    /// Places before the first field.
    pub lead: u8,
    /// Number of all fields: they are in places `lead` to `lead + count`.
    pub count: u8,
    /// Bits of the look that are zero: the event codes.
    pub mask: u64,
    /// Width of the whole without the octets of the field of variable width.
    pub width: u8,
    /// The field of variable width.
    pub tail: Option<RecordTail>,
}

/// A field of fixed width in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordField {
    /// Bits behind it in a look of 64 bits.
    pub down: u8,
    /// Ones in its width.
    pub mask: u16,
    /// Its smallest value.
    pub low: i16,
    /// Its largest raw value above `low`.
    pub span: u16,
}

impl RecordField {
    /// No field: takes no bits and is 0.
    pub const NONE: Self = Self::new(0, 0, 0, 0);

    /// A field of `bits` bits with `down` bits behind it.
    pub const fn new(down: u8, bits: u8, low: i16, span: u16) -> Self {
        Self { down, mask: (1u16 << bits).wrapping_sub(1), low, span }
    }
}

/// The integer at the end of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTail {
    /// Bits before it.
    pub shift: u8,
    /// 1 if a sign bit comes first, else 0.
    pub sign: u8,
    /// Its largest value; the smallest is 0, or with a sign the complement of the largest.
    pub high: u32,
}

/// A qualified name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Index into [`Grammar::uris`].
    pub uri: u16,
    /// Local name.
    pub local: Cow<'static, str>,
}

/// An element that a document or fragment may start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its name.
    pub name: u16,
    /// [`Kind::Complex`] or [`Kind::Simple`]; [`Kind::Escape`] in a fragment whose name has several types and
    /// is left out.
    pub kind: Kind,
    /// Complex type or datatype.
    pub target: u16,
    /// The name is declared with different types: the relaxed grammar applies (EXI 1.0, section 8.5.3).
    pub relaxed: bool,
}

/// The first code of a stream.
#[derive(Clone, Debug)]
pub struct Roots {
    /// Elements in event code order.
    pub entries: Cow<'static, [Root]>,
    /// Width of the code.
    pub bits: u8,
}

/// Codes of the relaxed element fragment grammar for the one type that needs it.
#[derive(Clone, Debug)]
pub struct Relaxed {
    /// Event code, slot and datatype of each attribute.
    pub attributes: Cow<'static, [(u16, u8, u16)]>,
    /// Width of a code while attributes may come.
    pub tag_bits: u8,
    /// Code of the text then.
    pub tag_text: u16,
    /// Width of a code after the text.
    pub content_bits: u8,
    /// Code of the end then.
    pub content_end: u16,
    /// Slot of the text.
    pub value_slot: u8,
    /// Its datatype.
    pub value_datatype: u16,
}

/// The tables of one schema set.
#[derive(Clone, Debug)]
pub struct Grammar {
    /// Name of the set.
    pub name: Cow<'static, str>,
    /// Namespaces.
    pub uris: Cow<'static, [Cow<'static, str>]>,
    /// Element and attribute names.
    pub names: Cow<'static, [Name]>,
    /// Simple types.
    pub datatypes: Cow<'static, [Datatype]>,
    /// Complex types.
    pub types: Cow<'static, [Type]>,
    /// Types that are read at one look.
    pub records: Cow<'static, [Record]>,
    /// Slot kinds of all types, one run per type.
    pub slots: Cow<'static, [Slot]>,
    /// States of all types.
    pub states: Cow<'static, [State]>,
    /// Productions of all states.
    pub productions: Cow<'static, [Production]>,
    /// Global elements.
    pub documents: Roots,
    /// All declared elements.
    pub fragments: Roots,
    /// Grammar of the one ambiguous element name, if the set has one.
    pub relaxed: Option<Relaxed>,
    /// The URI table with the local names of each URI: needed only where a name is spelled out.
    pub spaces: Cow<'static, [Space]>,
}

/// A namespace in the URI table (EXI 1.0, section 7.3.1).
#[derive(Clone, Debug)]
pub struct Space {
    /// Its URI.
    pub uri: Cow<'static, str>,
    /// Local names in the order of their indices.
    pub locals: Locals,
}

/// The local names of a namespace.
#[derive(Clone, Debug)]
pub enum Locals {
    /// Built in.
    Listed(&'static [&'static str]),
    /// Made at run time.
    Given(Vec<String>),
}

impl Locals {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Locals::Listed(names) => names.len(),
            Locals::Given(names) => names.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name number `index`.
    pub fn get(&self, index: usize) -> Option<&str> {
        match self {
            Locals::Listed(names) => names.get(index).copied(),
            Locals::Given(names) => names.get(index).map(String::as_str),
        }
    }

    /// Number of `name`.
    pub fn find(&self, name: &str) -> Option<usize> {
        (0..self.len()).find(|index| self.get(*index) == Some(name))
    }
}

/// The tables as plain slices, so that a look-up is one bounds check and one load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slices<'g> {
    pub(crate) states: &'g [State],
    pub(crate) productions: &'g [Production],
    pub(crate) datatypes: &'g [Datatype],
    pub(crate) records: &'g [Record],
}

impl Grammar {
    pub(crate) fn slices(&self) -> Slices<'_> {
        Slices {
            states: &self.states,
            productions: &self.productions,
            datatypes: &self.datatypes,
            records: &self.records,
        }
    }

    /// Local name `index`, or a question mark when there is none.
    pub fn local_name(&self, index: u16) -> &str {
        self.names.get(index as usize).map_or("?", |n| &n.local)
    }

    /// The global element `local` of namespace `uri`, with its number.
    pub fn global_element(&self, uri: &str, local: &str) -> Option<(u16, Root)> {
        let named = |root: &Root| {
            let name = self.names.get(root.name as usize);
            name.is_some_and(|n| n.local == local && self.uris.get(n.uri as usize).is_some_and(|u| u == uri))
        };
        let entries = self.documents.entries.iter();
        (0u16..).zip(entries).find(|(_, root)| named(root)).map(|(index, root)| (index, *root))
    }

    /// Whether complex type `target` is type `base` or extends it.
    pub fn extends(&self, mut target: u16, base: u16) -> bool {
        // No more steps than there are types: tables that were made elsewhere could go in circles.
        for _ in 0..self.types.len() {
            if target == base {
                return true;
            }
            let Some(element) = self.types.get(target as usize) else { break };
            target = element.base;
        }
        false
    }

    /// Position of the element `local` among the fragment roots.
    pub fn fragment_root(&self, local: &str) -> Option<u16> {
        let entries = &self.fragments.entries;
        let found =
            entries.iter().position(|r| r.kind != Kind::Escape && self.local_name(r.name) == local)?;
        Some(found as u16)
    }
}
