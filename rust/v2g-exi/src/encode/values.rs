//! Values and records.

use super::{Encoder, Mode, Outcome};
use crate::bits::head;
use crate::grammar::{Datatype, DatatypeKind, Kind, Production, Record, RecordField, Root, Short};
use crate::value::{Given, NO_NAME};

/// Integers below take at most three octets.
const SHORT: u64 = 1 << 21;

/// Escape, then the first of the second-level productions at the start of a simple value: the end.
const UNDECLARED_END: u64 = 0b1000;

impl Encoder<'_> {
    /// Writes the value of a root element of simple type.
    pub fn root_value(&mut self, root: Root, value: Given<'_>) -> Outcome<()> {
        if self.ends_empty(root.target, value) {
            self.writer.bits(UNDECLARED_END, 4);
            return Ok(());
        }
        self.writer.bits(0, 1);
        self.datum(root.target, root.name, value)?;
        self.writer.bits(0, 1);
        Ok(())
    }

    /// Writes a simple element, attribute, content or text.
    #[inline(always)]
    pub fn value(&mut self, code: u16, production: &Production, value: Given<'_>) -> Outcome<()> {
        if self.frame.mode == Mode::Relaxed {
            return self.relaxed_value(production, value);
        }
        let bits = u32::from(self.state()?.bits);
        if production.kind == Kind::Simple {
            return self.simple(u64::from(code), bits, production, value);
        }
        self.other(code, bits, production, value)
    }

    /// An element of simple type: code, CH, value and EE.
    #[inline(always)]
    fn simple(&mut self, code: u64, bits: u32, production: &Production, value: Given<'_>) -> Outcome<()> {
        self.advance(production)?;
        let (low, span) = (i64::from(production.low), u64::from(production.span));
        let (word, width) = match (production.short, value) {
            (Short::Boolean, Given::Boolean(flag)) => (flag.into(), 1),
            (Short::Literal, Given::Literal(index)) if u64::from(index) <= span => {
                (index.into(), production.bits.into())
            }
            (Short::Number, Given::Integer(v)) if v.wrapping_sub(low) as u64 <= span => {
                (v.wrapping_sub(low) as u64, production.bits.into())
            }
            // Types of such a production have no bounds that short values could break.
            (Short::Unsigned, Given::Integer(v)) if (v as u64) < SHORT => short_octets(v as u64),
            (Short::Unsigned, Given::Unsigned(v)) if v < SHORT => short_octets(v),
            (Short::Signed, Given::Integer(v)) if ((v ^ v >> 63) as u64) < SHORT => {
                let (octets, width) = short_octets((v ^ v >> 63) as u64);
                ((v as u64 >> 63).wrapping_shl(width) | octets, width.wrapping_add(1))
            }
            _ if self.ends_empty(production.target, value) => {
                self.writer.bits(code << 4 | UNDECLARED_END, bits.wrapping_add(4));
                return Ok(());
            }
            _ => {
                self.writer.bits(code << 1, bits.wrapping_add(1));
                self.datum(production.target, production.name, value)?;
                self.writer.bits(0, 1);
                return Ok(());
            }
        };
        let around = width.wrapping_add(2);
        self.writer.bits(code.wrapping_shl(around) | word << 1, bits.wrapping_add(around));
        Ok(())
    }

    /// An attribute, content or text.
    fn other(&mut self, code: u16, bits: u32, production: &Production, value: Given<'_>) -> Outcome<()> {
        match production.kind {
            Kind::Content if self.ends_empty(production.target, value) => {
                let escape = u64::from(self.state()?.count);
                self.writer.bits(escape << 3, bits + 3);
                self.frame.mode = Mode::Ended;
                Ok(())
            }
            Kind::Attribute | Kind::Content => {
                self.writer.bits(code.into(), bits);
                self.advance(production)?;
                self.datum(production.target, production.name, value)
            }
            Kind::Text => {
                self.writer.bits(code.into(), bits);
                self.advance(production)?;
                match value {
                    Given::Text(text) => self.text(text.as_bytes()),
                    Given::Characters(octets) => self.text(octets),
                    _ => Err(self.fault(NO_NAME, "text expected between the elements".into())),
                }
            }
            _ => Err(self.fault(production.name, "a message object expected, not a value".into())),
        }
    }

    /// Writes the whole element of `production`, whose type is a record, from the values of its fields in
    /// their places: numbers, index of the literal, 0 or 1.
    #[inline(always)]
    pub fn record(&mut self, code: u16, production: &Production, values: [i32; 3]) -> Outcome<()> {
        let Some(record) = self.tables.records.get((production.record as usize).wrapping_sub(1)) else {
            return Err(self.fault(production.name, "is not a record".into()));
        };
        let bits = u32::from(self.state()?.bits);
        // The sign bit is set where a value is out of range.
        let mut odd = 0;
        let mut word = 0;
        let mut field = |value: i32, field: &RecordField| {
            let raw = i64::from(value).wrapping_sub(field.low.into()) as u64;
            odd |= raw | u64::from(field.span).wrapping_sub(raw);
            word |= raw.wrapping_shl(field.down.into());
        };
        let [first, second, third] = &record.fields;
        let [one, two, three] = values;
        let Some(tail) = &record.tail else {
            field(one, first);
            field(two, second);
            field(three, third);
            if odd >> 63 != 0 {
                return self.record_by_field(code, production, record, values);
            }
            let width = u32::from(record.width);
            self.writer
                .bits(u64::from(code).wrapping_shl(width) | head(word, width), bits.wrapping_add(width));
            return self.advance(production);
        };
        field(one, first);
        field(two, second);
        let negative = three >> 31;
        let raw = u64::from((three ^ negative) as u32);
        odd |= u64::from(tail.high).wrapping_sub(raw);
        odd |= i64::from(negative) as u64 & u64::from(tail.sign).wrapping_sub(1);
        if odd >> 63 != 0 {
            return self.record_by_field(code, production, record, values);
        }
        let (octets, octets_width) = short_octets(raw);
        let (shift, sign) = (u32::from(tail.shift), u32::from(tail.sign));
        let lead = u64::from(code).wrapping_shl(shift) | head(word, shift);
        let lead = lead.wrapping_shl(sign) | (negative as u64 & u64::from(tail.sign));
        let width = octets_width.wrapping_add(2);
        self.writer.bits(
            lead.wrapping_shl(width) | octets << 2,
            bits.wrapping_add(shift).wrapping_add(sign).wrapping_add(width),
        );
        self.advance(production)
    }

    /// The long way round, which knows the name of the field that is out of range.
    #[cold]
    fn record_by_field(
        &mut self,
        code: u16,
        production: &Production,
        record: &Record,
        values: [i32; 3],
    ) -> Outcome<()> {
        self.open(code, production)?;
        for value in values.into_iter().skip(record.lead.into()) {
            let field = self.first()?;
            let kind = self.tables.datatypes.get(field.target as usize).map(|d| d.kind);
            if field.kind == Kind::EndElement {
                break;
            }
            let given = match (kind, u16::try_from(value)) {
                (Some(DatatypeKind::Boolean), Ok(flag @ 0..=1)) => Given::Boolean(flag == 1),
                (Some(DatatypeKind::Enumeration), Ok(index)) => Given::Literal(index),
                _ => Given::Integer(value.into()),
            };
            self.value(0, field, given)?;
        }
        self.close()
    }

    /// Bits and width of a value of fixed width that is in range.
    #[inline(always)]
    fn short(&self, datatype: u16, value: Given<'_>) -> Option<(u64, u32)> {
        let d = self.tables.datatypes.get(datatype as usize)?;
        match (d.kind, value) {
            (DatatypeKind::Boolean, Given::Boolean(flag)) => Some((flag.into(), 1)),
            (DatatypeKind::Enumeration, Given::Literal(index)) if u64::from(index) <= d.high => {
                Some((index.into(), d.bits.into()))
            }
            (DatatypeKind::NBit, Given::Integer(v)) if v >= d.low && v <= d.high as i64 => {
                Some((v.wrapping_sub(d.low) as u64, d.bits.into()))
            }
            _ => None,
        }
    }

    #[inline(always)]
    pub(super) fn ends_empty(&self, datatype: u16, value: Given<'_>) -> bool {
        let length = match value {
            Given::Octets(octets) | Given::Characters(octets) => octets.len(),
            Given::Text(text) => text.len(),
            _ => return false,
        };
        length == 0 && self.may_end_empty(datatype, value)
    }

    /// Whether an empty value of the type is written as an element without content.
    fn may_end_empty(&self, datatype: u16, value: Given<'_>) -> bool {
        let kind = self.tables.datatypes.get(datatype as usize).map(|d| d.kind);
        let fits = match value {
            Given::Octets(_) => matches!(kind, Some(DatatypeKind::Binary | DatatypeKind::Hex)),
            _ => kind == Some(DatatypeKind::String),
        };
        fits && !self.style.empty_values
    }

    #[inline(always)]
    pub(super) fn datum(&mut self, datatype: u16, name: u16, value: Given<'_>) -> Outcome<()> {
        let Some(d) = self.tables.datatypes.get(datatype as usize) else {
            return Err(self.fault(name, "has no datatype in the tables".into()));
        };
        let limit = d.max_length as usize;
        match (value, d.kind) {
            (Given::Octets(octets), DatatypeKind::Binary | DatatypeKind::Hex) if octets.len() <= limit => {
                self.unsigned(octets.len() as u64);
                self.writer.octets(octets);
                Ok(())
            }
            (Given::Text(text), DatatypeKind::String) if fits(text.as_bytes(), limit) => {
                self.text(text.as_bytes())
            }
            (Given::Characters(octets), DatatypeKind::String) if fits(octets, limit) => self.text(octets),
            _ => self.number(datatype, d, name, value),
        }
    }

    /// A value of any other type.
    #[inline(never)]
    fn number(&mut self, datatype: u16, d: &Datatype, name: u16, value: Given<'_>) -> Outcome<()> {
        match (d.kind, value) {
            (DatatypeKind::Boolean | DatatypeKind::Enumeration | DatatypeKind::NBit, _) => {
                match self.short(datatype, value) {
                    Some((raw, width)) => self.writer.bits(raw, width),
                    None => return Err(self.refused(d, name, value)),
                }
            }
            (DatatypeKind::Integer, Given::Integer(v)) if v >= d.low && v <= d.high as i64 => {
                self.writer.bits(u64::from(v < 0), 1);
                self.unsigned(if v < 0 { !v as u64 } else { v as u64 });
            }
            (DatatypeKind::Unsigned, Given::Integer(v)) if v >= d.low && v as u64 <= d.high => {
                self.unsigned(v as u64);
            }
            (DatatypeKind::Unsigned, Given::Unsigned(v)) if v <= d.high => self.unsigned(v),
            (DatatypeKind::Big, Given::Integer(v)) => {
                self.writer.bits(u64::from(v < 0), 1);
                self.unsigned(if v < 0 { !v as u64 } else { v as u64 });
            }
            (DatatypeKind::Big, Given::Unsigned(v)) => return self.big(name, false, &v.to_be_bytes()),
            (DatatypeKind::Big, Given::Big(negative, magnitude)) => {
                return self.big(name, negative, magnitude)
            }
            _ => return Err(self.refused(d, name, value)),
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn unsigned(&mut self, mut value: u64) {
        if value < SHORT {
            let (octets, width) = short_octets(value);
            return self.writer.bits(octets, width);
        }
        while value >= 0x80 {
            self.writer.bits(value & 0x7F | 0x80, 8);
            value >>= 7;
        }
        self.writer.bits(value, 8);
    }

    fn big(&mut self, name: u16, negative: bool, magnitude: &[u8]) -> Outcome<()> {
        let digits = magnitude.iter().skip_while(|b| **b == 0).count();
        if digits > 20 {
            return Err(self.fault(name, format!("an integer of {digits} octets, at most 20")));
        }
        let mut octets: Vec<u8> = magnitude.iter().rev().copied().collect();
        if negative {
            // EXI writes -v as v - 1.
            for octet in &mut octets {
                let (less, borrow) = octet.overflowing_sub(1);
                *octet = less;
                if !borrow {
                    break;
                }
            }
        }
        self.writer.bits(negative.into(), 1);
        let bit = |index: usize| octets.get(index / 8).map_or(0, |o| u64::from(o >> (index % 8) & 1));
        let used = (0..octets.len() * 8).rev().find(|i| bit(*i) == 1).map_or(1, |i| i + 1);
        let groups = used.div_ceil(7);
        for group in 0..groups {
            let value = (0..7).fold(0, |v, i| v | bit(group * 7 + i) << i);
            let more = if group + 1 < groups { 0x80 } else { 0 };
            self.writer.bits(value | more, 8);
        }
        Ok(())
    }

    #[inline(always)]
    fn text(&mut self, octets: &[u8]) -> Outcome<()> {
        if octets.is_ascii() {
            self.unsigned((octets.len() as u64).wrapping_add(2));
            self.writer.octets(octets);
            return Ok(());
        }
        self.wide_text(octets)
    }

    #[cold]
    fn wide_text(&mut self, octets: &[u8]) -> Outcome<()> {
        let Ok(text) = std::str::from_utf8(octets) else {
            return Err(self.fault(NO_NAME, "octets that are no UTF-8".into()));
        };
        self.unsigned(text.chars().count() as u64 + 2);
        for character in text.chars() {
            self.unsigned(u32::from(character).into());
        }
        Ok(())
    }
}

/// Whether the type allows so many characters.
#[inline(always)]
fn fits(octets: &[u8], limit: usize) -> bool {
    octets.len() <= limit || characters(octets) <= limit
}

/// How many characters UTF-8 has.
pub(super) fn characters(octets: &[u8]) -> usize {
    octets.iter().filter(|octet| **octet & 0xC0 != 0x80).count()
}

/// The octets of an unsigned integer below [`SHORT`] (EXI 1.0, section 7.1.6), and their bits.
#[inline(always)]
fn short_octets(raw: u64) -> (u64, u32) {
    if raw < 0x80 {
        (raw, 8)
    } else if raw < 0x4000 {
        ((raw & 0x7F | 0x80) << 8 | raw >> 7, 16)
    } else {
        ((raw & 0x7F | 0x80) << 16 | (raw >> 7 & 0x7F | 0x80) << 8 | raw >> 14, 24)
    }
}
