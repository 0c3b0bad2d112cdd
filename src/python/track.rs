//! The bodies of events: which fields an event has, and what it does to its session.

use std::ops::Range;
use std::sync::Arc;

use crate::python::once::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::client::SentrialClient;
use super::context;
use super::inner::Inner;
use super::json::{Amount, is_true, text_of};
use super::payload::{Payload, amount};
use super::record::SessionRecord;
use super::state::{State, Stored};

type Arg<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// Whose event it is.
pub(crate) struct Target<'a, 'py> {
    pub(crate) client: &'a Bound<'py, SentrialClient>,
    pub(crate) record: Arc<SessionRecord>,
    /// Does anybody see what the call returns? A receipt costs 0.2 µs in a loop, and 2.5 µs of a
    /// small event's 19 in a program that has slept.
    pub(crate) is_read: bool,
}

/// What every event may carry.
#[derive(Default, Clone, Copy)]
pub(crate) struct Common<'a, 'py> {
    pub(crate) trace_id: Arg<'a, 'py>,
    pub(crate) span_id: Arg<'a, 'py>,
    pub(crate) metadata: Arg<'a, 'py>,
}

/// The arguments of `track_tool_call`.
pub(crate) struct ToolCall<'a, 'py> {
    pub(crate) name: &'a Bound<'py, PyAny>,
    pub(crate) input: Arg<'a, 'py>,
    pub(crate) output: Arg<'a, 'py>,
    pub(crate) reasoning: Arg<'a, 'py>,
    pub(crate) cost: Arg<'a, 'py>,
    pub(crate) error: Arg<'a, 'py>,
    pub(crate) tokens: Arg<'a, 'py>,
    pub(crate) duration_ms: Arg<'a, 'py>,
    pub(crate) status: Arg<'a, 'py>,
    pub(crate) common: Common<'a, 'py>,
}

/// A call, of a tool or of a model, whose input and output are written.
pub(crate) struct Called<'a, 'py> {
    /// What ran.
    pub(crate) name: &'a str,
    pub(crate) output: Arg<'a, 'py>,
    /// Where the JSON of the output stands in the body.
    pub(crate) json: Range<usize>,
    pub(crate) cost: Amount,
    pub(crate) tokens: Amount,
    pub(crate) error: Arg<'a, 'py>,
}

/// The arguments of `track_decision`.
pub(crate) struct Decision<'a, 'py> {
    pub(crate) reasoning: &'a Bound<'py, PyAny>,
    pub(crate) alternatives: Arg<'a, 'py>,
    pub(crate) confidence: Arg<'a, 'py>,
    pub(crate) cost: Arg<'a, 'py>,
    pub(crate) tokens: Arg<'a, 'py>,
    pub(crate) chosen: Arg<'a, 'py>,
    pub(crate) common: Common<'a, 'py>,
}

/// The arguments of `track_error`.
pub(crate) struct ErrorEvent<'a, 'py> {
    pub(crate) message: &'a Bound<'py, PyAny>,
    pub(crate) kind: Arg<'a, 'py>,
    pub(crate) tool_name: Arg<'a, 'py>,
    pub(crate) tool_input: Arg<'a, 'py>,
    pub(crate) stack_trace: Arg<'a, 'py>,
    pub(crate) common: Common<'a, 'py>,
}

impl<'py> Target<'_, 'py> {
    fn inner(&self) -> &Inner {
        self.client.get().inner()
    }

    fn state(&self) -> PyResult<Arc<State>> {
        match self.record.state() {
            Some(state) => Ok(state),
            None => context::current_state(self.client),
        }
    }

    /// Writes the state as it is.
    fn snapshot(&self, payload: &mut Payload, name: &str, state: &State) -> PyResult<()> {
        payload.key(name);
        state.write(
            self.client.py(),
            &mut payload.out,
            self.inner().state_limits(),
        )
    }

    fn unchanged(&self, payload: &mut Payload) -> PyResult<()> {
        let state = self.state()?;
        let start = payload.out.len() + ",\"stateBefore\":".len();
        self.snapshot(payload, "stateBefore", &state)?;
        let end = payload.out.len();
        payload.key("stateAfter");
        payload.out.extend_from_within(start..end);
        Ok(())
    }

    fn send(&self, payload: Payload) -> PyResult<Py<PyAny>> {
        let py = self.client.py();
        self.inner().event(py, &self.record, payload, self.is_read)
    }

    fn sum(&self, cost: Amount, tokens: Amount) {
        self.record.totals.cost.add(cost);
        self.record.totals.tokens.add(tokens);
    }

    /// A call of a tool.
    pub(crate) fn tool_call(&self, call: &ToolCall<'_, 'py>) -> PyResult<Py<PyAny>> {
        let mut payload = self.payload(b"\"tool_call\"");
        payload.value("toolName", call.name)?;
        payload.object("toolInput", call.input, "input")?;
        let json = payload.object("toolOutput", call.output, "result")?;
        payload.value_or_null("reasoning", call.reasoning)?;
        self.tokens_of_output(call.output);
        let called = Called {
            name: &text_of(call.name),
            output: call.output,
            json,
            cost: amount(call.cost),
            tokens: amount(call.tokens),
            error: call.error,
        };
        self.called(payload, &called, |payload| {
            payload.some("tokenCount", call.tokens)?;
            let extra = [("duration_ms", call.duration_ms), ("status", call.status)];
            Self::common(payload, &call.common, &extra)
        })
    }

    /// An empty body of an event of this type.
    pub(crate) fn payload(&self, event_type: &[u8]) -> Payload {
        let mut payload = self.inner().payload();
        payload.raw("eventType", event_type);
        payload
    }

    /// Adds the states before and after a call, its cost and its error, and what `rest` writes, and
    /// sends it.
    pub(crate) fn called(
        &self,
        mut payload: Payload,
        call: &Called<'_, 'py>,
        rest: impl FnOnce(&mut Payload) -> PyResult<()>,
    ) -> PyResult<Py<PyAny>> {
        let state = self.state()?;
        self.snapshot(&mut payload, "stateBefore", &state)?;
        let stored = Stored {
            key: &PyString::new(self.client.py(), &[call.name, "_result"].concat()),
            value: call.output,
            json: call.json.clone(),
        };
        let limits = self.inner().state_limits();
        state.store(&stored, &payload.out, limits)?;
        payload.key("stateAfter");
        state.write_stored(self.client.py(), &mut payload.out, limits)?;
        payload.amount("estimatedCost", call.cost);
        if let Some(error) = call.error {
            payload.error(error)?;
        }
        rest(&mut payload)?;
        self.sum(call.cost, call.tokens);
        self.send(payload)
    }

    /// `{"tokens": {"prompt": …, "completion": …}}` in an output counts too.
    pub(crate) fn tokens_of_output(&self, output: Arg<'_, '_>) {
        let Some(output) = output else { return };
        let py = output.py();
        let Some(tokens) = member(output, intern!(py, "tokens")) else {
            return;
        };
        let count = |key| amount(member(&tokens, key).as_ref());
        self.record.totals.prompt.add(count(intern!(py, "prompt")));
        self.record
            .totals
            .completion
            .add(count(intern!(py, "completion")));
    }

    pub(crate) fn common(
        payload: &mut Payload,
        common: &Common<'_, '_>,
        extra: &[(&str, Arg<'_, '_>)],
    ) -> PyResult<()> {
        payload.some("traceId", common.trace_id)?;
        payload.some("spanId", common.span_id)?;
        payload.metadata(common.metadata, extra)
    }

    /// A decision of the model.
    pub(crate) fn decision(&self, decision: &Decision<'_, '_>) -> PyResult<Py<PyAny>> {
        let mut payload = self.payload(b"\"llm_decision\"");
        payload.value("reasoning", decision.reasoning)?;
        payload.value_or_null("alternativesConsidered", decision.alternatives)?;
        match decision.confidence {
            Some(confidence) => {
                self.inner().check_confidence(confidence);
                payload.value("confidence", confidence)?;
            }
            None => payload.raw("confidence", b"null"),
        }
        self.unchanged(&mut payload)?;
        let cost = amount(decision.cost);
        payload.amount("estimatedCost", cost);
        payload.some("tokenCount", decision.tokens)?;
        Self::common(
            &mut payload,
            &decision.common,
            &[("chosen", decision.chosen)],
        )?;
        self.sum(cost, amount(decision.tokens));
        self.send(payload)
    }

    /// An error.
    pub(crate) fn error(&self, error: &ErrorEvent<'_, '_>) -> PyResult<Py<PyAny>> {
        let truthy = |value: Arg<'_, '_>| value.is_some_and(is_true);
        let mut payload = self.payload(b"\"error\"");
        payload.key("toolError");
        // The object's members are written like those of the body: each after a comma, the
        // first of which becomes the opening brace.
        let start = payload.out.len();
        payload.value("message", error.message)?;
        payload.some("type", error.kind.filter(|kind| truthy(Some(kind))))?;
        payload.some(
            "stack_trace",
            error.stack_trace.filter(|trace| truthy(Some(trace))),
        )?;
        if let Some(first) = payload.out.get_mut(start) {
            *first = b'{';
        }
        payload.out.push(b'}');
        self.unchanged(&mut payload)?;
        payload.some("toolName", error.tool_name)?;
        if let Some(input) = error.tool_input {
            payload.object("toolInput", Some(input), "input")?;
        }
        Self::common(&mut payload, &error.common, &[])?;
        self.send(payload)
    }

    /// Changes of the agent's state.
    pub(crate) fn state_change(
        &self,
        changes: &Bound<'_, PyDict>,
        reasoning: Arg<'_, '_>,
        common: &Common<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        let mut payload = self.payload(b"\"state_change\"");
        payload.value_or_null("reasoning", reasoning)?;
        let state = self.state()?;
        self.snapshot(&mut payload, "stateBefore", &state)?;
        state.update(changes)?;
        self.snapshot(&mut payload, "stateAfter", &state)?;
        Self::common(&mut payload, common, &[])?;
        self.send(payload)
    }

    /// An event whose fields the caller names himself.
    pub(crate) fn custom(
        &self,
        event_type: &Bound<'_, PyAny>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let mut payload = self.inner().payload();
        payload.value("eventType", event_type)?;
        let field = |name| fields.and_then(|fields| fields.get_item(name).ok().flatten());
        let (cost, tokens) = (field("estimated_cost"), field("token_count"));
        self.sum(amount(cost.as_ref()), amount(tokens.as_ref()));
        for (name, value) in fields.map(PyDictMethods::iter).into_iter().flatten() {
            let name = camel(&text_of(&name));
            if name != "sessionId" && name != "eventType" {
                payload.value(&name, &value)?;
            }
        }
        self.send(payload)
    }
}

/// What a dict has under a key.
fn member<'py>(value: &Bound<'py, PyAny>, key: &Bound<'py, PyString>) -> Option<Bound<'py, PyAny>> {
    value.cast::<PyDict>().ok()?.get_item(key).ok()?
}

/// `snake_case` as `camelCase`.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' if !out.is_empty() => upper = true,
            // Names become JSON keys without escaping; what would need it is no field name.
            '"' | '\\' | '\0'..='\x1f' => {}
            _ if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            _ => out.push(c),
        }
    }
    out
}
