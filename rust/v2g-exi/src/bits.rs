//! Bit-wise reading and writing, most significant bit first, a word at a time.

/// Reads bits from a byte slice. Reading past the end yields zeros; [`Reader::overrun`] tells.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    position: u64,
    end: u64,
}

impl<'a> Reader<'a> {
    /// A reader at the first bit of `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0, end: data.len() as u64 * 8 }
    }

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
        let word = match self.data.get(byte..).and_then(<[u8]>::first_chunk::<8>) {
            Some(chunk) => u64::from_be_bytes(*chunk),
            None => self.peek_tail(byte),
        };
        word << (self.position & 7)
    }

    #[cold]
    #[inline(never)]
    fn peek_tail(&self, byte: usize) -> u64 {
        let tail = self.data.get(byte..).unwrap_or(&[]);
        tail.iter().take(8).fold((0u64, 56u32), |(word, shift), &b| {
            (word | u64::from(b) << shift, shift.saturating_sub(8))
        }).0
    }

    /// Consumes `count` bits that were looked at with [`Reader::peek`].
    #[inline(always)]
    pub fn skip(&mut self, count: u32) {
        self.position += u64::from(count);
    }

    /// Reads `count` bits, 1 to 57.
    #[inline(always)]
    pub fn bits(&mut self, count: u32) -> u64 {
        let value = self.peek() >> (64 - count);
        self.skip(count);
        value
    }

    /// Copies octets from the current position into `out`; the caller has checked that they are there.
    pub fn octets(&mut self, out: &mut [u8]) {
        let shift = (self.position & 7) as u32;
        let byte = (self.position >> 3) as usize;
        self.position += out.len() as u64 * 8;
        let source = self.data.get(byte..).unwrap_or(&[]);
        if shift == 0 {
            for (to, from) in out.iter_mut().zip(source) {
                *to = *from;
            }
            return;
        }
        let mut done = 0;
        let mut chunks = out.chunks_exact_mut(8);
        for chunk in &mut chunks {
            let Some(window) = source.get(done..).and_then(<[u8]>::first_chunk::<9>) else { break };
            let [a, b, c, d, e, f, g, h, last] = *window;
            let word = u64::from_be_bytes([a, b, c, d, e, f, g, h]) << shift | u64::from(last) >> (8 - shift);
            chunk.copy_from_slice(&word.to_be_bytes());
            done += 8;
        }
        for (to, pair) in out.iter_mut().zip(source.windows(2)).skip(done) {
            if let [a, b] = pair {
                *to = a << shift | b >> (8 - shift);
            }
        }
    }

    /// What is left after the last event: (the padding bits are zero, whole bytes left, all of them zero).
    pub fn rest(&self) -> (bool, usize, bool) {
        let pad = (8 - (self.position & 7) as u32) & 7;
        let clean = pad == 0 || self.peek() >> (64 - pad) == 0;
        let left = self.data.get(self.position.div_ceil(8) as usize..).unwrap_or(&[]);
        (clean, left.len(), left.iter().all(|&b| b == 0))
    }
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

    /// Bits written so far.
    pub fn position(&self) -> u64 {
        self.out.len() as u64 * 8 + u64::from(self.filled)
    }

    /// Writes the low `count` bits of `value`, at most 32; the bits above them are zero.
    #[inline(always)]
    pub fn bits(&mut self, value: u64, count: u32) {
        self.accumulator |= value << (64 - self.filled - count) ;
        self.filled += count;
        if self.filled >= 32 {
            self.flush();
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        self.out.extend_from_slice(&((self.accumulator >> 32) as u32).to_be_bytes());
        self.accumulator <<= 32;
        self.filled -= 32;
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
        let mut carry = self.accumulator;
        self.out.reserve(data.len() + 8);
        let mut chunks = data.chunks_exact(8);
        for chunk in &mut chunks {
            let word = chunk.iter().fold(0u64, |w, &b| w << 8 | u64::from(b));
            self.out.extend_from_slice(&(carry | word >> shift).to_be_bytes());
            carry = word << (64 - shift);
        }
        for &byte in chunks.remainder() {
            self.out.push((carry >> 56) as u8 | byte >> shift);
            carry = u64::from(byte) << (64 - shift);
        }
        self.accumulator = carry;
    }

    /// Pads with zero bits to the next byte and hands out the stream.
    pub fn finish(mut self) -> Vec<u8> {
        while self.filled > 0 {
            self.out.push((self.accumulator >> 56) as u8);
            self.accumulator <<= 8;
            self.filled = self.filled.saturating_sub(8);
        }
        self.out
    }
}
