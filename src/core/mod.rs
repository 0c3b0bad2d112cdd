//! The delivery core: everything between a recorded call and the API, without Python.

pub mod answer;
pub mod api_key;
pub mod api_url;
pub mod error;
pub mod options;
pub mod pricing;
pub mod retry;
