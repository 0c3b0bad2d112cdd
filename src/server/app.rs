//! The application: which path is answered by whom, and what happens to everything else.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, patch, post};
use futures_util::FutureExt;
use http::{HeaderMap, StatusCode, header};

use super::answer::ApiError;
use super::database::Database;
use super::guard::guard;
use super::intake::Intake;
use super::routes::{experiments, read, write};

/// How much of a path that is unknown is said again.
const SHOWN_PATH: usize = 200;

/// The documented API and our read endpoints over `database`, for a server at `address`.
pub(crate) fn router(database: Database, address: SocketAddr) -> Router {
    Router::new()
        .route("/", get(welcome))
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
        .layer(from_fn_with_state(address, guard))
        .layer(from_fn(contain_panics))
        .with_state(App {
            intake: Intake::new(database.clone()),
            database,
        })
}

/// What the handlers share.
#[derive(Clone)]
struct App {
    database: Database,
    intake: Intake,
}

impl FromRef<App> for Database {
    fn from_ref(app: &App) -> Self {
        app.database.clone()
    }
}

impl FromRef<App> for Intake {
    fn from_ref(app: &App) -> Self {
        app.intake.clone()
    }
}

/// What a browser shows: what this is, and how to go on.
async fn welcome(headers: HeaderMap) -> impl IntoResponse {
    // The guard has seen that it names us.
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    Html(include_str!("welcome.html").replace("{host}", host.unwrap_or("127.0.0.1")))
}

async fn not_found(request: Request) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("no such path: {}", shown(&request)),
    )
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} is not allowed on {}", request.method(), shown(&request)),
    )
}

/// The path, as far as a person reads it.
fn shown(request: &Request) -> String {
    let path = request.uri().path();
    match path.char_indices().nth(SHOWN_PATH) {
        Some((end, _)) => format!("{}…", path.get(..end).unwrap_or_default()),
        None => path.to_owned(),
    }
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
        let (_running, stop) = tokio::sync::watch::channel(false);
        let serving = tokio::spawn(crate::server::accept::serve(listener, app, stop));
        let client = crate::server::tests::client();
        for _ in 0..2 {
            let response = client.get(&url).send().await.unwrap();
            assert_eq!(response.status(), 500);
            assert!(response.text().await.unwrap().contains("\"error\""));
        }
        serving.abort();
    }
}
