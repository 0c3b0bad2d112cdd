//! The long words of a text, of ASCII and without a space: keys and tokens are among them, prose has
//! few.

/// The shortest run that is a long word. [`LongWords`] looks at so many bytes at once, so no shorter
/// one would be found reliably.
const LEAST: usize = 8;

const LOW_BITS: u64 = u64::from_ne_bytes([0x7F; LEAST]);
const SPACES: u64 = u64::from_ne_bytes([b' '; LEAST]);

/// Begins and ends of the runs of at least [`LEAST`] ASCII characters other than the space, in order.
pub(super) struct LongWords<'a> {
    blocks: std::slice::ChunksExact<'a, u8>,
    length: usize,
    /// Where the next block begins.
    at: usize,
    /// Where the word begins that is not over yet.
    start: usize,
}

impl<'a> LongWords<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self {
            blocks: text.chunks_exact(LEAST),
            length: text.len(),
            at: 0,
            start: 0,
        }
    }

    /// The last word: it ends in what is no whole block, or with it.
    fn last(&mut self) -> Option<(usize, usize)> {
        let rest = self.blocks.remainder();
        let gap = rest.iter().position(|byte| is_gap(*byte));
        let word = (self.start, self.at + gap.unwrap_or(rest.len()));
        self.start = self.length;
        (word.0 + LEAST <= word.1).then_some(word)
    }
}

impl Iterator for LongWords<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        for block in self.blocks.by_ref() {
            let (before, start) = (self.at, self.start);
            self.at += LEAST;
            let Some((first, last)) = first_and_last_gap(block) else {
                continue;
            };
            // What is between two gaps of one block is no long word.
            self.start = before + last + 1;
            if before + first >= start + LEAST {
                return Some((start, before + first));
            }
        }
        self.last()
    }
}

fn is_gap(byte: u8) -> bool {
    byte == b' ' || !byte.is_ascii()
}

/// Where the gaps between words are in a block, seen without a branch for each byte.
fn first_and_last_gap(block: &[u8]) -> Option<(usize, usize)> {
    let block = u64::from_le_bytes(block.try_into().ok()?);
    let other = block ^ SPACES;
    // The highest bit of each byte that is no space, as adding cannot carry from byte to byte, and
    // of each that is ASCII.
    let kept = (((other & LOW_BITS) + LOW_BITS) | LOW_BITS) & !(block & !LOW_BITS);
    let gaps = !kept;
    if gaps == 0 {
        return None;
    }
    let byte = |bit: u32| usize::try_from(bit / 8).ok();
    let (first, last) = (gaps.trailing_zeros(), gaps.ilog2());
    Some((byte(first)?, byte(last)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_long_word_and_no_other(text in "[a \u{0}!\u{80}\u{A0}ġ\u{10FFFF}]{0,80}") {
            let mut at = 0;
            let mut words = Vec::new();
            for word in text.as_bytes().split(|byte| is_gap(*byte)) {
                if word.len() >= LEAST {
                    words.push((at, at + word.len()));
                }
                at += word.len() + 1;
            }
            prop_assert_eq!(LongWords::of(text.as_bytes()).collect::<Vec<_>>(), words);
        }
    }
}
