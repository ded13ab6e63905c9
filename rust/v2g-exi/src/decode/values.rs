//! Simple values.

use super::run::{Outcome, Run};
use super::{Sink, Step};
use crate::bits::top;
use crate::error::{Failure, Kind as Fault};
use crate::grammar::{Datatype, DatatypeKind, Short, UNBOUNDED};
use crate::value::{At, Found, Octets, NO_NAME};

impl<'a> Run<'a, '_> {
    /// CH, value and EE of an element of simple type, whose start code has been read. `look`: what follows
    /// it. Gives a look at the bit that follows the element, or ones.
    #[inline(always)]
    pub(super) fn simple<S: Sink>(&mut self, look: u64, at: At<'_>, sink: &mut S) -> Outcome<u64, S::Error> {
        if S::TRACE {
            self.all_there(1, at.production.name)?;
        }
        self.reader.skip(1);
        if look >> 63 == 1 {
            self.empty_simple(at, sink)?;
            return Ok(u64::MAX);
        }
        if S::TRACE {
            let to = self.reader.position();
            sink.step(to - 1, to, Step::Characters);
        }
        self.datum(look << 1, at, sink)?;
        let rest = self.reader.peek();
        if S::TRACE {
            self.all_there(1, at.production.name)?;
        }
        if rest >> 63 == 1 {
            self.reader.skip(1);
            return Err(self.undeclared("content after a value", at.production.name));
        }
        self.reader.skip(1);
        if S::TRACE {
            let to = self.reader.position();
            sink.step(to - 1, to, Step::SimpleEnd);
        }
        Ok(rest << 1)
    }

    /// The same at the present position.
    pub(super) fn simple_here<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        self.simple(self.reader.peek(), at, sink).map(|_| ())
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
            return Err(self.truncated(at.production.name));
        }
        let found = match d.kind {
            DatatypeKind::Boolean => Found::Boolean(raw == 1),
            DatatypeKind::Enumeration if raw <= d.high => Found::Literal(at.production.target, raw as u16),
            DatatypeKind::Enumeration => return Err(self.out_of_range(raw, d, at.production.name)),
            _ => {
                let number = (raw as i64).wrapping_add(d.low);
                if number > d.high as i64 && !self.options.lenient_ranges {
                    return Err(self.out_of_range(number, d, at.production.name));
                }
                Found::Integer(number)
            }
        };
        sink.value(at, found).map_err(Failure::Sink)
    }

    /// A value. `look`: what follows, of which 48 bits at least are there.
    #[inline(always)]
    pub(super) fn datum<S: Sink>(&mut self, look: u64, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let from = self.reader.position();
        let name = at.production.name;
        let Some(d) = self.tables.datatypes.get(at.production.target as usize) else {
            return Err(self.broken());
        };
        match d.kind {
            DatatypeKind::Boolean | DatatypeKind::NBit | DatatypeKind::Enumeration => {
                let raw = top(look, d.bits.into()); // none for the only value of a type
                self.reader.skip(d.bits.into());
                if S::TRACE && !self.reader.overrun() {
                    sink.step(from, self.reader.position(), Step::Value(at, raw_value(d, raw, at)));
                }
                self.short(d, raw, at, sink)
            }
            DatatypeKind::Unsigned => {
                let raw = self.unsigned(look, name)?;
                if raw > d.high || raw < d.low.unsigned_abs() {
                    return Err(self.out_of_range(raw, d, name));
                }
                self.tell(from, at, Found::Unsigned(raw), sink)
            }
            DatatypeKind::Integer => {
                let negative = look >> 63;
                self.reader.skip(1);
                let raw = self.unsigned(look << 1, name)?;
                if raw > i64::MAX as u64 {
                    return Err(self.out_of_range(raw, d, name));
                }
                let value = (raw ^ negative.wrapping_neg()) as i64;
                if value < d.low || value > d.high as i64 {
                    return Err(self.out_of_range(value, d, name));
                }
                self.tell(from, at, Found::Integer(value), sink)
            }
            DatatypeKind::Big => self.big_datum(at, sink),
            DatatypeKind::Binary | DatatypeKind::Hex => {
                let length = self.unsigned(look, name)?;
                let octets = self.take(length, d.max_length, name)?;
                self.tell(from, at, Found::Octets(octets), sink)
            }
            DatatypeKind::String => {
                let length = self.string_length(look, name)?;
                let before = self.reader;
                let octets = self.take(length, d.max_length, name)?;
                if octets.is_ascii() {
                    return self.tell(from, at, Found::Ascii(octets), sink);
                }
                self.reader = before;
                self.wide_string(length, name)?;
                self.tell(from, at, Found::Text(&self.scratch.text), sink)
            }
        }
    }

    /// The same at the present position.
    pub(super) fn datum_here<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        self.datum(self.reader.peek(), at, sink)
    }

    #[cold]
    fn big_datum<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let from = self.reader.position();
        let negative = self.big(at.production.name)?;
        self.tell(from, at, Found::Big(negative, &self.scratch.magnitude), sink)
    }

    /// Consumes `length` octets, if there are so many and the schema allows it.
    #[inline(always)]
    fn take<E>(&mut self, length: u64, limit: u32, name: u16) -> Outcome<Octets<'a>, E> {
        let end = self.reader.position().wrapping_add(length.wrapping_mul(8));
        if length > limit.into() || end > self.reader.end() {
            return Err(self.too_long(length, limit, name));
        }
        let octets = self.reader.octets(length as usize);
        self.reader.go_to(end);
        Ok(octets)
    }

    /// Hands a value that started at bit `from` to the sink.
    #[inline(always)]
    fn tell<S: Sink>(&self, from: u64, at: At<'_>, found: Found<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        if self.reader.overrun() {
            return Err(self.truncated(at.production.name));
        }
        if S::TRACE {
            sink.step(from, self.reader.position(), Step::Value(at, found));
        }
        sink.value(at, found).map_err(Failure::Sink)
    }

    /// An element of integer type whose value and end are in the look that follows its start code: what
    /// follows it. None if it takes the long way.
    #[inline(always)]
    pub(super) fn integer<S: Sink>(
        &mut self,
        look: u64,
        lead: u32,
        at: At<'_>,
        sink: &mut S,
    ) -> Outcome<Option<u64>, S::Error> {
        let signed = at.production.short == Short::Signed;
        let (mut rest, mut negative, mut used) = (look << 1, 0, lead.wrapping_add(2));
        if signed {
            negative = rest >> 63;
            rest <<= 1;
            used = used.wrapping_add(1);
        }
        // The bounds of such a type are beyond three octets.
        let (raw, width) = match short_unsigned(rest) {
            Some(found) => found,
            None => self.longer(rest, at.production.target),
        };
        let rest = rest.wrapping_shl(width);
        let end = self.reader.position().wrapping_add(used.wrapping_add(width).into());
        if (look | rest) >> 63 != 0 || end > self.reader.end() || width == 0 {
            return Ok(None);
        }
        self.reader.go_to(end);
        let found = if signed {
            Found::Integer((raw ^ negative.wrapping_neg()) as i64)
        } else {
            Found::Unsigned(raw)
        };
        sink.value(at, found).map_err(Failure::Sink)?;
        Ok(Some(rest << 1))
    }

    /// An unsigned integer of four or five octets at the head of `word`, of which 47 bits are there, and its
    /// width in bits: a time in seconds has five. The width is 0 where it is longer, not of the datatype, or
    /// signed.
    #[inline(never)]
    fn longer(&self, word: u64, datatype: u16) -> (u64, u32) {
        let (value, width) = several_octets(word);
        match self.tables.datatypes.get(datatype as usize) {
            Some(d) if d.kind == DatatypeKind::Unsigned && width <= 40 && value <= d.high => (value, width),
            _ => (0, 0),
        }
    }

    /// Unsigned integer of at most 64 bits (EXI 1.0, section 7.1.6).
    #[inline(always)]
    pub(super) fn unsigned<E>(&mut self, look: u64, name: u16) -> Outcome<u64, E> {
        match short_unsigned(look) {
            Some((value, width)) => {
                self.reader.skip(width);
                Ok(value)
            }
            None => self.long_unsigned(name),
        }
    }

    /// The same at the present position.
    pub(super) fn unsigned_here<E>(&mut self, name: u16) -> Outcome<u64, E> {
        self.unsigned(self.reader.peek(), name)
    }

    #[cold]
    pub(super) fn long_unsigned<E>(&mut self, name: u16) -> Outcome<u64, E> {
        let (value, width) = several_octets(self.reader.peek());
        if width <= 56 {
            self.reader.skip(width);
            return Ok(value);
        }
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

    /// xs:integer of at most 20 octets: the magnitude goes to the scratch memory, most significant octet
    /// first.
    pub(super) fn big<E>(&mut self, name: u16) -> Outcome<bool, E> {
        let negative = self.reader.bits(1) == 1;
        let mut low = 0u128;
        let mut high = 0u64;
        for group in 0..23u32 {
            let octet = self.reader.bits(8);
            let bits = octet & 0x7F;
            let shift = 7 * group;
            match shift {
                0..126 => low |= u128::from(bits) << shift,
                126 => {
                    low |= u128::from(bits & 3) << 126;
                    high |= bits >> 2;
                }
                _ => high |= bits << (shift - 128),
            }
            if octet & 0x80 == 0 {
                if negative {
                    let (sum, carry) = low.overflowing_add(1);
                    low = sum;
                    high += u64::from(carry);
                }
                if high >> 32 != 0 {
                    break;
                }
                let magnitude = &mut self.scratch.magnitude;
                magnitude.clear();
                magnitude.extend_from_slice(&high.to_be_bytes());
                magnitude.extend_from_slice(&low.to_be_bytes());
                return Ok(negative);
            }
        }
        Err(self.too_large(name))
    }

    /// Number of characters of a literal string (EXI 1.0, section 7.3.3 with empty value tables).
    #[inline(always)]
    fn string_length<E>(&mut self, look: u64, name: u16) -> Outcome<u64, E> {
        let raw = self.unsigned(look, name)?;
        raw.checked_sub(2).ok_or_else(|| self.table_hit(raw, name))
    }

    #[cold]
    fn table_hit<E>(&self, raw: u64, name: u16) -> Failure<E> {
        let which = if raw == 0 { "local" } else { "global" };
        let detail = format!("a hit in the {which} value table, which is empty in V2G");
        self.fault_at(Fault::StringTable, detail, name)
    }

    /// Text between elements.
    #[cold]
    pub(super) fn text<S: Sink>(&mut self, at: At<'_>, sink: &mut S) -> Outcome<(), S::Error> {
        let from = self.reader.position();
        let length = self.string_length(self.reader.peek(), NO_NAME)?;
        self.text_of(length, NO_NAME)?;
        self.tell(from, at, Found::Text(&self.scratch.text), sink)
    }

    /// `length` characters into the text memory.
    pub(super) fn text_of<E>(&mut self, length: u64, name: u16) -> Outcome<(), E> {
        if length > self.reader.remaining() / 8 {
            return Err(self.too_long(length, UNBOUNDED, name));
        }
        self.wide_string(length, name)
    }

    /// Characters of any kind into the text memory.
    #[cold]
    pub(super) fn wide_string<E>(&mut self, length: u64, name: u16) -> Outcome<(), E> {
        let mut text = std::mem::take(&mut self.scratch.text);
        text.clear();
        text.reserve(length as usize);
        for _ in 0..length {
            let raw = self.unsigned_here(name)?;
            if self.reader.overrun() {
                return Err(self.truncated(name));
            }
            let Some(character) = u32::try_from(raw).ok().and_then(char::from_u32) else {
                let detail = format!("U+{raw:04X} is not a character");
                return Err(self.fault_at(Fault::Character, detail, name));
            };
            text.push(character);
        }
        self.scratch.text = text;
        Ok(())
    }
}

/// A value of fixed width as it is in the stream, in its range or not.
fn raw_value<'a>(d: &Datatype, raw: u64, at: At<'_>) -> Found<'a> {
    match d.kind {
        DatatypeKind::Boolean => Found::Boolean(raw == 1),
        DatatypeKind::NBit => Found::Integer((raw as i64).wrapping_add(d.low)),
        _ => Found::Literal(at.production.target, raw as u16),
    }
}

/// An unsigned integer of one to seven octets at the head of `word`, and its width in bits; 64 or more if it
/// has more octets.
#[inline(always)]
fn several_octets(word: u64) -> (u64, u32) {
    // The first octet without a bit that says that more follow is the last one.
    let width = (!word & 0x8080_8080_8080_8000).leading_zeros().wrapping_add(8);
    let octets = (word & !u64::MAX.wrapping_shr(width)).swap_bytes();
    // Groups of 7 bits, the lowest one first, move together: pairs, then fours, then all.
    let pairs = octets & 0x007F_007F_007F_007F | octets >> 1 & 0x3F80_3F80_3F80_3F80;
    let fours = pairs & 0x3FFF_0000_3FFF | pairs >> 2 & 0x0FFF_C000_0FFF_C000;
    (fours & 0x0FFF_FFFF | fours >> 4 & 0x00FF_FFFF_F000_0000, width)
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
