//! Names to addresses, on the delivery thread. The only file that names hickory.
//!
//! Not by `getaddrinfo`: it needs threads of its own, and glibc guards its configuration with a
//! lock that a fork copies in whatever state it is. A child forked during a look-up could never
//! look a name up again, and threads of the child that inherited the stack of a resolver thread
//! freed its configuration a second time. One in 300 chains of five forks hung that way.
//!
//! `getaddrinfo` is still asked for what DNS does not know, where the system has further sources
//! of names (mDNS, directories).

mod hosts;
mod order;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;

use self::hosts::Hosts;
use self::order::Order;
use super::sync::lock;

/// Names kept until their time to live ends; a program speaks to one or two servers.
const CACHED_NAMES: u64 = 32;
/// The file that names the name servers of a Unix system.
const SERVERS: &str = "/etc/resolv.conf";
/// The file that says where a Unix system looks names up.
const SWITCH: &str = "/etc/nsswitch.conf";
/// Sources in it that a look-up in the hosts file and in DNS covers.
const COVERED: [&str; 2] = ["files", "dns"];
/// Sources in it that know a little more than DNS (`_gateway`, this machine's own name), and
/// nothing more while no name server answers.
const NEARLY_COVERED: [&str; 2] = ["myhostname", "resolve"];

/// Looks names up as the system's configuration says, without threads.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    system: Mutex<Option<(Stamps, Arc<System>)>>,
    order: Mutex<Order>,
}

/// When the files that decide what a name means were changed; then they are read again.
type Stamps = [Option<SystemTime>; 2];

/// The system's configuration.
#[derive(Debug)]
struct System {
    hosts: Hosts,
    dns: TokioResolver,
    /// Was the list of name servers understood?
    understood: bool,
}

impl Resolver {
    /// The addresses of a host, in the order in which they are to be tried.
    ///
    /// # Errors
    /// The name is unknown, or no source that could know it answers.
    pub(super) async fn addresses(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let found = self.found(host).await?;
        Ok(lock(&self.order).arrange(found, Instant::now()))
    }

    /// An answer came from this address.
    pub(super) fn reached(&self, address: IpAddr) {
        lock(&self.order).reached(address, Instant::now());
    }

    async fn found(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        if is_localhost(host) {
            // RFC 6761, section 6.3. Which of them listens, connecting tells.
            return Ok(socket_addresses([
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]));
        }
        let system = self.system()?;
        if let Some(addresses) = system.hosts.addresses(host) {
            return Ok(socket_addresses(addresses.iter().copied()));
        }
        let error = match system.asked(host).await {
            Ok(addresses) => return Ok(addresses),
            Err(error) => error,
        };
        let switch = std::fs::read_to_string(SWITCH).ok();
        if !system.understood || has_further_sources(switch.as_deref(), is_unknown(&error)) {
            let host = host.to_owned();
            let asked = tokio::task::spawn_blocking(move || (host, 0).to_socket_addrs()).await;
            if let Ok(Ok(found)) = asked {
                return Ok(found.collect());
            }
        }
        let why = in_words(&error);
        Err(io::Error::other(format!("name look-up failed: {why}")))
    }

    /// The system's configuration as it is now.
    fn system(&self) -> io::Result<Arc<System>> {
        let files = [PathBuf::from(SERVERS), hosts::path()];
        let stamps = files.map(|file| std::fs::metadata(file).and_then(|m| m.modified()).ok());
        let mut known = lock(&self.system);
        if let Some((_, system)) = known.as_ref().filter(|(seen, _)| *seen == stamps) {
            return Ok(Arc::clone(system));
        }
        let system = System::read().map_err(|error| io::Error::other(in_words(&error)))?;
        let system = Arc::new(system);
        *known = Some((stamps, Arc::clone(&system)));
        Ok(system)
    }
}

impl System {
    fn read() -> Result<Self, NetError> {
        let configured = TokioResolver::builder_tokio();
        let understood = configured.is_ok();
        let mut builder = configured.unwrap_or_else(|_| {
            TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, Vec::new(), Vec::new()),
                TokioRuntimeProvider::default(),
            )
        });
        let options = builder.options_mut();
        options.cache_size = CACHED_NAMES;
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self {
            hosts: Hosts::read(),
            dns: builder.build()?,
            understood,
        })
    }

    /// What DNS says.
    async fn asked(&self, host: &str) -> Result<Vec<SocketAddr>, NetError> {
        // Hosts of addresses are ASCII; read as anything else, an underscore would be refused.
        let name = Name::from_ascii(host)?;
        let found = self.dns.lookup_ip(name).await?;
        let addresses = socket_addresses(found.iter());
        if addresses.is_empty() {
            return Err(NetError::Message("the name has no address"));
        }
        Ok(addresses)
    }
}

/// Is the name itself at fault, rather than the way to the name servers?
fn is_unknown(error: &NetError) -> bool {
    let no_records = matches!(error, NetError::Dns(DnsError::NoRecordsFound(_)));
    no_records || matches!(error, NetError::Proto(_) | NetError::Message(_))
}

/// For people: the library's own words show its types.
fn in_words(error: &NetError) -> String {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => "the name is unknown; check its spelling".to_owned(),
            ResponseCode::NoError => "the name has no address".to_owned(),
            code => format!("the name server answers \"{code}\""),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => {
            format!("the name server answers \"{code}\"")
        }
        NetError::Timeout => "no name server answers in time".to_owned(),
        NetError::NoConnections => "no name server is configured or can be reached".to_owned(),
        NetError::Io(error) => format!("no name server can be reached: {error}"),
        NetError::Message(text) => (*text).to_owned(),
        NetError::Proto(_) => "the name, or what the name server answers, is malformed".to_owned(),
        _ => "the name server cannot be asked".to_owned(),
    }
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
/// of `nsswitch.conf`, see nsswitch.conf(5); without one only macOS has such sources. `unknown`:
/// has a name server said that it does not know the name?
fn has_further_sources(switch: Option<&str>, unknown: bool) -> bool {
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
        .filter(|source| !COVERED.contains(source))
        .any(|source| unknown || !NEARLY_COVERED.contains(&source))
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
        let further = |text: &str| has_further_sources(Some(text), false);
        assert!(!further("passwd: files ldap\nhosts: files dns\n"));
        assert!(further("hosts:  files mdns4_minimal [NOTFOUND=return] dns"));
        assert!(further("  hosts: files ldap # dns"));
        assert!(!further("hosts: files dns # mdns"));
        assert!(!further(""));
        let systemd = "hosts: files myhostname resolve [!UNAVAIL=return] dns";
        assert!(!further(systemd));
        assert!(has_further_sources(Some(systemd), true));
        assert!(!has_further_sources(Some("hosts: files dns"), true));
    }

    #[test]
    fn what_dns_says_is_told_in_words() {
        use hickory_resolver::net::NoRecords;
        use hickory_resolver::proto::op::Query;
        let none =
            |code| NetError::Dns(DnsError::NoRecordsFound(NoRecords::new(Query::new(), code)));
        for error in [
            none(ResponseCode::NXDomain),
            none(ResponseCode::NoError),
            none(ResponseCode::ServFail),
            NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)),
            NetError::Timeout,
            NetError::NoConnections,
            NetError::Busy,
            NetError::from(Name::from_ascii("a b").unwrap_err()),
            NetError::from(io::Error::from_raw_os_error(111)),
        ] {
            let words = in_words(&error);
            assert!(
                !words.contains(['{', '[', '_']) && !words.contains("::"),
                "{words}"
            );
        }
        assert!(is_unknown(&none(ResponseCode::NXDomain)));
        assert!(!is_unknown(&NetError::Timeout));
    }
}
