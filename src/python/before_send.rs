//! `before_send`: the program looks at a payload before it is queued.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::core::request::Body;

use super::json::{Budget, write_value};
use super::{log, pending};

/// The hook of a client.
#[derive(Debug)]
pub(crate) struct BeforeSend {
    hook: Py<PyAny>,
    complained: AtomicBool,
}

impl BeforeSend {
    pub(crate) fn new(hook: Py<PyAny>) -> Self {
        Self {
            hook,
            complained: AtomicBool::new(false),
        }
    }

    /// The body as the hook wants it; `None` if it wants none, or failed. What must stop the program
    /// stays an error.
    pub(crate) fn apply(
        &self,
        py: Python<'_>,
        body: Body,
        max_bytes: usize,
    ) -> PyResult<Option<Body>> {
        match self.call(py, &body, max_bytes) {
            Ok(Some(json)) => Ok(Some(put_back(body, json))),
            Ok(None) => Ok(None),
            Err(error) if error.is_instance_of::<PyException>(py) => {
                if !self.complained.swap(true, Ordering::AcqRel) {
                    let kind = error.get_type(py).name()?;
                    let text = format!(
                        "before_send raised {kind}; what it was called for is withheld, further ones are only counted"
                    );
                    log::warn(py, &text);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn call(&self, py: Python<'_>, body: &Body, max_bytes: usize) -> PyResult<Option<Vec<u8>>> {
        let json = match body {
            Body::Ready(bytes) => bytes.to_vec(),
            Body::Led { tail, .. } => {
                let rest = tail.strip_prefix(b",").unwrap_or(tail);
                [b"{", rest].concat()
            }
        };
        let payload = pending::decode_any(py, &json)?;
        let answer = self.hook.bind(py).call1((payload,))?;
        if answer.is_none() {
            return Ok(None);
        }
        let answer = answer.cast_into::<PyDict>()?;
        let mut out = Vec::with_capacity(json.len());
        write_value(answer.as_any(), &mut out, &mut Budget::new(max_bytes))?;
        Ok(Some(out))
    }
}

fn put_back(body: Body, json: Vec<u8>) -> Body {
    match body {
        Body::Ready(_) => Body::Ready(json.into()),
        Body::Led { field, session, .. } => {
            let mut tail = json;
            match tail.as_slice() {
                [b'{', b'}'] => tail = b"}".to_vec(),
                [b'{', ..] => {
                    if let Some(first) = tail.first_mut() {
                        *first = b',';
                    }
                }
                _ => tail = b"}".to_vec(),
            }
            Body::Led {
                field,
                session,
                tail,
            }
        }
    }
}
