//! A server that swallows what the SDK sends, fast enough never to be what is measured.
//!
//! It prints its port and serves until its standard input ends; then it prints its report. Several
//! threads share the connections, so that the sink has more processor than one delivery thread can
//! use. `GET /counts` answers the same report at any time.
//!
//! ```text
//! sink --delay-ms 50                     every answer comes after 50 ms
//! sink --status 429 --rate 0.01 --retry-after 0    1 % of the requests are refused
//! sink --reset-rate 0.05                 5 % of the requests end in a reset connection
//! sink --hang                            requests are read and never answered
//! sink --hang-after 1000 --hang-ms 2000  the same for 2 s, from the request 1000 on; what was
//!                                        asked meanwhile is never answered on its connection
//! sink --check                           count doubled keys and events out of order (costs time)
//! ```
#![expect(
    clippy::print_stdout,
    reason = "the port and the report are what it prints"
)]

#[path = "sink/counts.rs"]
mod counts;
#[path = "sink/options.rs"]
mod options;
#[path = "sink/request.rs"]
mod request;

use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream as StdStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::counts::Counts;
use self::options::{Fate, Options};
use self::request::Request;

type Result<T> = std::result::Result<T, String>;

fn main() -> Result<()> {
    let options = Options::from_arguments(std::env::args().skip(1))?;
    let server = Arc::new(Server {
        counts: Counts::new(options.check),
        options,
    });
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?;
    let desks: Vec<_> = (0..server.options.threads)
        .map(|_| {
            let (sender, connections) = unbounded_channel();
            let server = Arc::clone(&server);
            thread::spawn(move || work(&server, connections));
            sender
        })
        .collect();
    thread::spawn(move || accept(&listener, &desks));
    println!("{}", port.port());
    let _ = io::stdin().read_to_end(&mut Vec::new());
    println!("{}", server.counts.to_json());
    Ok(())
}

fn accept(listener: &TcpListener, desks: &[UnboundedSender<StdStream>]) {
    let streams = listener.incoming().flatten();
    for (stream, desk) in streams.zip(desks.iter().cycle()) {
        let ready = stream.set_nonblocking(true).and(stream.set_nodelay(true));
        if ready.is_ok() {
            let _ = desk.send(stream);
        }
    }
}

/// One thread: it serves the connections that it is given.
fn work(server: &Arc<Server>, mut connections: UnboundedReceiver<StdStream>) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| error.to_string())?
        .block_on(async move {
            while let Some(stream) = connections.recv().await {
                let server = Arc::clone(server);
                tokio::spawn(async move {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        // An error is the end of the connection, which is the client's to make.
                        let _ = server.serve(&stream).await;
                    }
                });
            }
        });
    Ok(())
}

struct Server {
    options: Options,
    counts: Counts,
}

impl Server {
    /// Answers the requests of one connection, one after the other.
    async fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        loop {
            let Some(request) = Request::parse(&buffer) else {
                if !receive(stream, &mut buffer).await? {
                    return Ok(());
                }
                continue;
            };
            let length = request.length;
            let answer = if request.is_question() {
                answer(200, "", &self.counts.to_json())
            } else {
                let number = self.counts.arrived(&request);
                match self.options.fate(number) {
                    Fate::Reset => {
                        self.counts.reset();
                        stream.set_zero_linger()?;
                        return Ok(());
                    }
                    Fate::Silence => {
                        // The connection stays open, and dead.
                        return std::future::pending().await;
                    }
                    Fate::Refused(status) => {
                        self.counts.refused();
                        answer(status, &self.options.retry_after, "{\"error\":\"busy\"}")
                    }
                    Fate::Taken => answer(200, "", &self.counts.taken(&request)),
                }
            };
            let asked = request.is_question();
            buffer.advance(length);
            if self.options.delay > Duration::ZERO && !asked {
                tokio::time::sleep(self.options.delay).await;
            }
            if !asked {
                self.counts.answered();
            }
            send(stream, answer.as_bytes()).await?;
        }
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Sink\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

/// Reads once; false at the end of the stream.
async fn receive(stream: &TcpStream, buffer: &mut BytesMut) -> io::Result<bool> {
    loop {
        stream.readable().await?;
        match stream.try_read_buf(buffer) {
            Ok(read) => return Ok(read > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes.advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
