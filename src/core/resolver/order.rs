//! In which order the addresses of a name are tried.
//!
//! The connector shares its time-out out over the list, one address after the other, the two
//! families side by side. Two things are left to do here: to give a lost packet a second chance,
//! and to remember which address answered, so that a dead first one costs its share once a minute
//! instead of with each new connection.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// A list of fewer addresses is gone through twice: the share of each stays short.
const FEW: usize = 4;
/// Addresses tried at most; a share of the connect time-out must still be of use.
const MOST: usize = 8;
/// How long an address is preferred to the first one, which did not answer.
const DETOUR: Duration = Duration::from_secs(60);

/// The order of the addresses of the one or two names that an HTTP client connects to.
#[derive(Debug, Default)]
pub(super) struct Order {
    first: Option<IpAddr>,
    detour: Option<(IpAddr, Instant)>,
}

impl Order {
    /// The addresses in the order in which they are to be tried.
    pub(super) fn arrange(&mut self, mut found: Vec<SocketAddr>, now: Instant) -> Vec<SocketAddr> {
        found.truncate(MOST);
        self.detour = self.detour.filter(|(_, until)| now < *until);
        if let Some((preferred, _)) = self.detour
            && let Some(at) = found.iter().position(|known| known.ip() == preferred)
        {
            found.swap(0, at);
        }
        let several = found.len() > 1;
        self.first = found.first().filter(|_| several).map(SocketAddr::ip);
        let v4 = found.iter().filter(|known| known.is_ipv4()).count();
        if (v4 > 1 || found.len() - v4 > 1) && found.len() < FEW {
            found.extend_from_within(..);
        }
        found
    }

    /// A connection to this address answered.
    pub(super) fn reached(&mut self, address: IpAddr, now: Instant) {
        if self.first.is_some_and(|first| first != address) {
            self.detour = Some((address, now + DETOUR));
            self.first = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(texts: &[&str]) -> Vec<SocketAddr> {
        let parsed = texts.iter().map(|text| text.parse().unwrap());
        parsed.map(|ip| SocketAddr::new(ip, 0)).collect()
    }

    #[test]
    fn few_addresses_of_a_family_are_gone_through_twice() {
        let now = Instant::now();
        let (a, b) = ("10.0.0.1", "10.0.0.2");
        let arranged = |texts: &[&str]| Order::default().arrange(of(texts), now);
        assert_eq!(arranged(&[a, b]), of(&[a, b, a, b]));
        assert_eq!(arranged(&[a]), of(&[a]));
        assert_eq!(arranged(&[a, "fd00::1"]), of(&[a, "fd00::1"]));
        assert_eq!(arranged(&[a; 4]), of(&[a; 4]));
        assert_eq!(arranged(&[a; 20]).len(), MOST);
    }

    #[test]
    fn an_address_that_answered_instead_of_the_first_is_preferred_for_a_minute() {
        let start = Instant::now();
        let mut order = Order::default();
        let (dead, alive) = ("10.0.0.1", "10.0.0.2");
        order.arrange(of(&[dead, alive]), start);
        order.reached(alive.parse().unwrap(), start);
        let soon = start + DETOUR / 2;
        let arranged = order.arrange(of(&[dead, alive]), soon);
        assert_eq!(arranged, of(&[alive, dead, alive, dead]));
        // Answers meanwhile do not prolong it: the first one may work again.
        order.reached(alive.parse().unwrap(), soon);
        let later = start + DETOUR;
        let arranged = order.arrange(of(&[dead, alive]), later);
        assert_eq!(arranged.first(), of(&[dead]).first());
    }

    #[test]
    fn when_the_first_answers_nothing_changes() {
        let now = Instant::now();
        let mut order = Order::default();
        for _ in 0..3 {
            let arranged = order.arrange(of(&["10.0.0.1", "fd00::1"]), now);
            order.reached(arranged[0].ip(), now);
        }
        assert!(order.detour.is_none());
    }

    proptest! {
        #[test]
        fn every_address_is_tried(last in proptest::collection::vec(1u8..9, 1..8), preferred in 1u8..9) {
            let now = Instant::now();
            let address = |last: u8| IpAddr::from([10, 0, 0, last]);
            let mut order = Order { first: Some(address(9)), detour: None };
            order.reached(address(preferred), now);
            let found: Vec<_> = last.iter().map(|last| SocketAddr::new(address(*last), 0)).collect();
            let arranged = order.arrange(found.clone(), now);
            prop_assert!(found.iter().all(|one| arranged.contains(one)));
            prop_assert!(arranged.len() <= MOST);
        }
    }
}
