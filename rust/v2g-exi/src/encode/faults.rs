//! What to say about a message that cannot be written.

use super::values::characters;
use super::Encoder;
use crate::error::EncodeError;
use crate::grammar::{Datatype, DatatypeKind, Kind};
use crate::value::{Given, NO_NAME};

impl Encoder<'_> {
    #[cold]
    pub(super) fn refused(&self, d: &Datatype, name: u16, value: Given<'_>) -> Box<EncodeError> {
        let found = match value {
            Given::Octets(octets) => format!("{} octets", octets.len()),
            Given::Text(text) => format!("{} characters", text.chars().count()),
            Given::Characters(octets) => format!("{} characters", characters(octets)),
            Given::Integer(v) => v.to_string(),
            Given::Unsigned(v) => v.to_string(),
            other => format!("{other:?}"),
        };
        let expected = match d.kind {
            DatatypeKind::Boolean => "a boolean".into(),
            DatatypeKind::Binary | DatatypeKind::Hex => format!("at most {} octets", d.max_length),
            DatatypeKind::String => format!("at most {} characters", d.max_length),
            DatatypeKind::Enumeration => format!("literal 0 to {}", d.high),
            DatatypeKind::Big => "an integer".into(),
            _ => format!("an integer from {} to {}", d.low, d.high),
        };
        self.fault(name, format!("{found}, expected {expected}"))
    }

    #[cold]
    pub(super) fn misplaced(&self, slot: u8) -> Box<EncodeError> {
        let expected = self.expected();
        self.fault(NO_NAME, format!("field {slot} cannot be written here, expected {expected}"))
    }

    #[cold]
    pub(super) fn incomplete(&self) -> Box<EncodeError> {
        let expected = self.expected();
        self.fault(NO_NAME, format!("incomplete, expected {expected}"))
    }

    fn expected(&self) -> String {
        let Ok(state) = self.state() else {
            return "nothing".into();
        };
        let names: Vec<&str> = state
            .run(self.tables.productions)
            .iter()
            .map(|p| match p.kind {
                Kind::EndElement => "the end",
                Kind::Content => "the value",
                Kind::Text => "text",
                Kind::Any => "any element",
                _ => self.grammar.local_name(p.name),
            })
            .collect();
        names.join(", ")
    }

    #[cold]
    pub(super) fn fault(&self, name: u16, detail: String) -> Box<EncodeError> {
        let outer = self.outer.iter().take(self.depth).skip(1);
        let open = outer.chain((self.depth > 0).then_some(&self.frame));
        let names = open.map(|f| f.name).chain((name != NO_NAME).then_some(name));
        let path: Vec<&str> = names.map(|n| self.grammar.local_name(n)).collect();
        Box::new(EncodeError { path: path.join("/"), detail })
    }
}
