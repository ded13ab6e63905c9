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
    let entries = roots.entries.iter().filter(|r| r.kind != Kind::Escape);
    entries.map(|r| (grammar.local_name(r.name).to_owned(), r.kind == Kind::Complex, r.target)).collect()
}

pub(crate) fn root_namespaces(grammar: &Grammar, roots: &Roots) -> Vec<String> {
    roots.entries.iter().filter(|r| r.kind != Kind::Escape).map(|r| uri(grammar, r.name)).collect()
}

pub(crate) fn namespaces(grammar: &Grammar) -> Vec<Vec<Vec<(String, bool)>>> {
    let slots = |entry: &Type| {
        let alternatives = alternatives(grammar, entry).into_iter();
        let spaces = |slot: Vec<&Production>| {
            slot.into_iter().map(|p| (uri(grammar, p.name), p.kind == Kind::Attribute)).collect()
        };
        alternatives.map(spaces).collect()
    };
    grammar.types.iter().map(slots).collect()
}

pub(crate) fn families(grammar: &Grammar) -> Vec<(String, Option<u16>)> {
    let space = |t: &Type| grammar.uris.get(t.uri as usize).map_or_else(String::new, ToString::to_string);
    let base = |t: &Type| Some(t.base).filter(|base| (*base as usize) < grammar.types.len());
    grammar.types.iter().map(|t| (space(t), base(t))).collect()
}

fn uri(grammar: &Grammar, name: u16) -> String {
    let name = grammar.names.get(name as usize);
    name.and_then(|n| grammar.uris.get(n.uri as usize)).map_or_else(String::new, ToString::to_string)
}

/// The productions that fill each slot of a type, one per element or attribute.
fn alternatives<'g>(grammar: &'g Grammar, entry: &Type) -> Vec<Vec<&'g Production>> {
    let mut slots: Vec<Vec<&Production>> = (0..entry.slots).map(|_| Vec::new()).collect();
    for production in productions(grammar, entry) {
        if matches!(production.kind, Kind::EndElement | Kind::Text | Kind::Any) {
            continue;
        }
        if let Some(slot) = slots.get_mut(production.slot as usize) {
            if !slot.iter().any(|p| p.name == production.name && p.target == production.target) {
                slot.push(production);
            }
        }
    }
    slots
}

/// All productions of a type.
pub(crate) fn productions<'g>(grammar: &'g Grammar, entry: &Type) -> impl Iterator<Item = &'g Production> {
    let next = grammar.types.iter().map(|t| t.start).filter(|s| *s > entry.start).min();
    let end = next.map_or(grammar.states.len(), |n| n as usize);
    let states = grammar.states.get(entry.start as usize..end).unwrap_or(&[]);
    states.iter().flat_map(|state| state.run(&grammar.productions))
}

fn type_layout(grammar: &Grammar, entry: &Type) -> TypeLayout {
    let first = entry.first_slot as usize;
    let kinds = grammar.slots.get(first..first + entry.slots as usize).unwrap_or(&[]);
    let slots = kinds.iter().zip(alternatives(grammar, entry)).map(|(kind, productions)| {
        let name = match kind {
            Slot::Single => "single",
            Slot::List => "list",
            Slot::Items => "items",
        };
        let shown = |p: &Production| {
            let name = if p.kind == Kind::Content { "value" } else { grammar.local_name(p.name) };
            (name.to_owned(), p.kind == Kind::Complex, p.target)
        };
        (name, productions.into_iter().map(shown).collect())
    });
    (entry.name.to_string(), entry.flat, slots.collect())
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
