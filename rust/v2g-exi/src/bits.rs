//! Bit-wise reading and writing, most significant bit first, a word at a time.

/// Zero bytes behind the stream, so that every look is one load.
const PADDING: usize = 16;

/// A stream with room behind it.
#[derive(Clone, Debug, Default)]
pub struct Padded {
    /// The stream, the padding, and the rest of longer streams.
    bytes: Vec<u8>,
    length: usize,
}

impl Padded {
    /// Replaces the stream, keeping the memory.
    #[inline(always)]
    pub fn fill(&mut self, data: &[u8]) {
        let end = data.len() + PADDING;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let Some((stream, rest)) = self.bytes.split_at_mut_checked(data.len()) else { return };
        stream.copy_from_slice(data);
        if let Some(padding) = rest.first_chunk_mut::<PADDING>() {
            *padding = [0; PADDING];
        }
        self.length = data.len();
    }

    /// A reader at the first bit.
    #[inline(always)]
    pub fn reader(&self) -> Reader<'_> {
        let data = self.bytes.get(..self.length.wrapping_add(PADDING)).unwrap_or(&[]);
        Reader { data, position: 0, end: self.length as u64 * 8 }
    }
}

/// Reads bits from a padded stream. Reading past the end yields zeros; see [`Reader::overrun`].
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    position: u64,
    end: u64,
}

impl<'a> Reader<'a> {
    /// Bits consumed so far.
    #[inline(always)]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bits there are.
    #[inline(always)]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Goes on at a position that was looked at.
    #[inline(always)]
    pub fn go_to(&mut self, position: u64) {
        self.position = position;
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
        let chunk = self.data.get(byte..byte.wrapping_add(8)).and_then(<[u8]>::first_chunk::<8>);
        chunk.map_or(0, |chunk| u64::from_be_bytes(*chunk).wrapping_shl((self.position & 7) as u32))
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
        let value = head(self.peek(), count);
        self.skip(count);
        value
    }

    /// The next `count` octets; the caller has checked that they are there.
    #[inline(always)]
    pub fn octets(&self, count: usize) -> Octets<'a> {
        Octets { data: self.data, position: self.position, length: count }
    }

    /// What is left after the last event: (the padding bits are zero, whole bytes left, all of them zero).
    #[inline(always)]
    pub fn rest(&self) -> (bool, usize, bool) {
        let clean = top(self.peek(), self.position.wrapping_neg() as u32 & 7) == 0;
        if self.position.wrapping_add(8) > self.end {
            return (clean, 0, true);
        }
        let end = (self.end / 8) as usize;
        let left = self.data.get(self.position.div_ceil(8) as usize..end).unwrap_or(&[]);
        (clean, left.len(), left.iter().all(|&b| b == 0))
    }
}

/// The first `count` bits of a word, 0 to 63.
///
/// Shifts here and in the engine's hot paths are the wrapping kind: widths come from the tables and are below
/// 64, and a check for each would cost a third of all instructions.
#[inline(always)]
pub fn top(word: u64, count: u32) -> u64 {
    (word >> 1).wrapping_shr(63u32.wrapping_sub(count))
}

/// The first `count` bits of a word, 1 to 64.
#[inline(always)]
pub fn head(word: u64, count: u32) -> u64 {
    word.wrapping_shr(0u32.wrapping_sub(count))
}

/// Octets that still lie in the stream, at any bit position.
#[derive(Clone, Copy, Debug)]
pub struct Octets<'a> {
    data: &'a [u8],
    position: u64,
    length: usize,
}

/// Up to here octets are copied a word at a time, above by instructions for vectors.
const FEW: usize = 40;

impl<'a> Octets<'a> {
    /// None.
    pub const EMPTY: Octets<'static> = Octets { data: &[], position: 0, length: 0 };

    /// Number of octets.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The byte with the first bit, and the bits before that one.
    #[inline(always)]
    fn place(&self) -> (usize, u32) {
        ((self.position >> 3) as usize, (self.position & 7) as u32)
    }

    /// `more` bytes from that byte on, over all octets.
    #[inline(always)]
    fn source(&self, more: usize) -> &'a [u8] {
        let (first, _) = self.place();
        self.data.get(first..first.wrapping_add(self.length).wrapping_add(more)).unwrap_or(&[])
    }

    /// Whether all are below 0x80.
    #[inline(always)]
    pub fn is_ascii(&self) -> bool {
        // The top bit of each octet is the same bit of each byte.
        let all = self.source(0).iter().fold(0, |all, byte| all | byte);
        all & 0x80u8.wrapping_shr(self.place().1) == 0
    }

    fn pairs(&self) -> impl Iterator<Item = u8> + 'a {
        let (source, shift) = (self.source(1), self.place().1);
        let back = 8u32.wrapping_sub(shift);
        let pairs = source.iter().zip(source.get(1..).unwrap_or(&[]));
        pairs.map(move |(high, low)| high.wrapping_shl(shift) | low.wrapping_shr(back))
    }

    /// Copies the octets into `out`, which is `len()` long.
    pub fn copy_to(&self, out: &mut [u8]) {
        if self.length <= FEW {
            return self.copy_few(out);
        }
        if self.place().1 == 0 {
            out.iter_mut().zip(self.source(0)).for_each(|(to, from)| *to = *from);
        } else {
            out.iter_mut().zip(self.pairs()).for_each(|(to, from)| *to = from);
        }
    }

    #[inline(always)]
    fn copy_few(&self, out: &mut [u8]) {
        let (mut at, shift) = self.place();
        let mut eights = out.chunks_exact_mut(8);
        let mut word = || {
            let nine = self.data.get(at..at.wrapping_add(9)).and_then(<[u8]>::first_chunk::<9>);
            let [a, b, c, d, e, f, g, h, last] = nine.copied().unwrap_or_default();
            at = at.wrapping_add(8);
            let word = u64::from_be_bytes([a, b, c, d, e, f, g, h]).wrapping_shl(shift);
            (word | u64::from(last).wrapping_shl(shift) >> 8).to_be_bytes()
        };
        for eight in &mut eights {
            eight.copy_from_slice(&word());
        }
        let rest = eights.into_remainder();
        if !rest.is_empty() {
            rest.iter_mut().zip(word()).for_each(|(to, from)| *to = from);
        }
    }

    /// Appends the octets to `out`.
    #[inline(always)]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        if self.length > FEW {
            return self.append_many(out);
        }
        let end = out.len().wrapping_add(self.length);
        let (mut at, shift) = self.place();
        while out.len() < end {
            let nine = self.data.get(at..at.wrapping_add(9)).and_then(<[u8]>::first_chunk::<9>);
            let Some([a, b, c, d, e, f, g, h, last]) = nine.copied() else { break };
            let word = u64::from_be_bytes([a, b, c, d, e, f, g, h]).wrapping_shl(shift);
            let word = word | u64::from(last).wrapping_shl(shift) >> 8;
            out.extend_from_slice(&word.to_be_bytes());
            at = at.wrapping_add(8);
        }
        out.truncate(end);
    }

    #[inline(never)]
    fn append_many(&self, out: &mut Vec<u8>) {
        if self.place().1 == 0 {
            out.extend_from_slice(self.source(0));
        } else {
            out.extend(self.pairs());
        }
    }

    /// The octets as a vector.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.length);
        self.append_many(&mut out);
        out
    }
}

/// Collects bits into bytes.
#[derive(Debug, Default)]
pub struct Writer {
    /// The stream so far, and room for more of it.
    room: Vec<u8>,
    used: usize,
    accumulator: u64,
    filled: u32,
}

/// The least room for a stream.
const ROOM: usize = 64;

impl Writer {
    /// An empty stream that reuses the memory of `out`.
    pub fn new(out: Vec<u8>) -> Self {
        Self { room: out, used: 0, accumulator: 0, filled: 0 }
    }

    /// Writes the low `count` bits of `value`, 0 to 63; the bits above them are zero.
    #[inline(always)]
    pub fn bits(&mut self, value: u64, count: u32) {
        // filled is below 64 here; value is 0 for count 0.
        let filled = self.filled.wrapping_add(count);
        if filled < 64 {
            self.filled = filled;
            self.accumulator |= value.wrapping_shl(64u32.wrapping_sub(filled));
        } else {
            self.spill(value, filled.wrapping_sub(64));
        }
    }

    /// Fills the accumulator with all but the last `left` bits of `value`, and starts the next with these.
    #[inline(always)]
    fn spill(&mut self, value: u64, left: u32) {
        self.put(self.accumulator | value.wrapping_shr(left));
        self.used = self.used.wrapping_add(8);
        self.accumulator = (value << 1).wrapping_shl(63u32.wrapping_sub(left));
        self.filled = left;
    }

    /// Writes eight bytes behind those that are used.
    #[inline(always)]
    fn put(&mut self, word: u64) {
        let room = self.room.get_mut(self.used..).and_then(<[u8]>::first_chunk_mut::<8>);
        match room {
            Some(eight) => *eight = word.to_be_bytes(),
            None => self.put_more(word),
        }
    }

    #[cold]
    fn put_more(&mut self, word: u64) {
        self.room.truncate(self.used);
        self.room.extend_from_slice(&word.to_be_bytes());
        self.room.resize(self.room.capacity().max(ROOM), 0);
    }

    /// Writes whole octets.
    #[inline(always)]
    pub fn octets(&mut self, data: &[u8]) {
        if data.len() > FEW {
            return self.many_octets(data);
        }
        let mut eights = data.chunks_exact(8);
        while let Some(eight) = eights.next().and_then(<[u8]>::first_chunk::<8>) {
            self.spill(u64::from_be_bytes(*eight), self.filled);
        }
        let rest = eights.remainder();
        let word = rest.iter().fold(0, |word, octet| word << 8 | u64::from(*octet));
        self.bits(word, (rest.len() as u32).wrapping_mul(8));
    }

    #[inline(never)]
    fn many_octets(&mut self, data: &[u8]) {
        // What the accumulator has in whole bytes first: less than one is left in it.
        self.put(self.accumulator);
        let whole = self.filled / 8;
        self.used = self.used.wrapping_add(whole as usize);
        let open = self.accumulator.wrapping_shl(8 * whole);
        let shift = self.filled % 8;
        let end = self.used + data.len();
        if self.room.len() < end {
            self.room.resize(end + ROOM, 0);
        }
        let Some(room) = self.room.get_mut(self.used..end) else { return };
        if shift == 0 {
            room.copy_from_slice(data);
        } else if let (Some((to, room)), Some((first, rest))) = (room.split_first_mut(), data.split_first()) {
            *to = (open >> 56) as u8 | first.wrapping_shr(shift);
            let back = 8u32.wrapping_sub(shift);
            for (to, (high, low)) in room.iter_mut().zip(data.iter().zip(rest)) {
                *to = high.wrapping_shl(back) | low.wrapping_shr(shift);
            }
        }
        self.used = end;
        let last = data.last().copied().unwrap_or(0);
        self.accumulator = u64::from(last).wrapping_shl(63u32.wrapping_sub(shift)) << 1;
        self.filled = shift;
    }

    /// Pads with zero bits to the next byte and hands out the stream.
    pub fn finish(mut self) -> Vec<u8> {
        let bytes = self.filled.div_ceil(8) as usize;
        self.room.truncate(self.used);
        self.room.extend_from_slice(self.accumulator.to_be_bytes().get(..bytes).unwrap_or(&[]));
        self.room
    }
}
