//! Names to addresses, on the delivery thread. The only file that names hickory.
//!
//! Not by `getaddrinfo`: it needs threads of its own, and glibc guards its configuration with a
//! lock that a fork copies in whatever state it is. A child forked during a look-up could never
//! look a name up again, and threads of the child that inherited the stack of a resolver thread
//! freed its configuration a second time. One in 300 chains of five forks hung that way.
//!
//! `getaddrinfo` is still asked for what DNS does not know, where the system has further sources
//! of names (mDNS, directories).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Mutex;
use std::time::SystemTime;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::sync::lock;

/// Names kept until their time to live ends; a program speaks to one or two servers.
const CACHED_NAMES: u64 = 32;
/// Files that decide what a name means; when one changes, they are read again.
const SOURCES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// The file that says where a Unix system looks names up.
const SWITCH: &str = "/etc/nsswitch.conf";
/// Sources in it that a look-up in the hosts file and in DNS covers.
const COVERED: [&str; 4] = ["files", "dns", "myhostname", "resolve"];

type Stamps = [Option<SystemTime>; SOURCES.len()];

/// Looks names up as the system's configuration says, without threads.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    system: Mutex<Option<(Stamps, TokioResolver)>>,
}

impl Resolver {
    /// The addresses of a host.
    ///
    /// # Errors
    /// The name is unknown, or nobody who could know it answers.
    pub(super) async fn addresses(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        if is_localhost(host) {
            // RFC 6761, section 6.3. Which of them listens, connecting tells.
            return Ok(socket_addresses([
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]));
        }
        let unknown = match self.system()?.lookup_ip(host).await {
            Ok(found) => {
                let addresses = socket_addresses(found.iter());
                if !addresses.is_empty() {
                    return Ok(addresses);
                }
                io::Error::new(io::ErrorKind::NotFound, "the name has no address")
            }
            Err(error) => io::Error::other(format!("name look-up failed: {error}")),
        };
        if has_further_sources(std::fs::read_to_string(SWITCH).ok().as_deref()) {
            let host = host.to_owned();
            let asked = tokio::task::spawn_blocking(move || (host, 0).to_socket_addrs()).await;
            if let Ok(Ok(found)) = asked {
                return Ok(found.collect());
            }
        }
        Err(unknown)
    }

    /// The resolver for the system's configuration as it is now.
    fn system(&self) -> io::Result<TokioResolver> {
        let stamps = SOURCES.map(|file| std::fs::metadata(file).and_then(|m| m.modified()).ok());
        let mut known = lock(&self.system);
        if let Some((_, resolver)) = known.as_ref().filter(|(seen, _)| *seen == stamps) {
            return Ok(resolver.clone());
        }
        let resolver = build().map_err(io::Error::other)?;
        *known = Some((stamps, resolver.clone()));
        Ok(resolver)
    }
}

fn build() -> Result<TokioResolver, hickory_resolver::net::NetError> {
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        // No name server is configured: what the hosts file says still counts.
        TokioResolver::builder_with_config(
            ResolverConfig::from_parts(None, Vec::new(), Vec::new()),
            TokioRuntimeProvider::default(),
        )
    });
    builder.options_mut().cache_size = CACHED_NAMES;
    builder.build()
}

fn socket_addresses(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<SocketAddr> {
    // Port 0 becomes that of the URL.
    addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, 0))
        .collect()
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = host.rsplit('.').next().unwrap_or(host);
    label.eq_ignore_ascii_case("localhost")
}

/// Does the system know names that are neither in the hosts file nor in DNS? `switch` is the text
/// of `nsswitch.conf`, see nsswitch.conf(5); without one only macOS has such sources.
fn has_further_sources(switch: Option<&str>) -> bool {
    let Some(text) = switch else {
        return cfg!(target_vendor = "apple") || !Path::new("/etc").is_dir();
    };
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix("hosts:"))
        .flat_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            line.split_whitespace()
        })
        .filter(|word| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        .any(|source| !COVERED.contains(&source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(host: &str) -> io::Result<Vec<SocketAddr>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(Resolver::default().addresses(host))
    }

    #[test]
    fn localhost_is_this_machine_whatever_the_system_says() {
        for host in ["localhost", "LOCALHOST.", "app.localhost"] {
            let found = look_up(host).unwrap();
            assert!(found.iter().all(|address| address.ip().is_loopback()));
            assert!(found.contains(&"127.0.0.1:0".parse().unwrap()), "{host}");
        }
        assert!(!is_localhost("localhost.example.com"));
    }

    #[test]
    fn names_of_the_hosts_file_are_known() {
        let Ok(hosts) = std::fs::read_to_string("/etc/hosts") else {
            return;
        };
        let lines = hosts.lines().map(|line| line.split('#').next().unwrap());
        let named = lines.filter_map(|line| line.split_whitespace().nth(1));
        for name in named.filter(|name| !is_localhost(name)) {
            assert!(!look_up(name).unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn a_name_that_cannot_exist_is_an_error_in_words() {
        let error = look_up("no..such.name").unwrap_err().to_string();
        assert!(error.contains("look-up"), "{error}");
    }

    #[test]
    fn only_sources_beyond_hosts_file_and_dns_need_the_system_to_be_asked() {
        let further = |text: &str| has_further_sources(Some(text));
        assert!(!further("passwd: files ldap\nhosts: files dns\n"));
        assert!(!further(
            "hosts: files myhostname resolve [!UNAVAIL=return] dns"
        ));
        assert!(further("hosts:  files mdns4_minimal [NOTFOUND=return] dns"));
        assert!(further("  hosts: files ldap # dns"));
        assert!(!further("hosts: files dns # mdns"));
        assert!(!further(""));
    }
}
