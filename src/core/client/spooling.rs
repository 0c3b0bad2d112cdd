//! Where the requests of a client are kept on disk, and which of those there are its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ClientState;
use crate::core::api_key::ApiKey;
use crate::core::options::{SpoolMode, SpoolPlaces};
use crate::core::spool::row::signed;
use crate::core::spool::{Group, Job, Stamp, Task};

impl ClientState {
    /// Where the spool may be.
    pub(in crate::core) fn spool_places(&self) -> &SpoolPlaces {
        &self.settings.options.spool_places
    }

    /// For whom rows are written: the address and a name of the key, never the key.
    pub(in crate::core) fn spool_stamp(&self) -> Stamp {
        let key = self.key();
        let fingerprint = key.as_deref().map_or_else(String::new, ApiKey::fingerprint);
        let end = match key.as_deref().map(ApiKey::suffix) {
            // Too short to show a part of it.
            Some(end) if end == "…" => format!("…{}", fingerprint.get(..4).unwrap_or_default()),
            Some(end) => end,
            None => "none".to_owned(),
        };
        Stamp {
            client: signed(self.number),
            url: self.settings.url.as_str().to_owned(),
            fingerprint,
            key_end: end,
        }
    }

    /// Does this client send rows of dead processes with this address and key?
    pub(in crate::core) fn adopts(&self, group: &Group) -> bool {
        let stamp = self.spool_stamp();
        let inherits = self.inherits.load();
        let inherited = inherits.as_deref().is_some_and(|end| group.is_of_key(end));
        group.url == stamp.url && (group.fingerprint == stamp.fingerprint || inherited)
    }

    pub(super) fn rekey_spool(self: &Arc<Self>) {
        if self.registered.load(Ordering::Acquire) && self.settings.options.spool != SpoolMode::Off
        {
            let (client, task) = (Arc::clone(self), Task::Rekey);
            self.process.spool.post(&self.process, Job { client, task });
        }
    }
}
