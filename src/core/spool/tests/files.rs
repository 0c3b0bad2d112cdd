//! Files as such: how they are made, closed, found damaged, and left alone.

use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use super::{ENDLESS, Scratch, all, gone, left, row, stamp};
use crate::core::spool::clerk::in_words;
use crate::core::spool::row::Home;
use crate::core::spool::store::{self, Habit, Store, StoreError};

#[test]
fn only_the_user_may_look_into_a_file() {
    let scratch = Scratch::new();
    let store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    for name in scratch.names() {
        let mode = scratch.file(&name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    store.close();
}

#[test]
fn a_file_is_never_made_over_another_one() {
    let scratch = Scratch::new();
    let path = scratch.file("a.db");
    std::fs::write(&path, "mine").unwrap();
    let error = Store::create(&path, Habit::Bursts).unwrap_err();
    assert!(matches!(error, StoreError::System(..)), "{error}");
}

#[test]
fn an_empty_file_is_removed_when_it_is_closed_and_one_with_rows_stays() {
    let scratch = Scratch::new();
    let mut store = Store::create(&scratch.file("a.db"), Habit::Bursts).unwrap();
    let stamp = stamp(1, "abcd");
    store
        .apply(&stamp, &[row(1, 1, "x")], &[], &[], ENDLESS)
        .unwrap();
    store
        .apply(&stamp, &[], &[gone(Home::Own, 1)], &[], ENDLESS)
        .unwrap();
    assert_eq!(store.rows(), 0);
    store.close();
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    left(&scratch.file("b.db"), &stamp, &[row(1, 1, "x")]);
    assert_eq!(scratch.names(), ["b.db", "b.lock"]);
}

#[test]
fn a_newer_file_is_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.file("a.db");
    left(&path, &stamp(1, "abcd"), &[row(1, 1, "x")]);
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 2).unwrap();
    drop(db);
    let before = std::fs::read(&path).unwrap();
    let error = Store::adopt(&path).unwrap_err();
    assert!(matches!(error, StoreError::Newer(_)), "{error}");
    let words = in_words(&error);
    assert!(
        words.contains("newer version of sentrial; it is left alone"),
        "{words}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(matches!(store::peek(&path), Err(StoreError::Newer(_))));
}

#[test]
fn a_damaged_file_is_set_aside() {
    let damages: [fn(&std::path::Path); 3] = [
        |path| std::fs::write(path, "no database ".repeat(1000)).unwrap(),
        |path| {
            let all = std::fs::read(path).unwrap();
            std::fs::write(path, &all[..5000]).unwrap();
        },
        |path| {
            std::fs::remove_file(path).unwrap();
            let db = Connection::open(path).unwrap();
            db.execute_batch("CREATE TABLE somebody_elses (x)").unwrap();
        },
    ];
    for damage in damages {
        let scratch = Scratch::new();
        let path = scratch.file("a.db");
        left(&path, &stamp(1, "abcd"), &[row(1, 1, "x")]);
        damage(&path);
        let looked = Store::adopt(&path).and_then(|store| store.unwrap().groups());
        let error = looked.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
        let words = in_words(&error);
        assert!(words.contains("is damaged; it is set aside as"), "{words}");
        assert!(scratch.file("a.db.corrupt").exists());
        assert!(!path.exists());
        assert!(
            !store::is_name("a.db.corrupt".as_ref()),
            "it is not found again"
        );
        assert!(store::is_aside("a.db.corrupt".as_ref()));
    }
}

#[test]
fn a_file_whose_process_died_before_it_was_made_is_removed() {
    let scratch = Scratch::new();
    std::fs::write(scratch.file("a.db"), "").unwrap();
    assert!(Store::adopt(&scratch.file("a.db")).unwrap().is_none());
    let blank = Connection::open(scratch.file("b.db")).unwrap();
    blank.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(blank);
    assert!(Store::adopt(&scratch.file("b.db")).unwrap().is_none());
    assert!(Store::adopt(&scratch.file("never.db")).unwrap().is_none());
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn what_is_removed_leaves_no_trace_in_the_file_or_its_log() {
    let scratch = Scratch::new();
    let path = scratch.file("a.db");
    let planted = "planted-".repeat(2000);
    left(
        &path,
        &stamp(1, "abcd"),
        &[row(1, 1, &planted), row(2, 1, "kept")],
    );
    let found = |name: &str| {
        let bytes = std::fs::read(scratch.file(name)).unwrap();
        bytes.windows(8).any(|part| part == b"planted-")
    };
    assert!(found("a.db"));
    let mut store = Store::adopt(&path).unwrap().unwrap();
    store.remove(&[&gone(Home::Adopted(1), 1)]).unwrap();
    assert_eq!(all(&store, &[1]), [2]);
    store.close();
    assert_eq!(scratch.names(), ["a.db", "a.lock"]);
    assert!(!found("a.db"));
}
