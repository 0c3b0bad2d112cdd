//! The characters that secrets are made of.

/// Characters a secret goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    Alnum,
    Upper,
    Hex,
    /// With `_`.
    Word,
    /// With `_` and `-`: the alphabet of base64 for URLs.
    Dash,
    /// With `_`, `-` and `.`.
    Dotted,
    /// With `_`, `-` and `/`.
    Path,
    /// Base64.
    Base64,
    /// Base64 of either kind.
    Url64,
}

impl Alphabet {
    pub(super) fn has(self, byte: u8) -> bool {
        match self {
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Dash => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Path => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
            Self::Url64 => Self::Dash.has(byte) || matches!(byte, b'+' | b'/' | b'='),
        }
    }
}
