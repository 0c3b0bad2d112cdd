//! The server over real loopback sockets.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::keys::Environment;
use super::store::Store;
use super::store::tests::Scratch;
use super::{Server, ServerError, ServerOptions};

mod access;
mod experiments;
mod hostile;
mod repetition;
mod throughput;
mod trust;

const SESSIONS: &str = "/api/sdk/sessions";
const EVENTS: &str = "/api/sdk/events";

/// An HTTP client for loopback.
pub(crate) fn client() -> reqwest::Client {
    // Another test may have installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

/// A server on a free port with one live key.
struct Running {
    scratch: Scratch,
    address: std::net::SocketAddr,
    key: String,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    fn start() -> Self {
        Self::start_on(Scratch::new())
    }

    fn start_on(scratch: Scratch) -> Self {
        let server = Server::bind(&ServerOptions::loopback(scratch.database(), 0)).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async {
            drop(stopped.await);
        }));
        let store = Store::open(&scratch.database()).unwrap();
        let key = store
            .create_key("test", Environment::Live)
            .unwrap()
            .key
            .reveal()
            .to_owned();
        Self {
            scratch,
            address,
            key,
            client: client(),
            stop: Some(stop),
            task,
        }
    }

    fn store(&self) -> Store {
        Store::open(&self.scratch.database()).unwrap()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
            .bearer_auth(&self.key)
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(
            self.request(method, path)
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
        .await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn session(&self) -> String {
        let body = json!({"name": "n", "agentName": "a", "userId": "u"});
        let (status, body) = self.send(Method::POST, SESSIONS, &body).await;
        assert_eq!(status, 200, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    async fn stop(mut self) -> Scratch {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap().unwrap();
        self.scratch
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let status = response.status();
    (
        status,
        serde_json::from_str(&response.text().await.unwrap()).unwrap(),
    )
}

#[tokio::test]
async fn a_session_from_start_to_end() {
    let server = Running::start();
    let body =
        json!({"name": "n", "agentName": "a", "userId": "u", "metadata": {"k": 1}, "mine": [2]});
    let (status, started) = server.send(Method::POST, SESSIONS, &body).await;
    assert_eq!(status, 200);
    let id = started["id"].as_str().unwrap();
    assert!(id.starts_with("sess_"));
    let created_at = started["createdAt"].as_str().unwrap();
    assert_eq!(
        started,
        json!({"id": id, "name": "n", "agentName": "a", "userId": "u", "status": "active",
               "createdAt": created_at})
    );

    let event = json!({"sessionId": id, "eventType": "tool_call", "toolName": "search",
                       "toolInput": {"q": "x"}, "estimatedCost": 0.25, "mine": true});
    let (status, recorded) = server.send(Method::POST, EVENTS, &event).await;
    assert_eq!(status, 200);
    assert!(recorded["id"].as_str().unwrap().starts_with("evt_"));
    assert_eq!(recorded["toolName"], "search");
    assert_eq!(recorded.as_object().unwrap().len(), 5);

    let path = format!("{SESSIONS}/{id}");
    let outcome = json!({"status": "completed", "success": true, "durationMs": 7,
                         "estimatedCost": 0.5, "theirs": "kept"});
    let (status, completed) = server.send(Method::PATCH, &path, &outcome).await;
    assert_eq!(status, 200);
    let completed_at = completed["completedAt"].as_str().unwrap();
    assert_eq!(
        completed,
        json!({"id": id, "name": "n", "status": "completed", "success": true,
               "estimatedCost": 0.5, "durationMs": 7, "completedAt": completed_at})
    );

    let (_, shown) = server.get(&path).await;
    for (name, value) in [
        ("metadata", json!({"k": 1})),
        ("mine", json!([2])),
        ("theirs", json!("kept")),
        ("status", json!("completed")),
        ("eventCount", json!(1)),
        ("errorCount", json!(0)),
        ("eventCost", json!(0.25)),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    let (_, events) = server.get(&format!("{path}/events")).await;
    assert_eq!(events["total"], 1);
    assert_eq!(events["events"][0]["mine"], true);
    assert_eq!(events["events"][0]["id"], recorded["id"]);
    server.stop().await;
}

#[tokio::test]
async fn null_leaves_an_earlier_value_and_completion_happens_once() {
    let server = Running::start();
    let path = format!("{SESSIONS}/{}", server.session().await);
    let first = json!({"status": "failed", "success": false, "failureReason": "r"});
    let (_, before) = server.send(Method::PATCH, &path, &first).await;
    let again = json!({"success": null, "durationMs": 3, "status": "failed"});
    let (_, after) = server.send(Method::PATCH, &path, &again).await;
    assert_eq!(after["success"], false);
    assert_eq!(after["durationMs"], 3);
    assert_eq!(after["completedAt"], before["completedAt"]);
    let (_, open) = server
        .send(
            Method::PATCH,
            &format!("{SESSIONS}/{}", server.session().await),
            &json!({}),
        )
        .await;
    assert_eq!(
        (&open["status"], &open["completedAt"]),
        (&json!("active"), &Value::Null)
    );
    server.stop().await;
}

#[tokio::test]
async fn events_are_shown_by_the_callers_time_then_by_arrival() {
    let server = Running::start();
    let id = server.session().await;
    let record = async |name: &str, at: &str| {
        let event = json!({"sessionId": id, "eventType": "tool_call", "toolName": name});
        let request = server
            .request(Method::POST, EVENTS)
            .header("x-sentrial-timestamp", at);
        answer(
            request
                .header("content-type", "application/json")
                .body(event.to_string()),
        )
        .await
    };
    for (name, at) in [
        ("c", "2026-01-01T00:00:02Z"),
        ("a", "2026-01-01T01:00:00.5+01:00"),
        ("b", "2026-01-01T00:00:01Z"),
        ("d", "2026-01-01T00:00:02Z"),
    ] {
        assert_eq!(record(name, at).await.0, 200);
    }
    let (_, shown) = server.get(&format!("{SESSIONS}/{id}/events?limit=3")).await;
    let column = |shown: &Value, name: &str| {
        let events = shown["events"].as_array().unwrap().iter();
        events
            .map(|event| event[name].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(column(&shown, "toolName"), ["a", "b", "c"]);
    assert_eq!(
        column(&shown, "createdAt")[0],
        "2026-01-01T00:00:00.500000Z"
    );
    let (_, rest) = server
        .get(&format!("{SESSIONS}/{id}/events?offset=3"))
        .await;
    assert_eq!(
        (column(&rest, "toolName"), &rest["total"]),
        (vec!["d".to_owned()], &json!(4))
    );
    let (status, refused) = record("e", "yesterday").await;
    assert_eq!(status, 400);
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .starts_with("X-Sentrial-Timestamp")
    );
    server.stop().await;
}

#[tokio::test]
async fn sessions_are_listed_by_what_is_asked() {
    let server = Running::start();
    for (agent, user) in [("a", "u"), ("b", "u"), ("a", "v")] {
        let body = json!({"name": "n", "agentName": agent, "userId": user});
        server.send(Method::POST, SESSIONS, &body).await;
    }
    let count = async |query: &str| {
        let (status, body) = server.get(&format!("{SESSIONS}?{query}")).await;
        assert_eq!(status, 200, "{body}");
        body["sessions"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 3);
    assert_eq!(count("agent=a").await, 2);
    assert_eq!(count("agent=a&user=v&status=active").await, 1);
    assert_eq!(count("status=completed").await, 0);
    assert_eq!(count("limit=2&agent=").await, 2);
    assert_eq!(count("since=2020-01-01T00:00:00Z").await, 3);
    assert_eq!(count("since=2999-01-01T00:00:00Z").await, 0);
    let (_, body) = server.get(&format!("{SESSIONS}?limt=2")).await;
    assert_eq!(
        body["message"],
        "unknown parameter limt; did you mean limit?"
    );
    for query in [
        "limit=0",
        "limit=x",
        "limit=1001",
        "since=7",
        "since=",
        "status=done",
    ] {
        let (status, body) = server.get(&format!("{SESSIONS}?{query}")).await;
        let name = query.split('=').next().unwrap();
        assert_eq!(status, 400);
        assert!(
            body["message"].as_str().unwrap().starts_with(name),
            "{body}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_stored_survives_a_restart() {
    let server = Running::start();
    let (id, key) = (server.session().await, server.key.clone());
    let mut server = Running::start_on(server.stop().await);
    server.key = key;
    let (status, _) = server.get(&format!("{SESSIONS}/{id}")).await;
    assert_eq!(status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let server = Running::start();
    let options = ServerOptions::loopback(server.scratch.database(), server.address.port());
    let refused = Server::bind(&options).err().unwrap().to_string();
    assert!(
        refused.contains(&server.address.port().to_string()),
        "{refused}"
    );
    server.stop().await;
}
