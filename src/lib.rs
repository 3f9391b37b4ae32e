//! The PrimeTrade BOL portal: customers find and download their bills of lading, and every link is recorded first.
//!
//! Imports point downward only. `docs/architecture.md` has the table; a test compares it with the code.
//!
//! * [`cli`] is the command line: `serve`, `demo`, `migrate`, `seed`, `storage`, `audit`, …
//! * [`web`] turns requests into domain calls and their results into pages.
//! * [`dashboard`] counts recent loads and lists what needs the office's attention.
//! * [`notices`] mails customers about new documents and reminds them of unopened ones.
//! * [`webhooks`] sends signed messages about BOLs to other systems.
//! * [`operations`] moves PDFs into the storage, compares storage with database, and estimates cost.
//! * [`unusual`] looks in the access log for unusual activity, and reports it to administrators and auditors.
//! * [`audit_pack`] builds the ZIP with which a third party verifies events of the access log.
//! * [`intake`] receives files: examines them, matches each with its BOL, or leaves it in the inbox.
//! * [`issuing`] issues, voids and weighs BOLs, and prints them.
//! * [`documents`] stores documents, issues links to them, and sends ZIPs of many.
//! * [`bols`] models the bill of lading: number, fields, weights, search, assignment, reference lists.
//! * [`accounts`] manages customers, logins, memberships, passwords and sessions.
//! * [`mail`] holds the outbox and the email templates, and sends over SMTP.
//! * [`audit`] has the append-only access log: recording, searching, exporting, sealing, verifying.
//! * [`storage`] keeps the bytes, in S3 or in a local folder.
//! * [`db`] holds the pool, the migrations, the customer scope, and a private cluster for `demo` and tests.
//! * [`config`] alone reads the environment. [`clock`] tells the time, and [`telemetry`] sets up the log.
//! * `stream_writer` carries bytes from a blocking thread to a response. `csv_file` reads the CSV that spreadsheets
//!   write. `typefaces` embeds the fonts, [`field_errors`] holds the messages beside the fields of a form, [`units`]
//!   formats quantities, `local_time` times, `workbook` writes Excel's files, and [`samples`] generates the sample data.

// The compiler computes the size of futures within futures. That of an upload is deeper than its default of 128.
#![recursion_limit = "256"]

pub mod accounts;
pub mod audit;
pub mod audit_pack;
pub mod bols;
pub mod cli;
pub mod clock;
pub mod config;
mod csv_file;
pub mod dashboard;
pub mod db;
pub mod documents;
pub mod field_errors;
pub mod intake;
pub mod issuing;
mod local_time;
pub mod mail;
pub mod metrics;
pub mod notices;
pub mod operations;
pub mod samples;
pub mod storage;
mod stream_writer;
pub mod telemetry;
mod typefaces;
pub mod units;
pub mod unusual;
pub mod web;
pub mod webhooks;
mod workbook;
