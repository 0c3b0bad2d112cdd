//! Who may do what: missing, wrong, revoked and foreign keys.

use http::{Method, StatusCode};
use serde_json::json;

use super::super::keys::Environment;
use super::{EVENTS, Running, SESSIONS, answer};

#[tokio::test]
async fn keys_are_checked_with_every_request() {
    let server = Running::start();
    let id = server.session().await;
    let unauthorized = json!({"error": "Unauthorized", "message": "Invalid or missing API key"});
    let url = |path: &str| format!("http://{}{path}", server.address);
    for request in [
        server.client.get(url("/api/sdk/pii-config")),
        server.client.post(url(SESSIONS)).body("{"),
        server
            .client
            .get(url(SESSIONS))
            .bearer_auth("sentrial_live_wrong"),
        server
            .client
            .patch(url(&format!("{SESSIONS}/{id}")))
            .header("authorization", "Basic x"),
    ] {
        assert_eq!(
            answer(request).await,
            (StatusCode::UNAUTHORIZED, unauthorized.clone())
        );
    }
    let (status, _) = answer(server.client.get(url("/api/health"))).await;
    assert_eq!(status, 200);
    server.store().revoke_key("test").unwrap();
    assert_eq!(
        server.get(SESSIONS).await,
        (StatusCode::UNAUTHORIZED, unauthorized)
    );
    server.stop().await;
}

#[tokio::test]
async fn test_keys_and_live_sessions_do_not_mix() {
    let mut server = Running::start();
    let id = server.session().await;
    let other = server
        .store()
        .create_key("other", Environment::Test)
        .unwrap();
    server.key = other.key.reveal().to_owned();
    let forbidden = json!({
        "error": "Forbidden", "message": "API key does not have access to this resource",
    });
    let event = json!({"sessionId": id, "eventType": "error"});
    let path = format!("{SESSIONS}/{id}");
    for answer in [
        server.send(Method::PATCH, &path, &json!({})).await,
        server.send(Method::POST, EVENTS, &event).await,
        server.get(&path).await,
        server.get(&format!("{path}/events")).await,
    ] {
        assert_eq!(answer, (StatusCode::FORBIDDEN, forbidden.clone()));
    }
    assert_eq!(server.get(SESSIONS).await.1, json!({"sessions": []}));
    server.stop().await;
}

#[tokio::test]
async fn reading_counts_as_use_of_a_key() {
    let server = Running::start();
    assert_eq!(server.store().list_keys().unwrap()[0].last_used_at, None);
    server.get(SESSIONS).await;
    assert!(
        server.store().list_keys().unwrap()[0]
            .last_used_at
            .is_some()
    );
    server.stop().await;
}
