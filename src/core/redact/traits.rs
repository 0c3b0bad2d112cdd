//! What is in a text at all, so that most rules need not look.

use super::syntax::string_end;

/// Bits for what a byte may be.
mod class {
    pub(super) const DIGIT: u8 = 1;
    pub(super) const AT: u8 = 2;
    pub(super) const PERCENT: u8 = 4;
    pub(super) const COLON: u8 = 8;
    pub(super) const BEYOND_ASCII: u8 = 16;
    pub(super) const BACKSLASH: u8 = 32;
    pub(super) const QUOTE: u8 = 64;
    pub(super) const CONTROL: u8 = 128;

    /// What a byte is. No branches, so that the compiler can look at many bytes at once.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a call for each byte keeps it from looking at many"
    )]
    pub(super) const fn of(byte: u8) -> u8 {
        when(byte.is_ascii_digit(), DIGIT)
            | when(byte == b'@', AT)
            | when(byte == b'%', PERCENT)
            | when(byte == b':', COLON)
            | when(byte >= 0x80, BEYOND_ASCII)
            | when(byte == b'\\', BACKSLASH)
            | when(byte == b'"', QUOTE)
            | when(byte < 0x20, CONTROL)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the same")]
    const fn when(is: bool, class: u8) -> u8 {
        if is { class } else { 0 }
    }

    /// The same for a single byte.
    #[inline]
    pub(super) fn known(byte: u8) -> u8 {
        static KNOWN: [u8; 256] = {
            let mut known = [0; 256];
            let mut rest: &mut [u8] = &mut known;
            let mut byte = 0_u8;
            while let Some((class, others)) = rest.split_first_mut() {
                *class = of(byte);
                byte = byte.wrapping_add(1);
                rest = others;
            }
            known
        };
        KNOWN.get(usize::from(byte)).copied().unwrap_or(u8::MAX)
    }
}

/// How long a string is that is looked at byte by byte: to set up the search for its end, and the
/// loop over many bytes at once, takes longer.
const SHORT: usize = 16;
/// How many bytes are looked at at once.
const BLOCK: usize = 16;
/// Blocks whose digits can be counted in one byte for each place.
const BLOCKS: usize = u8::MAX as usize;

/// What is in a text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traits {
    seen: u8,
    /// How many digits; of the inside of a JSON string, with those of its escapes.
    pub(super) digits: usize,
}

impl Traits {
    pub(super) fn at(self) -> bool {
        self.seen & class::AT != 0
    }

    pub(super) fn percent(self) -> bool {
        self.seen & class::PERCENT != 0
    }

    pub(super) fn colon(self) -> bool {
        self.seen & class::COLON != 0
    }

    pub(super) fn beyond_ascii(self) -> bool {
        self.seen & class::BEYOND_ASCII != 0
    }

    /// Are there backslashes? The inside of a JSON string that has some differs from its text, and a
    /// text that has some may be written in escapes.
    pub(super) fn escaped(self) -> bool {
        self.seen & class::BACKSLASH != 0
    }

    /// Is there nothing in the text that a rule about something else than its length looks for?
    pub(super) fn plain(self) -> bool {
        let telling =
            class::AT | class::PERCENT | class::COLON | class::BEYOND_ASCII | class::BACKSLASH;
        self.seen & telling == 0 && self.digits < super::number::FEWEST_DIGITS
    }

    /// Looks at a text.
    pub(super) fn of_text(text: &[u8]) -> Self {
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut traits = Self::default();
        for byte in rest {
            traits.add(class::known(*byte));
        }
        for blocks in blocks.chunks(BLOCKS) {
            let (mut seen, mut digits) = ([0_u8; BLOCK], [0_u8; BLOCK]);
            for block in blocks {
                for ((byte, seen), digits) in block.iter().zip(&mut seen).zip(&mut digits) {
                    let class = class::of(*byte);
                    *seen |= class;
                    *digits += class & class::DIGIT;
                }
            }
            traits.seen |= seen.iter().fold(0, |all, one| all | one);
            let count = digits.iter().fold(0_u16, |sum, one| sum + u16::from(*one));
            traits.digits += usize::from(count);
        }
        traits
    }

    /// Looks at a JSON string from behind its opening quote; returns where its closing quote is.
    /// `None` if there is none, or if a control character is in the string.
    #[inline]
    pub(super) fn of_json(json: &[u8], start: usize) -> Option<(Self, usize)> {
        let mut traits = Self::default();
        for (length, byte) in json.get(start..)?.iter().take(SHORT).enumerate() {
            let class = class::known(*byte);
            if class & class::QUOTE != 0 {
                return Some((traits, start + length));
            }
            if class & (class::BACKSLASH | class::CONTROL) != 0 {
                break;
            }
            traits.add(class);
        }
        Self::of_long_json(json, start)
    }

    fn of_long_json(json: &[u8], start: usize) -> Option<(Self, usize)> {
        let end = string_end(json, start)?;
        let traits = Self::of_text(json.get(start..end)?);
        (traits.seen & class::CONTROL == 0).then_some((traits, end))
    }

    fn add(&mut self, class: u8) {
        self.seen |= class;
        self.digits += usize::from(class & class::DIGIT);
    }
}
