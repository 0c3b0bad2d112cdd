//! The states of delivery, as `stats()` shows them.

/// What the client's delivery is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Answers arrive.
    #[default]
    Up,
    /// Failures, and not yet worth a line.
    Suspect,
    /// The server cannot be reached or does not work.
    Down,
    /// The server asked for a pause (429).
    Limited,
    /// The server refuses the key (401).
    Paused,
}

impl State {
    /// The word in `stats()`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up | Self::Suspect => "up",
            Self::Down => "down",
            Self::Limited => "limited",
            Self::Paused => "paused",
        }
    }

    /// How much it stands in the way of delivery: the state of several clients is the worst one.
    #[must_use]
    pub fn severity(self) -> u8 {
        match self {
            Self::Up | Self::Suspect => 0,
            Self::Limited => 1,
            Self::Down => 2,
            Self::Paused => 3,
        }
    }
}
