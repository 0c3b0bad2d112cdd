//! UUIDs: `8-4-4-4-12` hexadecimal digits, which can look like cards and phones.

const UUID: &[u8; 36] = b"00000000-0000-0000-0000-000000000000";

/// Is the place `at` in a UUID?
pub(super) fn in_uuid(text: &[u8], at: usize) -> bool {
    let part = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    let low = at.saturating_sub(36);
    let before = text.get(low..at).unwrap_or_default();
    let start = at - before.iter().rev().take_while(|byte| part(byte)).count();
    let after = text.get(at..text.len().min(at + 36)).unwrap_or_default();
    let end = at + after.iter().take_while(|byte| part(byte)).count();
    let run = text.get(start..end).unwrap_or_default();
    run.windows(UUID.len()).enumerate().any(|(offset, window)| {
        let from = start + offset;
        (from..from + UUID.len()).contains(&at) && has_dashes_of_uuid(window)
    })
}

/// Is the text a UUID and nothing else? No rule finds anything in one.
pub(super) fn is_uuid(text: &[u8]) -> bool {
    text.len() == UUID.len()
        && has_dashes_of_uuid(text)
        && text.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-')
}

fn has_dashes_of_uuid(window: &[u8]) -> bool {
    let mut pairs = window.iter().zip(UUID);
    pairs.all(|(byte, model)| (*byte == b'-') == (*model == b'-'))
}
