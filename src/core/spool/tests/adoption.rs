//! What dead processes have left, found by a client and emptied.

use std::sync::Arc;
use std::time::Duration;

use super::{ENDLESS, Scratch, gone, left, row, stamp, unborn};
use crate::core::api_key::ApiKey;
use crate::core::api_url::ApiUrl;
use crate::core::client::{Client, ClientState, Mode, Settings};
use crate::core::options::{Options, SpoolMode};
use crate::core::policy::Redaction;
use crate::core::process::Process;
use crate::core::request::{Kind, Request};
use crate::core::session::{Identity, Session};
use crate::core::spool::adopted::Adoption;
use crate::core::spool::row::Home;
use crate::core::spool::store::{self, Habit, Stamp, Store};

const KEY: &str = "sentrial_test_0123456789abcdefghij";
const OTHER: &str = "sentrial_test_abcdefghij0123456789";

/// A client that has sent nothing yet.
fn client(key: &str) -> Arc<ClientState> {
    let settings = Settings {
        url: Arc::new(ApiUrl::parse(super::URL, false).unwrap().0),
        options: Options {
            spool: SpoolMode::Off,
            ..Options::default()
        },
        mode: Mode::Background,
        batch: None,
        loud: false,
        debug: false,
        redaction: Redaction::default(),
    };
    let process = Arc::new(Process::new(std::process::id()));
    Client::in_process(process, settings, Some(ApiKey::parse(key).unwrap().0)).state()
}

/// The mark of a client of a dead process with this key.
fn dead(key: &str, number: i64) -> Stamp {
    Stamp {
        client: number,
        ..client(key).spool_stamp()
    }
}

fn next(adoption: &mut Adoption, client: &Arc<ClientState>, scratch: &Scratch) -> Vec<Request> {
    let (requests, more, trouble) = adoption.next(client, std::slice::from_ref(&scratch.0));
    assert!(!more);
    assert!(trouble.is_empty(), "{trouble:?}");
    requests
}

fn numbers(requests: &[Request]) -> Vec<u64> {
    requests.iter().map(|request| request.number).collect()
}

#[test]
fn rows_are_handed_out_in_call_order_with_their_keys_and_times() {
    let scratch = Scratch::new();
    let rows: Vec<_> = (1..=3).map(|id| row(id, id % 2, "x")).collect();
    left(&scratch.file("a.db"), &dead(KEY, 1), &rows);
    let requests = next(&mut Adoption::default(), &client(KEY), &scratch);
    assert_eq!(numbers(&requests), [1, 2, 3]);
    for (request, row) in requests.iter().zip(&rows) {
        assert_eq!(
            request.idempotency_key.as_deref(),
            Some(row.idempotency_key.as_str())
        );
        assert_eq!(super::micros(request.made_at), row.made_at);
        assert_eq!(
            request.session.id().map(AsRef::as_ref),
            row.session.as_deref()
        );
        assert!(request.is_adopted());
    }
    assert!(
        Arc::ptr_eq(&requests[0].session, &requests[2].session),
        "one lane per session"
    );
}

#[test]
fn a_file_is_removed_when_all_its_rows_are_sent() {
    let scratch = Scratch::new();
    left(
        &scratch.file("a.db"),
        &dead(KEY, 1),
        &[row(1, 1, "x"), row(2, 1, "x")],
    );
    let (mut adoption, client) = (Adoption::default(), client(KEY));
    let requests = next(&mut adoption, &client, &scratch);
    let home = requests[0].row.unwrap().home;
    assert!(adoption.remove(&[gone(home, 1)]).is_empty());
    assert_eq!(scratch.names()[0], "a.db");
    assert!(adoption.remove(&[gone(home, 2)]).is_empty());
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn rows_of_another_key_wait_and_are_announced() {
    let scratch = Scratch::new();
    let path = scratch.file("a.db");
    let mut store = Store::create(&path, Habit::Bursts).unwrap();
    store
        .apply(&dead(KEY, 1), &[row(1, 1, "x")], &[], &[], ENDLESS)
        .unwrap();
    store
        .apply(
            &dead(OTHER, 2),
            &[row(2, 2, "x"), row(3, 2, "x")],
            &[],
            &[],
            ENDLESS,
        )
        .unwrap();
    store.close();
    let (mut adoption, mine) = (Adoption::default(), client(KEY));
    let (requests, more, said) = adoption.next(&mine, std::slice::from_ref(&scratch.0));
    assert_eq!((numbers(&requests), more), (vec![1], false));
    assert_eq!(
        said,
        [
            "2 requests recorded with key …6789 wait; sentrial spool purge --from …6789 removes them, sentrial spool flush --from …6789 sends them with the current key"
        ]
    );
    adoption.remove(&[gone(requests[0].row.unwrap().home, 1)]);
    assert!(path.exists(), "the rest is still in it");
    let others = next(&mut Adoption::default(), &client(OTHER), &scratch);
    assert_eq!(numbers(&others), [2, 3]);
}

#[test]
fn rows_of_another_address_are_neither_sent_nor_announced() {
    let scratch = Scratch::new();
    let elsewhere = Stamp {
        url: "http://127.0.0.1:10".to_owned(),
        ..dead(KEY, 1)
    };
    left(&scratch.file("a.db"), &elsewhere, &[row(1, 1, "x")]);
    assert!(next(&mut Adoption::default(), &client(KEY), &scratch).is_empty());
    assert!(scratch.file("a.db").exists());
}

#[test]
fn a_session_that_was_never_created_is_created_first() {
    let scratch = Scratch::new();
    let (session, lost) = (Session::pending(), Session::pending());
    let rows = [
        unborn(1, &session, Kind::Create),
        unborn(2, &session, Kind::Event),
        unborn(3, &lost, Kind::Event),
    ];
    left(&scratch.file("a.db"), &dead(KEY, 1), &rows);
    let requests = next(&mut Adoption::default(), &client(KEY), &scratch);
    assert_eq!(requests[0].kind, Kind::Create);
    assert!(Arc::ptr_eq(&requests[0].session, &requests[1].session));
    assert!(requests[1].body.waits_for().is_some());
    assert_eq!(
        requests[2].session.identity(),
        Identity::Dead,
        "nothing creates it"
    );
}

#[test]
fn what_is_too_old_is_given_up_with_a_line() {
    let scratch = Scratch::new();
    let mut rows = [row(1, 1, "x"), row(2, 1, "x")];
    rows[0].made_at = store::horizon(Duration::from_secs(8 * 24 * 3600));
    left(&scratch.file("a.db"), &dead(KEY, 1), &rows);
    let (requests, _, said) =
        Adoption::default().next(&client(KEY), std::slice::from_ref(&scratch.0));
    assert_eq!(numbers(&requests), [2]);
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("1 requests in "), "{said:?}");
    assert!(
        said[0].ends_with("were older than 7 days and are given up"),
        "{said:?}"
    );
}

#[test]
fn a_damaged_file_does_not_keep_the_others_from_being_sent() {
    let scratch = Scratch::new();
    std::fs::write(scratch.file("a.db"), "no database ".repeat(100)).unwrap();
    left(&scratch.file("b.db"), &dead(KEY, 1), &[row(1, 1, "x")]);
    let (requests, _, said) =
        Adoption::default().next(&client(KEY), std::slice::from_ref(&scratch.0));
    assert_eq!(numbers(&requests), [1]);
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains("is damaged; it is set aside as"),
        "{said:?}"
    );
}

#[test]
fn a_file_is_adopted_once_however_often_a_process_looks() {
    let scratch = Scratch::new();
    left(&scratch.file("a.db"), &dead(KEY, 1), &[row(1, 1, "x")]);
    let (mut adoption, client) = (Adoption::default(), client(KEY));
    assert_eq!(next(&mut adoption, &client, &scratch).len(), 1);
    assert!(next(&mut adoption, &client, &scratch).is_empty());
}

#[test]
fn rows_of_this_process_are_not_mistaken_for_adopted_ones() {
    let scratch = Scratch::new();
    left(&scratch.file("a.db"), &stamp(1, "abcd"), &[row(1, 1, "x")]);
    let mut adoption = Adoption::default();
    assert!(adoption.remove(&[gone(Home::Own, 1)]).is_empty());
    assert!(scratch.file("a.db").exists());
}
