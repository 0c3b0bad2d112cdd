//! What the server answers: a status and a JSON body, errors in the documented flat form.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::store::{StoreError, Trouble};

/// A finished answer, before it becomes HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// 200 with `body` as JSON.
    pub(crate) fn ok(body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(body).map_err(|error| ApiError::internal(&error))?;
        Ok(Self {
            status: StatusCode::OK,
            body: body.into(),
        })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let json = (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        (self.status, [json], self.body).into_response()
    }
}

/// An answer that says why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// 400; `message` names the field or the header.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The documented 401.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Invalid or missing API key")
    }

    /// The documented 403.
    pub(crate) fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "API key does not have access to this resource",
        )
    }

    pub(crate) fn unknown_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Session not found")
    }

    pub(crate) fn unknown_experiment() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Experiment not found")
    }

    pub(crate) fn unknown_run() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Run not found")
    }

    pub(crate) fn internal(error: &impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the local server failed: {error}"),
        )
    }

    /// The error as an answer: `{"error": <reason phrase>, "message": …}`.
    pub(crate) fn into_answer(self) -> Answer {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a str,
            message: &'a str,
        }
        let error = self.status.canonical_reason().unwrap_or("Error");
        let body = serde_json::to_vec(&Body {
            error,
            message: &self.message,
        });
        Answer {
            status: self.status,
            body: body.unwrap_or_default().into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let advice = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            _ => None,
        };
        let mut response = self.into_answer().into_response();
        if let Some((name, value)) = advice {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    /// A database that another process holds is worth another attempt (503), as is one that is
    /// gone, once the server runs on a file again; a full disk is 507; anything else is ours (500).
    fn from(error: StoreError) -> Self {
        match error.trouble() {
            Trouble::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database is locked by another process",
            ),
            Trouble::Gone => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            Trouble::Full => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "the disk with the database is full; reading still works",
            ),
            Trouble::Other => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ApiError;

    #[test]
    fn the_documented_bodies() {
        assert_eq!(
            ApiError::unauthorized().into_answer().body,
            r#"{"error":"Unauthorized","message":"Invalid or missing API key"}"#
        );
        assert_eq!(
            ApiError::forbidden().into_answer().body,
            r#"{"error":"Forbidden","message":"API key does not have access to this resource"}"#
        );
    }
}
