//! The proxies of the environment, read when the client is made.
//!
//! Not later, and never on the delivery thread: the program may change its environment at any
//! time, which is not safe to read from another thread.

use super::{Environment, ProxyUrl};

/// What `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in either case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Proxies {
    /// For `http` addresses.
    pub http: Option<ProxyUrl>,
    /// For `https` addresses.
    pub https: Option<ProxyUrl>,
    /// Hosts that are reached directly.
    pub no_proxy: Option<String>,
}

impl Proxies {
    /// Reads the variables; a proxy of another kind (SOCKS) is one warning and not used.
    pub(super) fn read(env: &Environment<'_>, warnings: &mut Vec<String>) -> Self {
        let either = |lower: &str, upper: &str| env.var(lower).or_else(|| env.var(upper));
        // In a CGI program HTTP_PROXY is the header "Proxy" of whoever calls it.
        let cgi = env.var("REQUEST_METHOD").is_some();
        let http = if cgi {
            env.var("http_proxy")
        } else {
            either("http_proxy", "HTTP_PROXY")
        };
        let all = either("all_proxy", "ALL_PROXY");
        let mut usable = |name: &str, text: Option<String>| {
            let text = text.or_else(|| all.clone())?;
            let parsed = ProxyUrl::parse(&text).ok();
            if parsed.is_none() {
                warnings.push(format!("{name}: is no http(s) proxy; it is not used"));
            }
            parsed
        };
        Self {
            http: usable("HTTP_PROXY", http),
            https: usable("HTTPS_PROXY", either("https_proxy", "HTTPS_PROXY")),
            no_proxy: either("no_proxy", "NO_PROXY"),
        }
    }

    /// What applies to a server on this machine: a proxy elsewhere could not reach it, and would
    /// see the key, which plain http may carry over loopback only.
    #[must_use]
    pub fn for_loopback(self) -> Self {
        let here = |proxy: Option<ProxyUrl>| proxy.filter(ProxyUrl::is_loopback);
        Self {
            http: here(self.http),
            https: here(self.https),
            no_proxy: self.no_proxy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Proxies, Vec<String>) {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let mut warnings = Vec::new();
        (
            Proxies::read(&Environment::new(&get), &mut warnings),
            warnings,
        )
    }

    #[test]
    fn lower_case_wins_and_all_proxy_fills_in() {
        let (proxies, warnings) = read(&[
            ("http_proxy", "http://a.test:1"),
            ("HTTP_PROXY", "http://b.test:1"),
            ("ALL_PROXY", "http://c.test:1"),
        ]);
        assert!(
            proxies
                .http
                .unwrap()
                .expose()
                .starts_with("http://a.test:1")
        );
        assert!(
            proxies
                .https
                .unwrap()
                .expose()
                .starts_with("http://c.test:1")
        );
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_cgi_program_ignores_what_its_caller_chose() {
        let (proxies, _) = read(&[
            ("REQUEST_METHOD", "GET"),
            ("HTTP_PROXY", "http://evil.test"),
        ]);
        assert_eq!(proxies.http, None);
    }

    #[test]
    fn another_kind_of_proxy_is_a_warning() {
        let (proxies, warnings) = read(&[("https_proxy", "socks5://a.test:1")]);
        assert_eq!(proxies.https, None);
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn a_server_on_this_machine_is_reached_through_proxies_of_this_machine_only() {
        let (proxies, _) = read(&[("http_proxy", "http://10.0.0.1:3128")]);
        assert_eq!(proxies.for_loopback().http, None);
        let (proxies, _) = read(&[("http_proxy", "http://127.0.0.1:3128")]);
        assert!(proxies.for_loopback().http.is_some());
    }
}
