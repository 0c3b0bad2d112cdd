//! Open connections and their limits: a head that does not end, a client that says nothing more,
//! and more clients than there are descriptors for.
//!
//! A connection is idle between two requests, reading from the first byte of a head on, and busy
//! from the end of the head until its answer is made. Only a busy one is never closed from here:
//! the time for its body is bounded elsewhere.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// How long a request head may take from its first byte on.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent between two requests. Clients keep theirs for 30 to 90 s.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Connections at most, where the process may have enough descriptors.
const CAP: usize = 1_024;
/// The part of the descriptors that connections may take.
const DESCRIPTOR_SHARE: u64 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Busy,
}

/// What the limits know of one connection.
#[derive(Debug)]
pub(super) struct Watched {
    phase: Mutex<(Phase, Instant)>,
    close: Notify,
}

impl Watched {
    fn new(now: Instant) -> Self {
        Self {
            phase: Mutex::new((Phase::Idle, now)),
            close: Notify::new(),
        }
    }

    fn phase(&self) -> MutexGuard<'_, (Phase, Instant)> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        *self.phase() = (phase, Instant::now());
    }

    /// Bytes have arrived: between two requests they begin the next one.
    fn received(&self) {
        let mut phase = self.phase();
        if phase.0 == Phase::Idle {
            *phase = (Phase::Head, Instant::now());
        }
    }

    /// The head of a request is complete.
    pub(super) fn serve(&self) {
        self.enter(Phase::Busy);
    }

    /// The answer is made.
    pub(super) fn answered(&self) {
        self.enter(Phase::Idle);
    }

    /// Completes when a limit wants the connection closed.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }

    /// Since when the connection could be closed without harm; `None` while it is busy.
    fn closable_since(&self) -> Option<Instant> {
        let (phase, since) = *self.phase();
        (phase != Phase::Busy).then_some(since)
    }

    fn is_overdue(&self, now: Instant) -> bool {
        let (phase, since) = *self.phase();
        let allowed = match phase {
            Phase::Idle => IDLE_TIMEOUT,
            Phase::Head => HEAD_TIMEOUT,
            Phase::Busy => return false,
        };
        now.saturating_duration_since(since) > allowed
    }
}

/// All open connections.
#[derive(Debug)]
pub(super) struct Connections {
    open: HashMap<u64, Arc<Watched>>,
    next: u64,
    cap: usize,
}

impl Connections {
    /// With room for [`CAP`], or half of the descriptors that the process may open.
    pub(super) fn new() -> Self {
        Self::with_cap(
            usize::try_from(descriptors() / DESCRIPTOR_SHARE)
                .unwrap_or(CAP)
                .min(CAP),
        )
    }

    fn with_cap(cap: usize) -> Self {
        Self {
            open: HashMap::new(),
            next: 0,
            cap,
        }
    }

    /// A place for one more connection; the one that has been quiet for longest is closed for it.
    /// `None` if every connection is busy.
    pub(super) fn admit(&mut self, now: Instant) -> Option<(u64, Arc<Watched>)> {
        if self.open.len() >= self.cap && !self.close_quietest() {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let watched = Arc::new(Watched::new(now));
        self.open.insert(number, Arc::clone(&watched));
        Some((number, watched))
    }

    /// The connection has ended.
    pub(super) fn remove(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Closes the connection that has been quiet for longest; false if there is none.
    pub(super) fn close_quietest(&mut self) -> bool {
        let quietest = self
            .open
            .iter()
            .filter_map(|(number, watched)| Some((watched.closable_since()?, *number)))
            .min();
        let Some((_, number)) = quietest else {
            return false;
        };
        self.close(number);
        true
    }

    /// Closes what has exceeded its time.
    pub(super) fn close_overdue(&mut self, now: Instant) {
        let overdue: Vec<_> = self
            .open
            .iter()
            .filter(|(_, watched)| watched.is_overdue(now))
            .map(|(number, _)| *number)
            .collect();
        for number in overdue {
            self.close(number);
        }
    }

    fn close(&mut self, number: u64) {
        if let Some(watched) = self.open.remove(&number) {
            watched.close.notify_one();
        }
    }
}

#[cfg(unix)]
fn descriptors() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile)
        .current
        .unwrap_or(u64::MAX)
}

#[cfg(not(unix))]
fn descriptors() -> u64 {
    u64::MAX
}

/// A socket that notes when bytes arrive.
pub(super) struct WatchedStream {
    stream: TcpStream,
    watched: Arc<Watched>,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream, watched: Arc<Watched>) -> Self {
        Self { stream, watched }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.watched.received();
        }
        read
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Connections, HEAD_TIMEOUT, IDLE_TIMEOUT};

    const MOMENT: Duration = Duration::from_secs(1);

    #[test]
    fn the_connection_that_is_quiet_for_longest_makes_room() {
        let start = Instant::now();
        let mut connections = Connections::with_cap(3);
        let (busy, serving) = connections.admit(start).unwrap();
        serving.serve();
        let (old, _) = connections.admit(start).unwrap();
        let (young, _) = connections.admit(start + MOMENT).unwrap();
        let (newest, _) = connections.admit(start + 2 * MOMENT).unwrap();
        let mut left: Vec<_> = connections.open.keys().copied().collect();
        left.sort_unstable();
        assert_eq!(left, [busy, young, newest]);
        assert!(!left.contains(&old));
    }

    #[test]
    fn nothing_is_closed_while_all_are_busy() {
        let mut connections = Connections::with_cap(2);
        let now = Instant::now();
        for _ in 0..2 {
            connections.admit(now).unwrap().1.serve();
        }
        assert!(connections.admit(now).is_none());
        assert_eq!(connections.open.len(), 2);
    }

    #[tokio::test]
    async fn heads_and_silence_have_their_own_times() {
        let mut connections = Connections::with_cap(9);
        let now = Instant::now();
        let (_, silent) = connections.admit(now).unwrap();
        let (_, half) = connections.admit(now).unwrap();
        let (_, busy) = connections.admit(now).unwrap();
        half.received();
        busy.received();
        busy.serve();
        connections.close_overdue(now + MOMENT);
        assert_eq!(connections.open.len(), 3);
        connections.close_overdue(now + HEAD_TIMEOUT + MOMENT);
        half.closed().await;
        assert_eq!(connections.open.len(), 2);
        connections.close_overdue(now + IDLE_TIMEOUT + MOMENT);
        silent.closed().await;
        assert_eq!(connections.open.len(), 1);
        busy.answered();
        connections.close_overdue(now + 2 * IDLE_TIMEOUT);
        busy.closed().await;
    }
}
