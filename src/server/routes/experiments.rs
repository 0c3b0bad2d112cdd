//! Experiments: set up, run, compared.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use serde_json::json;

use super::read::answer;
use super::write::submit;
use crate::server::answer::{Answer, ApiError};
use crate::server::database::Database;
use crate::server::intake::Intake;
use crate::server::request::Submission;
use crate::server::store::{ExperimentRecord, Principal, Store};
use crate::server::timestamp::Timestamp;
use crate::server::validate::Document;
use crate::server::view;

type Id = Result<Path<String>, PathRejection>;

/// `POST /api/experiments`
pub(in crate::server) async fn create(
    State(database): State<Database>,
    State(intake): State<Intake>,
    request: Request,
) -> Result<Answer, ApiError> {
    let (submission, body) = Submission::receive(&intake, request).await?;
    let action = body.and_then(Document::into_experiment).map(|experiment| {
        move |store: &Store, caller: &Principal, at: Timestamp| {
            let id = store.insert_experiment(caller, &experiment, at)?;
            let record = accessible(store, caller, &id)?;
            Answer::ok(&json!({"experiment": view::experiment(&record)}))
        }
    });
    submit(&database, submission, action).await
}

/// `GET /api/experiments`
pub(in crate::server) async fn list(
    State(database): State<Database>,
    request: Request,
) -> Result<Answer, ApiError> {
    answer(&database, request.headers(), |store, caller| {
        let experiments = store.experiments(&caller)?;
        let experiments: Vec<_> = experiments.iter().map(view::experiment).collect();
        Answer::ok(&json!({"experiments": experiments}))
    })
    .await
}

/// `GET /api/experiments/{id}/runs`
pub(in crate::server) async fn show(
    State(database): State<Database>,
    id: Id,
    request: Request,
) -> Result<Answer, ApiError> {
    answer(&database, request.headers(), move |store, caller| {
        let record = accessible(store, &caller, &named(id)?)?;
        let runs: Vec<_> = store.runs(&record)?.iter().map(view::run).collect();
        Answer::ok(&json!({"experiment": view::experiment(&record), "runs": runs}))
    })
    .await
}

/// `POST /api/experiments/{id}/runs`
pub(in crate::server) async fn start_run(
    State(database): State<Database>,
    State(intake): State<Intake>,
    id: Id,
    request: Request,
) -> Result<Answer, ApiError> {
    let (submission, body) = Submission::receive(&intake, request).await?;
    let action = body.and_then(Document::into_run).and_then(|run| {
        let id = named(id)?;
        Ok(move |store: &Store, caller: &Principal, at: Timestamp| {
            let record = accessible(store, caller, &id)?;
            if !record.variants().any(|name| name == run.variant) {
                let known = record.variants().collect::<Vec<_>>().join(", ");
                let message = format!("variantName must be one of {known}");
                return Err(ApiError::bad_request(message));
            }
            let id = store.insert_run(&record, &run, at)?;
            let run = store.run(&record, &id)?.ok_or_else(ApiError::unknown_run)?;
            Answer::ok(&json!({"run": view::run(&run)}))
        })
    });
    submit(&database, submission, action).await
}

/// `PATCH /api/experiments/{id}/runs/{run}`
pub(in crate::server) async fn end_run(
    State(database): State<Database>,
    State(intake): State<Intake>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Answer, ApiError> {
    let (submission, body) = Submission::receive(&intake, request).await?;
    let action = body.and_then(Document::into_run_end).and_then(|end| {
        let Path((id, run)) = path.map_err(|_| ApiError::unknown_run())?;
        Ok(move |store: &Store, caller: &Principal, at: Timestamp| {
            let record = accessible(store, caller, &id)?;
            let mut run = store
                .run(&record, &run)?
                .ok_or_else(ApiError::unknown_run)?;
            store.update_run(&mut run, end, at)?;
            Answer::ok(&json!({"run": view::run(&run)}))
        })
    });
    submit(&database, submission, action).await
}

/// `DELETE /api/experiments/{id}/runs`
pub(in crate::server) async fn reset(
    State(database): State<Database>,
    id: Id,
    request: Request,
) -> Result<Answer, ApiError> {
    let submission = Submission::without_body(&request);
    let action = named(id).map(|id| {
        move |store: &Store, caller: &Principal, _: Timestamp| {
            let record = accessible(store, caller, &id)?;
            Answer::ok(&json!({"deleted": store.delete_runs(&record)?}))
        }
    });
    submit(&database, submission, action).await
}

/// `GET /api/experiments/{id}/results`
pub(in crate::server) async fn results(
    State(database): State<Database>,
    id: Id,
    request: Request,
) -> Result<Answer, ApiError> {
    answer(&database, request.headers(), move |store, caller| {
        let record = accessible(store, &caller, &named(id)?)?;
        Answer::ok(&view::results(store, &caller, &record)?)
    })
    .await
}

fn named(id: Id) -> Result<String, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::unknown_experiment())?;
    Ok(id)
}

fn accessible(store: &Store, caller: &Principal, id: &str) -> Result<ExperimentRecord, ApiError> {
    let record = store
        .experiment(id)?
        .ok_or_else(ApiError::unknown_experiment)?;
    if record.belongs_to(caller) {
        Ok(record)
    } else {
        Err(ApiError::forbidden())
    }
}
