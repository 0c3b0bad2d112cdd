//! Answers remembered by `Idempotency-Key`: the first one wins.

use rusqlite::{OptionalExtension, params};

use super::{Principal, Store, StoreError};
use crate::server::timestamp::Timestamp;

/// How long an answer is remembered: longer than a client keeps a request (7 days).
const KEPT_SECONDS: i64 = 8 * 24 * 3600;

/// A request as far as repetition is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub(crate) key: String,
    pub(crate) method: String,
    pub(crate) path: String,
}

/// The first answer to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RememberedAnswer {
    /// The same method and path: give this again.
    Same { status: u16, body: Vec<u8> },
    /// The key was used for something else.
    Other { method: String, path: String },
}

impl Store {
    /// What this owner's key was answered with, if it still counts.
    pub(crate) fn recall(
        &self,
        caller: &Principal,
        request: &Remembered,
        now: Timestamp,
    ) -> Result<Option<RememberedAnswer>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT method, path, status, answer FROM idempotency
             WHERE owner = ?1 AND environment = ?2 AND key = ?3 AND created_at > ?4",
        )?;
        let oldest = now.minus_seconds(KEPT_SECONDS).micros();
        let found = statement.query_row(
            params![
                caller.owner,
                caller.environment.as_str(),
                request.key,
                oldest
            ],
            |row| {
                let (method, path): (String, String) = (row.get(0)?, row.get(1)?);
                if method != request.method || path != request.path {
                    return Ok(RememberedAnswer::Other { method, path });
                }
                Ok(RememberedAnswer::Same {
                    status: row.get(2)?,
                    body: row.get(3)?,
                })
            },
        );
        Ok(found.optional()?)
    }

    /// Remembers the answer to a key that [`Store::recall`] did not know.
    pub(crate) fn remember(
        &self,
        caller: &Principal,
        request: &Remembered,
        status: u16,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO idempotency
                 (owner, environment, key, method, path, status, answer, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                caller.owner,
                caller.environment.as_str(),
                request.key,
                request.method,
                request.path,
                status,
                body,
                now.micros(),
            ])?;
        Ok(())
    }

    /// Removes up to `limit` answers that no longer count; returns how many.
    pub(crate) fn forget_old_answers(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM idempotency WHERE (owner, environment, key) IN (
                 SELECT owner, environment, key FROM idempotency WHERE created_at <= ?1 LIMIT ?2)",
        )?;
        Ok(statement.execute(params![now.minus_seconds(KEPT_SECONDS).micros(), limit])?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::{Principal, Remembered, RememberedAnswer, Store};
    use crate::server::keys::Environment;
    use crate::server::timestamp::Timestamp;

    const DAY: i64 = 24 * 3600;

    fn caller(environment: Environment) -> Principal {
        Principal {
            key_id: "key_1".into(),
            owner: "local".into(),
            environment,
            use_is_news: false,
        }
    }

    fn request(path: &str) -> Remembered {
        Remembered {
            key: "k".into(),
            method: "POST".into(),
            path: path.into(),
        }
    }

    #[test]
    fn the_answer_is_scoped_and_kept_for_eight_days() {
        let scratch = Scratch::new();
        let store = Store::open(&scratch.database()).unwrap();
        let (live, test) = (caller(Environment::Live), caller(Environment::Test));
        let now = Timestamp::now();
        let answered = now.minus_seconds(7 * DAY);
        assert_eq!(store.recall(&live, &request("/a"), now).unwrap(), None);
        store
            .remember(&live, &request("/a"), 200, b"first", answered)
            .unwrap();

        let same = store.recall(&live, &request("/a"), now).unwrap();
        assert_eq!(
            same,
            Some(RememberedAnswer::Same {
                status: 200,
                body: b"first".to_vec()
            })
        );
        let other = store.recall(&live, &request("/b"), now).unwrap();
        assert!(matches!(other, Some(RememberedAnswer::Other { .. })));
        assert_eq!(store.recall(&test, &request("/a"), now).unwrap(), None);

        assert_eq!(store.forget_old_answers(now, 100).unwrap(), 0);
        let later = now.minus_seconds(-2 * DAY);
        assert_eq!(store.recall(&live, &request("/a"), later).unwrap(), None);
        store
            .remember(&live, &request("/a"), 200, b"again", later)
            .unwrap();
        assert_eq!(
            store
                .forget_old_answers(later.minus_seconds(-9 * DAY), 100)
                .unwrap(),
            1
        );
    }
}
