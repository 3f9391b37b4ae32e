//! The PrimeTrade BOL portal: customers find and download their bills of lading, and every link is recorded first.
//!
//! Imports point downward only. `docs/architecture.md` has the table; a test compares it with the code.
//!
//! * [`cli`] is the command line: `serve`, `demo`, `migrate`, `seed`, `storage`, `audit`, …
//! * [`web`] turns requests into domain calls and their results into pages.
//! * [`dashboard`] is the office's day: what was loaded, and what needs attention.
//! * [`notices`] mails customers about new documents and reminds them of unopened ones.
//! * [`operations`] moves PDFs into the storage, compares storage with database, and estimates cost.
//! * [`audit_pack`] builds the ZIP with which a third party verifies events of the access log.
//! * [`intake`] receives files: examines them, matches each with its BOL, or leaves it in the inbox.
//! * [`issuing`] issues, voids and weighs BOLs, and prints them.
//! * [`documents`] has the life of a document, the link to one, and ZIPs of many.
//! * [`bols`] has the bill of lading: number, fields, weights, search, assignment, reference lists.
//! * [`accounts`] has customers, logins, memberships, passwords and sessions.
//! * [`mail`] has the outbox and the templates of e-mails.
//! * [`audit`] has the append-only access log: recording, searching, exporting, sealing, verifying.
//! * [`storage`] keeps the bytes, in S3 or in a local folder.
//! * [`db`] has the pool, the migrations, the customer scope and a private cluster for `demo` and tests.
//! * [`config`] reads the environment, and no other module does. [`clock`] tells the time, [`telemetry`] sets up the log.
//! * `stream_writer` carries bytes from a blocking thread to a response; `csv_file` knows how spreadsheets write CSV;
//!   `typefaces` has the fonts; [`field_errors`] has the messages beside the fields of a form; [`units`] formats
//!   quantities; [`samples`] makes up the sample data of `demo` and `seed`.

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
pub mod mail;
pub mod notices;
pub mod operations;
pub mod samples;
pub mod storage;
mod stream_writer;
pub mod telemetry;
mod typefaces;
pub mod units;
pub mod web;
