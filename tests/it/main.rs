//! The whole product over real HTTP, on a real Postgres, a real S3 server and a real browser.
//!
//! Modules go by what is tested; `support` starts the parts. Each test has a database of its own.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may fall over")]

mod support;

mod account;
mod audit;
mod browser;
mod cli;
mod database;
mod demo;
mod download;
mod invitation;
mod isolation;
mod issue;
mod list;
mod lists;
mod login;
mod print;
mod s3;
mod schema;
mod sessions;
mod stamp;
mod view;
mod web;
