//! What the spool thread does: writes, reads and removes rows, and looks for files left behind.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::adopted::Adoption;
use super::row::{Gone, Home, Read, Row, Stretch};
use super::store::{self, Habit, Store, StoreError};
use super::{Batch, Job, LEAST_BYTES, MAX_BYTES, Purpose, Task, place, thread};
use crate::core::client::ClientState;
use crate::core::notices::{Level, Notice};
use crate::core::options::{SpoolMode, SpoolPlaces};
use crate::core::process::{Process, salt};

/// A burst is over when none has been written for so long.
const LULL: Duration = Duration::from_secs(1);
/// Bytes of a log from which on it is written back into its file.
const LOG: u64 = 4 * 1024 * 1024;
/// The same in the middle of a burst.
const BURST_LOG: u64 = MAX_BYTES;

/// The files of this process and those it has adopted.
#[derive(Debug)]
pub(super) struct Clerk {
    nonce: String,
    rooms: Vec<Room>,
    adoption: Adoption,
    said: HashSet<String>,
    last_burst: Option<Instant>,
}

/// Where the rows of clients with the same places go.
#[derive(Debug)]
struct Room {
    places: SpoolPlaces,
    own: Own,
}

#[derive(Debug)]
enum Own {
    /// Nothing has been written yet.
    Unmade,
    Open {
        store: Box<Store>,
        cap: u64,
        /// It has been said that it takes no more.
        told: bool,
    },
    /// It cannot be used.
    Off,
}

impl Clerk {
    pub(super) fn new(process: &Process) -> Self {
        Self {
            nonce: process.nonce().to_owned(),
            rooms: Vec::new(),
            adoption: Adoption::default(),
            said: HashSet::new(),
            last_burst: None,
        }
    }

    pub(super) fn work(&mut self, jobs: Vec<Job>) {
        let jobs = joined(jobs);
        if jobs.iter().any(|job| is_burst(&job.task)) {
            self.last_burst = Some(Instant::now());
        }
        for Job { client, task } in jobs {
            if thread::is_tainted() {
                let why = "this process was forked in the middle of a write of its parent";
                self.refuse(&client, why);
            }
            match task {
                Task::Write(batch) => self.write(&client, batch),
                Task::Load(part) => self.load(&client, part),
                Task::Adopt => self.adopt(&client),
                Task::Rekey => self.rekey(&client),
            }
        }
        self.write_back();
    }

    /// Writes logs back into their files, as far as there is time for it.
    fn write_back(&self) {
        let burst = self.last_burst.is_some_and(|at| at.elapsed() < LULL);
        let most = if burst { BURST_LOG } else { LOG };
        for room in &self.rooms {
            if let Own::Open { store, .. } = &room.own {
                store.write_back(most);
            }
        }
    }

    /// The room of a client, made when first needed.
    fn room(&mut self, client: &ClientState) -> usize {
        let places = client.spool_places();
        let known = self.rooms.iter().position(|room| room.places == *places);
        known.unwrap_or_else(|| {
            self.rooms.push(Room {
                places: places.clone(),
                own: Own::Unmade,
            });
            self.rooms.len() - 1
        })
    }

    /// The spool of a client's room cannot be used: one line, and its clients do without.
    fn refuse(&mut self, client: &ClientState, why: &str) {
        let at = self.room(client);
        if let Some(room) = self.rooms.get_mut(at)
            && !matches!(room.own, Own::Off)
        {
            room.own = Own::Off;
            self.say(client, &format!("the spool is off: {why}"));
        }
        client.queue().spool_is_off();
    }

    /// A line that is said once.
    fn say(&mut self, client: &ClientState, text: &str) {
        if self.said.insert(text.to_owned()) {
            let notice = Notice::new(Level::Warning, text.to_owned());
            client.process().notices().park(notice);
        }
    }

    fn write(&mut self, client: &Arc<ClientState>, batch: Batch) {
        let Batch {
            purpose,
            rows,
            gone,
            lanes,
        } = batch;
        let (own, adopted): (Vec<_>, Vec<_>) = gone
            .into_iter()
            .partition(|gone| gone.row.home == Home::Own);
        let late = matches!(purpose, Purpose::Exit { .. }) && client.process().spool.is_late();
        let to_write: &[Row] = if late { &[] } else { &rows };
        let written = self.write_own(client, to_write, &own, &lanes);
        Self::settle(client, purpose, rows, written);
        let trouble = self.adoption.remove(&adopted);
        self.complain(client, trouble);
        if let Purpose::Exit { last: true } = purpose {
            self.tidy();
            client.queue().closed();
        }
    }

    /// Writes to the file of this process; how many of the rows are on disk now.
    fn write_own(
        &mut self,
        client: &ClientState,
        rows: &[Row],
        gone: &[Gone],
        lanes: &[u64],
    ) -> usize {
        let at = self.room(client);
        if !rows.is_empty()
            && let Err(why) = self.open(at, client)
        {
            self.refuse(client, &why);
            return 0;
        }
        let Some(Room {
            own: Own::Open { store, cap, told },
            ..
        }) = self.rooms.get_mut(at)
        else {
            return 0;
        };
        match store.apply(&client.spool_stamp(), rows, gone, lanes, *cap) {
            Ok(written) => {
                if written < rows.len() && !std::mem::replace(told, true) {
                    let text = format!(
                        "the spool is at its limit of {} MiB: what it cannot take is kept in memory, or dropped",
                        MAX_BYTES >> 20
                    );
                    self.say(client, &text);
                }
                written
            }
            Err(error @ StoreError::Full(_)) if store.rows() > 0 => {
                *cap = store.make_do(gone, lanes);
                if !std::mem::replace(told, true) {
                    let text = format!(
                        "the spool file {error}: what it cannot take is kept in memory, or dropped"
                    );
                    self.say(client, &text);
                }
                0
            }
            Err(error) => {
                self.refuse(client, &error.to_string());
                0
            }
        }
    }

    /// Makes the file of this process in a room, unless it is there.
    fn open(&mut self, at: usize, client: &ClientState) -> Result<(), String> {
        let Some(room) = self.rooms.get_mut(at) else {
            return Err("no place".to_owned());
        };
        match room.own {
            Own::Open { .. } => return Ok(()),
            Own::Off => return Err("it failed before".to_owned()),
            Own::Unmade => {}
        }
        let folder = place::to_write(&room.places)?;
        let path = folder.join(format!(
            "{}-{:x}-{at}.{}",
            self.nonce,
            salt(),
            store::SUFFIX
        ));
        let cap = place::room_in(&folder, LEAST_BYTES, MAX_BYTES);
        client.process().opens(&path);
        let habit = match client.settings().options.spool {
            SpoolMode::Durable => Habit::Trickle,
            SpoolMode::Off | SpoolMode::Spill => Habit::Bursts,
        };
        let store = Store::create(&path, habit).map_err(|error| error.to_string())?;
        room.own = Own::Open {
            store: Box::new(store),
            cap,
            told: false,
        };
        Ok(())
    }

    /// Tells the queue what has become of rows.
    fn settle(client: &ClientState, purpose: Purpose, mut rows: Vec<Row>, written: usize) {
        let (mut queue, now) = (client.queue(), Instant::now());
        match purpose {
            Purpose::Every { upto, copied } => {
                let unwritten = rows.split_off(written.min(rows.len()));
                queue.saved(upto, copied, unwritten, now);
            }
            Purpose::Overflow(charged) => queue.moved(rows, charged, written, now),
            Purpose::Exit { .. } => queue.left(rows.len() as u64, written as u64),
        }
    }

    /// Removes files in which nothing is left: the process ends.
    fn tidy(&mut self) {
        for room in &mut self.rooms {
            if matches!(&room.own, Own::Open { store, .. } if store.rows() == 0)
                && let Own::Open { store, .. } = std::mem::replace(&mut room.own, Own::Unmade)
            {
                store.close();
            }
        }
    }

    fn load(&mut self, client: &ClientState, part: Stretch) {
        let at = self.room(client);
        let read = match self.rooms.get(at) {
            Some(Room {
                own: Own::Open { store, .. },
                ..
            }) => store.of_lane(part),
            _ => Ok(Read::nothing()),
        };
        let read = read.unwrap_or_else(|error| {
            self.refuse(client, &error.to_string());
            Read::nothing()
        });
        client.queue().loaded(part.lane, read, Instant::now());
    }

    fn adopt(&mut self, client: &Arc<ClientState>) {
        let (folders, wrong) = place::to_read(client.spool_places());
        if let Some(why) = wrong {
            self.refuse(client, &why);
            return;
        }
        let (requests, more, trouble) = self.adoption.next(client, &folders);
        client.queue().adopt(requests, more, Instant::now());
        self.complain(client, trouble);
    }

    fn complain(&mut self, client: &ClientState, trouble: Vec<String>) {
        for text in trouble {
            self.say(client, &text);
        }
    }

    fn rekey(&mut self, client: &ClientState) {
        let at = self.room(client);
        if let Some(Room {
            own: Own::Open { store, .. },
            ..
        }) = self.rooms.get(at)
            && let Err(error) = store.rekey(&client.spool_stamp())
        {
            self.refuse(client, &error.to_string());
        }
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        for room in self.rooms.drain(..) {
            if let Own::Open { store, .. } = room.own {
                store.close();
            }
        }
    }
}

/// Is it written while a program records faster than anything can be delivered, or ends?
fn is_burst(task: &Task) -> bool {
    let Task::Write(batch) = task else {
        return false;
    };
    matches!(batch.purpose, Purpose::Overflow(_) | Purpose::Exit { .. })
}

/// Overflows that follow one another become one: written together, a page of the file is written
/// once for all rows that end up in it, which are neighbours when they are sorted.
fn joined(jobs: Vec<Job>) -> Vec<Job> {
    let mut joined: Vec<Job> = Vec::with_capacity(jobs.len());
    for mut job in jobs {
        let Task::Write(Batch {
            purpose: Purpose::Overflow(more),
            rows,
            ..
        }) = &mut job.task
        else {
            joined.push(job);
            continue;
        };
        if let Some(last) = joined.last_mut()
            && Arc::ptr_eq(&last.client, &job.client)
            && let Task::Write(Batch {
                purpose: Purpose::Overflow(charged),
                rows: before,
                ..
            }) = &mut last.task
        {
            *charged += *more;
            before.append(rows);
        } else {
            joined.push(job);
        }
    }
    for job in &mut joined {
        if let Task::Write(batch) = &mut job.task
            && matches!(batch.purpose, Purpose::Overflow(_))
        {
            batch.rows.sort_unstable_by_key(|row| row.id);
        }
    }
    joined
}

/// Words for a file that cannot be used; a damaged one is set aside first.
pub(super) fn in_words(error: &StoreError) -> String {
    if let StoreError::Corrupt(path) = error {
        store::set_aside(path);
        let aside = PathBuf::from(format!("{}.{}", path.display(), store::ASIDE));
        return format!(
            "the spool file {error}; it is set aside as {}",
            aside.display()
        );
    }
    format!("the spool file {error}")
}
