//! What reads: sessions and events as stored (our own endpoints), and the redaction settings.

use std::sync::{Arc, OnceLock};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, Uri};
use serde_json::json;

use crate::server::answer::{Answer, ApiError};
use crate::server::database::Database;
use crate::server::query;
use crate::server::request::bearer;
use crate::server::store::{Principal, SessionFilter, SessionRecord, Store};
use crate::server::timestamp::Timestamp;
use crate::server::view;

const SESSIONS_DEFAULT: u32 = 50;
const SESSIONS_LIMIT: u32 = 1_000;
const EVENTS_DEFAULT: u32 = 1_000;
const EVENTS_LIMIT: u32 = 10_000;
const SESSION_PARAMETERS: [&str; 5] = ["agent", "user", "status", "since", "limit"];
const EVENT_PARAMETERS: [&str; 2] = ["limit", "offset"];
const STATUSES: [&str; 3] = ["active", "completed", "failed"];

/// `GET /api/health`: no key needed.
pub(in crate::server) async fn health() -> Result<Answer, ApiError> {
    Answer::ok(&json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /api/sdk/pii-config`: no redaction is configured on a local server.
pub(in crate::server) async fn pii_config(
    State(database): State<Database>,
    request: Request,
) -> Result<Answer, ApiError> {
    answer(&database, request.headers(), |_, _| {
        Answer::ok(&json!({"config": null}))
    })
    .await
}

/// `GET /api/sdk/sessions?agent=&user=&status=&since=&limit=`
pub(in crate::server) async fn list_sessions(
    State(database): State<Database>,
    request: Request,
) -> Result<Answer, ApiError> {
    let filter = session_filter(request.uri());
    answer(&database, request.headers(), move |store, caller| {
        let filter = SessionFilter {
            caller: Some(caller),
            ..filter?
        };
        let sessions = store.sessions(&filter)?;
        let sessions: Vec<_> = sessions.iter().map(view::session).collect();
        Answer::ok(&json!({"sessions": sessions}))
    })
    .await
}

/// `GET /api/sdk/sessions/{id}`
pub(in crate::server) async fn get_session(
    State(database): State<Database>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Answer, ApiError> {
    answer(&database, request.headers(), move |store, caller| {
        Answer::ok(&view::session(&accessible(store, &caller, id)?))
    })
    .await
}

/// `GET /api/sdk/sessions/{id}/events?limit=&offset=`
pub(in crate::server) async fn list_events(
    State(database): State<Database>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Answer, ApiError> {
    let page = page(request.uri());
    answer(&database, request.headers(), move |store, caller| {
        let session = accessible(store, &caller, id)?;
        let (limit, offset) = page?;
        let events = store.events(&session, limit, offset)?;
        let events: Vec<_> = events.iter().map(view::event).collect();
        Answer::ok(&json!({"events": events, "total": session.event_count}))
    })
    .await
}

/// Checks the key, then lets `work` answer.
pub(super) async fn answer(
    database: &Database,
    headers: &HeaderMap,
    work: impl FnOnce(&Store, Principal) -> Result<Answer, ApiError> + Send + 'static,
) -> Result<Answer, ApiError> {
    let key = bearer(headers);
    let now = Timestamp::now();
    let user = Arc::new(OnceLock::new());
    let noted = Arc::clone(&user);
    let answer = database
        .read(move |store| {
            let key = key.ok_or_else(ApiError::unauthorized)?;
            let caller = store
                .authenticate(&key, now)?
                .ok_or_else(ApiError::unauthorized)?;
            if caller.use_is_news {
                // Never set before: this closure runs once.
                let _ = noted.set(caller.clone());
            }
            work(store, caller)
        })
        .await;
    // The reading thread does not write: it would have to wait for the other one. Nor does the
    // answer wait: that a key was used is worth noting, and no reason to refuse.
    if let Some(caller) = user.get().cloned() {
        database.note(move |store| store.note_use(&caller, now));
    }
    answer
}

fn accessible(
    store: &Store,
    caller: &Principal,
    id: Result<Path<String>, PathRejection>,
) -> Result<SessionRecord, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::unknown_session())?;
    let session = store.session(&id)?.ok_or_else(ApiError::unknown_session)?;
    if session.belongs_to(caller) {
        Ok(session)
    } else {
        Err(ApiError::forbidden())
    }
}

fn session_filter(uri: &Uri) -> Result<SessionFilter, ApiError> {
    let mut filter = SessionFilter {
        limit: SESSIONS_DEFAULT,
        ..SessionFilter::default()
    };
    for (name, value) in query::parameters(uri) {
        match name.as_str() {
            "agent" => filter.agent = Some(value),
            "user" => filter.user = Some(value),
            "status" if STATUSES.contains(&value.as_str()) => filter.status = Some(value),
            "status" => {
                let message = format!("status must be one of {}", STATUSES.join(", "));
                return Err(ApiError::bad_request(message));
            }
            "since" => filter.since = Some(query::moment("since", &value)?),
            "limit" => filter.limit = query::number("limit", &value, 1, SESSIONS_LIMIT)?,
            _ => return Err(query::unknown(&name, &SESSION_PARAMETERS)),
        }
    }
    Ok(filter)
}

/// `limit` and `offset` of a list of events.
fn page(uri: &Uri) -> Result<(u32, u32), ApiError> {
    let (mut limit, mut offset) = (EVENTS_DEFAULT, 0);
    for (name, value) in query::parameters(uri) {
        match name.as_str() {
            "limit" => limit = query::number("limit", &value, 1, EVENTS_LIMIT)?,
            "offset" => offset = query::number("offset", &value, 0, u32::MAX)?,
            _ => return Err(query::unknown(&name, &EVENT_PARAMETERS)),
        }
    }
    Ok((limit, offset))
}
