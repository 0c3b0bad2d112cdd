//! Any bytes as the body of a request, under several rules.
#![no_main]
#![allow(dead_code, unused_imports, reason = "a module of another crate")]

#[path = "../check.rs"]
mod check;
#[path = "../../src/core/redact/mod.rs"]
mod redact;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
