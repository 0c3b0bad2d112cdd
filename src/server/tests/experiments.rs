//! Experiments over the wire.

use http::Method;
use serde_json::{Value, json};

use super::{Running, SESSIONS};
use crate::server::keys::Environment;

const EXPERIMENTS: &str = "/api/experiments";

async fn experiment(server: &Running) -> String {
    let body = json!({
        "name": "Prompts",
        "owner": "us",
        "variants": [
            {"name": "Control", "systemPrompt": "be brief", "description": "as now"},
            {"name": "Long", "systemPrompt": "explain"},
        ],
        "testCases": [{"userInput": "hello"}],
    });
    let (status, body) = server.send(Method::POST, EXPERIMENTS, &body).await;
    assert_eq!(status, 200, "{body}");
    body["experiment"]["id"].as_str().unwrap().to_owned()
}

async fn run(server: &Running, runs: &str, variant: &str, end: &Value) -> String {
    let start = json!({"variantName": variant, "baseSessionId": "case_1"});
    let (status, body) = server.send(Method::POST, runs, &start).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["run"]["status"], "running");
    let id = body["run"]["id"].as_str().unwrap().to_owned();
    let (status, body) = server
        .send(Method::PATCH, &format!("{runs}/{id}"), end)
        .await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["run"]["id"], id.as_str());
    id
}

#[tokio::test]
async fn variants_are_compared_by_their_runs_and_the_sessions_of_those() {
    let server = Running::start();
    let id = experiment(&server).await;
    let (runs, results) = (
        format!("{EXPERIMENTS}/{id}/runs"),
        format!("{EXPERIMENTS}/{id}/results"),
    );
    let session = server.session().await;
    let outcome = json!({
        "status": "completed", "estimatedCost": 0.25, "durationMs": 120, "totalTokens": 7,
    });
    let path = format!("{SESSIONS}/{session}");
    assert_eq!(server.send(Method::PATCH, &path, &outcome).await.0, 200);

    let linked = json!({"status": "completed", "resultSessionId": session, "errorMessage": null});
    run(&server, &runs, "Control", &linked).await;
    let failed = json!({"status": "failed", "resultSessionId": null, "errorMessage": "no"});
    run(&server, &runs, "Control", &failed).await;

    let (status, shown) = server.get(&runs).await;
    assert_eq!(status, 200);
    assert_eq!(shown["experiment"]["owner"], "us");
    assert_eq!(shown["experiment"]["testCases"][0]["sessionId"], "case_1");
    assert_eq!(shown["runs"].as_array().unwrap().len(), 2);

    let (status, found) = server.get(&results).await;
    assert_eq!(status, 200);
    let control = &found["variants"][0];
    assert_eq!(
        [&control["runs"], &control["completed"], &control["failed"]],
        [2, 1, 1]
    );
    assert_eq!(control["successRate"], 0.5);
    assert_eq!(control["averageCost"], 0.25);
    assert_eq!(control["averageTokens"], 7.0);
    assert_eq!(found["runs"][0]["durationMs"], 120.0);
    assert_eq!(found["runs"][1]["errorMessage"], "no");
    let long = &found["variants"][1];
    assert_eq!(long["runs"], 0);
    assert!(long["successRate"].is_null() && long["averageCost"].is_null());

    let (status, body) = super::answer(server.request(Method::DELETE, &runs)).await;
    assert_eq!((status.as_u16(), &body["deleted"]), (200, &json!(2)));
    assert!(
        server.get(&runs).await.1["runs"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    server.stop().await;
}

#[tokio::test]
async fn what_does_not_exist_or_belongs_to_others_is_refused() {
    let server = Running::start();
    let id = experiment(&server).await;
    let runs = format!("{EXPERIMENTS}/{id}/runs");
    let start = json!({"variantName": "Other", "baseSessionId": "case_1"});
    let (status, body) = server.send(Method::POST, &runs, &start).await;
    assert_eq!(status, 400);
    assert_eq!(body["message"], "variantName must be one of Control, Long");
    let (status, _) = server
        .send(Method::PATCH, &format!("{runs}/run_none"), &json!({}))
        .await;
    assert_eq!(status, 404);
    for path in [
        "/api/experiments/none/runs",
        "/api/experiments/none/results",
    ] {
        let (status, body) = server.get(path).await;
        assert_eq!(
            (status.as_u16(), &body["message"]),
            (404, &json!("Experiment not found"))
        );
    }
    let (status, listed) = server.get(EXPERIMENTS).await;
    assert_eq!(status, 200);
    assert_eq!(listed["experiments"][0]["id"], id.as_str());

    let key = server
        .store()
        .create_key("other", Environment::Test)
        .unwrap()
        .key;
    let as_other = |path: &str| {
        let url = format!("http://{}{path}", server.address);
        server.client.get(url).bearer_auth(key.reveal())
    };
    assert_eq!(super::answer(as_other(&runs)).await.0, 403);
    let (_, listed) = super::answer(as_other(EXPERIMENTS)).await;
    assert!(listed["experiments"].as_array().unwrap().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn experiments_and_runs_survive_a_restart() {
    let server = Running::start();
    let id = experiment(&server).await;
    let runs = format!("{EXPERIMENTS}/{id}/runs");
    run(&server, &runs, "Long", &json!({"status": "completed"})).await;
    let server = Running::start_on(server.stop().await);
    let (status, shown) = server.get(&runs).await;
    assert_eq!(status, 200, "{shown}");
    assert_eq!(shown["runs"][0]["status"], "completed");
    server.stop().await;
}
