//! The whole product over real HTTP, on a real Postgres, a real S3 server and a real browser.
//!
//! Modules go by what is tested; `support` starts the parts. Each test has a database of its own.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may fall over")]

mod support;

mod account;
mod assign;
mod audit;
mod browser;
mod cli;
mod customers;
mod database;
mod demo;
mod download;
mod export;
mod fetched;
mod fetched_here;
mod house;
mod inbox;
mod intake;
mod invitation;
mod isolation;
mod issue;
mod list;
mod lists;
mod login;
mod mail;
mod move_in;
mod notices;
mod pack;
mod people;
mod print;
mod prove;
mod reconcile;
mod reset;
mod retention;
mod s3;
mod scans;
mod schema;
mod seals;
mod see_as;
mod sessions;
mod stamp;
mod storage;
mod today;
mod upload;
mod verify;
mod view;
mod virus;
mod web;
mod zip;
