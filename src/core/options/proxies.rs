//! The proxies of the environment, read when the client is made.
//!
//! Not later, and never on the delivery thread: the program may change its environment at any
//! time, which is not safe to read from another thread.

use super::no_proxy::NoProxy;
use super::{Environment, ProxyUrl};
use crate::core::api_url::ApiUrl;

/// What `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in either case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http` addresses.
    http: Option<ProxyUrl>,
    /// For `https` addresses.
    https: Option<ProxyUrl>,
    /// Hosts that are reached directly.
    no_proxy: NoProxy,
}

/// The way to one address, as far as the environment decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'a> {
    /// No proxy is named.
    Straight,
    /// Through this proxy.
    Through(&'a ProxyUrl),
    /// A proxy is named, but the address is on this machine: a proxy elsewhere could not reach
    /// it, and would see the key, which plain http may carry over loopback only.
    Loopback(&'a ProxyUrl),
    /// A proxy is named, but `NO_PROXY` names the host.
    Excepted(&'a ProxyUrl),
}

impl Proxies {
    /// Reads the variables; a proxy of another kind is one warning and not used.
    pub(super) fn read(env: &Environment<'_>, warnings: &mut Vec<String>) -> Self {
        let either = |lower, upper| {
            let named = |name| env.var(name).map(|value| (name, value));
            named(lower).or_else(|| named(upper))
        };
        // In a CGI program HTTP_PROXY is the header "Proxy" of the request it serves.
        let cgi = env.var("REQUEST_METHOD").is_some();
        let upper = if cgi { "http_proxy" } else { "HTTP_PROXY" };
        let http = either("http_proxy", upper);
        let https = either("https_proxy", "HTTPS_PROXY");
        let all = either("all_proxy", "ALL_PROXY");
        let mut refused = None;
        let mut usable = |named: Option<(&'static str, String)>| {
            let (name, text) = named.or_else(|| all.clone())?;
            let parsed = ProxyUrl::parse(&text).ok();
            if parsed.is_none() && refused.replace(name) != Some(name) {
                warnings.push(format!("{name}: is no http(s) proxy; it is not used"));
            }
            parsed
        };
        Self {
            http: usable(http),
            https: usable(https),
            no_proxy: either("no_proxy", "NO_PROXY")
                .map_or_else(NoProxy::default, |(_, list)| NoProxy::parse(&list)),
        }
    }

    /// The way to an address.
    #[must_use]
    pub fn way_to(&self, url: &ApiUrl) -> Way<'_> {
        let named = if url.is_tls() {
            &self.https
        } else {
            &self.http
        };
        match named {
            None => Way::Straight,
            Some(proxy) if url.is_this_machine() => Way::Loopback(proxy),
            Some(proxy) if self.no_proxy.excepts(url.parsed()) => Way::Excepted(proxy),
            Some(proxy) => Way::Through(proxy),
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

    fn way(variables: &[(&str, &str)], url: &str) -> String {
        let (proxies, _) = read(variables);
        let url = ApiUrl::parse(url, true).unwrap().0;
        match proxies.way_to(&url) {
            Way::Straight => "straight".to_owned(),
            Way::Through(proxy) => proxy.to_string(),
            Way::Loopback(_) => "loopback".to_owned(),
            Way::Excepted(_) => "excepted".to_owned(),
        }
    }

    #[test]
    fn lower_case_wins_and_all_proxy_fills_in() {
        let variables = [
            ("http_proxy", "http://a.test:1"),
            ("HTTP_PROXY", "http://b.test:1"),
            ("ALL_PROXY", "http://c.test:1"),
        ];
        assert_eq!(way(&variables, "http://x.test"), "http://a.test:1");
        assert_eq!(way(&variables, "https://x.test"), "http://c.test:1");
        assert!(read(&variables).1.is_empty());
    }

    #[test]
    fn a_cgi_program_ignores_what_its_caller_chose() {
        let cgi = ("REQUEST_METHOD", "GET");
        let chosen = [cgi, ("HTTP_PROXY", "http://evil.test")];
        assert_eq!(way(&chosen, "http://x.test"), "straight");
        let own = [cgi, ("http_proxy", "http://a.test")];
        assert_eq!(way(&own, "http://x.test"), "http://a.test");
    }

    #[test]
    fn another_kind_of_proxy_is_one_warning_that_names_the_variable() {
        for (variable, value) in [
            ("https_proxy", "socks5://a.test:1"),
            ("ALL_PROXY", "socks5h://a.test:1"),
            ("HTTP_PROXY", "::::"),
            ("HTTP_PROXY", "http://us er:p#x@[bad"),
        ] {
            let variables = [(variable, value)];
            assert_eq!(way(&variables, "https://x.test"), "straight");
            let warnings = read(&variables).1;
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].starts_with(variable), "{warnings:?}");
            assert!(!warnings[0].contains(value), "{warnings:?}");
        }
    }

    #[test]
    fn this_machine_is_reached_directly_whatever_is_named() {
        for proxy in ["http://10.0.0.1:3128", "http://127.0.0.1:3128"] {
            let variables = [("ALL_PROXY", proxy)];
            for host in [
                "127.0.0.1",
                "127.200.0.9",
                "127.1",
                "[::1]",
                "[::ffff:127.0.0.1]",
                "0.0.0.0",
                "localhost",
                "LocalHost.",
                "app.localhost",
                "app.localhost.",
            ] {
                for scheme in ["http", "https"] {
                    let url = format!("{scheme}://{host}:3001/prefix");
                    assert_eq!(way(&variables, &url), "loopback", "{url}");
                }
            }
            assert_eq!(way(&variables, "http://localhost.test"), proxy);
        }
    }

    #[test]
    fn no_proxy_counts_in_either_case_and_lower_case_wins() {
        let through = ("HTTPS_PROXY", "http://a.test:1");
        let url = "https://x.test";
        assert_eq!(way(&[through, ("NO_PROXY", "x.test")], url), "excepted");
        assert_eq!(way(&[through, ("no_proxy", "x.test")], url), "excepted");
        let both = [through, ("NO_PROXY", "x.test"), ("no_proxy", "y.test")];
        assert_eq!(way(&both, url), "http://a.test:1");
    }
}
