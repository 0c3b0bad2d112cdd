//! Experiments in the database, and their runs.

use rusqlite::{OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::keys::environment;
use super::queries::object;
use super::{Principal, Store, StoreError, new_id};
use crate::server::keys::Environment;
use crate::server::timestamp::Timestamp;

/// An experiment as a caller sets it up.
#[derive(Debug, Clone)]
pub struct NewExperiment {
    /// Name, status, variants and test cases, checked; unknown fields included.
    pub fields: Map<String, Value>,
}

/// The start of a run.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// `variantName`
    pub variant: String,
    /// `baseSessionId`: the session of the test case.
    pub base_session_id: String,
}

/// What a caller says about a run that has started; what is not given stays as it is.
#[derive(Debug, Clone)]
pub struct RunEnd {
    /// `status`: a final word ends the run.
    pub status: Option<String>,
    /// `resultSessionId`
    pub result_session_id: Option<String>,
    /// `errorMessage`
    pub error_message: Option<String>,
}

/// A stored experiment.
#[derive(Debug, Clone)]
pub struct ExperimentRecord {
    seq: i64,
    /// `exp_…`
    pub id: String,
    owner: String,
    environment: Environment,
    /// When it was set up.
    pub created_at: Timestamp,
    /// Its fields.
    pub fields: Map<String, Value>,
}

/// A stored run.
#[derive(Debug, Clone)]
pub struct RunRecord {
    seq: i64,
    /// `run_…`
    pub id: String,
    /// The name of the variant.
    pub variant: String,
    /// The session of the test case.
    pub base_session_id: String,
    /// `running`, `completed` or `failed`
    pub status: String,
    /// The session recorded by the run.
    pub result_session_id: Option<String>,
    /// Why it failed.
    pub error_message: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl ExperimentRecord {
    /// Whether `caller` may see and change it.
    #[must_use]
    pub fn belongs_to(&self, caller: &Principal) -> bool {
        self.owner == caller.owner && self.environment == caller.environment
    }

    /// The names of its variants.
    pub fn variants(&self) -> impl Iterator<Item = &str> {
        let variants = self.fields.get("variants").and_then(Value::as_array);
        variants
            .into_iter()
            .flatten()
            .filter_map(|variant| variant.get("name")?.as_str())
    }
}

impl Store {
    /// Sets an experiment up and returns its id.
    pub(crate) fn insert_experiment(
        &self,
        caller: &Principal,
        experiment: &NewExperiment,
        at: Timestamp,
    ) -> Result<String, StoreError> {
        let id = new_id("exp");
        self.connection
            .prepare_cached(
                "INSERT INTO experiments (id, owner, environment, created_at, body)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                id,
                caller.owner,
                caller.environment.as_str(),
                at.micros(),
                Value::Object(experiment.fields.clone()).to_string(),
            ])?;
        Ok(id)
    }

    /// The experiment with this id.
    pub(crate) fn experiment(&self, id: &str) -> Result<Option<ExperimentRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, owner, environment, created_at, body FROM experiments WHERE id = ?1",
        )?;
        Ok(statement.query_row([id], read_experiment).optional()?)
    }

    /// The experiments of `caller`, the latest first.
    pub(crate) fn experiments(
        &self,
        caller: &Principal,
    ) -> Result<Vec<ExperimentRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, owner, environment, created_at, body FROM experiments
             WHERE owner = ?1 AND environment = ?2 ORDER BY seq DESC",
        )?;
        let rows = statement.query_map(
            params![caller.owner, caller.environment.as_str()],
            read_experiment,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Starts a run and returns its id.
    pub(crate) fn insert_run(
        &self,
        experiment: &ExperimentRecord,
        run: &NewRun,
        at: Timestamp,
    ) -> Result<String, StoreError> {
        let id = new_id("run");
        self.connection
            .prepare_cached(
                "INSERT INTO runs (id, experiment, variant, base_session_id, status, started_at)
                 VALUES (?1, ?2, ?3, ?4, 'running', ?5)",
            )?
            .execute(params![
                id,
                experiment.seq,
                run.variant,
                run.base_session_id,
                at.micros(),
            ])?;
        Ok(id)
    }

    /// The runs of an experiment, in the order in which they started.
    pub(crate) fn runs(&self, experiment: &ExperimentRecord) -> Result<Vec<RunRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, variant, base_session_id, status, result_session_id, error_message,
                    started_at, ended_at
             FROM runs WHERE experiment = ?1 ORDER BY started_at, seq",
        )?;
        let rows = statement.query_map([experiment.seq], read_run)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The run with this id, if it belongs to `experiment`.
    pub(crate) fn run(
        &self,
        experiment: &ExperimentRecord,
        id: &str,
    ) -> Result<Option<RunRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, variant, base_session_id, status, result_session_id, error_message,
                    started_at, ended_at
             FROM runs WHERE experiment = ?1 AND id = ?2",
        )?;
        let found = statement.query_row(params![experiment.seq, id], read_run);
        Ok(found.optional()?)
    }

    /// Merges `end` into `run`; a final status sets the time of the end, once.
    pub(crate) fn update_run(
        &self,
        run: &mut RunRecord,
        end: RunEnd,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(status) = end.status {
            if status != "running" {
                run.ended_at = run.ended_at.or(Some(at));
            }
            run.status = status;
        }
        run.result_session_id = end.result_session_id.or(run.result_session_id.take());
        run.error_message = end.error_message.or(run.error_message.take());
        self.connection
            .prepare_cached(
                "UPDATE runs SET status = ?2, result_session_id = ?3, error_message = ?4,
                                 ended_at = ?5
                 WHERE seq = ?1",
            )?
            .execute(params![
                run.seq,
                run.status,
                run.result_session_id,
                run.error_message,
                run.ended_at.map(Timestamp::micros),
            ])?;
        Ok(())
    }

    /// Deletes the runs of an experiment; returns how many there were.
    pub(crate) fn delete_runs(&self, experiment: &ExperimentRecord) -> Result<usize, StoreError> {
        Ok(self
            .connection
            .prepare_cached("DELETE FROM runs WHERE experiment = ?1")?
            .execute([experiment.seq])?)
    }
}

fn read_experiment(row: &Row<'_>) -> rusqlite::Result<ExperimentRecord> {
    Ok(ExperimentRecord {
        seq: row.get(0)?,
        id: row.get(1)?,
        owner: row.get(2)?,
        environment: environment(row, 3)?,
        created_at: Timestamp::from_micros(row.get(4)?),
        fields: object(row, 5)?,
    })
}

fn read_run(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        seq: row.get(0)?,
        id: row.get(1)?,
        variant: row.get(2)?,
        base_session_id: row.get(3)?,
        status: row.get(4)?,
        result_session_id: row.get(5)?,
        error_message: row.get(6)?,
        started_at: Timestamp::from_micros(row.get(7)?),
        ended_at: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_micros),
    })
}
