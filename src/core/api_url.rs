//! The address of the API: normalised once, with the rule for plain http.

use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};

use super::error::ConfigError;

/// Endings of names that only resolve inside a network of one's own.
const PRIVATE_ENDINGS: [&str; 5] = [".local", ".internal", ".svc", ".cluster.local", ".test"];

/// The base address of the API, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiUrl {
    text: String,
    url: Url,
    loopback: bool,
}

/// Where a host is, as far as plain http is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Loopback,
    Private,
    Public,
}

impl ApiUrl {
    /// Checks an address as given by the caller or by `SENTRIAL_API_URL`.
    ///
    /// White space around it and trailing slashes are removed; a path prefix is kept. Plain http
    /// is accepted to loopback, to private networks with a warning (the second value, to log
    /// once), and elsewhere only with `allow_http`, which also silences the warning.
    ///
    /// # Errors
    /// Not an absolute http(s) URL, or one with user, query or fragment, or plain http to a public
    /// host; names `api_url`. The value is not repeated: it may hold a password or, by mistake,
    /// the key.
    pub fn parse(text: &str, allow_http: bool) -> Result<(Self, Option<String>), ConfigError> {
        let refuse = |message: &str| Err(ConfigError::new("api_url", message));
        let text = text.trim();
        if text.is_empty() {
            return refuse("is empty; leave it out for https://api.sentrial.com");
        }
        if text.starts_with("sentrial_") {
            return refuse("is an API key, not a URL; pass it as api_key");
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
        {
            return refuse("contains white space, a control character or a backslash; remove it");
        }
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            _ => {
                return refuse(
                    "is not an http(s) URL; write it whole, for example https://api.sentrial.com",
                );
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("contains a user or a password; pass the key as api_key instead");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("contains a query or a fragment; pass only scheme, host and path");
        }
        let reach = reach(&url);
        let host = url.host_str().unwrap_or_default();
        let warning = match (url.scheme(), reach) {
            ("https", _) | (_, Reach::Loopback) => None,
            _ if allow_http => None,
            (_, Reach::Private) => Some(format!(
                "api_url: the key and all data go unencrypted to {host}; use https, or set \
                 SENTRIAL_ALLOW_HTTP=1 if that is intended"
            )),
            (_, Reach::Public) => {
                return refuse(&format!(
                    "would send the key unencrypted to {host}; use https, or set allow_http=True \
                     or SENTRIAL_ALLOW_HTTP=1 if that is intended"
                ));
            }
        };
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok((
            Self {
                text,
                url,
                loopback: reach == Reach::Loopback,
            },
            warning,
        ))
    }

    /// The normalised address: lower-case scheme and host, no default port, no trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the API is on this machine: 127.0.0.0/8, `::1`, `localhost`, `*.localhost`.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether a connection to it ends on this machine: loopback, `0.0.0.0` or `::`.
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        let unspecified = match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_unspecified(),
            Some(Host::Ipv6(address)) => address.is_unspecified(),
            _ => false,
        };
        self.loopback || unspecified
    }

    /// Whether it is reached by https.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The address in its parts.
    #[must_use]
    pub const fn parsed(&self) -> &Url {
        &self.url
    }

    /// Scheme, host and port, for example `https://api.sentrial.com`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether `other` (the target of a redirect) is on the same origin.
    #[must_use]
    pub fn same_origin(&self, other: &Url) -> bool {
        self.url.origin() == other.origin()
    }

    /// The address of `path`, which starts with a slash and is percent-encoded already.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("{}{slash}{path}", self.text)
    }
}

fn reach(url: &Url) -> Reach {
    match url.host() {
        Some(Host::Ipv4(address)) => reach_of_address(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => reach_of_address(IpAddr::V6(address)),
        Some(Host::Domain(name)) => reach_of_name(name),
        None => Reach::Public,
    }
}

fn reach_of_name(name: &str) -> Reach {
    // The parser has made it lower case already; a final dot means the same name.
    let name = name.strip_suffix('.').unwrap_or(name);
    if name == "localhost" || name.ends_with(".localhost") {
        Reach::Loopback
    } else if !name.contains('.') || PRIVATE_ENDINGS.iter().any(|end| name.ends_with(end)) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_of_address(address: IpAddr) -> Reach {
    match address.to_canonical() {
        address if address.is_loopback() => Reach::Loopback,
        // 0.0.0.0 and :: connect to this machine, but are not loopback addresses by name.
        address if address.is_unspecified() => Reach::Private,
        IpAddr::V4(address) if address.is_private() || address.is_link_local() => Reach::Private,
        IpAddr::V6(address) if is_private_v6(address) => Reach::Private,
        _ => Reach::Public,
    }
}

/// Unique local (`fc00::/7`) and link-local (`fe80::/10`) addresses.
fn is_private_v6(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ApiUrl {
        ApiUrl::parse(text, false).unwrap().0
    }

    #[test]
    fn addresses_are_normalised() {
        for (given, expected) in [
            ("https://api.sentrial.com", "https://api.sentrial.com"),
            (
                " https://api.sentrial.com/// \n",
                "https://api.sentrial.com",
            ),
            ("HTTPS://API.Sentrial.com:443/", "https://api.sentrial.com"),
            ("https://host.example/a/b/", "https://host.example/a/b"),
            ("http://localhost:3001/", "http://localhost:3001"),
        ] {
            assert_eq!(url(given).as_str(), expected);
        }
        let api = url("https://host.example:8443/prefix/");
        assert_eq!(
            api.join("/api/sdk/events"),
            "https://host.example:8443/prefix/api/sdk/events"
        );
        assert_eq!(api.join("api"), "https://host.example:8443/prefix/api");
        assert_eq!(api.origin(), "https://host.example:8443");
        assert!(api.same_origin(&Url::parse("https://HOST.example:8443/x?y").unwrap()));
        assert!(!api.same_origin(&Url::parse("http://host.example:8443/").unwrap()));
    }

    #[test]
    fn unusable_addresses_are_refused_without_repeating_them() {
        for text in [
            "",
            "  ",
            "api.sentrial.com",
            "localhost:3001",
            "/api",
            "ftp://secret.example",
            "file:///secret",
            "https://",
            "https://user:secret@host.example",
            "https://secret@host.example",
            "https://:secret@host.example",
            "https://host.example/?key=secret",
            "https://host.example/#secret",
            "https://host.example/a b",
            "https://host\\secret.example",
            "https://host.exa\tmple",
            "sentrial_live_secret",
        ] {
            let error = ApiUrl::parse(text, true).unwrap_err();
            assert_eq!(error.parameter, "api_url", "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn plain_http_to_loopback_is_accepted() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "2130706433",
        ] {
            let (api, warning) = ApiUrl::parse(&format!("http://{host}:3001"), false).unwrap();
            assert!(api.is_loopback(), "{host}");
            assert_eq!(warning, None, "{host}");
        }
        assert!(!url("https://api.sentrial.com").is_loopback());
    }

    #[test]
    fn plain_http_in_a_private_network_is_one_warning() {
        for host in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "0.0.0.0",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "sentrial",
            "printer.local",
            "api.internal",
            "sentrial.default.svc",
            "sentrial.default.svc.cluster.local",
            "x.test.",
        ] {
            let text = format!("http://{host}/");
            let (api, warning) = ApiUrl::parse(&text, false).unwrap();
            assert!(!api.is_loopback(), "{host}");
            assert!(warning.is_some(), "{host}");
            assert_eq!(ApiUrl::parse(&text, true).unwrap().1, None, "{host}");
        }
    }

    #[test]
    fn plain_http_to_a_public_host_needs_permission() {
        for host in [
            "api.sentrial.com",
            "8.8.8.8",
            "172.32.0.1",
            "[2001:db8::1]",
            "localhost.evil.example",
        ] {
            let text = format!("http://{host}");
            let error = ApiUrl::parse(&text, false).unwrap_err();
            assert_eq!(error.parameter, "api_url", "{host}");
            assert!(error.message.contains("allow_http"), "{host}");
            assert_eq!(ApiUrl::parse(&text, true).unwrap().1, None);
        }
    }
}
