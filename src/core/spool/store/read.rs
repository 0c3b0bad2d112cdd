//! Rows are read: parts of a lane by the process that wrote them, all of them by the one that
//! adopts the file.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::schema::{check_version, connect, judge};
use super::{Group, Store, StoreError};
use crate::core::spool::row::{self, Read, Room, Row, Stretch};

impl Store {
    /// Rows of a lane in call order, as many as there is room for.
    pub(in crate::core::spool) fn of_lane(&self, part: Stretch) -> Result<Read, StoreError> {
        let sql = "SELECT * FROM requests WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq";
        let (lane, first, last) = (part.lane, part.first, part.last);
        let range = params![row::signed(lane), row::signed(first), row::signed(last)];
        self.query(sql, range, part.room)
    }

    /// Rows of these clients behind row `after`, in call order.
    pub(in crate::core::spool) fn behind(
        &self,
        clients: &[i64],
        after: i64,
        room: Room,
    ) -> Result<Read, StoreError> {
        let clients: Vec<_> = clients.iter().map(ToString::to_string).collect();
        let sql = format!(
            "SELECT * FROM requests WHERE id > ?1 AND client IN ({}) ORDER BY id",
            clients.join(",")
        );
        self.query(&sql, params![after], room)
    }

    fn query(
        &self,
        sql: &str,
        params: &[&dyn rusqlite::ToSql],
        room: Room,
    ) -> Result<Read, StoreError> {
        let work = || {
            let mut statement = self.db.prepare_cached(sql)?;
            let mut found = statement.query_map(params, read)?;
            let (mut rows, mut bytes) = (Vec::new(), 0);
            while rows.is_empty() || (rows.len() < room.items && bytes < room.bytes) {
                let Some(row) = found.next().transpose()? else {
                    return Ok(Read { rows, all: true });
                };
                bytes += usize::try_from(row.weight()).unwrap_or(usize::MAX);
                rows.push(row);
            }
            Ok(Read { rows, all: false })
        };
        work().map_err(|error| judge(&self.path, &error))
    }

    /// The id of a session whose creation has been delivered.
    pub(in crate::core::spool) fn session(&self, lane: i64) -> Result<Option<String>, StoreError> {
        self.db
            .query_row("SELECT id FROM sessions WHERE lane = ?1", [lane], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|error| judge(&self.path, &error))
    }

    /// What is in it, by address and key.
    pub(in crate::core::spool) fn groups(&self) -> Result<Vec<Group>, StoreError> {
        groups(&self.db).map_err(|error| judge(&self.path, &error))
    }
}

/// What is in the file of somebody else, alive or not.
pub(in crate::core::spool) fn peek(path: &Path) -> Result<Vec<Group>, StoreError> {
    let db = connect(path)?;
    if !check_version(&db, path)? {
        return Ok(Vec::new());
    }
    groups(&db).map_err(|error| judge(path, &error))
}

fn groups(db: &Connection) -> rusqlite::Result<Vec<Group>> {
    let mut statement = db.prepare(
        "SELECT url, fingerprint, min(key_end), count(*), sum(length(body)), min(made_at),
         group_concat(DISTINCT client) FROM requests JOIN clients ON clients.id = client
         GROUP BY url, fingerprint ORDER BY min(made_at)",
    )?;
    let groups = statement.query_map([], |row| {
        Ok(Group {
            url: row.get(0)?,
            fingerprint: row.get(1)?,
            key_end: row.get(2)?,
            requests: row.get::<_, i64>(3)?.unsigned_abs(),
            bytes: row.get::<_, i64>(4)?.unsigned_abs(),
            oldest: row.get(5)?,
            clients: row
                .get::<_, String>(6)?
                .split(',')
                .filter_map(|number| number.parse().ok())
                .collect(),
        })
    })?;
    groups.collect()
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let wrong = |column: usize| {
        rusqlite::Error::InvalidColumnType(column, String::new(), rusqlite::types::Type::Text)
    };
    let field: Option<String> = row.get(6)?;
    let leader: Option<i64> = row.get(7)?;
    let field = match field {
        Some(text) => Some(row::field(&text).ok_or_else(|| wrong(6))?),
        None => None,
    };
    Ok(Row {
        id: row.get(0)?,
        lane: row.get(2)?,
        seq: row.get(3)?,
        kind: row::kind(&row.get::<_, String>(4)?).ok_or_else(|| wrong(4))?,
        session: row.get(5)?,
        lead: field.zip(leader),
        body: row.get::<_, Vec<u8>>(8)?.into(),
        idempotency_key: row.get(9)?,
        made_at: row.get(10)?,
    })
}
