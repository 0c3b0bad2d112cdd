//! Sessions in the database: started, completed, found.

use rusqlite::{OptionalExtension, params};
use serde_json::{Map, Value};

use super::{Principal, Store, StoreError, new_id};
use crate::server::keys::Environment;
use crate::server::timestamp::Timestamp;

/// A session as a caller starts it.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// `name`
    pub name: String,
    /// `agentName`
    pub agent_name: String,
    /// `userId`
    pub user_id: String,
    /// `parentSessionId`
    pub parent_id: Option<String>,
    /// The request body as sent, unknown fields included.
    pub body: String,
}

/// What a caller says about a session that has started.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `status`: a final word ends the session.
    pub status: Option<String>,
    /// Every field of the request body; `null` leaves an earlier value as it is.
    pub fields: Map<String, Value>,
}

/// A stored session with the totals of its events.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// Its place in the order of arrival.
    pub(super) seq: i64,
    /// `sess_…`
    pub id: String,
    /// Whose key made it.
    pub owner: String,
    /// In which environment.
    pub environment: Environment,
    /// `active`, `completed` or `failed`
    pub status: String,
    /// When the caller started it.
    pub created_at: Timestamp,
    /// When the caller ended it.
    pub completed_at: Option<Timestamp>,
    /// The fields it was started with.
    pub body: Map<String, Value>,
    /// The fields it was completed with.
    pub outcome: Map<String, Value>,
    /// How many events it has.
    pub event_count: i64,
    /// How many of them report an error.
    pub error_count: i64,
    /// The sum of their costs in USD.
    pub event_cost: f64,
}

impl SessionRecord {
    /// Whether `caller` may see and change it.
    #[must_use]
    pub fn belongs_to(&self, caller: &Principal) -> bool {
        self.owner == caller.owner && self.environment == caller.environment
    }
}

/// Just enough of a session to attach an event to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionHandle {
    pub(super) seq: i64,
    /// Whether the caller's key may use it.
    pub(crate) accessible: bool,
}

impl Store {
    /// Starts a session and returns its id.
    pub(crate) fn insert_session(
        &self,
        caller: &Principal,
        session: &NewSession,
        at: Timestamp,
    ) -> Result<String, StoreError> {
        let id = new_id("sess");
        self.connection
            .prepare_cached(
                "INSERT INTO sessions (id, owner, environment, key_id, agent_name, user_id,
                                       parent_id, status, created_at, body, outcome)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, ?9, '{}')",
            )?
            .execute(params![
                id,
                caller.owner,
                caller.environment.as_str(),
                caller.key_id,
                session.agent_name,
                session.user_id,
                session.parent_id,
                at.micros(),
                session.body,
            ])?;
        Ok(id)
    }

    /// Finds the session `id` for an event of `caller`.
    pub(crate) fn locate_session(
        &self,
        caller: &Principal,
        id: &str,
    ) -> Result<Option<SessionHandle>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, owner = ?2 AND environment = ?3 FROM sessions WHERE id = ?1",
        )?;
        let found = statement.query_row(
            params![id, caller.owner, caller.environment.as_str()],
            |row| {
                Ok(SessionHandle {
                    seq: row.get(0)?,
                    accessible: row.get(1)?,
                })
            },
        );
        Ok(found.optional()?)
    }

    /// Merges `outcome` into `session`; a status sets the time of completion, once. The latest
    /// status counts, and `success` follows it where the same request does not say otherwise.
    pub(crate) fn update_session(
        &self,
        session: &mut SessionRecord,
        outcome: Outcome,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut fields = outcome.fields;
        if let Some(status) = &outcome.status
            && *status != session.status
            && fields.get("success").is_none_or(Value::is_null)
            && session
                .outcome
                .get("success")
                .is_some_and(Value::is_boolean)
        {
            fields.insert("success".to_owned(), (status == "completed").into());
        }
        for (name, value) in fields {
            if !value.is_null() || !session.outcome.contains_key(&name) {
                session.outcome.insert(name, value);
            }
        }
        if let Some(status) = outcome.status {
            session.status = status;
            session.completed_at = session.completed_at.or(Some(at));
        }
        self.connection
            .prepare_cached(
                "UPDATE sessions SET status = ?2, completed_at = ?3, outcome = ?4 WHERE seq = ?1",
            )?
            .execute(params![
                session.seq,
                session.status,
                session.completed_at.map(Timestamp::micros),
                Value::Object(session.outcome.clone()).to_string(),
            ])?;
        Ok(())
    }
}
