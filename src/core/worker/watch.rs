//! One attempt, watched: what gets no answer is sent once more, over another connection.
//!
//! Both attempts carry the same `Idempotency-Key`, and the first answer counts. The first attempt is
//! kept, because a server may only be slow; of the further ones only the newest.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::client::ClientState;
use crate::core::reply::Reply;
use crate::core::silence::Look;
use crate::core::transport::{Attempt, Transport};

/// How often a request in flight looks whether anything is answered.
const EVERY: Duration = Duration::from_secs(1);
/// What is late while others are answered is sent once more so often.
const AGAIN: Duration = Duration::from_secs(5);

type Sending<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// What is needed to watch a request in flight.
pub(super) struct Watch {
    pub(super) client: Arc<ClientState>,
    pub(super) seq: u64,
    pub(super) sent: Instant,
}

/// An attempt after the first one.
struct Second<'a> {
    sending: Sending<'a>,
    sent: Instant,
}

impl Watch {
    /// Makes the attempt; also returns when what was answered had been sent.
    pub(super) async fn exchange(
        &self,
        transport: &Transport,
        attempt: &Attempt,
    ) -> (Reply, Instant) {
        let deadline = Instant::now() + attempt.timeout;
        let mut first = pin!(transport.exchange(attempt));
        let mut failed: Option<Reply> = None;
        let mut second: Option<Second<'_>> = None;
        loop {
            let look = deadline.min(Instant::now() + EVERY);
            tokio::select! {
                biased;
                reply = &mut first, if failed.is_none() => {
                    if second.is_none() || matches!(reply, Reply::Answer(_)) {
                        return (reply, self.sent);
                    }
                    failed = Some(reply);
                }
                (reply, sent) = answer(&mut second) => {
                    if matches!(reply, Reply::Answer(_)) {
                        return (reply, sent);
                    }
                    if let Some(reply) = failed {
                        return (reply, self.sent);
                    }
                    second = None;
                }
                () = tokio::time::sleep_until(look.into()) => {
                    let now = Instant::now();
                    if now >= deadline {
                        if self.client.queue().is_silent_since(self.sent) {
                            // Its connection may be dead: the next attempt uses another one.
                            transport.renew_if_older(self.sent);
                        }
                        return (Transport::late(attempt), self.sent);
                    }
                    if self.goes_again(transport, second.as_ref(), now) {
                        let sending = Box::pin(transport.exchange(attempt));
                        second = Some(Second { sending, sent: now });
                    }
                }
            }
        }
    }

    /// Is the request to be sent once more?
    fn goes_again(&self, transport: &Transport, second: Option<&Second<'_>>, now: Instant) -> bool {
        match self.client.look(self.seq, self.sent, now) {
            Look::Wait => false,
            Look::Again => second.is_none_or(|second| second.sent + AGAIN <= now),
            Look::Probe => {
                transport.renew();
                true
            }
        }
    }
}

async fn answer(second: &mut Option<Second<'_>>) -> (Reply, Instant) {
    match second {
        Some(second) => (second.sending.as_mut().await, second.sent),
        None => pending().await,
    }
}
