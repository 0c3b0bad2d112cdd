//! The hosts file.
//!
//! Read here, not by hickory: that one passes over names with an underscore, and over the whole
//! file when one byte in a comment is no UTF-8.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// The names of a hosts file.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<String, Vec<IpAddr>>);

impl Hosts {
    /// Reads the system's file; one that cannot be read names no host.
    pub(super) fn read() -> Self {
        let bytes = std::fs::read(path()).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// Reads the text of a file, see hosts(5).
    fn parse(text: &str) -> Self {
        let mut hosts = Self::default();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse().ok()) else {
                continue;
            };
            for name in words {
                let known = hosts.0.entry(normal(name)).or_default();
                if !known.contains(&address) {
                    known.push(address);
                }
            }
        }
        hosts
    }

    /// The addresses of a host, in the order of the file.
    pub(super) fn addresses(&self, host: &str) -> Option<&[IpAddr]> {
        self.0.get(&normal(host)).map(Vec::as_slice)
    }
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Where the file is.
pub(super) fn path() -> PathBuf {
    if cfg!(windows) {
        let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
        PathBuf::from(root).join(r"System32\drivers\etc\hosts")
    } else {
        PathBuf::from("/etc/hosts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_found_in_any_case() {
        let hosts = Hosts::parse(
            "\u{feff}# comment\n127.0.0.1 localhost\r\n10.9.8.1\tOther  API.Corp.Example\t# x\n\
             10.9.8.2 sentrial_server\nfd00::1 api.corp.example\n10.9.8.1 api.corp.example\n\
             no.address api.corp.example\n10.9.8.3\n",
        );
        let found = |name: &str| {
            let addresses = hosts.addresses(name).unwrap_or_default();
            let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            texts.join(" ")
        };
        assert_eq!(found("api.corp.example"), "10.9.8.1 fd00::1");
        assert_eq!(found("OTHER."), "10.9.8.1");
        assert_eq!(found("sentrial_server"), "10.9.8.2");
        assert_eq!(found("x"), "");
    }
}
