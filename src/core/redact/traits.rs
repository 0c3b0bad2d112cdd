//! What is in a text at all, so that most rules need not look.

/// How long a string is that is looked at byte by byte: setting up the search for its end and the
/// loop over many bytes at once takes longer.
const SHORT: usize = 16;

const DIGIT: u8 = 1;
const AT: u8 = 2;
const PERCENT: u8 = 4;
const COLON: u8 = 8;
const BEYOND_ASCII: u8 = 16;
/// The closing quote, an escape, or what must not be in a JSON string.
const ENDS: u8 = 32;

const fn class_of(byte: u8) -> u8 {
    match byte {
        b'"' | b'\\' | ..0x20 => ENDS,
        b'0'..=b'9' => DIGIT,
        b'@' => AT,
        b'%' => PERCENT,
        b':' => COLON,
        0x80.. => BEYOND_ASCII,
        _ => 0,
    }
}

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut rest: &mut [u8] = &mut classes;
    let mut byte = 0;
    while let Some((class, others)) = rest.split_first_mut() {
        *class = class_of(byte);
        byte = byte.wrapping_add(1);
        rest = others;
    }
    classes
};

/// What is in a text.
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
        Self::of_short_json(json, start).or_else(|| Self::of_long_json(json, start))
    }

    /// The same for strings that are short and plain, as names are: one look at each byte.
    fn of_short_json(json: &[u8], start: usize) -> Option<(Self, usize)> {
        let mut seen = 0;
        let mut digits = 0;
        for (length, byte) in json.get(start..)?.iter().take(SHORT).enumerate() {
            let class = CLASSES.get(usize::from(*byte)).copied()?;
            if class & ENDS != 0 {
                let traits = Self {
                    at: seen & AT != 0,
                    percent: seen & PERCENT != 0,
                    colon: seen & COLON != 0,
                    beyond_ascii: seen & BEYOND_ASCII != 0,
                    escaped: false,
                    digits,
                };
                return (*byte == b'"').then_some((traits, start + length));
            }
            seen |= class;
            digits += usize::from(class & DIGIT);
        }
        None
    }

    fn of_long_json(json: &[u8], start: usize) -> Option<(Self, usize)> {
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
