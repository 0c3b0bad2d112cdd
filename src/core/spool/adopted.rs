//! Files of dead processes: found, taken over by one adopter, and emptied.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::MAX_AGE;
use super::clerk::in_words;
use super::daily;
use super::row::{Gone, Home, Room, Row};
use super::store::{self, Stamp, Store, StoreError};
use crate::core::client::ClientState;
use crate::core::request::{Kind, Request};
use crate::core::session::Session;

/// Read at once.
const CHUNK: Room = Room {
    items: 1024,
    bytes: 8 * 1024 * 1024,
};
/// Files open at the same time: each takes four descriptors.
const MAX_OPEN: usize = 16;

/// The files this process has adopted.
#[derive(Debug, Default)]
pub(super) struct Adoption {
    files: Vec<Adopted>,
    scans: HashMap<i64, Scan>,
    next: u32,
}

/// A look for files for one client.
#[derive(Debug, Default)]
struct Scan {
    left: VecDeque<PathBuf>,
    /// Requests found that were recorded with other keys, by fingerprint.
    others: BTreeMap<String, (String, u64)>,
}

#[derive(Debug)]
struct Adopted {
    number: u32,
    store: Store,
    client: i64,
    /// The clients of the dead process whose rows are sent.
    clients: Vec<i64>,
    /// The row up to which it has been read.
    after: i64,
    read: bool,
    /// Rows in memory.
    outstanding: u64,
    sessions: HashMap<i64, Arc<Session>>,
    named: HashMap<String, Arc<Session>>,
}

impl Adoption {
    /// The next requests for a client; whether there may be more; and what to say.
    pub(super) fn next(
        &mut self,
        client: &Arc<ClientState>,
        folders: &[PathBuf],
    ) -> (Vec<Request>, bool, Vec<String>) {
        let stamp = client.spool_stamp();
        let mut trouble = Vec::new();
        let mut requests = Vec::new();
        self.scans
            .entry(stamp.client)
            .or_insert_with(|| Scan::of(folders));
        loop {
            let mut failed = None;
            for file in self.files.iter_mut().filter(|file| file.is_for(&stamp)) {
                if let Err(error) = file.read(&mut requests) {
                    failed = Some((file.number, error));
                    break;
                }
                if requests.len() >= CHUNK.items || !file.read {
                    return (requests, true, trouble);
                }
            }
            if let Some((number, error)) = failed {
                trouble.push(in_words(&error));
                self.files.retain(|file| file.number != number);
            }
            self.close_finished();
            if self.files.len() >= MAX_OPEN {
                return (requests, true, trouble);
            }
            if !self.open_next(&stamp, client, &mut trouble) {
                break;
            }
        }
        if let Some(scan) = self.scans.remove(&stamp.client) {
            trouble.extend(scan.report(folders));
        }
        (requests, false, trouble)
    }

    /// Opens the next file with rows for this client; false if there is none.
    fn open_next(
        &mut self,
        stamp: &Stamp,
        client: &ClientState,
        trouble: &mut Vec<String>,
    ) -> bool {
        loop {
            let Some(scan) = self.scans.get_mut(&stamp.client) else {
                return false;
            };
            let Some(path) = scan.left.pop_front() else {
                return false;
            };
            // Opening a file once more, and closing it, would end the lock on it.
            let process = client.process();
            if process.has_opened(&path) || process.is_inherited(&path) {
                continue;
            }
            let opened = Store::adopt(&path).and_then(|store| {
                let Some(mut store) = store else {
                    return Ok(None);
                };
                let old = store.expire(store::horizon(MAX_AGE))?;
                let groups = store.groups()?;
                Ok(Some((store, old, groups)))
            });
            let (store, old, groups) = match opened {
                Ok(Some(opened)) => opened,
                Ok(None) => continue,
                Err(error) => {
                    trouble.push(in_words(&error));
                    continue;
                }
            };
            if old > 0 {
                trouble.push(format!(
                    "{old} requests in {} were older than {} days and are given up",
                    path.display(),
                    MAX_AGE.as_secs() / 86400
                ));
            }
            let (mine, others): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|group| client.adopts(group));
            for group in others {
                if group.url == stamp.url {
                    let (_, count) = scan
                        .others
                        .entry(group.fingerprint)
                        .or_insert((group.key_end, 0));
                    *count += group.requests;
                }
            }
            if mine.is_empty() {
                store.close();
                continue;
            }
            process.opens(&path);
            self.next += 1;
            self.files.push(Adopted {
                number: self.next,
                store,
                client: stamp.client,
                clients: mine.into_iter().flat_map(|group| group.clients).collect(),
                after: i64::MIN,
                read: false,
                outstanding: 0,
                sessions: HashMap::new(),
                named: HashMap::new(),
            });
            return true;
        }
    }

    /// Rows are no longer needed.
    pub(super) fn remove(&mut self, gone: &[Gone]) -> Vec<String> {
        let mut trouble = Vec::new();
        let mut by_file: HashMap<u32, Vec<&Gone>> = HashMap::new();
        for gone in gone {
            if let Home::Adopted(number) = gone.row.home {
                by_file.entry(number).or_default().push(gone);
            }
        }
        for (number, gone) in by_file {
            let Some(file) = self.files.iter_mut().find(|file| file.number == number) else {
                continue;
            };
            file.outstanding = file.outstanding.saturating_sub(gone.len() as u64);
            if let Err(error) = file.store.remove(&gone) {
                trouble.push(in_words(&error));
                self.files.retain(|file| file.number != number);
            }
        }
        self.close_finished();
        trouble
    }

    fn close_finished(&mut self) {
        let (finished, open) = std::mem::take(&mut self.files)
            .into_iter()
            .partition(|file| file.read && file.outstanding == 0);
        self.files = open;
        for file in finished {
            file.store.close();
        }
    }
}

impl Scan {
    /// All files of ours in these folders, the oldest first.
    fn of(folders: &[PathBuf]) -> Self {
        let mut files: Vec<_> = folders
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flatten()
            .filter_map(Result::ok)
            .filter(|entry| store::is_name(&entry.file_name()))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort();
        Self {
            left: files.into_iter().map(|(_, path)| path).collect(),
            others: BTreeMap::new(),
        }
    }

    /// What is said about requests of other keys, once a day.
    fn report(self, folders: &[PathBuf]) -> impl Iterator<Item = String> {
        let folder = folders.first().cloned().unwrap_or_default();
        let due =
            move |(fingerprint, _): &(String, (String, u64))| daily::is_due(&folder, fingerprint);
        self.others.into_iter().filter(due).map(|(_, (end, count))| {
            format!(
                "{count} requests recorded with key {end} wait; sentrial spool purge --from {end} removes them, sentrial spool flush --from {end} sends them with the current key"
            )
        })
    }
}

impl Adopted {
    fn is_for(&self, stamp: &Stamp) -> bool {
        !self.read && self.client == stamp.client
    }

    /// Reads on; the requests come behind those read before.
    fn read(&mut self, requests: &mut Vec<Request>) -> Result<(), StoreError> {
        let read = self.store.behind(&self.clients, self.after, CHUNK)?;
        self.read = read.all;
        for row in read.rows {
            self.after = row.id;
            self.outstanding += 1;
            let session = self.session_of(&row)?;
            let home = Home::Adopted(self.number);
            let sessions = &self.sessions;
            let named = |lane| sessions.get(&lane).cloned().unwrap_or_else(Session::dead);
            requests.push(row.revive(home, session, named));
        }
        Ok(())
    }

    /// The session a row belongs to: known by its id, or about to be created by its first row.
    fn session_of(&mut self, row: &Row) -> Result<Arc<Session>, StoreError> {
        if let Some((_, leader)) = row.lead {
            self.find(leader)?;
        }
        if let Some(id) = &row.session {
            let known = self.named.get(id).cloned();
            return Ok(known.unwrap_or_else(|| {
                let session = Session::known(id);
                self.named.insert(id.clone(), Arc::clone(&session));
                session
            }));
        }
        if let Some(session) = self.find(row.lane)? {
            return Ok(session);
        }
        let session = if row.kind == Kind::Create {
            Session::pending()
        } else {
            // Its creation never reached the disk: there is nothing these could belong to.
            Session::dead()
        };
        self.sessions.insert(row.lane, Arc::clone(&session));
        Ok(session)
    }

    /// The session of a lane that was created before this file was adopted, or met already.
    fn find(&mut self, lane: i64) -> Result<Option<Arc<Session>>, StoreError> {
        if let Some(session) = self.sessions.get(&lane) {
            return Ok(Some(Arc::clone(session)));
        }
        let Some(id) = self.store.session(lane)? else {
            return Ok(None);
        };
        let session = Session::known(&id);
        self.sessions.insert(lane, Arc::clone(&session));
        Ok(Some(session))
    }
}
