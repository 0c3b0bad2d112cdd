//! Whose file it is: decided between processes, so each test starts a second one.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::{ENDLESS, Scratch, left, row, stamp};
use crate::core::spool::owner::Owner;
use crate::core::spool::store::{self, Habit, Store};

const VARIABLE: &str = "SENTRIAL_TEST_SPOOL_FILE";

/// The other process: takes the file named by the variable, says what it got, and keeps it until
/// its input ends. Without the variable there is nothing to test.
#[test]
fn the_other_process() {
    let Some(path) = std::env::var_os(VARIABLE) else {
        return;
    };
    let store = Store::adopt(Path::new(&path)).unwrap();
    // Not by `println!`: the harness may capture that.
    writeln!(std::io::stdout(), "\nadopted: {}", store.is_some()).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Another process, until the end of the test.
struct Other {
    child: Child,
    /// What it says; kept so that it can go on saying it.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Drop for Other {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Starts another process; did it get the file?
fn other(path: &Path) -> (Other, bool) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "core::spool::tests::owners::the_other_process",
            "--nocapture",
        ])
        .env(VARIABLE, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = said
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.starts_with("adopted: "));
    let adopted = line.unwrap() == "adopted: true";
    (Other { child, _said: said }, adopted)
}

#[test]
fn the_file_of_a_living_process_is_not_adopted() {
    let scratch = Scratch::new();
    let path = scratch.file("a.db");
    let mut store = Store::create(&path, Habit::Bursts).unwrap();
    store
        .apply(&stamp(1, "abcd"), &[row(1, 1, "x")], &[], &[], ENDLESS)
        .unwrap();
    let (looking, adopted) = other(&path);
    assert!(!adopted);
    drop(looking);
    store.close();
    let (_adopter, adopted) = other(&path);
    assert!(adopted, "closed is as good as dead");
}

#[test]
fn one_process_adopts_a_file_and_the_next_one_when_that_is_killed() {
    let scratch = Scratch::new();
    let path = scratch.file("a.db");
    left(&path, &stamp(1, "abcd"), &[row(1, 1, "x")]);
    let (first, adopted) = other(&path);
    assert!(adopted);
    let (_second, adopted) = other(&path);
    assert!(!adopted);
    assert!(Store::adopt(&path).unwrap().is_none());
    let seen = store::peek(&path).unwrap();
    assert_eq!(seen[0].requests, 1, "but it may be looked at");
    drop(first);
    let store = Store::adopt(&path).unwrap().expect("its owner is dead");
    assert_eq!(store.rows(), 1);
    store.close();
}

#[test]
fn a_lock_is_not_taken_through_a_link() {
    let scratch = Scratch::new();
    std::fs::write(scratch.file("target"), "").unwrap();
    std::os::unix::fs::symlink(scratch.file("target"), scratch.file("a.lock")).unwrap();
    assert!(Owner::take(&scratch.file("a.lock")).is_err());
}

#[test]
fn a_right_that_was_given_up_leaves_nothing() {
    let scratch = Scratch::new();
    let owner = Owner::take(&scratch.file("a.lock")).unwrap().unwrap();
    assert_eq!(scratch.names(), ["a.lock"]);
    owner.remove();
    assert!(scratch.names().is_empty());
}
