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

#[test]
fn the_fuzz_target_has_every_crate_that_redaction_imports() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
    let manifest = manifest.replace('-', "_");
    for entry in std::fs::read_dir(root.join("src/core/redact")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let imports = source.lines().filter_map(|line| line.strip_prefix("use "));
        for name in imports.filter_map(|path| path.split("::").next()) {
            let ours = ["crate", "self", "std", "super"].contains(&name);
            if !ours && name.starts_with(|first: char| first.is_ascii_lowercase()) {
                let dependency = format!("\n{name} = ");
                assert!(manifest.contains(&dependency), "{name} of {path:?}");
            }
        }
    }
}
