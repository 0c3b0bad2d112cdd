//! What a call used, in buckets that do not overlap.

/// Counts of one call. No token is in two of them: `input` does not contain `cache_read`, `output`
/// does not contain `reasoning`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens that were neither read from nor written to a cache, and are no audio.
    pub input: u64,
    /// Input tokens read from a cache.
    pub cache_read: u64,
    /// Input tokens written to a cache.
    pub cache_write: u64,
    /// Output tokens that are neither reasoning nor audio.
    pub output: u64,
    /// Output tokens of reasoning.
    pub reasoning: u64,
    /// Input tokens of audio.
    pub input_audio: u64,
    /// Output tokens of audio.
    pub output_audio: u64,
}

/// In the order of the fields, which is that of Python's `Usage` too.
impl From<[u64; 7]> for Usage {
    fn from(counts: [u64; 7]) -> Self {
        let [
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            input_audio,
            output_audio,
        ] = counts;
        Self {
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            input_audio,
            output_audio,
        }
    }
}

impl Usage {
    /// All input tokens: what the thresholds of tiers are about.
    pub(super) fn all_input(&self) -> u64 {
        [self.cache_read, self.cache_write, self.input_audio]
            .into_iter()
            .fold(self.input, u64::saturating_add)
    }
}
