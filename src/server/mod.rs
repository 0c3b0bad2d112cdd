//! The local server behind `sentrial dev`.
