//! A disk in memory that does what the spool thread does, when the test wants it to.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::core::queue::Queue;
use crate::core::queue::keep::Rest;
use crate::core::request::Request;
use crate::core::spool::Purpose;
use crate::core::spool::row::{Gone, Read, Row, Stretch};

#[derive(Debug)]
enum Task {
    Write {
        rows: Vec<Row>,
        gone: Vec<Gone>,
        lanes: Vec<u64>,
        purpose: Purpose,
    },
    Load(Stretch),
    Adopt,
}

/// What has been written, and what is yet to be done.
#[derive(Debug, Default)]
pub(super) struct Disk {
    rows: BTreeMap<i64, Row>,
    tasks: VecDeque<Task>,
}

impl Disk {
    /// Fetches the chores, as the delivery thread does.
    pub(super) fn fetch(&mut self, queue: &mut Queue, now: Instant) {
        while let Some(mut chores) = queue.chores(now) {
            let mut rows = std::mem::take(&mut chores.flying);
            rows.extend(chores.twins.iter_mut().map(row));
            self.tasks.push_back(Task::Write {
                rows,
                gone: chores.gone,
                lanes: chores.lanes,
                purpose: Purpose::Every {
                    upto: chores.upto,
                    copied: chores.copied,
                },
            });
            let charged = chores.moved.iter().map(|request| request.charged).sum();
            let more = !chores.moved.is_empty();
            self.tasks.push_back(Task::Write {
                rows: chores.moved.iter_mut().map(row).collect(),
                gone: Vec::new(),
                lanes: Vec::new(),
                purpose: Purpose::Overflow(charged),
            });
            let loads = chores.loads.into_iter();
            self.tasks.extend(loads.map(Task::Load));
            if chores.adopt {
                self.tasks.push_back(Task::Adopt);
            }
            if !more {
                break;
            }
        }
    }

    /// Writes what is left at the end.
    pub(super) fn leave(&mut self, mut rest: Rest) {
        self.tasks.push_back(Task::Write {
            rows: rest.requests.iter_mut().map(row).collect(),
            gone: rest.gone,
            lanes: rest.lanes,
            purpose: Purpose::Every {
                upto: None,
                copied: 0,
            },
        });
    }

    /// Does the next task; `full` leaves out what is to be written.
    pub(super) fn work(&mut self, queue: &mut Queue, full: bool, now: Instant) -> bool {
        let Some(task) = self.tasks.pop_front() else {
            return false;
        };
        match task {
            Task::Write {
                rows,
                gone,
                lanes,
                purpose,
            } => {
                for gone in gone {
                    self.rows.remove(&gone.row.id);
                }
                self.rows
                    .retain(|_, row| !lanes.contains(&row.lane.unsigned_abs()));
                let written = if full { rows.len() / 2 } else { rows.len() };
                for row in rows.iter().take(written) {
                    self.rows.insert(row.id, row.clone());
                }
                match purpose {
                    Purpose::Overflow(charged) => queue.moved(rows, charged, written, now),
                    Purpose::Every { upto, copied } => {
                        let mut rows = rows;
                        queue.saved(upto, copied, rows.split_off(written), now);
                    }
                    Purpose::Exit { .. } => unreachable!("the model writes no such rows"),
                }
            }
            Task::Adopt => queue.adopt(Vec::new(), false, now),
            Task::Load(part) => {
                let mut rows: Vec<_> = self
                    .rows
                    .values()
                    .filter(|row| row.lane.unsigned_abs() == part.lane)
                    .filter(|row| (part.first..=part.last).contains(&row.seq.unsigned_abs()))
                    .cloned()
                    .collect();
                rows.sort_by_key(|row| row.seq);
                let most = part.room.items.min(part.room.bytes / 300).max(1);
                let all = rows.len() <= most;
                rows.truncate(most);
                queue.loaded(part.lane, Read { rows, all }, now);
            }
        }
        true
    }

    /// Is a request with this number on disk?
    pub(super) fn has(&self, number: i64) -> bool {
        self.rows.contains_key(&number)
    }
}

pub(super) fn row(request: &mut Request) -> Row {
    Row::of(request, format!("key-{}", request.number))
}
