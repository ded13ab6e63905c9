//! The decoder: walks the tables over a stream and reports the content to a [`Sink`].

mod faults;
mod run;
mod second_level;
mod values;
mod wildcard;

use crate::bits::Padded;
use crate::error::{DecodeError, Failure, Kind as Fault};
use crate::grammar::{Count, Grammar, Production, Record};
use crate::trace::Trace;
use crate::value::{At, Found};
pub(crate) use run::left_out;
use run::{Memory, Run};
pub(crate) use second_level::{second_level, XSI_TYPE};

/// Receives the content of a stream.
pub trait Sink {
    /// What can go wrong on this side.
    type Error;
    /// Whether every piece of the stream is reported by [`Sink::step`]; then nothing is read in larger
    /// pieces.
    const TRACE: bool = false;
    /// A piece of the stream from bit `from` to before bit `to`.
    fn step(&mut self, _from: u64, _to: u64, _step: Step<'_>) {}
    /// An element of complex type starts.
    fn open(&mut self, at: At<'_>, type_index: u16) -> Result<(), Self::Error>;
    /// The element that has just started is of another type, by its `xsi:type`: as if that of `at` had
    /// started.
    fn retype(&mut self, at: At<'_>, type_index: u16) -> Result<(), Self::Error>;
    /// A simple element, attribute or text.
    fn value(&mut self, at: At<'_>, value: Found<'_>) -> Result<(), Self::Error>;
    /// The innermost open element ends; it belongs to `at` of the one around it.
    fn close(&mut self, at: At<'_>) -> Result<(), Self::Error>;
    /// A whole element whose type is a record: the values of its fields, in their places. An enumeration
    /// gives the index of the literal, a boolean 0 or 1.
    fn record(&mut self, at: At<'_>, record: &Record, values: [i32; 3]) -> Result<(), Self::Error>;
    /// All that was handed over is void: the stream is read from its start again, with full lists of another
    /// form.
    fn restart(&mut self);
}

/// A piece of a stream.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The header byte.
    Header,
    /// An event code, the number of alternatives, and the production of the code; None is the escape to the
    /// second level or an end.
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
    /// A code of the grammar of ambiguous fragments, and its production.
    Relaxed(u16, &'a Production),
    /// A value.
    Value(At<'a>, Found<'a>),
    /// The end of a fragment.
    FragmentEnd(u16, u16),
    /// Bits that fill the last byte.
    Padding,
    /// Zero octets behind the end.
    Trailing,
}

/// How a list that is exactly full ends; encoders differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FullLists {
    /// As EXI 1.0 has it: the element is no longer among the alternatives.
    #[default]
    Specified,
    /// As the precompiled tables of common Java stacks have it: the lists that are marked in the tables end
    /// as if one more could follow.
    Marked,
    /// As some generated C codecs have it: every list ends as if one more could follow.
    Loop,
}

impl FullLists {
    /// All forms, in the order in which they are preferred.
    pub const ALL: [Self; 3] = [Self::Specified, Self::Marked, Self::Loop];

    /// Whether a list that `production` has made full offers the element no longer.
    #[inline(always)]
    pub(crate) fn leaves(self, production: &Production) -> bool {
        match self {
            Self::Specified => true,
            Self::Marked => production.count == Count::Step,
            Self::Loop => false,
        }
    }
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
    /// Form of full lists. None reads each: the form that leaves nothing behind, or else the first in which
    /// the stream can be read, in the order of [`FullLists::ALL`].
    pub full_lists: Option<FullLists>,
    /// Integers of fixed width are read beyond the largest value of their type, as far as the bits go.
    pub lenient_ranges: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 16,
            max_depth: MAX_DEPTH,
            max_elements: 1 << 16,
            max_occurs: 256,
            full_lists: None,
            lenient_ranges: false,
        }
    }
}

/// The deepest legitimate V2G message has ten levels.
pub const MAX_DEPTH: usize = 16;

/// Result of a successful decode besides the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Root element: index into the document or fragment roots.
    pub root: u16,
    /// Zero bytes behind the end.
    pub trailing_bytes: usize,
    /// The bits that fill the last byte are zero.
    pub clean_padding: bool,
}

impl Report {
    /// Nothing is left behind the end: no octet, and no bit that is set.
    pub fn is_whole(&self) -> bool {
        self.trailing_bytes == 0 && self.clean_padding
    }
}

/// Decodes one stream after the other, reusing its memory.
#[derive(Debug, Default)]
pub struct Decoder {
    stream: Padded,
    memory: Memory,
    /// A list was full in the last decode, so that its form mattered.
    pub met_full_list: bool,
}

impl Decoder {
    /// Decodes a document: the header, one global element, padding.
    #[inline(always)]
    pub fn document<S: Sink>(
        &mut self,
        grammar: &Grammar,
        data: &[u8],
        options: Options,
        sink: &mut S,
    ) -> Result<Report, Failure<S::Error>> {
        self.stream(grammar, data, &options, sink, false)
    }

    /// Decodes a fragment: the header, one declared element, the end-of-document code, padding.
    #[inline(always)]
    pub fn fragment<S: Sink>(
        &mut self,
        grammar: &Grammar,
        data: &[u8],
        options: Options,
        sink: &mut S,
    ) -> Result<Report, Failure<S::Error>> {
        self.stream(grammar, data, &options, sink, true)
    }

    fn stream<S: Sink>(
        &mut self,
        grammar: &Grammar,
        data: &[u8],
        options: &Options,
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
        let mut run = Run::new(grammar, options, self.stream.reader(), &mut self.memory);
        let outcome = run.whole(data, sink, fragment);
        self.met_full_list = run.met_full_list;
        match outcome {
            Ok(report) if !self.met_full_list || report.is_whole() || options.full_lists.is_some() => {
                Ok(report)
            }
            outcome => self.again(Whole { grammar, data, options, fragment }, outcome, sink),
        }
    }

    /// The result of a stream whose first reading is in doubt: that reading, or another one of the same
    /// stream. It goes through [`Self::stream`], so that the walk has one caller and is compiled into it.
    #[cold]
    #[inline(never)]
    fn again<S: Sink>(
        &mut self,
        whole: Whole<'_>,
        outcome: Result<Report, Failure<S::Error>>,
        sink: &mut S,
    ) -> Result<Report, Failure<S::Error>> {
        let given = whole.options.full_lists.unwrap_or_default();
        let (best, verdict) = self.settle(&whole, given);
        match verdict {
            Ok(_) if best == given => outcome,
            Err(_) if matches!(outcome, Err(Failure::Sink(_))) => outcome,
            Err(error) if !S::TRACE || best == given => Err(Failure::Stream(error)),
            _ => {
                sink.restart();
                let options = Options { full_lists: Some(best), ..*whole.options };
                self.stream(whole.grammar, whole.data, &options, sink, whole.fragment)
            }
        }
    }

    /// The second reading of a stream that could not be read, or that had a full list and left data behind:
    /// it is read element by element in each form that is allowed, which finds the form and the exact place
    /// of a fault.
    #[cold]
    #[inline(never)]
    fn settle(
        &mut self,
        whole: &Whole<'_>,
        given: FullLists,
    ) -> (FullLists, Result<Report, Box<DecodeError>>) {
        let several = whole.options.full_lists.is_none() && self.met_full_list;
        let mut best = (given, self.judge(whole, given));
        for form in FullLists::ALL.into_iter().skip(1).filter(|_| several) {
            let verdict = self.judge(whole, form);
            if rank(&verdict) > rank(&best.1) {
                best = (form, verdict);
            }
        }
        best
    }

    /// Reads the stream piece by piece and keeps nothing of it.
    #[inline(never)]
    fn judge(&mut self, whole: &Whole<'_>, form: FullLists) -> Result<Report, Box<DecodeError>> {
        let options = Options { full_lists: Some(form), ..*whole.options };
        let mut run = Run::new(whole.grammar, &options, self.stream.reader(), &mut self.memory);
        match run.whole(whole.data, &mut Trace::silent(whole.grammar), whole.fragment) {
            Ok(report) => Ok(report),
            Err(Failure::Stream(error)) => Err(error),
            Err(Failure::Sink(never)) => match never {},
        }
    }
}

/// A stream and how to read it.
struct Whole<'a> {
    grammar: &'a Grammar,
    data: &'a [u8],
    options: &'a Options,
    fragment: bool,
}

/// How good a reading is: first, whether it leaves nothing behind, then whether there is one, then how far it
/// came.
fn rank(verdict: &Result<Report, Box<DecodeError>>) -> (bool, bool, u64) {
    match verdict {
        Ok(report) => (report.is_whole(), true, 0),
        Err(error) => (false, false, error.bit),
    }
}
