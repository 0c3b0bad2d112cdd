//! Malformed and hostile requests: each gets a 4xx JSON answer, and the server goes on.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::intake::BODY_LIMIT;
use super::super::validate::Document;
use super::{EVENTS, Running, SESSIONS, answer};

#[tokio::test]
async fn refusals_are_flat_json() {
    let server = Running::start();
    let id = server.session().await;
    let json = |method, path: &str, body: &str| {
        let request = server
            .request(method, path)
            .header("content-type", "application/json");
        answer(request.body(body.to_owned()))
    };
    let session = format!("{SESSIONS}/{id}");
    for (expected, (status, body)) in [
        (400, json(Method::POST, SESSIONS, "{").await),
        (400, json(Method::POST, SESSIONS, "").await),
        (400, json(Method::POST, SESSIONS, "[]").await),
        (400, json(Method::POST, SESSIONS, "{\"name\": 1}").await),
        (400, json(Method::POST, EVENTS, "{}").await),
        (
            400,
            json(Method::PATCH, &session, "{\"status\": \"x\"}").await,
        ),
        (
            404,
            json(Method::PATCH, &format!("{SESSIONS}/sess_unknown"), "{}").await,
        ),
        (
            404,
            json(Method::PATCH, &format!("{SESSIONS}/%ff"), "{}").await,
        ),
        (
            404,
            json(
                Method::POST,
                EVENTS,
                "{\"sessionId\":\"s\",\"eventType\":\"error\"}",
            )
            .await,
        ),
        (404, server.get("/api/sdk/nothing").await),
        (
            404,
            server.get(&format!("{SESSIONS}/sess_unknown/events")).await,
        ),
        (405, json(Method::PUT, SESSIONS, "{}").await),
        (405, server.get(EVENTS).await),
        (
            413,
            json(Method::POST, SESSIONS, &" ".repeat(BODY_LIMIT + 1)).await,
        ),
        (
            415,
            answer(server.request(Method::POST, SESSIONS).body("name=n")).await,
        ),
    ] {
        assert_eq!(status, expected, "{body}");
        let fields = body.as_object().unwrap();
        assert_eq!(fields.len(), 2);
        assert_eq!(
            body["error"],
            StatusCode::canonical_reason(&status).unwrap()
        );
        assert!(!body["message"].as_str().unwrap().is_empty());
    }
    server.session().await;
    server.stop().await;
}

#[tokio::test]
async fn a_refused_method_says_what_is_allowed() {
    let server = Running::start();
    let response = server.request(Method::DELETE, EVENTS).send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    server.stop().await;
}

/// Sends raw bytes and reads until the server closes or says no more.
async fn raw(server: &Running, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = timeout(Duration::from_secs(10), connection.read(&mut answer))
        .await
        .unwrap();
    String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned()
}

#[tokio::test]
async fn what_is_not_even_http_does_not_stop_the_server() {
    let server = Running::start();
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000));
    let wide = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "a".repeat(600_000)
    );
    for bytes in [
        b"\0\x01\x02 nonsense\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/sdk/events HTTP/1.1\r\nhost: x\r\ncontent-length: -4\r\n\r\n",
        long.as_bytes(),
        wide.as_bytes(),
    ] {
        let answer = raw(&server, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    server.session().await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_or_stalls_does_not_hold_up_the_end() {
    let server = Running::start();
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        server.address, server.key
    );
    let mut gone = TcpStream::connect(server.address).await.unwrap();
    gone.write_all(head.as_bytes()).await.unwrap();
    drop(gone);
    let mut stalled = TcpStream::connect(server.address).await.unwrap();
    stalled.write_all(head.as_bytes()).await.unwrap();
    let id = server.session().await;
    let event = json!({"sessionId": id, "eventType": "error"});
    assert_eq!(server.send(Method::POST, EVENTS, &event).await.0, 200);
    let started = Instant::now();
    server.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Any JSON value, up to three levels deep.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop_oneof![Just("completed"), Just("error"), Just("tool_call")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// An object with known field names and any values.
fn any_body() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "name",
        "agentName",
        "userId",
        "metadata",
        "sessionId",
        "eventType",
        "toolName",
        "toolInput",
        "toolError",
        "confidence",
        "estimatedCost",
        "tokenCount",
        "status",
        "success",
        "durationMs",
        "customMetrics",
        "totalTokens",
        "alternativesConsidered",
    ]);
    prop::collection::vec((name, any_value()), 0..10).prop_map(|fields| {
        Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Err(refused) = Document::parse(&bytes) {
            prop_assert_eq!(refused.status, 400);
        }
    }

    #[test]
    fn any_object_is_taken_or_refused_by_name(body in any_body()) {
        let document = || Document::parse(body.to_string().as_bytes()).unwrap();
        let refusals = [
            document().into_session().err(),
            document().into_outcome().err(),
            document().into_event().err(),
        ];
        for refused in refusals.into_iter().flatten() {
            prop_assert_eq!(refused.status, 400);
            let named = refused.message.split([' ', '.']).next().unwrap();
            prop_assert!(named.chars().all(char::is_alphanumeric), "{}", refused.message);
        }
    }
}
