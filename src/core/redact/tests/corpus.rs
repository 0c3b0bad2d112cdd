//! The inputs that fuzzing has found worth keeping, on a stable compiler.

use super::super as redact;

#[path = "../../../../fuzz/check.rs"]
mod check;

#[test]
fn the_corpus_of_the_fuzz_target_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/redact");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        check::check(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 50, "{count} inputs in {folder}");
}
