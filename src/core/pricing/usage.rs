//! What a call used, in buckets that do not overlap.

/// Counts of one call. No token is in two of them: `input` does not contain `cache_read`, `output`
/// does not contain `reasoning`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens that were neither read from nor written to a cache, and are text.
    pub input: u64,
    /// Input tokens read from a cache.
    pub cache_read: u64,
    /// Input tokens written to a cache that keeps them for minutes.
    pub cache_write: u64,
    /// Output tokens that are neither reasoning nor audio nor image.
    pub output: u64,
    /// Output tokens of reasoning.
    pub reasoning: u64,
    /// Input tokens of audio.
    pub input_audio: u64,
    /// Output tokens of audio.
    pub output_audio: u64,
    /// Input tokens written to a cache that keeps them for an hour.
    pub cache_write_1h: u64,
    /// Input tokens of audio read from a cache.
    pub cached_audio: u64,
    /// Input tokens of images.
    pub input_image: u64,
    /// Output tokens of images.
    pub output_image: u64,
    /// Web searches that the provider made; no tokens.
    pub web_searches: u64,
    /// Searches of stored files that the provider made; no tokens.
    pub file_searches: u64,
}

/// In the order of the fields.
impl From<[u64; 13]> for Usage {
    fn from(counts: [u64; 13]) -> Self {
        let [
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            input_audio,
            output_audio,
            cache_write_1h,
            cached_audio,
            input_image,
            output_image,
            web_searches,
            file_searches,
        ] = counts;
        Self {
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            input_audio,
            output_audio,
            cache_write_1h,
            cached_audio,
            input_image,
            output_image,
            web_searches,
            file_searches,
        }
    }
}

impl Usage {
    /// All input tokens: what the thresholds of tiers are about.
    #[must_use]
    pub fn all_input(&self) -> u64 {
        [
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.cached_audio,
            self.input_audio,
            self.input_image,
        ]
        .into_iter()
        .fold(self.input, u64::saturating_add)
    }

    /// All output tokens.
    #[must_use]
    pub fn all_output(&self) -> u64 {
        [self.reasoning, self.output_audio, self.output_image]
            .into_iter()
            .fold(self.output, u64::saturating_add)
    }
}
