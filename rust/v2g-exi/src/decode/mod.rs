//! The decoder: walks the tables over a stream and tells a [`Sink`] what it finds.

mod faults;
mod run;
mod second_level;
mod values;
mod wildcard;

use crate::bits::Padded;
use crate::error::{DecodeError, Failure, Kind as Fault};
use crate::grammar::{Grammar, Production, Record};
use crate::value::{At, Found};
use run::{Memory, Run};
pub(crate) use second_level::{second_level, XSI_TYPE};

/// Receives the content of a stream.
pub trait Sink {
    /// What can go wrong on this side.
    type Error;
    /// Whether every piece of the stream is reported by [`Sink::step`]; then nothing is read in larger pieces.
    const TRACE: bool = false;
    /// A piece of the stream from bit `from` to before bit `to`.
    fn step(&mut self, _from: u64, _to: u64, _step: Step<'_>) {}
    /// An element of complex type starts.
    fn open(&mut self, at: At<'_>, type_index: u16) -> Result<(), Self::Error>;
    /// The element that has just started is of another type, by its `xsi:type`: as if that of `at` had started.
    fn retype(&mut self, at: At<'_>, type_index: u16) -> Result<(), Self::Error>;
    /// A simple element, attribute or text.
    fn value(&mut self, at: At<'_>, value: Found<'_>) -> Result<(), Self::Error>;
    /// The innermost open element ends; it belongs to `at` of the one around it.
    fn close(&mut self, at: At<'_>) -> Result<(), Self::Error>;
    /// A whole element whose type is a record: the values of its fields, in their places. An enumeration gives the
    /// index of the literal, a boolean 0 or 1.
    fn record(&mut self, at: At<'_>, record: &Record, values: [i32; 3]) -> Result<(), Self::Error>;
}

/// A piece of a stream.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The header byte.
    Header,
    /// An event code, the number of alternatives, and the production it stands for; None is the escape to the second
    /// level or an end.
    Code(u16, u16, Option<&'a Production>),
    /// Root element: code, alternatives, name.
    Root(u16, u16, u16),
    /// CH: the value of an element of simple type follows.
    Characters,
    /// The end of an element of simple type.
    SimpleEnd,
    /// A code of the second level.
    SecondLevel(u16, &'static str),
    /// A name in full, of an element where any may stand, or of a type: URI and local name.
    Name(&'a str, &'a str),
    /// A code of the grammar of ambiguous fragments, and the production it stands for.
    Relaxed(u16, &'a Production),
    /// A value.
    Value(At<'a>, Found<'a>),
    /// The end of a fragment.
    FragmentEnd(u16, u16),
    /// Bits that fill the last byte.
    Padding,
}

/// How the end of a list that is exactly full is read; encoders differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullLists {
    /// As EXI 1.0 has it: the element is no longer among the alternatives.
    Specified,
    /// As common Java stacks and this encoder write it: the lists that are marked in the tables end as if one more
    /// could follow.
    Marked,
    /// As generated C codecs write it: every list ends as if one more could follow.
    Loop,
}

/// Limits and choices of a decode.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Longest stream in bytes.
    pub max_bytes: usize,
    /// Deepest nesting; at most [`MAX_DEPTH`].
    pub max_depth: usize,
    /// Most elements of complex type in a stream.
    pub max_elements: u32,
    /// Most occurrences of an element that the schema does not limit.
    pub max_occurs: u16,
    /// Form of full lists.
    pub full_lists: FullLists,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 16,
            max_depth: MAX_DEPTH,
            max_elements: 1 << 16,
            max_occurs: 256,
            full_lists: FullLists::Specified,
        }
    }
}

/// The deepest legitimate V2G message has ten levels.
pub const MAX_DEPTH: usize = 16;

/// What a successful decode tells besides the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Root element: index into the document or fragment roots.
    pub root: u16,
    /// Zero bytes behind the end.
    pub trailing_bytes: usize,
    /// The bits that fill the last byte are zero.
    pub clean_padding: bool,
}

/// Decodes one stream after the other, reusing its memory.
#[derive(Debug, Default)]
pub struct Decoder {
    stream: Padded,
    memory: Memory,
    /// A list was full in the last decode: an error may be due to [`FullLists`].
    pub met_full_list: bool,
}

impl Decoder {
    /// Decodes a document: the header, one global element, padding.
    pub fn document<S: Sink>(
        &mut self,
        grammar: &Grammar,
        data: &[u8],
        options: Options,
        sink: &mut S,
    ) -> Result<Report, Failure<S::Error>> {
        self.stream(grammar, data, options, sink, false)
    }

    /// Decodes a fragment: the header, one declared element, the end-of-document code, padding.
    pub fn fragment<S: Sink>(
        &mut self,
        grammar: &Grammar,
        data: &[u8],
        options: Options,
        sink: &mut S,
    ) -> Result<Report, Failure<S::Error>> {
        self.stream(grammar, data, options, sink, true)
    }

    fn stream<S: Sink>(
        &mut self,
        grammar: &Grammar,
        data: &[u8],
        options: Options,
        sink: &mut S,
        fragment: bool,
    ) -> Result<Report, Failure<S::Error>> {
        self.met_full_list = false;
        if data.len() > options.max_bytes {
            let detail = format!("{} bytes, at most {} are read", data.len(), options.max_bytes);
            let error = DecodeError { kind: Fault::Size, bit: 0, path: String::new(), detail };
            return Err(Failure::Stream(Box::new(error)));
        }
        self.stream.fill(data);
        let mut run = Run::new(grammar, &options, self.stream.reader(), &mut self.memory);
        let outcome = run.whole(data, sink, fragment);
        self.met_full_list = run.met_full_list;
        outcome
    }
}
