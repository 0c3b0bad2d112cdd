//! What keeps the server answering: keys before bodies, reads beside a locked writer, a file that
//! is gone, requests that are not for it.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{EVENTS, Running, SESSIONS, answer};

#[tokio::test]
async fn a_body_without_a_key_is_not_parsed() {
    let mut server = Running::start();
    server.key = "sentrial_live_unknown".to_owned();
    // A body that is no JSON would be 400 if it were looked at.
    for size in [1, 4 << 20] {
        let request = server
            .request(Method::POST, SESSIONS)
            .header("content-type", "application/json")
            .body("{".repeat(size));
        assert_eq!(answer(request).await.0, 401);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_was_revoked_after_its_first_request_is_refused() {
    let server = Running::start();
    server.session().await;
    server.store().revoke_key("test").unwrap();
    let body = json!({"name": "n", "agentName": "a", "userId": "u"});
    assert_eq!(server.send(Method::POST, SESSIONS, &body).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn reads_go_on_while_another_process_writes() {
    let server = Running::start();
    let id = server.session().await;
    let other = rusqlite::Connection::open(server.scratch.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    for path in [SESSIONS.to_owned(), format!("{SESSIONS}/{id}")] {
        assert_eq!(server.get(&path).await.0, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(2));
    other.execute_batch("ROLLBACK").unwrap();
    server.session().await;
    server.stop().await;
}

#[tokio::test]
async fn a_locked_database_is_503_with_a_time_to_come_back() {
    let server = Running::start();
    let id = server.session().await;
    let other = rusqlite::Connection::open(server.scratch.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let event = json!({"sessionId": id, "eventType": "error"});
    let response = server
        .request(Method::POST, EVENTS)
        .header("content-type", "application/json")
        .body(event.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    server.stop().await;
}

#[tokio::test]
async fn a_database_that_is_gone_is_said_and_nothing_is_answered_as_stored() {
    let server = Running::start();
    server.session().await;
    std::fs::remove_file(server.scratch.database()).unwrap();
    let body = json!({"name": "n", "agentName": "a", "userId": "u"});
    for (status, said) in [
        server.send(Method::POST, SESSIONS, &body).await,
        server.get(SESSIONS).await,
    ] {
        assert_eq!(status, 503);
        assert!(
            said["message"].as_str().unwrap().contains("was removed"),
            "{said}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn only_http_1_and_only_requests_for_us_are_served() {
    let server = Running::start();
    let host = server.address.to_string();
    for (head, expected) in [
        (format!("host: {host}"), "200"),
        (format!("host: localhost:{}", server.address.port()), "200"),
        ("host: evil.example".to_owned(), "421"),
        ("accept: */*".to_owned(), "400"),
        (format!("host: {host}\r\nhost: {host}"), "400"),
        (
            format!("host: {host}\r\norigin: http://evil.example"),
            "403",
        ),
        (format!("host: {host}\r\nsec-fetch-site: cross-site"), "403"),
    ] {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /api/health HTTP/1.1\r\n{head}\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        connection.read_to_string(&mut said).await.unwrap();
        assert!(
            said.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{head}: {said}"
        );
    }
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let mut said = Vec::new();
    connection.read_to_end(&mut said).await.unwrap();
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 4"));
    server.stop().await;
}

#[tokio::test]
async fn success_follows_a_later_status() {
    let server = Running::start();
    let path = format!("{SESSIONS}/{}", server.session().await);
    let first = json!({"status": "completed", "success": true});
    server.send(Method::PATCH, &path, &first).await;
    let (_, after) = server
        .send(Method::PATCH, &path, &json!({"status": "failed"}))
        .await;
    assert_eq!(
        (&after["status"], &after["success"]),
        (&json!("failed"), &json!(false))
    );
    let both = json!({"status": "completed", "success": false});
    let (_, after) = server.send(Method::PATCH, &path, &both).await;
    assert_eq!(
        (&after["status"], &after["success"]),
        (&json!("completed"), &json!(false))
    );
    server.stop().await;
}
