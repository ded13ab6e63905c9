//! Simple values.

use super::run::{Outcome, Run};
use super::{Sink, Step};
use crate::bits::top;
use crate::error::{Failure, Kind as Fault};
use crate::grammar::{Datatype, DatatypeKind, UNBOUNDED};
use crate::value::{At, Found, Octets, NO_NAME};

impl Run<'_, '_> {
    /// Start code, CH, value and EE of an element of simple type. `lead`: width of the start code.
    #[inline(always)]
    pub(super) fn simple<S: Sink>(&mut self, lead: u32, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let Some(d) = self.tables.datatypes.get(at.production.target as usize) else {
            return Err(self.broken());
        };
        let word = self.reader.peek().wrapping_shl(lead);
        if word >> 63 == 1 {
            self.reader.skip(lead.wrapping_add(1));
            return self.empty_simple(at, sink);
        }
        self.reader.skip(lead.wrapping_add(1));
        if S::TRACE {
            let to = self.reader.position();
            sink.step(to - 1, to, Step::Characters);
        }
        if d.bits > 0 {
            let bits = u32::from(d.bits);
            let raw = top(word << 1, bits);
            if top((word << 1).wrapping_shl(bits), 1) == 0 {
                self.reader.skip(bits.wrapping_add(1));
                if S::TRACE && !self.reader.overrun() {
                    let to = self.reader.position();
                    sink.step(to - u64::from(bits) - 1, to - 1, Step::Value(at, raw_value(d, raw, at)));
                    sink.step(to - 1, to, Step::SimpleEnd);
                }
                return self.short(d, raw, at, sink);
            }
        }
        self.datum(at, sink)?;
        if self.reader.bits(1) == 1 {
            return Err(self.undeclared("content after a value", at.production.name));
        }
        if S::TRACE {
            let to = self.reader.position();
            sink.step(to - 1, to, Step::SimpleEnd);
        }
        Ok(())
    }

    /// A value of fixed width that has been read.
    #[inline(always)]
    pub(super) fn short<S: Sink>(
        &mut self,
        d: &Datatype,
        raw: u64,
        at: At<'_>,
        sink: &mut S,
    ) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        let found = match d.kind {
            DatatypeKind::Boolean => Found::Boolean(raw == 1),
            DatatypeKind::Enumeration if raw <= d.high => Found::Literal(at.production.target, raw as u16),
            DatatypeKind::Enumeration => return Err(self.out_of_range(raw, d, at.production.name)),
            _ => {
                let number = (raw as i64).wrapping_add(d.low);
                if number > d.high as i64 {
                    return Err(self.out_of_range(number, d, at.production.name));
                }
                Found::Integer(number)
            }
        };
        sink.value(at, found).map_err(Failure::Sink)
    }

    #[inline(always)]
    pub(super) fn datum<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let from = self.reader.position();
        let name = at.production.name;
        let Some(d) = self.tables.datatypes.get(at.production.target as usize) else {
            return Err(self.broken());
        };
        let found = match d.kind {
            DatatypeKind::Boolean | DatatypeKind::NBit | DatatypeKind::Enumeration => {
                let raw = top(self.reader.peek(), d.bits.into());
                self.reader.skip(d.bits.into());
                if S::TRACE && !self.reader.overrun() {
                    sink.step(from, self.reader.position(), Step::Value(at, raw_value(d, raw, at)));
                }
                return self.short(d, raw, at, sink);
            }
            DatatypeKind::Unsigned => {
                let raw = self.unsigned(name)?;
                if raw > d.high || raw < d.low.unsigned_abs() {
                    return Err(self.out_of_range(raw, d, name));
                }
                Found::Unsigned(raw)
            }
            DatatypeKind::Integer => {
                let negative = self.reader.bits(1);
                let raw = self.unsigned(name)?;
                if raw > i64::MAX as u64 {
                    return Err(self.out_of_range(raw, d, name));
                }
                let value = (raw ^ negative.wrapping_neg()) as i64;
                if value < d.low || value > d.high as i64 {
                    return Err(self.out_of_range(value, d, name));
                }
                Found::Integer(value)
            }
            DatatypeKind::Big => {
                let negative = self.big(name)?;
                Found::Big(negative, &self.memory.magnitude)
            }
            DatatypeKind::Binary | DatatypeKind::Hex => {
                let length = self.unsigned(name)?;
                if length > self.reader.remaining() / 8 || length > d.max_length.into() {
                    return Err(self.too_long(length, d.max_length, name));
                }
                let octets = Octets { reader: self.reader, length: length as usize };
                self.reader.skip_octets(length as usize);
                Found::Octets(octets)
            }
            DatatypeKind::String => {
                self.string(d.max_length, name)?;
                Found::Text(&self.memory.text)
            }
        };
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        if S::TRACE {
            sink.step(from, self.reader.position(), Step::Value(at, found));
        }
        sink.value(at, found).map_err(Failure::Sink)
    }

    /// Unsigned integer of at most 64 bits (EXI 1.0, section 7.1.6).
    #[inline(always)]
    pub(super) fn unsigned<E>(&mut self, name: u16) -> Outcome<u64, E> {
        match short_unsigned(self.reader.peek()) {
            Some((value, width)) => {
                self.reader.skip(width);
                Ok(value)
            }
            None => self.long_unsigned(name),
        }
    }

    pub(super) fn long_unsigned<E>(&mut self, name: u16) -> Outcome<u64, E> {
        let mut value = 0u64;
        for group in 0..20u32 {
            let octet = self.reader.bits(8);
            let bits = octet & 0x7F;
            if bits != 0 {
                if group > 9 || group == 9 && bits > 1 {
                    return Err(self.too_large(name));
                }
                value |= bits << (7 * group);
            }
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.too_large(name))
    }

    /// xs:integer: the magnitude goes to the scratch memory, most significant octet first.
    pub(super) fn big<E>(&mut self, name: u16) -> Outcome<bool, E> {
        let negative = self.reader.bits(1) == 1;
        let mut low = 0u128;
        let mut high = 0u64;
        for group in 0..23u32 {
            let octet = self.reader.bits(8);
            let bits = octet & 0x7F;
            let shift = 7 * group;
            if shift < 126 {
                low |= u128::from(bits) << shift;
            } else if shift == 126 {
                low |= u128::from(bits & 3) << 126;
                high |= bits >> 2;
            } else if bits != 0 {
                if shift - 128 > 57 {
                    return Err(self.too_large(name));
                }
                high |= bits << (shift - 128);
            }
            if octet & 0x80 == 0 {
                if negative {
                    let (sum, carry) = low.overflowing_add(1);
                    low = sum;
                    high += u64::from(carry);
                }
                let magnitude = &mut self.memory.magnitude;
                magnitude.clear();
                magnitude.extend_from_slice(&high.to_be_bytes());
                magnitude.extend_from_slice(&low.to_be_bytes());
                return Ok(negative);
            }
        }
        Err(self.too_large(name))
    }

    /// A literal string into the text memory (EXI 1.0, section 7.3.3 with empty value tables).
    pub(super) fn string<E>(&mut self, max_length: u32, name: u16) -> Outcome<(), E> {
        let raw = self.unsigned(name)?;
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        let Some(length) = raw.checked_sub(2) else {
            let which = if raw == 0 { "local" } else { "global" };
            let detail = format!("a hit in the {which} value table, which is empty in V2G");
            return Err(self.fault_at(Fault::StringTable, detail, name));
        };
        self.text_of(length, max_length, name)
    }

    /// Text between elements.
    #[cold]
    pub(super) fn text<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let from = self.reader.position();
        self.string(UNBOUNDED, NO_NAME)?;
        if self.reader.overrun() {
            return Err(self.truncated());
        }
        let found = Found::Text(&self.memory.text);
        sink.step(from, self.reader.position(), Step::Value(at, found));
        sink.value(at, found).map_err(Failure::Sink)
    }

    /// `length` characters into the text memory.
    pub(super) fn text_of<E>(&mut self, length: u64, max_length: u32, name: u16) -> Outcome<(), E> {
        if length > self.reader.remaining() / 8 || length > max_length.into() {
            return Err(self.too_long(length, max_length, name));
        }
        let mut octets = std::mem::take(&mut self.memory.text).into_bytes();
        octets.clear();
        octets.resize(length as usize, 0);
        let before = self.reader;
        self.reader.octets(&mut octets);
        if octets.iter().fold(0, |all, &b| all | b) >= 0x80 {
            self.reader = before;
            return self.wide_string(length, name);
        }
        self.memory.text = String::from_utf8(octets).unwrap_or_default();
        Ok(())
    }

    #[cold]
    pub(super) fn wide_string<E>(&mut self, length: u64, name: u16) -> Outcome<(), E> {
        let mut text = String::with_capacity(length as usize * 2);
        for _ in 0..length {
            let raw = self.unsigned(name)?;
            if self.reader.overrun() {
                return Err(self.truncated());
            }
            let Some(character) = u32::try_from(raw).ok().and_then(char::from_u32) else {
                let detail = format!("U+{raw:04X} is not a character");
                return Err(self.fault_at(Fault::Character, detail, name));
            };
            text.push(character);
        }
        self.memory.text = text;
        Ok(())
    }
}

/// A value of fixed width as it stands in the stream, in its range or not.
fn raw_value<'a>(d: &Datatype, raw: u64, at: At<'_>) -> Found<'a> {
    match d.kind {
        DatatypeKind::Boolean => Found::Boolean(raw == 1),
        DatatypeKind::NBit => Found::Integer((raw as i64).wrapping_add(d.low)),
        _ => Found::Literal(at.production.target, raw as u16),
    }
}

/// An unsigned integer of one to three octets at the head of `word`, and its width in bits.
#[inline(always)]
pub(super) fn short_unsigned(word: u64) -> Option<(u64, u32)> {
    if word >> 63 == 0 {
        return Some((word >> 56, 8));
    }
    let (low, middle) = (word >> 56 & 0x7F, word >> 48 & 0x7F);
    if word & 1 << 55 == 0 {
        return Some((low | middle << 7, 16));
    }
    if word & 1 << 47 == 0 {
        return Some((low | middle << 7 | (word >> 40 & 0x7F) << 14, 24));
    }
    None
}
