//! Reading the fields of a JSON body: each failure is a 400 that names the field.

mod experiments;
mod surrogates;

use serde_json::{Map, Value};

use super::answer::ApiError;
use super::store::{NewEvent, NewSession, Outcome};

/// The kinds of event the API knows.
const EVENT_TYPES: [&str; 4] = ["tool_call", "llm_decision", "state_change", "error"];
/// The largest amount that is taken (USD, milliseconds, tokens). Sums of amounts stay finite, as
/// the answers promise numbers.
const LARGEST_AMOUNT: f64 = 1e12;
/// The words that end a session.
const FINAL_STATUSES: [&str; 2] = ["completed", "failed"];

/// A body that is a JSON object, with the text it was read from.
#[derive(Debug)]
pub(crate) struct Document {
    text: String,
    fields: Map<String, Value>,
}

impl Document {
    /// Reads the body of a request.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let malformed =
            |reason: String| ApiError::bad_request(format!("the body is not valid JSON: {reason}"));
        if bytes.is_empty() {
            return Err(malformed("it is empty".to_owned()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
        let text = surrogates::replaced(text);
        match serde_json::from_str(&text) {
            Ok(Value::Object(fields)) => Ok(Self {
                text: text.into_owned(),
                fields,
            }),
            Ok(other) => Err(ApiError::bad_request(format!(
                "the body must be a JSON object, not {}",
                kind(&other)
            ))),
            Err(error) => Err(malformed(error.to_string())),
        }
    }

    /// The body of `POST /api/sdk/sessions`.
    pub(crate) fn into_session(self) -> Result<NewSession, ApiError> {
        let name = self.required_string("name")?.to_owned();
        let agent_name = self.required_string("agentName")?.to_owned();
        let user_id = self.required_string("userId")?.to_owned();
        let parent_id = self.optional_string("parentSessionId")?.map(str::to_owned);
        self.optional_string("convoId")?;
        self.optional_string("projectId")?;
        self.optional_object("metadata")?;
        Ok(NewSession {
            name,
            agent_name,
            user_id,
            parent_id,
            body: self.text,
        })
    }

    /// The body of `PATCH /api/sdk/sessions/{id}`.
    pub(crate) fn into_outcome(self) -> Result<Outcome, ApiError> {
        let status = self.optional_string("status")?.map(str::to_owned);
        if let Some(status) = &status {
            one_of("status", status, &FINAL_STATUSES)?;
        }
        self.optional_bool("success")?;
        for name in ["failureReason", "userInput", "assistantOutput"] {
            self.optional_string(name)?;
        }
        for name in ["estimatedCost", "durationMs"] {
            self.optional_amount(name)?;
        }
        for name in ["promptTokens", "completionTokens", "totalTokens"] {
            self.optional_count(name)?;
        }
        if let Some(metrics) = self.optional_object("customMetrics")? {
            for (name, value) in metrics {
                if !value.is_number() {
                    return Err(wrong_type(
                        &format!("customMetrics.{name}"),
                        "a number",
                        value,
                    ));
                }
            }
        }
        Ok(Outcome {
            status,
            fields: self.fields,
        })
    }

    /// The body of `POST /api/sdk/events`.
    pub(crate) fn into_event(self) -> Result<NewEvent, ApiError> {
        let session_id = self.required_string("sessionId")?.to_owned();
        let event_type = self.required_string("eventType")?.to_owned();
        one_of("eventType", &event_type, &EVENT_TYPES)?;
        let tool_name = self.optional_string("toolName")?.map(str::to_owned);
        for name in [
            "toolInput",
            "toolOutput",
            "stateBefore",
            "stateAfter",
            "metadata",
        ] {
            self.optional_object(name)?;
        }
        for name in ["reasoning", "traceId", "spanId"] {
            self.optional_string(name)?;
        }
        self.alternatives()?;
        let confidence = self.optional_number("confidence")?;
        if let Some(confidence) = confidence.filter(|sure| !(0.0..=1.0).contains(sure)) {
            let message = format!("confidence must be between 0 and 1: {confidence}");
            return Err(ApiError::bad_request(message));
        }
        self.optional_count("tokenCount")?;
        let tool_error = self.optional_object("toolError")?;
        let cost = self.optional_amount("estimatedCost")?.unwrap_or(0.0);
        let failed = event_type == "error" || tool_error.is_some();
        Ok(NewEvent {
            session_id,
            event_type,
            tool_name,
            failed,
            cost,
            body: self.text,
        })
    }

    /// `alternativesConsidered`: a string, or a list. Agents list structured alternatives as
    /// well as the documented strings, so the elements are kept as they are.
    fn alternatives(&self) -> Result<(), ApiError> {
        const NAME: &str = "alternativesConsidered";
        match self.given(NAME) {
            None | Some(Value::String(_) | Value::Array(_)) => Ok(()),
            Some(other) => Err(wrong_type(NAME, "a list of strings", other)),
        }
    }

    /// The value of a field; `null` counts as not given.
    fn given(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn required_string(&self, name: &str) -> Result<&str, ApiError> {
        match self.optional_string(name)? {
            None => Err(ApiError::bad_request(format!("{name} is required"))),
            Some("") => Err(ApiError::bad_request(format!("{name} must not be empty"))),
            Some(text) => Ok(text),
        }
    }

    fn optional_string(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.optional(name, "a string", Value::as_str)
    }

    fn optional_bool(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.optional(name, "true or false", Value::as_bool)
    }

    fn optional_object(&self, name: &str) -> Result<Option<&Map<String, Value>>, ApiError> {
        self.optional(name, "an object", Value::as_object)
    }

    fn optional_number(&self, name: &str) -> Result<Option<f64>, ApiError> {
        self.optional(name, "a number", Value::as_f64)
    }

    /// A number that is neither negative nor larger than any amount is.
    fn optional_amount(&self, name: &str) -> Result<Option<f64>, ApiError> {
        match self.optional_number(name)? {
            Some(amount) if amount < 0.0 => Err(ApiError::bad_request(format!(
                "{name} must not be negative: {amount}"
            ))),
            Some(amount) if amount > LARGEST_AMOUNT => Err(ApiError::bad_request(format!(
                "{name} must be at most {LARGEST_AMOUNT:e}: {amount:e}"
            ))),
            amount => Ok(amount),
        }
    }

    /// A whole number that is not negative; `12.0` counts as one.
    fn optional_count(&self, name: &str) -> Result<(), ApiError> {
        match self.optional_amount(name)? {
            Some(count) if count.fract() != 0.0 => Err(ApiError::bad_request(format!(
                "{name} must be a whole number: {count}"
            ))),
            _ => Ok(()),
        }
    }

    fn optional<'a, T: 'a>(
        &'a self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.given(name) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| wrong_type(name, expected, value))
    }
}

fn wrong_type(name: &str, expected: &str, found: &Value) -> ApiError {
    ApiError::bad_request(format!("{name} must be {expected}, not {}", kind(found)))
}

fn one_of(name: &str, value: &str, allowed: &[&str]) -> Result<(), ApiError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let shown: String = value.chars().take(64).collect();
    Err(ApiError::bad_request(format!(
        "{name} must be one of {}: {shown}",
        allowed.join(", ")
    )))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::{ApiError, Document};

    pub(in crate::server) fn document(body: &Value) -> Document {
        Document::parse(body.to_string().as_bytes()).unwrap()
    }

    pub(in crate::server) fn refusal<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.status, 400);
        error.message
    }

    /// `base` with one field replaced.
    pub(in crate::server) fn with(base: &Value, name: &str, value: Value) -> Document {
        let mut body = base.clone();
        body[name] = value;
        document(&body)
    }

    #[test]
    fn a_body_must_be_a_json_object() {
        for bytes in ["", "{", "{} x", "\u{feff}{}", "NaN", "{\"a\": NaN}"] {
            assert!(refusal(Document::parse(bytes.as_bytes())).contains("not valid JSON"));
        }
        assert!(refusal(Document::parse(b"{\"a\": \"\xff\"}")).contains("not valid JSON"));
        assert!(refusal(Document::parse("[".repeat(100_000).as_bytes())).contains("JSON"));
        for (bytes, found) in [("[]", "an array"), ("null", "null"), ("1", "a number")] {
            assert!(refusal(Document::parse(bytes.as_bytes())).ends_with(found));
        }
    }

    #[test]
    fn a_session_needs_three_strings() {
        let base = json!({"name": "n", "agentName": "a", "userId": "u", "metadata": null, "x": 1});
        let session = document(&base).into_session().unwrap();
        assert_eq!(session.body, base.to_string());
        for name in ["name", "agentName", "userId"] {
            for value in [json!(null), json!(""), json!(3), json!({})] {
                let message = refusal(with(&base, name, value).into_session());
                assert!(message.starts_with(&format!("{name} ")), "{message}");
            }
        }
        for name in ["metadata", "parentSessionId", "convoId"] {
            let message = refusal(with(&base, name, json!(1)).into_session());
            assert!(
                message.starts_with(&format!("{name} must be ")),
                "{message}"
            );
        }
    }

    #[test]
    fn an_outcome_names_what_is_wrong() {
        document(&json!({})).into_outcome().unwrap();
        let all = json!({
            "status": "failed", "success": null, "failureReason": "r", "estimatedCost": 0.5,
            "durationMs": 12, "promptTokens": 1, "completionTokens": 2.0, "totalTokens": 3,
            "customMetrics": {"score": 0.5}, "userInput": "i", "assistantOutput": "o",
        });
        assert_eq!(
            document(&all).into_outcome().unwrap().status.unwrap(),
            "failed"
        );
        for (name, value) in [
            ("status", json!("done")),
            ("status", json!(1)),
            ("success", json!("yes")),
            ("failureReason", json!([])),
            ("estimatedCost", json!("1")),
            ("estimatedCost", json!(-1)),
            ("durationMs", json!(true)),
            ("promptTokens", json!(1.5)),
            ("totalTokens", json!(-1)),
            ("customMetrics", json!([1])),
            ("customMetrics", json!({"score": "high"})),
            ("userInput", json!({})),
        ] {
            let message = refusal(with(&all, name, value).into_outcome());
            assert!(message.starts_with(name), "{message}");
        }
    }

    #[test]
    fn an_event_names_what_is_wrong() {
        let base = json!({"sessionId": "sess_1", "eventType": "tool_call"});
        assert!(!document(&base).into_event().unwrap().failed);
        assert!(
            with(&base, "toolError", json!({"message": "m"}))
                .into_event()
                .unwrap()
                .failed
        );
        assert!(
            with(&base, "eventType", json!("error"))
                .into_event()
                .unwrap()
                .failed
        );
        with(&base, "alternativesConsidered", json!(["a", "b"]))
            .into_event()
            .unwrap();
        for (name, value) in [
            ("sessionId", json!(null)),
            ("eventType", json!("other")),
            ("toolName", json!(7)),
            ("toolInput", json!("text")),
            ("toolOutput", json!([])),
            ("stateBefore", json!(1)),
            ("stateAfter", json!(1)),
            ("metadata", json!("m")),
            ("reasoning", json!({})),
            ("alternativesConsidered", json!(1)),
            ("confidence", json!(1.01)),
            ("confidence", json!("high")),
            ("tokenCount", json!(-2)),
            ("tokenCount", json!(1e13)),
            ("estimatedCost", json!(1e308)),
            ("toolError", json!("broke")),
            ("estimatedCost", json!([])),
            ("traceId", json!(1)),
        ] {
            let message = refusal(with(&base, name, value).into_event());
            assert!(message.starts_with(name), "{message}");
        }
    }
}
