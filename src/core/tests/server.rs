//! A small HTTP/1.1 server on loopback that does what a test tells it to.

use std::fmt::Write as _;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::core::sync::lock;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// How many came before it.
    pub(super) nth: usize,
    pub(super) connection: usize,
    pub(super) method: String,
    pub(super) path: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) at: Instant,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} came twice");
        value
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// What the server does with a request.
pub(super) enum Act {
    /// A whole answer; `Content-Length` is added.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes and the end of the connection.
    Raw(Vec<u8>),
    /// A reset: the connection is closed with the request's body unread.
    Reset,
    /// Nothing, until the client gives up.
    Hang,
}

impl Act {
    pub(super) fn ok() -> Self {
        Self::Answer(200, Vec::new(), br#"{"id": "sess_1"}"#.to_vec())
    }

    pub(super) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Vec::new())
    }

    pub(super) fn redirect(status: u16, location: &str) -> Self {
        Self::Answer(status, vec![("Location", location.to_owned())], Vec::new())
    }
}

type Handler = dyn Fn(&Seen) -> Act + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    busy: AtomicUsize,
    most_busy: AtomicUsize,
    stop: AtomicBool,
}

pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub(super) fn start(handler: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        Self::on(listener, handler)
    }

    pub(super) fn on(
        listener: TcpListener,
        handler: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            most_busy: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if theirs.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || shared.converse(&stream));
            }
        });
        Self { address, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.shared.seen).len()
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Requests that were being handled at the same time, at most.
    pub(super) fn most_busy(&self) -> usize {
        self.shared.most_busy.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes accept(), so that the port is free again.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn converse(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        let connection = self.connections.fetch_add(1, Ordering::SeqCst);
        let mut reader = BufReader::with_capacity(1, stream);
        while let Some(act) = self.request(&mut reader, connection) {
            let mut stream = stream;
            let keep = match act {
                Act::Answer(status, headers, body) => {
                    stream.write_all(&answer(status, &headers, &body)).is_ok()
                }
                Act::Raw(bytes) => {
                    let _ = stream.write_all(&bytes);
                    false
                }
                Act::Reset => false,
                Act::Hang => {
                    while !self.stop.load(Ordering::SeqCst) && !is_closed(stream) {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    false
                }
            };
            if !keep || self.stop.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    fn request(&self, reader: &mut impl Read, connection: usize) -> Option<Act> {
        let head = read_head(reader)?;
        let at = Instant::now();
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .map_or(0, |(_, value)| value.parse().unwrap_or(0));
        let mut seen = Seen {
            nth: 0,
            connection,
            method,
            path,
            headers,
            body: Vec::new(),
            at,
        };
        let nth = {
            let mut all = lock(&self.seen);
            seen.nth = all.len();
            all.push(seen.clone());
            seen.nth
        };
        let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_busy.fetch_max(busy, Ordering::SeqCst);
        // A reset needs the body unread, and the handler may want to see it: look first.
        let act = if length > 0 && self.wants_reset(&seen) {
            Act::Reset
        } else {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            seen.body = body;
            if let Some(stored) = lock(&self.seen).get_mut(nth) {
                stored.body.clone_from(&seen.body);
            }
            (self.handler)(&seen)
        };
        self.busy.fetch_sub(1, Ordering::SeqCst);
        Some(act)
    }

    /// Asked by path: `/reset/N` resets the first N requests.
    fn wants_reset(&self, seen: &Seen) -> bool {
        let _ = self;
        let rest = seen.path.strip_prefix("/reset/");
        let count = rest.and_then(|rest| rest.split('/').next()?.parse().ok());
        count.is_some_and(|count: usize| seen.nth < count)
    }
}

fn is_closed(stream: &TcpStream) -> bool {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(5)));
    matches!(stream.peek(&mut [0]), Ok(0))
}

fn read_head(reader: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        reader.read_exact(&mut byte).ok()?;
        head.extend_from_slice(&byte);
    }
    String::from_utf8(head).ok()
}

fn answer(status: u16, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Whatever\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// gzip without compression: one stored block.
pub(super) fn gzip(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short");
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend_from_slice(data);
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    out.extend((!crc).to_le_bytes());
    out.extend(u32::from(length).to_le_bytes());
    out
}
