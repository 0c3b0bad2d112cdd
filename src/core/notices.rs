//! What the delivery thread has to say, parked until Python asks for it.
//!
//! The thread never attaches to the interpreter; a call of the client drains the lines into
//! `logging.getLogger("sentrial")`.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::sync::lock;

/// Lines kept at most; lines are by change of state, so more means that nobody drains them.
const CAPACITY: usize = 256;

/// Severity, as the numbers of Python's `logging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// 10: one request, only with `SENTRIAL_DEBUG`.
    Debug = 10,
    /// 20: worth knowing.
    Info = 20,
    /// 30: something is wrong, or has recovered.
    Warning = 30,
    /// 40: nothing is delivered until the user acts.
    Error = 40,
}

/// One log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Severity.
    pub level: Level,
    /// The text; never holds a key or an unredacted value.
    pub text: String,
}

impl Notice {
    /// A line.
    #[must_use]
    pub fn new(level: Level, text: String) -> Self {
        Self { level, text }
    }
}

/// The parked lines of a process.
#[derive(Debug, Default)]
pub struct Notices {
    any: AtomicBool,
    lines: Mutex<VecDeque<Notice>>,
}

impl Notices {
    /// Parks a line; the oldest makes room.
    pub fn park(&self, notice: Notice) {
        let mut lines = lock(&self.lines);
        if lines.len() >= CAPACITY {
            lines.pop_front();
        }
        lines.push_back(notice);
        self.any.store(true, Ordering::Release);
    }

    /// Is there anything to drain? One atomic read.
    #[must_use]
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Takes every parked line.
    #[must_use]
    pub fn drain(&self) -> Vec<Notice> {
        let mut lines = lock(&self.lines);
        self.any.store(false, Ordering::Release);
        lines.drain(..).collect()
    }
}
