//! Stored sessions and events as the JSON that the read endpoints and the command line show.
//!
//! What was sent is shown as it was sent, unknown fields included; what the server knows better
//! (id, status, times, totals) overrides fields of the same name.

mod experiments;

use serde_json::{Map, Value, json};

pub use experiments::{experiment, results, run};

use super::store::{EventRecord, SessionRecord, Store, StoreError};

/// Fields of a completion that are always shown, `null` until they are known.
const OUTCOME_FIELDS: [&str; 3] = ["success", "estimatedCost", "durationMs"];

/// A session: what it was started and completed with, its times and the totals of its events.
#[must_use]
pub fn session(record: &SessionRecord) -> Value {
    let mut fields: Map<String, Value> = record.body.clone();
    for name in OUTCOME_FIELDS {
        fields.entry(name).or_insert(Value::Null);
    }
    fields.extend(record.outcome.clone());
    let known = [
        ("id", json!(record.id)),
        ("status", json!(record.status)),
        ("environment", json!(record.environment.as_str())),
        ("createdAt", json!(record.created_at)),
        ("completedAt", json!(record.completed_at)),
        ("eventCount", json!(record.event_count)),
        ("errorCount", json!(record.error_count)),
        ("eventCost", json!(record.event_cost)),
    ];
    // Nothing that arrives later may rename a session or move it under another parent.
    let fixed = ["name", "agentName", "userId", "parentSessionId"]
        .map(|name| (name, record.body.get(name).cloned().unwrap_or(Value::Null)));
    fields.extend(
        known
            .into_iter()
            .chain(fixed)
            .map(|(name, value)| (name.to_owned(), value)),
    );
    Value::Object(fields)
}

/// An event: what it was recorded with, its id and its time.
#[must_use]
pub fn event(record: &EventRecord) -> Value {
    let mut fields = record.body.clone();
    fields.entry("toolName").or_insert(Value::Null);
    fields.insert("id".to_owned(), json!(record.id));
    fields.insert("createdAt".to_owned(), json!(record.created_at));
    Value::Object(fields)
}

/// A session with its events and with the sessions nested in it, at any depth:
/// `{session, events, nested: [{session, events}]}`.
///
/// # Errors
/// If the database cannot be read.
pub fn family(store: &Store, root: &SessionRecord) -> Result<Value, StoreError> {
    let with_events = |record: &SessionRecord| -> Result<Map<String, Value>, StoreError> {
        let events: Vec<Value> = store
            .events(record, u32::MAX, 0)?
            .iter()
            .map(event)
            .collect();
        Ok(Map::from_iter([
            ("session".to_owned(), session(record)),
            ("events".to_owned(), Value::Array(events)),
        ]))
    };
    let mut family = with_events(root)?;
    let nested = store.nested_sessions(root)?;
    let nested = nested
        .iter()
        .map(|child| with_events(child).map(Value::Object));
    family.insert(
        "nested".to_owned(),
        Value::Array(nested.collect::<Result<_, _>>()?),
    );
    Ok(Value::Object(family))
}
