//! `NO_PROXY` as people write it.
//!
//! curl, Go, Python and Node each read another dialect of it. An entry counts here if any of them
//! would understand it: a host that is written down is to be reached directly.

use std::net::IpAddr;

use url::{Host, Url};

/// The hosts that are reached directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// `*`.
    All,
    /// `example.com`, `.example.com` or `*.example.com`: the name and what is below it.
    Name(String),
    /// `10.*`: what begins so.
    Prefix(String),
    /// `10.0.0.0/8`; a single address has all its bits.
    Network(IpAddr, u8),
    /// `<local>`, as Windows writes it: names without a dot.
    Local,
}

impl NoProxy {
    /// Reads a list, whose entries stand between commas, semicolons or white space. What is no
    /// entry is left out.
    pub(super) fn parse(text: &str) -> Self {
        let words = text.split(|c: char| c == ',' || c == ';' || c.is_whitespace());
        Self(words.filter_map(Entry::parse).collect())
    }

    /// Is this address reached directly?
    pub(super) fn excepts(&self, url: &Url) -> bool {
        let Some(host) = url.host() else {
            return false;
        };
        let port = url.port_or_known_default();
        let entries = self.0.iter();
        entries
            .filter(|entry| entry.port.is_none() || entry.port == port)
            .any(|entry| entry.hosts.contain(&host))
    }
}

impl Entry {
    fn parse(word: &str) -> Option<Self> {
        let word = word.rsplit("://").next()?.trim_end_matches('/');
        let (host, port) = split_port(word);
        let hosts = Hosts::parse(host)?;
        Some(Self { hosts, port })
    }
}

/// An entry's port, if what stands behind the last colon is one and is not part of an address.
fn split_port(word: &str) -> (&str, Option<u16>) {
    let split = word.rsplit_once(':');
    let split = split.filter(|(host, _)| host.ends_with(']') || !host.contains(':'));
    let split = split.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    split.map_or((word, None), |(host, port)| (host, Some(port)))
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        match text.as_str() {
            "*" => return Some(Self::All),
            "<local>" => return Some(Self::Local),
            _ => {}
        }
        if let Some(network) = network(&text) {
            return Some(network);
        }
        if let Some(prefix) = text.strip_suffix('*') {
            return (!prefix.contains('*')).then(|| Self::Prefix(prefix.to_owned()));
        }
        let name = text.trim_start_matches('*').trim_matches('.');
        // Through the parser of addresses, because names are compared as it writes them.
        match Host::parse(name).ok()? {
            Host::Domain(name) => Some(Self::Name(name)),
            Host::Ipv4(address) => Some(Self::Network(address.into(), 32)),
            Host::Ipv6(_) => None,
        }
    }

    fn contain(&self, host: &Host<&str>) -> bool {
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address).to_canonical()),
        };
        let text = host.to_string();
        let name = text.trim_end_matches('.');
        match self {
            Self::All => true,
            Self::Local => address.is_none() && !name.contains('.'),
            Self::Prefix(prefix) => name.starts_with(prefix),
            Self::Name(known) => name
                .strip_suffix(known.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            Self::Network(network, bits) => {
                address.is_some_and(|address| same_bits(*network, address, *bits))
            }
        }
    }
}

/// An address, with or without brackets, or a network in the notation of CIDR.
fn network(text: &str) -> Option<Hosts> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    let written: IpAddr = bare.unwrap_or(address).parse().ok()?;
    let address = written.to_canonical();
    let longest = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(longest(written)).min(longest(written));
    // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
    let bits = bits.saturating_sub(longest(written) - longest(address));
    Some(Hosts::Network(address, bits))
}

fn same_bits(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let differ = u32::from(one) ^ u32::from(other);
            differ.leading_zeros() >= bits
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let differ = u128::from(one) ^ u128::from(other);
            differ.leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn excepts(list: &str, url: &str) -> bool {
        NoProxy::parse(list).excepts(&Url::parse(url).unwrap())
    }

    #[test]
    fn what_is_written_down_is_reached_directly() {
        for (list, url) in [
            ("*", "https://api.sentrial.com"),
            ("a.test, *", "http://10.1.2.3"),
            ("*:443", "https://api.sentrial.com"),
            ("sentrial.com", "https://api.sentrial.com"),
            (".sentrial.com", "https://api.sentrial.com"),
            (".sentrial.com", "https://sentrial.com"),
            ("*.sentrial.com", "https://api.sentrial.com"),
            ("API.Sentrial.COM.", "https://api.sentrial.com"),
            ("api.sentrial.com", "https://api.sentrial.com./"),
            ("https://api.sentrial.com/", "https://api.sentrial.com"),
            ("api.sentrial.com:443", "https://api.sentrial.com"),
            ("a.test api.sentrial.com", "https://api.sentrial.com"),
            ("a.test;api.sentrial.com", "https://api.sentrial.com"),
            ("a.test,,\tapi.sentrial.com\n", "https://api.sentrial.com"),
            ("bücher.example", "https://xn--bcher-kva.example"),
            ("my_api", "http://my_api:3001"),
            ("<local>", "http://collector:3001"),
            ("10.1.2.3", "http://10.1.2.3"),
            ("10.1.2.3:8080", "http://10.1.2.3:8080"),
            ("10.0.0.0/8", "http://10.1.2.3"),
            ("10.1.2.3/8", "http://10.200.0.1"),
            ("10.*", "http://10.1.2.3"),
            ("0.0.0.0/0", "http://10.1.2.3"),
            ("10.0.0.0/8", "http://[::ffff:10.1.2.3]"),
            ("::ffff:10.0.0.0/104", "http://10.1.2.3"),
            ("fd00::/8", "http://[fd12::9]"),
            ("[fd12::9]:8080", "http://[fd12::9]:8080"),
            ("fd12::9", "http://[FD12:0::9]"),
        ] {
            assert!(excepts(list, url), "{list} {url}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for (list, url) in [
            ("", "https://api.sentrial.com"),
            (" , ;.", "https://api.sentrial.com"),
            ("sentrial.com", "https://notsentrial.com"),
            ("api.sentrial.com", "https://sentrial.com"),
            ("api.sentrial.com:80", "https://api.sentrial.com"),
            ("sentrial.com:443:443", "https://api.sentrial.com"),
            ("*:80", "https://api.sentrial.com"),
            ("<local>", "http://10.1.2.3"),
            ("<local>", "https://api.sentrial.com"),
            ("10.0.0.0/33", "http://11.1.2.3"),
            ("10.0.0.0/x", "http://10.1.2.3"),
            ("10.0.0.0/8", "http://10.example"),
            ("1.2.3", "http://10.1.2.3"),
            ("fd00::/8", "http://10.1.2.3"),
            ("%", "https://api.sentrial.com"),
        ] {
            assert!(!excepts(list, url), "{list} {url}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_list(text: String) {
            excepts(&text, "https://api.sentrial.com");
        }

        #[test]
        fn a_host_and_its_network_are_excepted_whatever_stands_beside(
            before in "[a-z0-9.,; *-]{0,20}", address: [u8; 4], bits in 0u8..=32,
        ) {
            let host = std::net::Ipv4Addr::from(address);
            let url = format!("http://{host}:3001/");
            for entry in [format!("{host}/{bits}"), host.to_string()] {
                let list = format!("{before},{entry},x");
                prop_assert!(excepts(&list, &url));
            }
        }
    }
}
