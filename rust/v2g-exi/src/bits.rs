//! Bit-wise reading and writing, most significant bit first, a word at a time.

/// Zero bytes behind the stream, so that every look is one load.
const PADDING: usize = 16;

/// A stream with room behind it.
#[derive(Clone, Debug, Default)]
pub struct Padded {
    bytes: Vec<u8>,
}

impl Padded {
    /// Replaces the stream, keeping the memory.
    pub fn fill(&mut self, data: &[u8]) {
        self.bytes.clear();
        self.bytes.reserve(data.len() + PADDING);
        self.bytes.extend_from_slice(data);
        self.bytes.extend_from_slice(&[0; PADDING]);
    }

    /// A reader at the first bit.
    pub fn reader(&self) -> Reader<'_> {
        let end = self.bytes.len().saturating_sub(PADDING) as u64 * 8;
        Reader { data: &self.bytes, position: 0, end }
    }
}

/// Reads bits from a padded stream. Reading past the end yields zeros; [`Reader::overrun`] tells.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    position: u64,
    end: u64,
}

impl Reader<'_> {
    /// Bits consumed so far.
    #[inline(always)]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bits left; 0 after an overrun.
    #[inline(always)]
    pub fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// Whether more bits were consumed than there are.
    #[inline(always)]
    pub fn overrun(&self) -> bool {
        self.position > self.end
    }

    /// The next 57 bits at least, left-aligned, zeros behind the end.
    #[inline(always)]
    pub fn peek(&self) -> u64 {
        let byte = (self.position >> 3) as usize;
        let tail = self.data.get(byte..).unwrap_or(&[]);
        tail.first_chunk::<8>()
            .map_or(0, |chunk| u64::from_be_bytes(*chunk).wrapping_shl((self.position & 7) as u32))
    }

    /// Consumes `count` bits that were looked at with [`Reader::peek`].
    #[inline(always)]
    pub fn skip(&mut self, count: u32) {
        // Cannot wrap: each step is at most 2^35 and the stream ends long before 2^63.
        self.position = self.position.wrapping_add(u64::from(count));
    }

    /// Consumes whole octets that are known to be there.
    #[inline(always)]
    pub fn skip_octets(&mut self, count: usize) {
        self.position = self.position.wrapping_add(count as u64 * 8);
    }

    /// Reads `count` bits, 1 to 57.
    #[inline(always)]
    pub fn bits(&mut self, count: u32) -> u64 {
        let value = top(self.peek(), count);
        self.skip(count);
        value
    }

    /// Copies octets from the current position into `out`; the caller has checked that they are there.
    pub fn octets(&mut self, out: &mut [u8]) {
        let shift = (self.position & 7) as u32;
        let byte = (self.position >> 3) as usize;
        self.skip_octets(out.len());
        let source = self.data.get(byte..).unwrap_or(&[]);
        if shift == 0 {
            if let Some(octets) = source.get(..out.len()) {
                out.copy_from_slice(octets);
            }
            return;
        }
        // Byte by byte, which compilers turn into vector instructions.
        let back = 8u32.wrapping_sub(shift);
        for ((to, high), low) in out.iter_mut().zip(source).zip(source.get(1..).unwrap_or(&[])) {
            *to = high.wrapping_shl(shift) | low.wrapping_shr(back);
        }
    }

    /// What is left after the last event: (the padding bits are zero, whole bytes left, all of them zero).
    pub fn rest(&self) -> (bool, usize, bool) {
        let pad = (8 - (self.position & 7) as u32) & 7;
        let clean = top(self.peek(), pad) == 0;
        let end = (self.end / 8) as usize;
        let left = self.data.get(self.position.div_ceil(8) as usize..end).unwrap_or(&[]);
        (clean, left.len(), left.iter().all(|&b| b == 0))
    }
}

/// The first `count` bits of a word, 0 to 63.
///
/// Shifts here and in the engine's hot paths are the wrapping kind: widths come from the tables and are below 64, and
/// a check for each would cost a third of all instructions.
#[inline(always)]
pub fn top(word: u64, count: u32) -> u64 {
    (word >> 1).wrapping_shr(63u32.wrapping_sub(count))
}

/// Collects bits into bytes.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    accumulator: u64,
    filled: u32,
}

impl Writer {
    /// An empty stream that reuses the memory of `out`.
    pub fn new(mut out: Vec<u8>) -> Self {
        out.clear();
        Self { out, accumulator: 0, filled: 0 }
    }

    /// Writes the low `count` bits of `value`, 0 to 32; the bits above them are zero.
    #[inline(always)]
    pub fn bits(&mut self, value: u64, count: u32) {
        // filled is below 32 here, so that the shift is at least 1 for count 1 to 32; value is 0 for count 0.
        self.filled = self.filled.wrapping_add(count);
        self.accumulator |= value.wrapping_shl(64u32.wrapping_sub(self.filled));
        if self.filled >= 32 {
            self.flush();
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        self.out.extend_from_slice(&((self.accumulator >> 32) as u32).to_be_bytes());
        self.accumulator <<= 32;
        self.filled = self.filled.wrapping_sub(32);
    }

    /// Writes whole octets.
    pub fn octets(&mut self, data: &[u8]) {
        while self.filled >= 8 {
            self.out.push((self.accumulator >> 56) as u8);
            self.accumulator <<= 8;
            self.filled -= 8;
        }
        if self.filled == 0 {
            self.out.extend_from_slice(data);
            return;
        }
        let shift = self.filled;
        let Some((first, last)) = data.first().zip(data.last()) else {
            return;
        };
        self.out.push((self.accumulator >> 56) as u8 | first >> shift);
        let pairs = data.iter().zip(data.get(1..).unwrap_or(&[]));
        let back = 8u32.wrapping_sub(shift);
        self.out.extend(pairs.map(|(high, low)| high.wrapping_shl(back) | low.wrapping_shr(shift)));
        self.accumulator = u64::from(*last) << (64 - shift);
    }

    /// Pads with zero bits to the next byte and hands out the stream.
    pub fn finish(mut self) -> Vec<u8> {
        let bytes = self.filled.div_ceil(8) as usize;
        self.out.extend_from_slice(self.accumulator.to_be_bytes().get(..bytes).unwrap_or(&[]));
        self.out
    }
}
