//! Malformed and hostile requests: each gets a 4xx JSON answer, and the server goes on.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::request::BODY_LIMIT;
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
        (404, server.get("/").await),
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
        assert!(answer.contains("\"error\""), "{answer}");
    }
    server.session().await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_or_stalls_does_not_hold_up_the_end() {
    let server = Running::start();
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
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
