//! The bodies of experiments and runs.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{Document, kind, one_of, wrong_type};
use crate::server::answer::ApiError;
use crate::server::store::{NewExperiment, NewRun, RunEnd};

/// What an experiment that does not say so is.
const STATUS: &str = "active";
const RUN_STATUSES: [&str; 3] = ["running", "completed", "failed"];

/// An element of a list, and its place for messages.
type Item<'a> = (String, &'a Map<String, Value>);

impl Document {
    /// The body of `POST /api/experiments`. A test case without a session gets a name of its own.
    pub(crate) fn into_experiment(mut self) -> Result<NewExperiment, ApiError> {
        self.required_string("name")?;
        let status = self.optional_string("status")?.unwrap_or(STATUS).to_owned();
        self.optional_string("description")?;
        self.fields.insert("status".to_owned(), json!(status));
        self.check_variants()?;
        let test_cases = self.test_cases()?;
        self.fields
            .insert("testCases".to_owned(), Value::Array(test_cases));
        Ok(NewExperiment {
            fields: self.fields,
        })
    }

    /// The body of `POST /api/experiments/{id}/runs`.
    pub(crate) fn into_run(self) -> Result<NewRun, ApiError> {
        Ok(NewRun {
            variant: self.required_string("variantName")?.to_owned(),
            base_session_id: self.required_string("baseSessionId")?.to_owned(),
        })
    }

    /// The body of `PATCH /api/experiments/{id}/runs/{run}`.
    pub(crate) fn into_run_end(self) -> Result<RunEnd, ApiError> {
        let status = self.optional_string("status")?.map(str::to_owned);
        if let Some(status) = &status {
            one_of("status", status, &RUN_STATUSES)?;
        }
        let text = |name| {
            self.optional_string(name)
                .map(|text| text.map(str::to_owned))
        };
        Ok(RunEnd {
            status,
            result_session_id: text("resultSessionId")?,
            error_message: text("errorMessage")?,
        })
    }

    fn check_variants(&self) -> Result<(), ApiError> {
        let mut names = HashSet::new();
        for (place, variant) in self.items("variants")? {
            let name = required(&place, variant, "name")?;
            if !names.insert(name) {
                let message = format!("{place}.name must differ from the others: {name}");
                return Err(ApiError::bad_request(message));
            }
            text(&place, variant, "systemPrompt")?
                .ok_or_else(|| missing(&place, "systemPrompt"))?;
            text(&place, variant, "description")?;
        }
        Ok(())
    }

    fn test_cases(&self) -> Result<Vec<Value>, ApiError> {
        let mut ids = HashSet::new();
        let mut test_cases = Vec::new();
        for (number, (place, test_case)) in self.items("testCases")?.into_iter().enumerate() {
            required(&place, test_case, "userInput")?;
            let id = text(&place, test_case, "sessionId")?
                .filter(|id| !id.is_empty())
                .map_or_else(|| format!("case_{}", number + 1), str::to_owned);
            if !ids.insert(id.clone()) {
                let message = format!("{place}.sessionId must differ from the others: {id}");
                return Err(ApiError::bad_request(message));
            }
            let mut test_case = test_case.clone();
            test_case.insert("sessionId".to_owned(), json!(id));
            test_cases.push(Value::Object(test_case));
        }
        Ok(test_cases)
    }

    /// The elements of a list of objects, at least one, with their places for messages.
    fn items(&self, name: &str) -> Result<Vec<Item<'_>>, ApiError> {
        let list = match self.given(name) {
            None => return Err(ApiError::bad_request(format!("{name} is required"))),
            Some(Value::Array(list)) if list.is_empty() => {
                return Err(ApiError::bad_request(format!("{name} must not be empty")));
            }
            Some(Value::Array(list)) => list,
            Some(other) => return Err(wrong_type(name, "a list of objects", other)),
        };
        list.iter()
            .enumerate()
            .map(|(index, item)| {
                let place = format!("{name}[{index}]");
                match item {
                    Value::Object(item) => Ok((place, item)),
                    other => Err(wrong_type(&place, "an object", other)),
                }
            })
            .collect()
    }
}

fn text<'a>(
    place: &str,
    item: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, ApiError> {
    match item.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(ApiError::bad_request(format!(
            "{place}.{name} must be a string, not {}",
            kind(other)
        ))),
    }
}

fn required<'a>(
    place: &str,
    item: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a str, ApiError> {
    match text(place, item, name)? {
        Some("") => Err(ApiError::bad_request(format!(
            "{place}.{name} must not be empty"
        ))),
        Some(text) => Ok(text),
        None => Err(missing(place, name)),
    }
}

fn missing(place: &str, name: &str) -> ApiError {
    ApiError::bad_request(format!("{place}.{name} is required"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{document, refusal, with};

    fn experiment() -> Value {
        json!({
            "name": "Prompts",
            "variants": [{"name": "Control", "systemPrompt": "be brief"}],
            "testCases": [{"userInput": "hello"}, {"sessionId": "sess_1", "userInput": "bye"}],
        })
    }

    #[test]
    fn an_experiment_is_completed() {
        let fields = document(&experiment()).into_experiment().unwrap().fields;
        assert_eq!(fields["status"], "active");
        assert_eq!(fields["testCases"][0]["sessionId"], "case_1");
        assert_eq!(fields["testCases"][1]["sessionId"], "sess_1");
    }

    #[test]
    fn an_experiment_names_what_is_wrong() {
        let base = experiment();
        let variant = json!({"name": "Control", "systemPrompt": "p"});
        for (name, value, message) in [
            ("name", json!(""), "name must not be empty"),
            ("status", json!(1), "status must be a string"),
            ("variants", json!(null), "variants is required"),
            ("variants", json!([]), "variants must not be empty"),
            ("variants", json!({}), "variants must be a list"),
            ("variants", json!(["A"]), "variants[0] must be an object"),
            (
                "variants",
                json!([{"systemPrompt": "p"}]),
                "variants[0].name is required",
            ),
            (
                "variants",
                json!([{"name": "A"}]),
                "variants[0].systemPrompt is required",
            ),
            (
                "variants",
                json!([variant, variant]),
                "variants[1].name must differ",
            ),
            ("testCases", json!([]), "testCases must not be empty"),
            (
                "testCases",
                json!([{"userInput": ""}]),
                "testCases[0].userInput must not",
            ),
            (
                "testCases",
                json!([{"userInput": 1}]),
                "testCases[0].userInput must be",
            ),
            (
                "testCases",
                json!([{"userInput": "a", "sessionId": "s"}, {"userInput": "b", "sessionId": "s"}]),
                "testCases[1].sessionId must differ",
            ),
        ] {
            let said = refusal(with(&base, name, value).into_experiment());
            assert!(said.starts_with(message), "{said}");
        }
    }

    #[test]
    fn a_run_names_what_is_wrong() {
        let base = json!({"variantName": "Control", "baseSessionId": "s"});
        assert_eq!(document(&base).into_run().unwrap().variant, "Control");
        for name in ["variantName", "baseSessionId"] {
            let said = refusal(with(&base, name, json!(null)).into_run());
            assert!(said.starts_with(name), "{said}");
        }
        let end = json!({"status": "failed", "resultSessionId": null, "errorMessage": "e"});
        let read = document(&end).into_run_end().unwrap();
        assert_eq!(read.error_message.as_deref(), Some("e"));
        for (name, value) in [("status", json!("done")), ("resultSessionId", json!(1))] {
            let said = refusal(with(&end, name, value).into_run_end());
            assert!(said.starts_with(name), "{said}");
        }
    }
}
