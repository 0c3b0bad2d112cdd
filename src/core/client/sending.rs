//! What an attempt to send consists of, and what is said about it.

use std::sync::Arc;
use std::time::Instant;

use super::ClientState;
use crate::core::api_key::ApiKey;
use crate::core::notices::Notice;
use crate::core::options::{ProxyUrl, Way};
use crate::core::request::Request;
use crate::core::silence::Look;
use crate::core::transport::{self, Attempt, Config};

impl ClientState {
    pub(in crate::core) fn key(&self) -> Option<Arc<ApiKey>> {
        self.key.load_full()
    }

    /// How the server is reached.
    #[must_use]
    pub fn transport_config(&self) -> Config {
        let options = &self.settings.options;
        let url = &self.settings.url;
        let named = match options.proxies.way_to(url) {
            Way::Through(proxy) => Some(proxy),
            Way::Straight | Way::Loopback(_) | Way::Excepted(_) => None,
        };
        let proxy = options.proxy.as_ref().or(named);
        Config {
            ca_file: options.ca_file.clone(),
            tls: url.is_tls() || proxy.is_some_and(ProxyUrl::is_tls),
            proxy: proxy.cloned(),
            connect: transport::connect_timeout(options.timeout),
        }
    }

    /// One attempt at a request, whose body is sealed: nothing leaves by another way.
    pub(in crate::core) fn attempt(
        &self,
        request: &mut Request,
        idempotency_key: String,
    ) -> Attempt {
        self.seal(request);
        Attempt {
            url: Arc::clone(&self.settings.url),
            key: self.key().as_deref().cloned(),
            method: request.kind.method(),
            path: request.path().into_owned(),
            body: request.body.wire(),
            idempotency_key,
            made_at: request.made_at,
            timeout: self.settings.options.timeout,
        }
    }

    /// A line with the address it is about.
    pub(in crate::core) fn sign(&self, notice: &Notice) -> Notice {
        Notice::new(
            notice.level,
            format!("{}: {}", self.settings.url.as_str(), notice.text),
        )
    }

    /// Hands out what the queue has to say.
    pub(in crate::core) fn publish(&self) {
        let notices = self.queue().take_notices();
        for notice in notices {
            self.process.notices.park(self.sign(&notice));
        }
    }

    /// What a request in flight can do that has no answer yet; see [`Look`].
    pub(in crate::core) fn look(&self, seq: u64, sent: Instant, now: Instant) -> Look {
        let mut queue = self.queue();
        let was = queue.health().state();
        let look = queue.look(seq, sent, now);
        let news = queue.health().state() != was;
        drop(queue);
        if news {
            self.publish();
            // Calls that wait need not wait any longer.
            self.process.announce();
        }
        look
    }

    pub(in crate::core) fn is_debug(&self) -> bool {
        self.settings.debug
    }
}
