//! The whole product over real HTTP, on a real Postgres, a real S3 server and a real browser.
//!
//! One folder for each audience, with files named after pages and commands. `support` starts the servers that the tests
//! need. Each test has a database of its own.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may fall over")]

mod support;

mod account;
mod api;
mod audit;
mod house;
mod office;
mod operations;
mod portal;
mod session;
