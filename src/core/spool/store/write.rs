//! Rows are written and removed.

use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension, Transaction, params};

use super::schema::judge;
use super::{Stamp, Store, StoreError};
use crate::core::spool::earliest;
use crate::core::spool::row::{self, Gone, Row};

impl Store {
    /// Writes rows and removes others, all or nothing; rows beyond `cap` bytes are left out. The
    /// number of rows written, which are the first ones.
    pub(in crate::core::spool) fn apply(
        &mut self,
        stamp: &Stamp,
        rows: &[Row],
        gone: &[Gone],
        lanes: &[u64],
        cap: u64,
    ) -> Result<usize, StoreError> {
        let (mut count, mut bytes) = (self.rows, self.bytes);
        let mut work = || -> rusqlite::Result<usize> {
            let tx = self.db.unchecked_transaction()?;
            let removed = remove(&tx, &gone.iter().collect::<Vec<_>>(), lanes)?;
            let earlier = take_back(&tx, rows, self.highest)?;
            count = count.saturating_sub(removed.0 + earlier.0);
            bytes = bytes.saturating_sub(removed.1 + earlier.1);
            let mut written = 0;
            if !rows.is_empty() {
                stamp_client(&tx, stamp)?;
                let mut insert = tx.prepare_cached(
                    "INSERT INTO requests VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
                )?;
                for row in rows {
                    if bytes + row.weight() > cap {
                        break;
                    }
                    insert.execute(params![
                        row.id,
                        stamp.client,
                        row.lane,
                        row.seq,
                        row::word(row.kind),
                        row.session,
                        row.lead.map(|(field, _)| field),
                        row.lead.map(|(_, lane)| lane),
                        &row.body[..],
                        row.idempotency_key,
                        row.made_at,
                    ])?;
                    bytes += row.weight();
                    count += 1;
                    written += 1;
                }
            }
            if count == 0 {
                tx.execute("DELETE FROM sessions", [])?;
            }
            tx.commit()?;
            Ok(written)
        };
        let written = work().map_err(|error| judge(&self.path, &error))?;
        (self.rows, self.bytes) = (count, bytes);
        let highest = rows.iter().map(|row| row.id).max();
        self.highest = self.highest.max(highest.unwrap_or_default());
        Ok(written)
    }

    /// The disk is full: removes what is no longer needed, as far as that goes without more room.
    /// The bytes that are left, which are all that there is room for.
    pub(in crate::core::spool) fn make_do(&mut self, gone: &[Gone], lanes: &[u64]) -> u64 {
        // What the log holds goes into the file, so that the log can be used from its beginning.
        let _ = self.db.pragma_query(None, "wal_checkpoint", |_| Ok(()));
        let tx = self.db.unchecked_transaction();
        let removed = tx.and_then(|tx| {
            let removed = remove(&tx, &gone.iter().collect::<Vec<_>>(), lanes)?;
            tx.commit()?;
            Ok(removed)
        });
        // A row that stays although it was delivered is sent once more under its first key.
        let (rows, bytes) = removed.unwrap_or_default();
        self.rows = self.rows.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.bytes
    }

    /// Removes rows; what they created is kept with them.
    pub(in crate::core::spool) fn remove(&mut self, gone: &[&Gone]) -> Result<(), StoreError> {
        let work = || {
            let tx = self.db.unchecked_transaction()?;
            let removed = remove(&tx, gone, &[])?;
            tx.commit()?;
            Ok(removed)
        };
        let (rows, bytes) = work().map_err(|error| judge(&self.path, &error))?;
        self.rows = self.rows.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(())
    }

    /// The client's rows, past and future ones, belong to another key.
    pub(in crate::core::spool) fn rekey(&self, stamp: &Stamp) -> Result<(), StoreError> {
        let changed = "UPDATE clients SET fingerprint = ?2, key_end = ?3 WHERE id = ?1";
        self.db
            .execute(
                changed,
                params![stamp.client, stamp.fingerprint, stamp.key_end],
            )
            .map(drop)
            .map_err(|error| judge(&self.path, &error))
    }

    /// Removes what was made before a point in time; how many requests that were. What has a date
    /// at which nothing can have been made was recorded while the clock was wrong, and stays.
    pub(in crate::core::spool) fn expire(&mut self, before: i64) -> Result<u64, StoreError> {
        self.delete(
            "DELETE FROM requests WHERE made_at < ?1 AND made_at >= ?2",
            params![before, row::micros(earliest())],
        )
    }

    /// Removes the requests of a key, of an address.
    pub(in crate::core::spool) fn purge(
        &mut self,
        url: &str,
        fingerprint: &str,
    ) -> Result<u64, StoreError> {
        self.delete(
            "DELETE FROM requests WHERE client IN
             (SELECT id FROM clients WHERE url = ?1 AND fingerprint = ?2)",
            params![url, fingerprint],
        )
    }

    fn delete(&mut self, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<u64, StoreError> {
        let deleted = self.db.execute(sql, params);
        let deleted = deleted.map_err(|error| judge(&self.path, &error))?;
        self.count()?;
        Ok(deleted as u64)
    }
}

fn stamp_client(tx: &Transaction<'_>, stamp: &Stamp) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO clients VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            stamp.client,
            stamp.url,
            stamp.fingerprint,
            stamp.key_end
        ])
        .map(drop)
}

/// Removes what was written of these rows before, in a file whose highest number is known: at the
/// end what was not confirmed is written once more. How many rows and bytes that were.
fn take_back(tx: &Transaction<'_>, rows: &[Row], highest: i64) -> rusqlite::Result<(u64, u64)> {
    let (mut count, mut bytes) = (0, 0);
    let mut found =
        tx.prepare_cached("DELETE FROM requests WHERE id = ?1 RETURNING length(body) + 256")?;
    for row in rows.iter().filter(|row| row.id <= highest) {
        let weight: Option<i64> = found.query_row([row.id], |row| row.get(0)).optional()?;
        if let Some(weight) = weight {
            count += 1;
            bytes += weight.unsigned_abs();
        }
    }
    Ok((count, bytes))
}

/// Removes rows and whole lanes; how many rows and bytes that were.
fn remove(tx: &Transaction<'_>, gone: &[&Gone], lanes: &[u64]) -> rusqlite::Result<(u64, u64)> {
    let (mut rows, mut bytes) = (0, 0);
    let mut found =
        tx.prepare_cached("DELETE FROM requests WHERE id = ?1 RETURNING lane, length(body) + 256")?;
    let mut named = tx.prepare_cached("INSERT OR REPLACE INTO sessions VALUES (?1, ?2)")?;
    for gone in gone {
        let deleted = found
            .query_row([gone.row.id], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })
            .optional()?;
        let Some((lane, weight)) = deleted else {
            continue;
        };
        rows += 1;
        bytes += weight.unsigned_abs();
        // With the creation goes the only way to the id, in the same transaction.
        if let Some(id) = gone.created.as_ref().and_then(|session| session.id()) {
            named.execute(params![lane, id.as_ref()])?;
        }
    }
    for lane in lanes {
        let mut all =
            tx.prepare_cached("DELETE FROM requests WHERE lane = ?1 RETURNING length(body) + 256")?;
        let weights = all.query_map([row::signed(*lane)], |row| row.get::<_, i64>(0))?;
        for weight in weights {
            rows += 1;
            bytes += weight?.unsigned_abs();
        }
    }
    Ok((rows, bytes))
}

/// Seven days before now, in microseconds since 1970.
pub(in crate::core::spool) fn horizon(max_age: Duration) -> i64 {
    row::micros(
        SystemTime::now()
            .checked_sub(max_age)
            .unwrap_or(SystemTime::UNIX_EPOCH),
    )
}
