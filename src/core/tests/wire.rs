//! What goes over the wire, and what is made of the answers.

use std::sync::Arc;
use std::time::Duration;

use super::server::{Act, Server, gzip};
use super::{
    KEY, answered, body, client, counters, event_of, failed, flush, impatient, key, outcome,
    process, send, settings, wait,
};
use crate::core::client::Client;
use crate::core::request::{Body, Kind};
use crate::core::session::Session;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn every_header_is_as_documented() {
    let server = Server::start(|_| Act::ok());
    let client = impatient(&server.url(), SOON, 1);
    answered(&send(&client));
    let session = Session::known("a/b c");
    let receipt = client
        .submit(Kind::Complete, session, body(), true)
        .unwrap();
    answered(&outcome(&client, &receipt));
    let seen = server.seen();
    let bearer = format!("Bearer {KEY}");
    for request in &seen {
        assert_eq!(request.header("authorization"), Some(bearer.as_str()));
        assert_eq!(request.header("content-type"), Some("application/json"));
        let agent = request.header("user-agent").unwrap();
        assert_eq!(
            agent,
            concat!("sentrial-python/", env!("CARGO_PKG_VERSION"), " (rust)")
        );
        let time = request.header("x-sentrial-timestamp").unwrap();
        let time: jiff::Timestamp = time.parse().expect("RFC 3339");
        let age = jiff::Timestamp::now().duration_since(time);
        assert!(age.as_secs() < 60 && !age.is_negative(), "{age:?}");
        assert_eq!(request.json()["eventType"], "tool_call");
    }
    assert_eq!(
        (seen[0].method.as_str(), seen[0].path.as_str()),
        ("POST", "/api/sdk/events")
    );
    assert_eq!(
        (seen[1].method.as_str(), seen[1].path.as_str()),
        ("PATCH", "/api/sdk/sessions/a%2Fb%20c")
    );
    assert_ne!(
        seen[0].header("idempotency-key"),
        seen[1].header("idempotency-key")
    );
}

#[test]
fn without_a_key_there_is_no_authorization() {
    let server = Server::start(|_| Act::ok());
    let client = Client::in_process(process(), settings(&server.url()), None);
    answered(&send(&client));
    assert_eq!(server.seen()[0].header("authorization"), None);
}

#[test]
fn a_retry_has_the_same_idempotency_key_time_and_body() {
    let server = Server::start(|seen| match seen.nth {
        0 => Act::status(500),
        1 => Act::Answer(429, vec![("Retry-After", "0".to_owned())], Vec::new()),
        _ => Act::ok(),
    });
    let client = impatient(&server.url(), SOON, 4);
    answered(&send(&client));
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for name in ["idempotency-key", "x-sentrial-timestamp"] {
        assert!(seen[0].header(name).is_some());
        assert!(seen.iter().all(|s| s.header(name) == seen[0].header(name)));
    }
    assert!(seen.iter().all(|s| s.body == seen[0].body));
    assert!(
        seen[1].at - seen[0].at >= Duration::from_millis(370),
        "back-off"
    );
    assert_eq!(counters(&client).retries, 2);
}

#[test]
fn connections_are_kept_alive() {
    let server = Server::start(|_| Act::ok());
    let client = impatient(&server.url(), SOON, 1);
    for _ in 0..5 {
        answered(&send(&client));
    }
    assert_eq!(server.connections(), 1);
    assert!(server.seen().iter().all(|seen| seen.connection == 0));
}

#[test]
fn a_compressed_answer_is_read() {
    let server = Server::start(|seen| {
        assert!(
            seen.header("accept-encoding")
                .is_some_and(|v| v.contains("gzip"))
        );
        let headers = vec![("Content-Encoding", "gzip".to_owned())];
        Act::Answer(200, headers, gzip(br#"{"id": "sess_gz"}"#))
    });
    let client = client(&process(), &server.url());
    let session = Session::pending();
    let receipt = client
        .submit(Kind::Create, Arc::clone(&session), body(), true)
        .unwrap();
    assert_eq!(
        answered(&outcome(&client, &receipt)),
        br#"{"id": "sess_gz"}"#
    );
    assert_eq!(session.id().map(AsRef::as_ref), Some("sess_gz"));
}

#[test]
fn a_redirect_on_the_same_origin_keeps_method_and_body() {
    for status in [307, 308] {
        let server = Server::start(move |seen| match seen.nth {
            0 => Act::redirect(status, "/elsewhere?x=1"),
            1 => Act::redirect(status, "further"),
            _ => Act::ok(),
        });
        let client = impatient(&server.url(), SOON, 1);
        let session = Session::known("s");
        let receipt = client
            .submit(Kind::Complete, session, body(), true)
            .unwrap();
        answered(&outcome(&client, &receipt));
        let seen = server.seen();
        let paths: Vec<_> = seen.iter().map(|s| s.path.as_str()).collect();
        assert_eq!(paths, ["/api/sdk/sessions/s", "/elsewhere?x=1", "/further"]);
        for request in &seen {
            assert_eq!(request.method, "PATCH");
            assert_eq!(request.body, seen[0].body);
            assert!(request.header("authorization").is_some());
            assert_eq!(
                request.header("idempotency-key"),
                seen[0].header("idempotency-key")
            );
        }
    }
}

#[test]
fn any_other_redirect_is_refused_and_nothing_goes_there() {
    for status in [301, 302, 303, 307, 308] {
        let other = Server::start(|_| Act::ok());
        let elsewhere = format!("{}/api/sdk/events", other.url());
        let server = Server::start(move |_| Act::redirect(status, &elsewhere));
        let client = impatient(&server.url(), SOON, 1);
        let why = failed(&send(&client));
        assert!(why.contains("neither the key nor data"), "{why}");
        assert!(!why.contains(KEY), "{why}");
        assert_eq!((server.count(), other.count()), (1, 0));
        assert_eq!(other.connections(), 0);
    }
    for status in [301, 302, 303] {
        let server = Server::start(move |_| Act::redirect(status, "/login"));
        let client = impatient(&server.url(), SOON, 1);
        let why = failed(&send(&client));
        assert!(why.contains("into a GET"), "{why}");
        assert_eq!(server.count(), 1);
    }
}

#[test]
fn redirects_in_a_circle_end() {
    let server = Server::start(|_| Act::redirect(307, "/again"));
    let client = impatient(&server.url(), SOON, 1);
    assert!(failed(&send(&client)).contains("too many redirects"));
    assert_eq!(server.count(), 4);
}

#[test]
fn an_answer_beyond_the_limit_is_cut() {
    const LIMIT: usize = 4 * 1024 * 1024;
    let server = Server::start(|_| Act::Answer(200, Vec::new(), vec![b'x'; 3 * LIMIT]));
    let client = impatient(&server.url(), SOON, 1);
    assert_eq!(answered(&send(&client)).len(), LIMIT);
    answered(&send(&client));
}

#[test]
fn a_truncated_answer_is_no_answer() {
    for broken in [
        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"id\":",
        "HTTP/1.1 200 O",
        "",
        "garbage\r\n\r\n",
    ] {
        let server = Server::start(move |seen| match seen.nth {
            0 => Act::Raw(broken.as_bytes().to_vec()),
            _ => Act::ok(),
        });
        let client = client(&process(), &server.url());
        let session = Session::pending();
        let _ = client.submit(Kind::Create, Arc::clone(&session), body(), false);
        wait(&client, "an id", || session.id().cloned());
        let seen = server.seen();
        assert_eq!(seen.len(), 2, "{broken}");
        assert_eq!(
            seen[0].header("idempotency-key"),
            seen[1].header("idempotency-key")
        );
    }
}

#[test]
fn a_reset_connection_is_tried_again_with_the_same_key() {
    let server = Server::start(|_| Act::ok());
    let client = impatient(&format!("{}/reset/2", server.url()), SOON, 4);
    answered(&send(&client));
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|s| s.header("idempotency-key") == seen[0].header("idempotency-key"))
    );
}

#[test]
fn a_server_that_hangs_or_trickles_is_a_time_out() {
    let server = Server::start(|seen| {
        if seen.nth == 0 {
            Act::Hang
        } else {
            // Redirects take their time each; the time-out is for all of them.
            std::thread::sleep(Duration::from_millis(150));
            Act::redirect(307, "/next")
        }
    });
    let client = impatient(&server.url(), Duration::from_millis(300), 1);
    for _ in 0..2 {
        let started = std::time::Instant::now();
        let why = failed(&send(&client));
        assert!(why.contains("no answer within 0.3 s"), "{why}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn the_id_of_a_new_session_reaches_what_waits_for_it() {
    let server = Server::start(|seen| {
        let id = if seen.path == "/api/sdk/sessions" {
            "sess_\"1\""
        } else {
            "evt"
        };
        let body = serde_json::json!({ "id": id }).to_string();
        Act::Answer(200, Vec::new(), body.into_bytes())
    });
    let client = client(&process(), &server.url());
    let session = Session::pending();
    let _ = client.submit(Kind::Create, Arc::clone(&session), body(), false);
    for number in 0..3 {
        event_of(&client, &session, number);
    }
    let child = Session::pending();
    let led = Body::Led {
        field: "parentSessionId",
        session: Arc::clone(&session),
        tail: b"}".to_vec(),
    };
    let _ = client.submit(Kind::Create, child, led, false);
    let _ = client.submit(Kind::Complete, Arc::clone(&session), body(), false);
    flush(&client);
    let seen = server.seen();
    let mut numbers = Vec::new();
    for request in &seen {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/api/sdk/events") => {
                assert_eq!(request.json()["sessionId"], "sess_\"1\"");
                numbers.push(request.json()["number"].as_u64().unwrap());
            }
            ("PATCH", path) => assert_eq!(path, "/api/sdk/sessions/sess_%221%22"),
            _ => {}
        }
    }
    assert_eq!(numbers, [0, 1, 2]);
    let parents = seen.iter().filter(|s| s.path == "/api/sdk/sessions");
    let parents: Vec<_> = parents
        .map(|s| s.json()["parentSessionId"].clone())
        .collect();
    assert_eq!(parents, [serde_json::Value::Null, "sess_\"1\"".into()]);
}

#[test]
fn a_server_that_repeats_the_key_does_not_bring_it_into_errors_or_lines() {
    let server = Server::start(|seen| {
        let body = format!("you sent {}", seen.header("authorization").unwrap());
        Act::Answer(
            if seen.nth == 0 { 403 } else { 401 },
            Vec::new(),
            body.into_bytes(),
        )
    });
    let process = process();
    let client = client(&process, &server.url());
    assert!(!failed(&send(&client)).contains(KEY));
    let receipt = client.submit(Kind::Event, Session::known("s"), body(), true);
    wait(&client, "a pause", || {
        client.state().is_broken().then_some(())
    });
    drop(receipt);
    let state = client.state();
    let lines = super::lines(&process);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let told = format!(
        "{lines:?} {:?} {client:?} {state:?}",
        state.queue().last_error()
    );
    assert!(!told.contains(KEY), "{told}");
    assert!(told.contains("sentrial_test_…ghij"), "{told}");
}

/// Runs in a process of its own: variables of the environment cannot be set safely in this one.
#[test]
fn a_proxy_of_the_environment_does_not_get_what_is_meant_for_loopback() {
    const INNER: &str = "SENTRIAL_INNER_TEST";
    if std::env::var_os(INNER).is_some() {
        let server = Server::start(|_| Act::ok());
        let client = impatient(&server.url(), SOON, 1);
        answered(&send(&client));
        assert_eq!(server.count(), 1);
        return;
    }
    let proxy = Server::start(|_| Act::status(502));
    let module = module_path!().split_once("::").unwrap().1;
    let name = "a_proxy_of_the_environment_does_not_get_what_is_meant_for_loopback";
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("{module}::{name}")])
        .env(INNER, "1");
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(variable, proxy.url());
    }
    command
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env_remove("REQUEST_METHOD");
    let ended = command.output().unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && told.contains("1 passed"),
        "{told}"
    );
    assert_eq!(proxy.count(), 0);
}

#[test]
fn an_explicit_proxy_is_used() {
    let proxy = Server::start(|seen| {
        assert!(
            seen.path.starts_with("http://127.0.0.1:9/"),
            "{}",
            seen.path
        );
        Act::ok()
    });
    let mut settings = settings("http://127.0.0.1:9");
    let args = crate::core::options::OptionArgs {
        proxy: Some(proxy.url()),
        ..Default::default()
    };
    settings.options =
        crate::core::options::Options::resolve(args, &|_| None, &mut Vec::new()).unwrap();
    let client = Client::in_process(process(), settings, Some(key()));
    answered(&send(&client));
    assert_eq!(proxy.count(), 1);
}
