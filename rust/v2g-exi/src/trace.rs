//! A stream piece by piece: which bits say what.

use crate::decode::{Decoder, Options, Report, Sink, Step};
use crate::error::{DecodeError, Failure};
use crate::grammar::{Grammar, Kind, Production, Record};
use crate::value::{At, Found};
use std::fmt::Write;

/// One piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// First bit.
    pub from: u64,
    /// Number of bits.
    pub width: u64,
    /// What it is: `SE(Header)`, `CH`, `value` ...
    pub event: String,
    /// Event code and number of alternatives.
    pub code: Option<(u16, u16)>,
    /// Element names from the root down.
    pub path: String,
    /// The value, as text; enumerations as the index of the literal.
    pub value: String,
    /// Datatype of the value.
    pub datatype: Option<u16>,
}

/// The fault type of a [`Trace`]: it cannot occur. It is a separate type, so that code that reads for a trace
/// is compiled separately from code that reads for other sinks, where it would cost 10 % of the instructions.
#[derive(Debug)]
pub(crate) enum Never {}

/// Looks at every piece of a stream.
pub(crate) struct Trace<'g> {
    grammar: &'g Grammar,
    /// None: the pieces are not kept.
    rows: Option<Vec<Row>>,
    names: Vec<u16>,
    simple: Option<u16>,
}

/// All of `data`: its pieces up to the end or to the first fault, then that (`fault`, the bits that are
/// wrong, if there are any) and what is behind it (`unread`). The rows join without a gap.
pub fn explain(
    grammar: &Grammar,
    data: &[u8],
    options: Options,
    fragment: bool,
) -> (Vec<Row>, Result<Report, Box<DecodeError>>) {
    let mut trace = Trace { rows: Some(Vec::new()), ..Trace::silent(grammar) };
    let mut decoder = Decoder::default();
    let outcome = if fragment {
        decoder.fragment(grammar, data, options, &mut trace)
    } else {
        decoder.document(grammar, data, options, &mut trace)
    };
    let outcome = match outcome {
        Ok(report) => Ok(report),
        Err(Failure::Stream(error)) => Err(error),
        Err(Failure::Sink(never)) => match never {},
    };
    let mut rows = trace.rows.unwrap_or_default();
    if let Err(error) = &outcome {
        let rest = [("fault", error.bit), ("unread", data.len() as u64 * 8)];
        for (event, to) in rest {
            let from = rows.last().map_or(0, |row| row.from + row.width);
            if to > from {
                rows.push(Row::new(from, to, event.into(), error.path.clone()));
            }
        }
    }
    (rows, outcome)
}

impl Row {
    fn new(from: u64, to: u64, event: String, path: String) -> Self {
        Self {
            from,
            width: to.saturating_sub(from),
            event,
            code: None,
            path,
            value: String::new(),
            datatype: None,
        }
    }
}

impl<'g> Trace<'g> {
    /// Only looks.
    pub(crate) fn silent(grammar: &'g Grammar) -> Self {
        Self { grammar, rows: None, names: Vec::new(), simple: None }
    }

    fn path(&self) -> String {
        let names = self.names.iter().chain(&self.simple);
        names.map(|n| self.grammar.local_name(*n)).collect::<Vec<_>>().join("/")
    }

    fn event(&self, production: &Production) -> String {
        let name = self.grammar.local_name(production.name);
        match production.kind {
            Kind::EndElement => "EE".into(),
            Kind::Complex | Kind::Simple => format!("SE({name})"),
            Kind::Attribute => format!("AT({name})"),
            Kind::Content | Kind::Text => "CH".into(),
            Kind::Any => "SE(*)".into(),
            Kind::Escape => "escape".into(),
        }
    }
}

impl Sink for Trace<'_> {
    type Error = Never;
    const TRACE: bool = true;

    fn step(&mut self, from: u64, to: u64, step: Step<'_>) {
        if self.rows.is_none() {
            return;
        }
        let mut row = Row::new(from, to, String::new(), self.path());
        match step {
            Step::Header => row.event = "header".into(),
            Step::Root(code, of, name) => {
                row.event = format!("SE({})", self.grammar.local_name(name));
                row.code = Some((code, of));
            }
            Step::Code(code, of, production) => {
                row.event = production.map_or_else(|| "escape".into(), |p| self.event(p));
                row.code = Some((code, of));
                if let Some(production) = production {
                    self.simple = (production.kind == Kind::Simple).then_some(production.name);
                }
            }
            Step::Characters => {
                row.event = "CH".into();
                row.code = Some((0, 2));
            }
            Step::SimpleEnd => {
                row.event = "EE".into();
                row.code = Some((0, 2));
                self.simple = None;
            }
            Step::SecondLevel(code, what) => {
                row.event = format!("second level: {what}");
                row.code = Some((code, 0));
                self.simple = None;
            }
            Step::Name(uri, local) => {
                row.event = "name".into();
                row.value = format!("{{{uri}}}{local}");
            }
            Step::Relaxed(code, production) => {
                row.event = self.event(production);
                row.code = Some((code, 0));
            }
            Step::Value(at, found) => {
                row.event = "value".into();
                row.datatype = Some(at.production.target).filter(|_| at.production.kind != Kind::Text);
                row.value = show(found);
            }
            Step::FragmentEnd(code, of) => {
                row.event = "ED".into();
                row.code = Some((code, of));
            }
            Step::Padding => row.event = "padding".into(),
            Step::Trailing => row.event = "zero octets".into(),
        }
        if let Some(rows) = &mut self.rows {
            rows.push(row);
        }
    }

    fn open(&mut self, at: At<'_>, _: u16) -> Result<(), Never> {
        self.names.push(at.production.name);
        Ok(())
    }

    fn retype(&mut self, _: At<'_>, _: u16) -> Result<(), Never> {
        Ok(())
    }

    fn value(&mut self, _: At<'_>, _: Found<'_>) -> Result<(), Never> {
        Ok(())
    }

    fn close(&mut self, _: At<'_>) -> Result<(), Never> {
        self.names.pop();
        Ok(())
    }

    fn record(&mut self, _: At<'_>, _: &Record, _: [i32; 3]) -> Result<(), Never> {
        Ok(())
    }

    fn restart(&mut self) {
        self.names.clear();
        self.simple = None;
        if let Some(rows) = &mut self.rows {
            rows.clear();
        }
    }
}

fn show(found: Found<'_>) -> String {
    match found {
        Found::Boolean(v) => v.to_string(),
        Found::Integer(v) => v.to_string(),
        Found::Unsigned(v) => v.to_string(),
        Found::Big(negative, magnitude) => format!("{}0x{}", if negative { "-" } else { "" }, hex(magnitude)),
        Found::Octets(octets) => hex(&octets.to_vec()),
        Found::Ascii(_) | Found::Text(_) => found.text().unwrap_or_default(),
        Found::Literal(_, index) => index.to_string(),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut out, octet| {
        let _ = write!(out, "{octet:02x}");
        out
    })
}
