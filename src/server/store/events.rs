//! Events in the database.

use rusqlite::params;
use serde_json::{Map, Value};

use super::queries::object;
use super::sessions::SessionHandle;
use super::{SessionRecord, Store, StoreError, new_id};
use crate::server::timestamp::Timestamp;

/// An event as a caller records it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// `sessionId`
    pub session_id: String,
    /// `eventType`
    pub event_type: String,
    /// `toolName`
    pub tool_name: Option<String>,
    /// Whether it reports an error: by its type or by a `toolError`.
    pub failed: bool,
    /// `estimatedCost`, 0 if not given.
    pub cost: f64,
    /// The request body as sent, unknown fields included.
    pub body: String,
}

/// A stored event.
#[derive(Debug, Clone)]
pub struct EventRecord {
    /// `evt_…`
    pub id: String,
    /// When the caller recorded it.
    pub created_at: Timestamp,
    /// The fields it was recorded with.
    pub body: Map<String, Value>,
}

impl Store {
    /// Stores an event and returns its id.
    pub(crate) fn insert_event(
        &self,
        session: SessionHandle,
        event: &NewEvent,
        at: Timestamp,
    ) -> Result<String, StoreError> {
        let id = new_id("evt");
        self.connection
            .prepare_cached(
                "INSERT INTO events (id, session, failed, cost, created_at, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                id,
                session.seq,
                event.failed,
                event.cost,
                at.micros(),
                event.body
            ])?;
        Ok(id)
    }

    /// Events of a session in the order in which the caller recorded them.
    ///
    /// # Errors
    /// If `SQLite` fails.
    pub fn events(
        &self,
        session: &SessionRecord,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, created_at, body FROM events WHERE session = ?1
             ORDER BY created_at, seq LIMIT ?2 OFFSET ?3",
        )?;
        let rows = statement.query_map(params![session.seq, limit, offset], |row| {
            Ok(EventRecord {
                id: row.get(0)?,
                created_at: Timestamp::from_micros(row.get(1)?),
                body: object(row, 2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
