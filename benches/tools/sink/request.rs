//! One request, as far as the sink needs to read it.

use memchr::memmem;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Session,
    Event,
    Other,
    Counts,
}

/// A request that has arrived as a whole.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) kind: Kind,
    /// The `Idempotency-Key`, empty without one.
    pub(crate) key: &'a [u8],
    pub(crate) body: &'a [u8],
    /// Bytes of all of it.
    pub(crate) length: usize,
}

impl<'a> Request<'a> {
    /// The first request in `bytes`, if all of it is there.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let end = memmem::find(bytes, b"\r\n\r\n")? + 4;
        let head = bytes.get(..end)?;
        let (mut length, mut key) = (end, &b""[..]);
        for line in head.split(|byte| *byte == b'\n').skip(1) {
            if let Some(value) = header(line, b"content-length:") {
                length += std::str::from_utf8(value).ok()?.parse::<usize>().ok()?;
            } else if let Some(value) = header(line, b"idempotency-key:") {
                key = value;
            }
        }
        let kind = if head.starts_with(b"POST /api/sdk/events ") {
            Kind::Event
        } else if head.starts_with(b"POST /api/sdk/sessions ") {
            Kind::Session
        } else if head.starts_with(b"GET /counts ") {
            Kind::Counts
        } else {
            Kind::Other
        };
        Some(Self {
            kind,
            key,
            body: bytes.get(end..length)?,
            length,
        })
    }

    pub(crate) fn is_question(&self) -> bool {
        self.kind == Kind::Counts
    }

    /// The id of the session that an event belongs to.
    pub(crate) fn session(&self) -> &'a [u8] {
        const NAME: &[u8] = b"\"sessionId\":\"";
        let after = memmem::find(self.body, NAME).and_then(|at| self.body.get(at + NAME.len()..));
        let mut parts = after.unwrap_or_default().split(|byte| *byte == b'"');
        parts.next().unwrap_or_default()
    }

    /// The number of the request within its process, which the key ends with.
    pub(crate) fn number(&self) -> u64 {
        let end = self.key.rsplit(|byte| *byte == b'-').next();
        let digits = end.and_then(|digits| std::str::from_utf8(digits).ok());
        digits.map_or(0, |digits| {
            u64::from_str_radix(digits, 16).unwrap_or_default()
        })
    }
}

fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, value) = line.split_at_checked(name.len())?;
    head.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}
