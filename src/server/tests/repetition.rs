//! Requests sent again with the same `Idempotency-Key`.

use http::Method;
use serde_json::{Value, json};

use super::super::keys::Environment;
use super::{EVENTS, Running, SESSIONS, answer};

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_and_stores_nothing() {
    let server = Running::start();
    let body = json!({"name": "n", "agentName": "a", "userId": "u"}).to_string();
    let create = |key: &str, path: &str| {
        let request = server
            .request(Method::POST, path)
            .header("idempotency-key", key);
        answer(
            request
                .header("content-type", "application/json")
                .body(body.clone()),
        )
    };
    let answers = futures_util::future::join_all((0..32).map(|_| create("k", SESSIONS))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer == &answers[0] && answer.0 == 200)
    );
    let (_, listed) = server.get(SESSIONS).await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);

    // A refusal is not remembered, the first answer is, whatever comes with the key later.
    let event = |session: &str, kind: &str| json!({"sessionId": session, "eventType": kind});
    let record = |body: Value| {
        let request = server
            .request(Method::POST, EVENTS)
            .header("idempotency-key", "e");
        answer(
            request
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
    };
    let id = answers[0].1["id"].as_str().unwrap();
    assert_eq!(record(event(id, "nonsense")).await.0, 400);
    let first = record(event(id, "error")).await;
    assert_eq!(first.0, 200);
    assert_eq!(record(event(id, "nonsense")).await, first);
    let (status, refused) = create("e", SESSIONS).await;
    assert_eq!(status, 422);
    assert!(refused["message"].as_str().unwrap().contains(EVENTS));

    // Rotation: another key of the same owner and environment.
    let rotated = server.store().create_key("new", Environment::Live).unwrap();
    let request = server
        .client
        .post(format!("http://{}{SESSIONS}", server.address));
    let request = request
        .bearer_auth(rotated.key.reveal())
        .header("idempotency-key", "k");
    let again = answer(
        request
            .header("content-type", "application/json")
            .body(body.clone()),
    )
    .await;
    assert_eq!(again, answers[0]);
    server.stop().await;
}
