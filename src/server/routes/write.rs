//! What writes: sessions started and completed, events recorded.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::server::answer::{Answer, ApiError};
use crate::server::database::Database;
use crate::server::intake::Intake;
use crate::server::request::Submission;
use crate::server::store::{
    NewEvent, NewSession, Outcome, Principal, Remembered, RememberedAnswer, Store,
};
use crate::server::timestamp::Timestamp;
use crate::server::validate::Document;

/// `POST /api/sdk/sessions`
pub(in crate::server) async fn create_session(
    State(database): State<Database>,
    State(intake): State<Intake>,
    request: Request,
) -> Result<Answer, ApiError> {
    let (submission, body) = Submission::receive(&intake, request).await?;
    let action = body.and_then(Document::into_session).map(|session| {
        move |store: &Store, caller: &Principal, at: Timestamp| start(store, caller, &session, at)
    });
    submit(&database, submission, action).await
}

/// `PATCH /api/sdk/sessions/{id}`
pub(in crate::server) async fn update_session(
    State(database): State<Database>,
    State(intake): State<Intake>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Answer, ApiError> {
    let (submission, body) = Submission::receive(&intake, request).await?;
    let action = body.and_then(Document::into_outcome).and_then(|outcome| {
        let Path(id) = id.map_err(|_| ApiError::unknown_session())?;
        Ok(move |store: &Store, caller: &Principal, at: Timestamp| {
            complete(store, caller, &id, outcome, at)
        })
    });
    submit(&database, submission, action).await
}

/// `POST /api/sdk/events`
pub(in crate::server) async fn create_event(
    State(database): State<Database>,
    State(intake): State<Intake>,
    request: Request,
) -> Result<Answer, ApiError> {
    let (submission, body) = Submission::receive(&intake, request).await?;
    let action = body.and_then(Document::into_event).map(|event| {
        move |store: &Store, caller: &Principal, at: Timestamp| record(store, caller, &event, at)
    });
    submit(&database, submission, action).await
}

/// Carries out what a request asks for, once: `action` is what its body means.
pub(super) async fn submit<F>(
    database: &Database,
    submission: Submission,
    action: Result<F, ApiError>,
) -> Result<Answer, ApiError>
where
    F: FnOnce(&Store, &Principal, Timestamp) -> Result<Answer, ApiError> + Send + 'static,
{
    database
        .write(move |store| execute(store, submission, action))
        .await
}

/// The order in which a request is judged: its key, its head, an answer given before, its body,
/// what it refers to. A remembered answer comes before the body is judged, so that a repetition
/// gets the first answer whatever it carries.
fn execute(
    store: &Store,
    submission: Submission,
    action: Result<
        impl FnOnce(&Store, &Principal, Timestamp) -> Result<Answer, ApiError>,
        ApiError,
    >,
) -> Result<Answer, ApiError> {
    let key = submission.key.ok_or_else(ApiError::unauthorized)?;
    let now = Timestamp::now();
    let caller = store
        .authenticate(&key, now)?
        .ok_or_else(ApiError::unauthorized)?;
    store.note_use(&caller, now)?;
    let at = submission.at?;
    let repetition = submission.repetition?;
    if let Some(answer) = recalled(store, &caller, repetition.as_ref(), now)? {
        return Ok(answer);
    }
    let answer = action?(store, &caller, at)?;
    if let Some(request) = &repetition {
        store.remember(&caller, request, answer.status.as_u16(), &answer.body, now)?;
    }
    Ok(answer)
}

/// The answer given to this `Idempotency-Key` before.
fn recalled(
    store: &Store,
    caller: &Principal,
    repetition: Option<&Remembered>,
    now: Timestamp,
) -> Result<Option<Answer>, ApiError> {
    let Some(request) = repetition else {
        return Ok(None);
    };
    match store.recall(caller, request, now)? {
        None => Ok(None),
        Some(RememberedAnswer::Same { status, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            Ok(Some(Answer {
                status,
                body: body.into(),
            }))
        }
        Some(RememberedAnswer::Other { method, path }) => Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("this Idempotency-Key was used before, for {method} {path}"),
        )),
    }
}

fn start(
    store: &Store,
    caller: &Principal,
    session: &NewSession,
    at: Timestamp,
) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Started<'a> {
        id: &'a str,
        name: &'a str,
        agent_name: &'a str,
        user_id: &'a str,
        status: &'a str,
        created_at: Timestamp,
    }
    let id = store.insert_session(caller, session, at)?;
    Answer::ok(&Started {
        id: &id,
        name: &session.name,
        agent_name: &session.agent_name,
        user_id: &session.user_id,
        status: "active",
        created_at: at,
    })
}

fn complete(
    store: &Store,
    caller: &Principal,
    id: &str,
    outcome: Outcome,
    at: Timestamp,
) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Updated<'a> {
        id: &'a str,
        name: &'a Value,
        status: &'a str,
        success: &'a Value,
        estimated_cost: &'a Value,
        duration_ms: &'a Value,
        completed_at: Option<Timestamp>,
    }
    fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a Value {
        fields.get(name).unwrap_or(&Value::Null)
    }
    let mut session = store.session(id)?.ok_or_else(ApiError::unknown_session)?;
    if !session.belongs_to(caller) {
        return Err(ApiError::forbidden());
    }
    store.update_session(&mut session, outcome, at)?;
    Answer::ok(&Updated {
        id: &session.id,
        name: field(&session.body, "name"),
        status: &session.status,
        success: field(&session.outcome, "success"),
        estimated_cost: field(&session.outcome, "estimatedCost"),
        duration_ms: field(&session.outcome, "durationMs"),
        completed_at: session.completed_at,
    })
}

fn record(
    store: &Store,
    caller: &Principal,
    event: &NewEvent,
    at: Timestamp,
) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Recorded<'a> {
        id: &'a str,
        session_id: &'a str,
        event_type: &'a str,
        tool_name: Option<&'a str>,
        created_at: Timestamp,
    }
    let session = store
        .locate_session(caller, &event.session_id)?
        .ok_or_else(ApiError::unknown_session)?;
    if !session.accessible {
        return Err(ApiError::forbidden());
    }
    let id = store.insert_event(session, event, at)?;
    Answer::ok(&Recorded {
        id: &id,
        session_id: &event.session_id,
        event_type: &event.event_type,
        tool_name: event.tool_name.as_deref(),
        created_at: at,
    })
}
