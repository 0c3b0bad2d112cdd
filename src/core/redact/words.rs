//! The long words of a text. Everything that is longer than a word of prose and has no space in it
//! is one, so what looks for keys and tokens need not look at prose.

/// The shortest run without a space that is a long word. [`LongWords`] looks at so many bytes at
/// once, so no shorter one would be found reliably.
const LEAST: usize = 8;

const LOW_BITS: u64 = u64::from_ne_bytes([0x7F; LEAST]);
const SPACES: u64 = u64::from_ne_bytes([b' '; LEAST]);

/// Begins and ends of the runs of at least [`LEAST`] bytes other than the space, in order.
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

    /// Where the last word ends: at the first space of what is no whole block, or with the text.
    fn last(&mut self) -> Option<(usize, usize)> {
        let rest = self.blocks.remainder();
        let space = rest.iter().position(|byte| *byte == b' ');
        let word = (self.start, self.at + space.unwrap_or(rest.len()));
        self.start = self.length;
        (word.0 + LEAST <= word.1).then_some(word)
    }
}

impl Iterator for LongWords<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        while let Some(block) = self.blocks.next() {
            let (before, start) = (self.at, self.start);
            self.at += LEAST;
            let Some((first, last)) = first_and_last_space(block) else {
                continue;
            };
            // What is between two spaces of one block is no long word.
            self.start = before + last + 1;
            if before + first >= start + LEAST {
                return Some((start, before + first));
            }
        }
        self.last()
    }
}

/// Where the spaces of a block are, seen without a branch for each byte.
fn first_and_last_space(block: &[u8]) -> Option<(usize, usize)> {
    let block = u64::from_le_bytes(block.try_into().ok()?) ^ SPACES;
    // The highest bit of each byte that is zero now, as adding cannot carry from byte to byte.
    let spaces = !(((block & LOW_BITS) + LOW_BITS) | block | LOW_BITS);
    let byte = |bit: u32| usize::try_from(bit / 8).ok();
    (spaces != 0).then_some((
        byte(spaces.trailing_zeros())?,
        byte(63 - spaces.leading_zeros())?,
    ))
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
            for word in text.as_bytes().split(|byte| *byte == b' ') {
                if word.len() >= LEAST {
                    words.push((at, at + word.len()));
                }
                at += word.len() + 1;
            }
            prop_assert_eq!(LongWords::of(text.as_bytes()).collect::<Vec<_>>(), words);
        }
    }
}
