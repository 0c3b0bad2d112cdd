//! Finding stored sessions: one, a list, and those nested in one.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::keys::environment;
use super::{Principal, SessionRecord, Store, StoreError};
use crate::server::timestamp::Timestamp;

/// Nested sessions shown with one session at most.
const NESTED_LIMIT: usize = 1_000;

/// The columns of [`read_session`], to be followed by conditions.
macro_rules! select_sessions {
    ($rest:literal) => {
        concat!(
            "SELECT s.seq, s.id, s.owner, s.environment, s.status, s.created_at, s.completed_at,
                    s.body, s.outcome,
                    (SELECT count(*) FROM events e WHERE e.session = s.seq),
                    (SELECT total(failed) FROM events e WHERE e.session = s.seq),
                    (SELECT total(cost) FROM events e WHERE e.session = s.seq)
             FROM sessions s ",
            $rest
        )
    };
}

/// Which sessions to list; what is not given does not restrict.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// `agentName`, exactly.
    pub agent: Option<String>,
    /// `userId`, exactly.
    pub user: Option<String>,
    /// `active`, `completed` or `failed`.
    pub status: Option<String>,
    /// Not started before this.
    pub since: Option<Timestamp>,
    /// Made with the key of this id.
    pub key_id: Option<String>,
    /// Accessible to this caller.
    pub caller: Option<Principal>,
    /// How many at most, the latest first.
    pub limit: u32,
}

impl Store {
    /// The session with this id.
    ///
    /// # Errors
    /// If `SQLite` fails.
    pub fn session(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(select_sessions!("WHERE s.id = ?1"))?;
        Ok(statement.query_row([id], read_session).optional()?)
    }

    /// The session with this id, or the only one whose id begins like it.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn find_session(&self, id: &str) -> Result<SessionRecord, StoreError> {
        if let Some(session) = self.session(id)? {
            return Ok(session);
        }
        let mut statement = self.connection.prepare_cached(select_sessions!(
            "WHERE substr(s.id, 1, length(?1)) = ?1 AND length(?1) > 0 LIMIT 2"
        ))?;
        let mut found = statement.query_map([id], read_session)?;
        match (found.next().transpose()?, found.next()) {
            (Some(session), None) => Ok(session),
            (Some(_), Some(_)) => Err(StoreError::AmbiguousSession(id.to_owned())),
            (None, _) => Err(StoreError::UnknownSession(id.to_owned())),
        }
    }

    /// Sessions, the latest first.
    ///
    /// # Errors
    /// If `SQLite` fails.
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(select_sessions!(
            "WHERE (?1 IS NULL OR s.agent_name = ?1)
               AND (?2 IS NULL OR s.user_id = ?2)
               AND (?3 IS NULL OR s.status = ?3)
               AND (?4 IS NULL OR s.created_at >= ?4)
               AND (?5 IS NULL OR s.key_id = ?5)
               AND (?6 IS NULL OR s.owner = ?6)
               AND (?7 IS NULL OR s.environment = ?7)
             ORDER BY s.created_at DESC, s.seq DESC LIMIT ?8"
        ))?;
        let rows = statement.query_map(
            params![
                filter.agent,
                filter.user,
                filter.status,
                filter.since.map(Timestamp::micros),
                filter.key_id,
                filter.caller.as_ref().map(|caller| &caller.owner),
                filter
                    .caller
                    .as_ref()
                    .map(|caller| caller.environment.as_str()),
                filter.limit,
            ],
            read_session,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The sessions nested in `root`, at any depth, parents before their children.
    ///
    /// # Errors
    /// If `SQLite` fails.
    pub fn nested_sessions(&self, root: &SessionRecord) -> Result<Vec<SessionRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(select_sessions!(
            "WHERE s.parent_id = ?1 AND s.environment = ?2 ORDER BY s.created_at, s.seq LIMIT ?3"
        ))?;
        let limit = i64::try_from(NESTED_LIMIT).unwrap_or(i64::MAX);
        let mut seen = HashSet::from([root.id.clone()]);
        let mut nested: Vec<SessionRecord> = Vec::new();
        let mut parent = root.id.clone();
        for next in 0.. {
            let children = statement
                .query_map(
                    params![parent, root.environment.as_str(), limit],
                    read_session,
                )?
                .collect::<Result<Vec<_>, _>>()?;
            nested.extend(
                children
                    .into_iter()
                    .filter(|child| seen.insert(child.id.clone())),
            );
            match nested.get(next) {
                Some(child) if nested.len() < NESTED_LIMIT => parent.clone_from(&child.id),
                _ => break,
            }
        }
        nested.truncate(NESTED_LIMIT);
        Ok(nested)
    }
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    // `total()` is a float in SQLite; a number of events fits into one exactly.
    #[allow(clippy::cast_possible_truncation)]
    let error_count = row.get::<_, f64>(10)? as i64;
    Ok(SessionRecord {
        seq: row.get(0)?,
        id: row.get(1)?,
        owner: row.get(2)?,
        environment: environment(row, 3)?,
        status: row.get(4)?,
        created_at: Timestamp::from_micros(row.get(5)?),
        completed_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_micros),
        body: object(row, 7)?,
        outcome: object(row, 8)?,
        event_count: row.get(9)?,
        error_count,
        event_cost: row.get(11)?,
    })
}

/// The JSON object in `column`; only objects are ever written.
pub(super) fn object(row: &Row<'_>, column: usize) -> rusqlite::Result<Map<String, Value>> {
    let text = row.get_ref(column)?.as_str()?;
    Ok(serde_json::from_str(text).unwrap_or_default())
}
