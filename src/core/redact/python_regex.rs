//! From the syntax of Python's `re` to that of the engines here, where the two differ.

use std::fmt::Write as _;

/// Rewrites a pattern.
///
/// # Errors
/// In words: the pattern uses what has no counterpart.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = Reader {
        chars: pattern.chars().collect(),
        at: 0,
        out: String::with_capacity(pattern.len() + 8),
        verbose: false,
    };
    while let Some(c) = reader.next() {
        match c {
            '\\' => reader.escape(false)?,
            '[' => reader.class()?,
            '{' => reader.repetition(),
            '}' => reader.out.push_str("\\}"),
            // Python's also matches before a line break at the end.
            '$' => reader.out.push_str("(?:$|(?=\\n\\z))"),
            '(' => reader.group(),
            '#' if reader.verbose => reader.comment(),
            _ => reader.out.push(c),
        }
    }
    Ok(reader.out)
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    out: String,
    verbose: bool,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        Some(c)
    }

    fn comment(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    /// A character as itself.
    fn literal(&mut self, c: char) {
        match c {
            ' ' => self.out.push_str("\\x20"),
            '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$'
            | '#' | '&' | '-' | '~' => {
                self.out.push('\\');
                self.out.push(c);
            }
            _ => self.out.push(c),
        }
    }

    fn code(&mut self, code: u32) {
        let _ = write!(self.out, "\\x{{{code:x}}}");
    }

    fn hex(&mut self, digits: usize) -> Result<(), String> {
        let text: String = (0..digits).filter_map(|_| self.next()).collect();
        let code = u32::from_str_radix(&text, 16)
            .ok()
            .filter(|_| text.len() == digits);
        let position = self.at;
        self.code(code.ok_or_else(|| format!("incomplete escape at position {position}"))?);
        Ok(())
    }

    /// Behind a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let position = self.at.saturating_sub(1);
        let Some(c) = self.next() else {
            return Err(format!(
                "bad escape (end of pattern) at position {position}"
            ));
        };
        match c {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'n' | 'r' | 't' | 'f' | 'v' | 'a' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'b' if in_class => self.code(8),
            'b' | 'B' | 'A' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
            }
            'Z' if !in_class => self.out.push_str("\\z"),
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            'U' => self.hex(8)?,
            '0' => self.octal(0, 2),
            '1'..='7' if self.is_octal(in_class) => self.octal(c.to_digit(8).unwrap_or(0), 2),
            '1'..='9' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
                if let Some(second) = self.peek(0).filter(char::is_ascii_digit) {
                    self.at += 1;
                    self.out.push(second);
                }
            }
            _ if c.is_ascii_alphanumeric() => {
                return Err(format!("bad escape \\{c} at position {position}"));
            }
            _ => self.literal(c),
        }
        Ok(())
    }

    /// Outside a class three octal digits are a character, else a reference to a group.
    fn is_octal(&self, in_class: bool) -> bool {
        let octal = |c: Option<char>| c.is_some_and(|c| c.is_digit(8));
        in_class || (octal(self.peek(0)) && octal(self.peek(1)))
    }

    fn octal(&mut self, first: u32, more: usize) {
        let mut code = first;
        for _ in 0..more {
            let Some(digit) = self.peek(0).and_then(|c| c.to_digit(8)) else {
                break;
            };
            self.at += 1;
            code = code * 8 + digit;
        }
        self.code(code);
    }

    /// Behind `[`.
    fn class(&mut self) -> Result<(), String> {
        let position = self.at.saturating_sub(1);
        self.out.push('[');
        if self.peek(0) == Some('^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.next() else {
                return Err(format!("unterminated character set at position {position}"));
            };
            match c {
                ']' if !first => break,
                '\\' => self.escape(true)?,
                // A range; a doubled dash would be a difference of sets.
                '-' if !first && self.peek(0).is_some_and(|c| c != ']' && c != '-') => {
                    self.out.push('-');
                }
                _ => self.literal(c),
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// Behind `{`: a repetition, or the character itself.
    fn repetition(&mut self) {
        let rest: String = self.chars.iter().skip(self.at).take(24).collect();
        let Some((inside, _)) = rest.split_once('}') else {
            return self.literal('{');
        };
        let (low, high) = inside.split_once(',').unwrap_or((inside, inside));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if inside.is_empty() || !digits(low) || !digits(high) {
            return self.literal('{');
        }
        self.at += inside.len() + 1;
        let low = if low.is_empty() { "0" } else { low };
        let comma = if inside.contains(',') { "," } else { "" };
        let high = if inside.contains(',') { high } else { "" };
        let _ = write!(self.out, "{{{low}{comma}{high}}}");
    }

    /// Behind `(`.
    fn group(&mut self) {
        if self.peek(0) != Some('?') {
            self.out.push('(');
            return;
        }
        match self.peek(1) {
            Some('#') => while self.next().is_some_and(|c| c != ')') {},
            Some(c) if c == '-' || c.is_ascii_lowercase() || c == 'L' => self.flags(),
            _ => self.out.push('('),
        }
    }

    /// `(?i)`, `(?i:` and so on. Unicode is always on; matching in ASCII only would match less.
    fn flags(&mut self) {
        self.at += 1;
        let mut kept = String::new();
        while let Some(c) = self
            .peek(0)
            .filter(|c| c.is_ascii_alphabetic() || *c == '-')
        {
            self.at += 1;
            if !matches!(c, 'a' | 'u' | 'L') {
                kept.push(c);
            }
        }
        let scoped = self.peek(0) == Some(':');
        if !scoped && kept.contains('x') {
            self.verbose = true;
        }
        if kept.is_empty() && !scoped {
            // Nothing is left of `(?u)` but its end.
            self.at += 1;
        } else {
            self.out.push_str("(?");
            self.out.push_str(&kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn what_differs_is_rewritten() {
        for (python, ours) in [
            (r"\Z", r"\z"),
            ("[[]", r"[\[]"),
            ("[]a-c-]", r"[\]a-c\-]"),
            ("a{,3}", "a{0,3}"),
            ("a{b}", r"a\{b\}"),
            ("(?u)é", "é"),
            ("(?ai:x)", "(?i:x)"),
            ("(?#note)a", "a"),
            (r"\u00e9\x41\012", r"\x{e9}\x{41}\x{a}"),
            (r"[\b]", r"[\x{8}]"),
            (r"\<\ ", r"<\x20"),
            ("(?x)a # (\nb", "(?x)a b"),
        ] {
            assert_eq!(translate(python).as_deref(), Ok(ours), "{python}");
        }
    }
}
