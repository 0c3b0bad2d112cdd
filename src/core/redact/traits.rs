//! What is in a text at all, so that most rules need not look.

/// What is in a text at all, so that most rules need not look.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of facts")]
pub(super) struct Traits {
    pub(super) at: bool,
    pub(super) percent: bool,
    pub(super) colon: bool,
    pub(super) beyond_ascii: bool,
    pub(super) escaped: bool,
    pub(super) digits: usize,
}

impl Traits {
    /// Looks at a text.
    pub(super) fn of_text(text: &[u8]) -> Self {
        Self::look(text).0
    }

    /// Looks at a JSON string from behind its opening quote; returns where its closing quote is.
    /// `None` if there is none, or if a control character is in the string.
    pub(super) fn of_json(json: &[u8], start: usize) -> Option<(Self, usize)> {
        let mut at = start;
        let mut escaped = false;
        loop {
            at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
            if json.get(at) == Some(&b'"') {
                break;
            }
            escaped = true;
            at += 2;
        }
        let (traits, control) = Self::look(json.get(start..at)?);
        (!control).then_some((Self { escaped, ..traits }, at))
    }

    /// What is in a text, and whether a control character is. The loop has neither branches nor
    /// tables, so that the compiler can look at many bytes at once.
    fn look(text: &[u8]) -> (Self, bool) {
        let mut traits = Self::default();
        let mut lowest = u8::MAX;
        for chunk in text.chunks(128) {
            let (mut at, mut percent, mut colon, mut bits, mut digits) =
                (0_u8, 0_u8, 0_u8, 0, 0_u8);
            for &byte in chunk {
                at |= u8::from(byte == b'@');
                percent |= u8::from(byte == b'%');
                colon |= u8::from(byte == b':');
                bits |= byte;
                digits += u8::from(byte.wrapping_sub(b'0') < 10);
                lowest = lowest.min(byte);
            }
            traits.at |= at != 0;
            traits.percent |= percent != 0;
            traits.colon |= colon != 0;
            traits.beyond_ascii |= bits >= 0x80;
            traits.digits += usize::from(digits);
        }
        (traits, lowest < 0x20)
    }
}
