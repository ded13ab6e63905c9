//! The structure of a schema set as plain Python data.

use v2g_exi::grammar::{DatatypeKind, Grammar, Kind, Production, Roots, Slot, Type};

/// Element or attribute name, whether its type is complex, and the index of that type.
pub(crate) type Alternative = (String, bool, u16);
/// Type name, whether it is flat, and its slots: kind and alternatives.
pub(crate) type TypeLayout = (String, bool, Vec<(&'static str, Vec<Alternative>)>);
/// Datatype kind and number of its enumeration.
pub(crate) type DatatypeLayout = (&'static str, u16);

pub(crate) fn layout(grammar: &Grammar) -> (Vec<TypeLayout>, Vec<DatatypeLayout>) {
    let types = grammar.types.iter().map(|t| type_layout(grammar, t)).collect();
    let datatypes = grammar.datatypes.iter().map(|d| (datatype_name(d.kind), d.enumeration)).collect();
    (types, datatypes)
}

pub(crate) fn roots(grammar: &Grammar, roots: &Roots) -> Vec<Alternative> {
    let entries = roots.entries.iter();
    entries.map(|r| (grammar.local_name(r.name).to_owned(), r.kind == Kind::Complex, r.target)).collect()
}

/// All productions of a type.
pub(crate) fn productions<'g>(grammar: &'g Grammar, entry: &Type) -> impl Iterator<Item = &'g Production> {
    let next = grammar.types.iter().map(|t| t.start).filter(|s| *s > entry.start).min();
    let end = next.map_or(grammar.states.len(), |n| n as usize);
    let states = grammar.states.get(entry.start as usize..end).unwrap_or(&[]);
    states.iter().flat_map(|state| {
        let run = state.first as usize..state.first as usize + state.count as usize;
        grammar.productions.get(run).unwrap_or(&[])
    })
}

fn type_layout(grammar: &Grammar, entry: &Type) -> TypeLayout {
    let first = entry.first_slot as usize;
    let kinds = grammar.slots.get(first..first + entry.slots as usize).unwrap_or(&[]);
    let mut slots: Vec<(&'static str, Vec<Alternative>)> = kinds
        .iter()
        .map(|kind| {
            let name = match kind {
                Slot::Single => "single",
                Slot::List => "list",
                Slot::Items => "items",
            };
            (name, Vec::new())
        })
        .collect();
    for production in productions(grammar, entry) {
        let name = match production.kind {
            Kind::EndElement | Kind::Text | Kind::Any => continue,
            Kind::Content => "value",
            _ => grammar.local_name(production.name),
        };
        let found = (name.to_owned(), production.kind == Kind::Complex, production.target);
        if let Some((_, alternatives)) = slots.get_mut(production.slot as usize) {
            if !alternatives.contains(&found) {
                alternatives.push(found);
            }
        }
    }
    (entry.name.to_string(), entry.flat, slots)
}

fn datatype_name(kind: DatatypeKind) -> &'static str {
    match kind {
        DatatypeKind::Boolean => "boolean",
        DatatypeKind::NBit | DatatypeKind::Unsigned | DatatypeKind::Integer | DatatypeKind::Big => "integer",
        DatatypeKind::Binary => "base64",
        DatatypeKind::Hex => "hex",
        DatatypeKind::String => "string",
        DatatypeKind::Enumeration => "enumeration",
    }
}
