//! Experiments, their runs, and how the variants compare.

use serde_json::{Map, Value, json};

use crate::server::store::{
    ExperimentRecord, Principal, RunRecord, SessionRecord, Store, StoreError,
};

/// An experiment as it was set up, with its id.
#[must_use]
pub fn experiment(record: &ExperimentRecord) -> Value {
    let mut fields = record.fields.clone();
    fields.insert("id".to_owned(), json!(record.id));
    fields.insert("createdAt".to_owned(), json!(record.created_at));
    Value::Object(fields)
}

/// A run.
#[must_use]
pub fn run(record: &RunRecord) -> Value {
    json!({
        "id": record.id,
        "variantName": record.variant,
        "baseSessionId": record.base_session_id,
        "status": record.status,
        "resultSessionId": record.result_session_id,
        "errorMessage": record.error_message,
        "startedAt": record.started_at,
        "endedAt": record.ended_at,
    })
}

/// The runs with what their sessions cost and took, and the figures of each variant:
/// `{experiment, variants: [{name, runs, completed, failed, running, …}], runs}`.
///
/// Means are over the runs that have the figure; `null` where none has it.
///
/// # Errors
/// If the database cannot be read.
pub fn results(
    store: &Store,
    caller: &Principal,
    record: &ExperimentRecord,
) -> Result<Value, StoreError> {
    let mut measured = Vec::new();
    for run in store.runs(record)? {
        let session = match &run.result_session_id {
            Some(id) => store.session(id)?,
            None => None,
        };
        let session = session.filter(|session| session.belongs_to(caller));
        measured.push(Measured::new(run, session.as_ref()));
    }
    let variants: Vec<Value> = record
        .variants()
        .map(|name| figures(name, &measured))
        .collect();
    let runs: Vec<Value> = measured.iter().map(Measured::view).collect();
    Ok(json!({"experiment": experiment(record), "variants": variants, "runs": runs}))
}

/// A run and what is known of it.
struct Measured {
    run: RunRecord,
    /// As the session reports it, else from the start of the run to its end.
    duration_ms: Option<f64>,
    cost: Option<f64>,
    tokens: Option<f64>,
}

impl Measured {
    fn new(run: RunRecord, session: Option<&SessionRecord>) -> Self {
        let reported = |name: &str| session?.outcome.get(name)?.as_f64();
        let events = session
            .filter(|session| session.event_count > 0)
            .map(|session| session.event_cost);
        // Microseconds of a run fit into a float exactly.
        #[allow(clippy::cast_precision_loss)]
        let spent = run
            .ended_at
            .map(|end| (end.micros() - run.started_at.micros()) as f64 / 1_000.0);
        Self {
            duration_ms: reported("durationMs").or(spent),
            cost: reported("estimatedCost").or(events),
            tokens: reported("totalTokens"),
            run,
        }
    }

    fn view(&self) -> Value {
        let Value::Object(mut fields) = run(&self.run) else {
            return Value::Null;
        };
        let figures = [
            ("durationMs", self.duration_ms),
            ("cost", self.cost),
            ("tokens", self.tokens),
        ];
        fields.extend(figures.map(|(name, value)| (name.to_owned(), json!(value))));
        Value::Object(fields)
    }
}

fn figures(variant: &str, measured: &[Measured]) -> Value {
    let ours: Vec<&Measured> = measured
        .iter()
        .filter(|one| one.run.variant == variant)
        .collect();
    let with = |status: &str| ours.iter().filter(|one| one.run.status == status).count();
    let (completed, failed) = (with("completed"), with("failed"));
    let mut fields = Map::from_iter([
        ("name".to_owned(), json!(variant)),
        ("runs".to_owned(), json!(ours.len())),
        ("completed".to_owned(), json!(completed)),
        ("failed".to_owned(), json!(failed)),
        ("running".to_owned(), json!(ours.len() - completed - failed)),
        (
            "successRate".to_owned(),
            json!(ratio(completed, completed + failed)),
        ),
    ]);
    let means = [
        ("averageDurationMs", mean(&ours, |one| one.duration_ms)),
        ("averageCost", mean(&ours, |one| one.cost)),
        ("averageTokens", mean(&ours, |one| one.tokens)),
    ];
    fields.extend(means.map(|(name, value)| (name.to_owned(), json!(value))));
    Value::Object(fields)
}

#[allow(clippy::cast_precision_loss)] // Nobody makes 2^52 runs.
fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[allow(clippy::cast_precision_loss)]
fn mean(measured: &[&Measured], figure: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = measured.iter().filter_map(|one| figure(one)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
