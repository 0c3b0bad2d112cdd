//! The application: which path is answered by whom, and what happens to everything else.

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use futures_util::FutureExt;
use http::StatusCode;

use super::answer::ApiError;
use super::database::Database;
use super::routes::{experiments, read, write};

/// The documented API and our read endpoints over `database`.
pub(crate) fn router(database: Database) -> Router {
    Router::new()
        .route("/api/health", get(read::health))
        .route(
            "/api/sdk/sessions",
            post(write::create_session).get(read::list_sessions),
        )
        .route(
            "/api/sdk/sessions/{id}",
            patch(write::update_session).get(read::get_session),
        )
        .route("/api/sdk/sessions/{id}/events", get(read::list_events))
        .route("/api/sdk/events", post(write::create_event))
        .route("/api/sdk/pii-config", get(read::pii_config))
        .route(
            "/api/experiments",
            post(experiments::create).get(experiments::list),
        )
        .route(
            "/api/experiments/{id}/runs",
            get(experiments::show)
                .post(experiments::start_run)
                .delete(experiments::reset),
        )
        .route(
            "/api/experiments/{id}/runs/{run}",
            patch(experiments::end_run),
        )
        .route("/api/experiments/{id}/results", get(experiments::results))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(contain_panics))
        .with_state(database)
}

async fn not_found(request: Request) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("no such path: {}", request.uri().path()),
    )
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "{} is not allowed on {}",
            request.method(),
            request.uri().path()
        ),
    )
}

/// A panic in a handler becomes a 500; the connection and the server go on.
async fn contain_panics(request: Request, next: Next) -> Response {
    AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| ApiError::internal(&"a request could not be handled").into_response())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::contain_panics;

    async fn broken() -> &'static str {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_500_and_the_connection_goes_on() {
        let app = Router::new()
            .route("/", get(broken))
            .layer(from_fn(contain_panics));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(async { axum::serve(listener, app).await });
        let client = crate::server::tests::client();
        for _ in 0..2 {
            let response = client.get(&url).send().await.unwrap();
            assert_eq!(response.status(), 500);
            assert!(response.text().await.unwrap().contains("\"error\""));
        }
        serving.abort();
    }
}
