//! Keys in the database: made, listed, revoked, and checked with every request.

use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError, new_id};
use crate::server::keys::{Environment, Key, masked};
use crate::server::timestamp::Timestamp;

/// All keys of one local database belong to one owner.
const OWNER: &str = "local";
/// `last used` is written at most this often per key: it is for people to read.
const LAST_USED_RESOLUTION_MICROS: u64 = 1_000_000;
const NAME_LIMIT: usize = 100;

/// A key as listed; the key itself cannot be recovered.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// `key_…`
    pub id: String,
    /// The name given by its maker.
    pub name: String,
    /// Where it works.
    pub environment: Environment,
    /// `sentrial_live_…abcd`
    pub masked: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its last request, to the second.
    pub last_used_at: Option<Timestamp>,
    /// Since when it is refused.
    pub revoked_at: Option<Timestamp>,
}

/// A key just made: the only moment at which it is known in clear.
#[derive(Debug)]
pub struct CreatedKey {
    /// The key, to be shown once.
    pub key: Key,
    /// What the database keeps.
    pub record: KeyRecord,
}

/// Who sent a request.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The key's id.
    pub key_id: String,
    /// Whose key it is.
    pub owner: String,
    /// Where the key works.
    pub environment: Environment,
    /// Whether its last use was noted long enough ago to be noted anew.
    pub(crate) use_is_news: bool,
}

impl Store {
    /// Makes a key. Names need not be unique.
    ///
    /// # Errors
    /// If the name is empty, too long, has control characters or is a key itself.
    pub fn create_key(
        &self,
        name: &str,
        environment: Environment,
    ) -> Result<CreatedKey, StoreError> {
        let name = checked_name(name)?;
        let key = Key::generate(environment);
        let created_at = Timestamp::now();
        let record = KeyRecord {
            id: new_id("key"),
            name: name.to_owned(),
            environment,
            masked: masked(environment, &key.tail()),
            created_at,
            last_used_at: None,
            revoked_at: None,
        };
        self.connection
            .prepare_cached(
                "INSERT INTO api_keys (id, owner, name, environment, digest, tail, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                record.id,
                OWNER,
                record.name,
                environment.as_str(),
                key.digest().as_bytes(),
                key.tail(),
                created_at.micros(),
            ])?;
        Ok(CreatedKey { key, record })
    }

    /// All keys, the oldest first, revoked ones included.
    ///
    /// # Errors
    /// If `SQLite` fails.
    pub fn list_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, name, environment, tail, created_at, last_used_at, revoked_at
             FROM api_keys ORDER BY created_at, rowid",
        )?;
        let rows = statement.query_map([], read_key)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Revokes the active key with this id or, if it is the only one, this name. It is refused
    /// from the next request on, by every process that uses the file.
    ///
    /// # Errors
    /// If no active key, or more than one, answers to `name_or_id`.
    pub fn revoke_key(&self, name_or_id: &str) -> Result<KeyRecord, StoreError> {
        let active: Vec<KeyRecord> = self
            .list_keys()?
            .into_iter()
            .filter(|key| key.revoked_at.is_none())
            .collect();
        let by_id = active.iter().find(|key| key.id == name_or_id);
        let mut by_name = active.iter().filter(|key| key.name == name_or_id);
        let mut found = match (by_id, by_name.next(), by_name.next()) {
            (Some(key), _, _) | (None, Some(key), None) => key.clone(),
            (None, None, _) => return Err(StoreError::UnknownKey(name_or_id.to_owned())),
            (None, Some(_), Some(_)) => {
                let same = active.iter().filter(|key| key.name == name_or_id);
                let ids: Vec<&str> = same.map(|key| key.id.as_str()).collect();
                return Err(StoreError::AmbiguousKey {
                    name: name_or_id.to_owned(),
                    ids: ids.join(", "),
                });
            }
        };
        let now = Timestamp::now();
        self.connection
            .prepare_cached("UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1")?
            .execute(params![found.id, now.micros()])?;
        found.revoked_at = Some(now);
        Ok(found)
    }

    /// Who presents `key`, if it is an active one. The look-up is by the four characters that
    /// listings show; what is secret is compared in constant time.
    pub(crate) fn authenticate(
        &self,
        key: &Key,
        now: Timestamp,
    ) -> Result<Option<Principal>, StoreError> {
        let digest = key.digest();
        let mut statement = self.connection.prepare_cached(
            "SELECT id, owner, environment, digest, last_used_at FROM api_keys
             WHERE tail = ?1 AND revoked_at IS NULL",
        )?;
        let mut rows = statement.query([key.tail()])?;
        while let Some(row) = rows.next()? {
            if !digest.matches(row.get_ref(3)?.as_blob().unwrap_or_default()) {
                continue;
            }
            let last: Option<i64> = row.get(4)?;
            return Ok(Some(Principal {
                key_id: row.get(0)?,
                owner: row.get(1)?,
                environment: environment(row, 2)?,
                use_is_news: last
                    .is_none_or(|last| now.micros().abs_diff(last) >= LAST_USED_RESOLUTION_MICROS),
            }));
        }
        Ok(None)
    }

    /// Notes that the key of `caller` was used, if that is news.
    pub(crate) fn note_use(&self, caller: &Principal, now: Timestamp) -> Result<(), StoreError> {
        if !caller.use_is_news {
            return Ok(());
        }
        self.connection
            .prepare_cached("UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1")?
            .execute(params![caller.key_id, now.micros()])?;
        Ok(())
    }

    /// The key with this id, active or not.
    ///
    /// # Errors
    /// If `SQLite` fails.
    pub fn key(&self, id: &str) -> Result<Option<KeyRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, name, environment, tail, created_at, last_used_at, revoked_at
             FROM api_keys WHERE id = ?1",
        )?;
        Ok(statement.query_row([id], read_key).optional()?)
    }
}

fn checked_name(name: &str) -> Result<&str, StoreError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(StoreError::KeyName("it is empty"));
    }
    if name.chars().count() > NAME_LIMIT {
        return Err(StoreError::KeyName("it is longer than 100 characters"));
    }
    if name.chars().any(char::is_control) {
        return Err(StoreError::KeyName("it contains control characters"));
    }
    if name.starts_with("sentrial_live_") || name.starts_with("sentrial_test_") {
        return Err(StoreError::KeyName(
            "it looks like a key; names are stored and shown in clear",
        ));
    }
    Ok(name)
}

fn read_key(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let environment = environment(row, 2)?;
    let tail: String = row.get(3)?;
    let instant = |column| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row
            .get::<_, Option<i64>>(column)?
            .map(Timestamp::from_micros))
    };
    Ok(KeyRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        environment,
        masked: masked(environment, &tail),
        created_at: Timestamp::from_micros(row.get(4)?),
        last_used_at: instant(5)?,
        revoked_at: instant(6)?,
    })
}

/// The environment in `column`; only the two known words are ever written.
pub(super) fn environment(row: &Row<'_>, column: usize) -> rusqlite::Result<Environment> {
    let word = row.get_ref(column)?.as_str()?;
    Ok(Environment::parse(word).unwrap_or(Environment::Test))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::{Store, StoreError};
    use crate::server::keys::{Environment, Key};
    use crate::server::timestamp::Timestamp;

    #[test]
    fn a_key_works_until_it_is_revoked_elsewhere() {
        let scratch = Scratch::new();
        let server = Store::open(&scratch.database()).unwrap();
        let command_line = Store::open(&scratch.database()).unwrap();
        let made = command_line.create_key("ci", Environment::Live).unwrap();
        let now = Timestamp::now();
        let caller = server.authenticate(&made.key, now).unwrap().unwrap();
        assert_eq!(caller.key_id, made.record.id);
        assert!(caller.use_is_news);
        server.note_use(&caller, now).unwrap();
        assert!(
            !server
                .authenticate(&made.key, now)
                .unwrap()
                .unwrap()
                .use_is_news
        );
        assert_eq!(command_line.list_keys().unwrap()[0].last_used_at, Some(now));
        command_line.revoke_key("ci").unwrap();
        assert!(server.authenticate(&made.key, now).unwrap().is_none());
    }

    #[test]
    fn wrong_keys_are_unknown_even_with_the_same_ending() {
        let scratch = Scratch::new();
        let store = Store::open(&scratch.database()).unwrap();
        let made = store.create_key("ci", Environment::Live).unwrap();
        for text in [
            "",
            "x",
            &format!("sentrial_live_{}", made.key.tail()),
            "sentrial_live_äöü",
        ] {
            let found = store
                .authenticate(&Key::presented(text), Timestamp::now())
                .unwrap();
            assert!(found.is_none(), "{text}");
        }
    }

    #[test]
    fn names_may_repeat_but_then_the_id_is_needed() {
        let scratch = Scratch::new();
        let store = Store::open(&scratch.database()).unwrap();
        let first = store.create_key("ci", Environment::Live).unwrap().record;
        let second = store.create_key("ci", Environment::Test).unwrap().record;
        let refused = store.revoke_key("ci").unwrap_err();
        assert!(refused.to_string().contains(&second.id), "{refused}");
        store.revoke_key(&first.id).unwrap();
        assert_eq!(store.revoke_key("ci").unwrap().id, second.id);
        assert!(matches!(
            store.revoke_key("ci"),
            Err(StoreError::UnknownKey(_))
        ));
    }

    #[test]
    fn unusable_names_are_refused() {
        let scratch = Scratch::new();
        let store = Store::open(&scratch.database()).unwrap();
        for name in ["", "  ", "a\nb", &"x".repeat(101), "sentrial_live_abcdef"] {
            let made = store.create_key(name, Environment::Live);
            assert!(matches!(made, Err(StoreError::KeyName(_))), "{name}");
        }
    }
}
