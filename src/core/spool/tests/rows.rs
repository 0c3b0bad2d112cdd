//! What is written, what comes back, and in which order.

use std::sync::Arc;
use std::time::Duration;

use super::{ALL, ENDLESS, Scratch, all, gone, left, row, stamp, stretch, unborn};
use crate::core::request::Kind;
use crate::core::session::Session;
use crate::core::spool::row::{Gone, Home, Room, RowRef};
use crate::core::spool::store::{self, Habit, Store};

#[test]
fn a_row_comes_back_as_it_was() {
    let scratch = Scratch::new();
    let mut store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    let session = Session::pending();
    let rows = [
        row(1, 7, "é日本 😀"),
        unborn(2, &session, Kind::Create),
        unborn(3, &session, Kind::Event),
        unborn(4, &session, Kind::Complete),
        unborn(5, &session, Kind::Update),
    ];
    assert_eq!(rows[2].lead, Some(("sessionId", rows[2].lane)));
    store
        .apply(&stamp(1, "abcd"), &rows, &[], &[], ENDLESS)
        .unwrap();
    assert_eq!(store.behind(&[1], i64::MIN, ALL).unwrap().rows, rows);
    store.close();
}

#[test]
fn rows_come_back_in_call_order_however_they_were_written() {
    let scratch = Scratch::new();
    let mut store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    for id in [5, 1, 4, 2, 3] {
        let rows = [row(id, id % 2, "x")];
        store
            .apply(&stamp(1, "abcd"), &rows, &[], &[], ENDLESS)
            .unwrap();
    }
    assert_eq!(all(&store, &[1]), [1, 2, 3, 4, 5]);
    let two = Room { items: 2, ..ALL };
    let read = store.behind(&[1], 2, two).unwrap();
    assert_eq!(
        read.rows.iter().map(|row| row.id).collect::<Vec<_>>(),
        [3, 4]
    );
    assert!(!read.all);
    let lane = store.of_lane(stretch(1, ALL)).unwrap();
    assert_eq!(
        lane.rows.iter().map(|row| row.seq).collect::<Vec<_>>(),
        [1, 3, 5]
    );
    store.close();
}

#[test]
fn one_row_is_read_however_large_it_is() {
    let scratch = Scratch::new();
    let mut store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    let rows = [row(1, 1, &"x".repeat(10_000)), row(2, 1, "x")];
    store
        .apply(&stamp(1, "abcd"), &rows, &[], &[], ENDLESS)
        .unwrap();
    let little = Room {
        items: 9,
        bytes: 10,
    };
    let read = store.of_lane(stretch(1, little)).unwrap();
    assert_eq!((read.rows.len(), read.all), (1, false));
    store.close();
}

#[test]
fn a_row_that_is_written_again_is_there_once() {
    let scratch = Scratch::new();
    let mut store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    for text in ["first", "again"] {
        store
            .apply(&stamp(1, "abcd"), &[row(1, 1, text)], &[], &[], ENDLESS)
            .unwrap();
    }
    let read = store.behind(&[1], i64::MIN, ALL).unwrap();
    assert_eq!(read.rows.len(), 1);
    assert!(read.rows[0].body.ends_with(b"again\"}"));
    assert_eq!(store.rows(), 1);
    store
        .apply(&stamp(1, "abcd"), &[], &[gone(Home::Own, 1)], &[], ENDLESS)
        .unwrap();
    assert_eq!(store.rows(), 0);
    store.close();
}

#[test]
fn what_does_not_fit_below_the_cap_is_left_out_until_there_is_room() {
    let scratch = Scratch::new();
    let mut store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    let stamp = stamp(1, "abcd");
    let rows: Vec<_> = (1..=5).map(|id| row(id, 1, "x")).collect();
    let cap = 3 * rows[0].weight();
    assert_eq!(store.apply(&stamp, &rows, &[], &[], cap).unwrap(), 3);
    assert_eq!(all(&store, &[1]), [1, 2, 3], "the first ones");
    assert_eq!(store.apply(&stamp, &rows[3..], &[], &[], cap).unwrap(), 0);
    let room = [gone(Home::Own, 1)];
    assert_eq!(store.apply(&stamp, &rows[3..], &room, &[], cap).unwrap(), 1);
    assert_eq!(all(&store, &[1]), [2, 3, 4]);
    assert_eq!(
        store.apply(&stamp, &rows[4..], &[], &[1], cap).unwrap(),
        1,
        "a lane makes room"
    );
    assert_eq!(all(&store, &[1]), [5]);
    store.close();
}

#[test]
fn what_a_file_held_before_counts_against_the_cap() {
    let scratch = Scratch::new();
    let path = scratch.file("a.db");
    let rows: Vec<_> = (1..=4).map(|id| row(id, 1, "x")).collect();
    left(&path, &stamp(1, "abcd"), &rows[..3]);
    let mut store = Store::adopt(&path).unwrap().unwrap();
    assert_eq!(store.rows(), 3);
    let cap = 3 * rows[0].weight();
    assert_eq!(
        store
            .apply(&stamp(1, "abcd"), &rows[3..], &[], &[], cap)
            .unwrap(),
        0
    );
    store.close();
}

#[test]
fn rows_older_than_the_horizon_are_removed_and_counted() {
    let scratch = Scratch::new();
    let path = scratch.file("a.db");
    let week = Duration::from_secs(7 * 24 * 3600);
    let mut rows: Vec<_> = (1..=4).map(|id| row(id, 1, "x")).collect();
    rows[0].made_at = store::horizon(week + Duration::from_secs(60));
    rows[1].made_at = store::horizon(Duration::from_secs(6 * 24 * 3600));
    rows[2].made_at = store::horizon(2 * week);
    left(&path, &stamp(1, "abcd"), &rows);
    let mut store = Store::adopt(&path).unwrap().unwrap();
    assert_eq!(store.expire(store::horizon(week)).unwrap(), 2);
    assert_eq!(all(&store, &[1]), [2, 4]);
    assert_eq!(store.rows(), 2);
    store.close();
}

#[test]
fn several_clients_share_a_file_and_are_told_apart() {
    let scratch = Scratch::new();
    let mut store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    let mut elsewhere = stamp(3, "abcd");
    elsewhere.url = "http://127.0.0.1:10".to_owned();
    let clients = [
        stamp(1, "abcd"),
        stamp(2, "wxyz"),
        elsewhere,
        stamp(4, "abcd"),
    ];
    for (client, id) in clients.iter().zip(1..) {
        store
            .apply(client, &[row(id, id, "x")], &[], &[], ENDLESS)
            .unwrap();
    }
    let mut groups = store.groups().unwrap();
    groups.sort_by_key(|group| group.clients.clone());
    let found: Vec<_> = groups
        .iter()
        .map(|group| {
            (
                group.url.as_str(),
                group.key_end.as_str(),
                group.clients.len(),
            )
        })
        .collect();
    let expected = [
        (super::URL, "…abcd", 2),
        (super::URL, "…wxyz", 1),
        ("http://127.0.0.1:10", "…abcd", 1),
    ];
    assert_eq!(found, expected);
    assert_eq!(all(&store, &[1, 4]), [1, 4]);
    assert_eq!(all(&store, &[2]), [2]);
    assert_eq!(store.purge(super::URL, "fingerprint-abcd").unwrap(), 2);
    assert_eq!(all(&store, &[1, 2, 3, 4]), [2, 3]);
    store.close();
}

#[test]
fn a_new_key_takes_past_and_future_rows_of_its_client_along() {
    let scratch = Scratch::new();
    let mut store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    store
        .apply(&stamp(1, "abcd"), &[row(1, 1, "x")], &[], &[], ENDLESS)
        .unwrap();
    store
        .apply(&stamp(2, "abcd"), &[row(2, 2, "x")], &[], &[], ENDLESS)
        .unwrap();
    store.rekey(&stamp(1, "wxyz")).unwrap();
    let groups = store.groups().unwrap();
    let of = |end: &str| groups.iter().find(|group| group.is_of_key(end)).unwrap();
    assert_eq!(of("…wxyz").clients, [1]);
    assert_eq!(of("abcd").clients, [2]);
    assert_eq!(of("fingerprint-wxyz").clients, [1]);
    assert!(
        !groups.iter().any(|group| group.is_of_key("…")),
        "an empty end names none"
    );
    store.close();
}

#[test]
fn the_id_of_a_session_outlives_the_row_that_created_it() {
    let scratch = Scratch::new();
    let mut store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    let session = Session::pending();
    let rows = [
        unborn(1, &session, Kind::Create),
        unborn(2, &session, Kind::Event),
    ];
    store
        .apply(&stamp(1, "abcd"), &rows, &[], &[], ENDLESS)
        .unwrap();
    session.resolve("sess_1");
    let created = Gone {
        row: RowRef {
            home: Home::Own,
            id: 1,
        },
        created: Some(Arc::clone(&session)),
    };
    store
        .apply(&stamp(1, "abcd"), &[], &[created], &[], ENDLESS)
        .unwrap();
    assert_eq!(
        store.session(rows[0].lane).unwrap().as_deref(),
        Some("sess_1")
    );
    store
        .apply(&stamp(1, "abcd"), &[], &[gone(Home::Own, 2)], &[], ENDLESS)
        .unwrap();
    assert_eq!(
        store.session(rows[0].lane).unwrap(),
        None,
        "nobody needs it any more"
    );
    store.close();
}
