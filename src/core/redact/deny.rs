//! Names of fields whose values are withheld whatever they are.

/// Names, without case and punctuation.
const EXACT: &[&str] = &[
    "apikey",
    "auth",
    "authkey",
    "authorization",
    "authtoken",
    "bearertoken",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "csrftoken",
    "idtoken",
    "jwt",
    "pass",
    "passphrase",
    "pin",
    "proxyauthorization",
    "pwd",
    "secret",
    "sessioncookie",
    "sessiontoken",
    "setcookie",
    "sharedsecret",
    "signingkey",
    "signingsecret",
    "webhooksecret",
    "xapikey",
    "xauthtoken",
    "xcsrftoken",
    "xsrftoken",
];

/// Endings of names, without case and punctuation.
const ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "apikey",
    "secretkey",
    "privatekey",
    "accesstoken",
    "refreshtoken",
    "clientsecret",
    "accesskey",
    "encryptionkey",
];

/// The longest name that is looked at.
const LONGEST: usize = 64;

/// The names that are denied.
#[derive(Debug, Clone)]
pub(super) struct DenyList {
    builtin: bool,
    own: Vec<String>,
}

impl DenyList {
    /// The built-in names if `builtin`, and `own`.
    pub(super) fn new(builtin: bool, own: &[String]) -> Self {
        let plain = |name: &String| {
            let kept = name.chars().filter(|c| !is_punctuation(*c));
            kept.flat_map(char::to_lowercase).collect()
        };
        let own = own.iter().map(plain).collect();
        Self { builtin, own }
    }

    /// Is this the name of a field that is denied?
    pub(super) fn has(&self, name: &[u8]) -> bool {
        if name.len() > LONGEST || (self.own.is_empty() && !(self.builtin && may_be_denied(name))) {
            return false;
        }
        let mut plain = [0_u8; LONGEST];
        let mut length = 0;
        for byte in name
            .iter()
            .filter(|byte| !is_punctuation(char::from(**byte)))
        {
            if let Some(slot) = plain.get_mut(length) {
                *slot = byte.to_ascii_lowercase();
                length += 1;
            }
        }
        let plain = plain.get(..length).unwrap_or_default();
        let builtin = self.builtin
            && (EXACT
                .binary_search_by(|known| known.as_bytes().cmp(plain))
                .is_ok()
                || ENDINGS.iter().any(|end| plain.ends_with(end.as_bytes())));
        builtin || self.own.iter().any(|known| known.as_bytes() == plain)
    }
}

/// Most names are told apart from the built-in ones by their last letters, at next to no cost.
fn may_be_denied(name: &[u8]) -> bool {
    let [.., second, last] = name else {
        return false;
    };
    let third = name.len().checked_sub(3).and_then(|at| name.get(at));
    let third = third.map_or(b'-', u8::to_ascii_lowercase);
    let last_two = [second.to_ascii_lowercase(), last.to_ascii_lowercase()];
    let thirds: &[u8] = match &last_two {
        b"al" | b"ls" => b"ia",
        b"es" | b"on" => b"i",
        b"en" | b"ey" | b"ie" => b"k",
        b"et" => b"r",
        b"in" => b"p",
        b"rd" => b"o",
        b"se" | b"ss" => b"a",
        b"th" => b"u",
        b"wd" => b"ps",
        b"wt" => b"j",
        _ => return false,
    };
    is_punctuation(char::from(third)) || thirds.contains(&third)
}

fn is_punctuation(c: char) -> bool {
    matches!(c, '-' | '_' | ' ' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_punctuation_do_not_matter() {
        assert!(EXACT.is_sorted());
        let known = EXACT.iter().chain(ENDINGS);
        assert!(known.clone().all(|name| may_be_denied(name.as_bytes())));
        let list = DenyList::new(true, &["Account Number".to_owned()]);
        for name in [
            "password",
            "X-Api-Key",
            "db_password",
            "OPENAI_API_KEY",
            "account-number",
        ] {
            assert!(list.has(name.as_bytes()), "{name}");
        }
        for name in [
            "tokens",
            "prompt",
            "passage",
            "keyboard",
            "author",
            "secretary",
            "",
        ] {
            assert!(!list.has(name.as_bytes()), "{name}");
        }
    }
}
