//! The PrimeTrade BOL portal.
//!
//! Customers find and download their bills of lading; every link that is handed out is on record first.
//! Calls go one way:
//!
//! ```text
//! main -> cli -> web -> {glance, usage} -> notices -> {bols, documents, accounts, audit} -> {db, storage, mail, clock}
//! ```
//!
//! * [`config`] reads the environment, and nothing else does.
//! * [`clock`] says what time it is, and nothing else does.
//! * [`telemetry`] sets up the log.
//! * [`cli`] is the command line: `serve`, `demo`, `migrate`, `seed`, `user`, `customer`, `storage`,
//!   `migrate-pdfs-to-s3`, `import-bols`, `audit`.
//! * [`db`] has the pool, the migrations, the customer scope ([`db::scope`]) and a private cluster for `demo` and tests.
//! * [`accounts`] has customers, users, memberships, passwords, sessions and the log-in.
//! * [`bols`] has the bill of lading, its number, and the search.
//! * [`documents`] has a BOL's files: which there are, the link to one, and whether the storage agrees.
//! * [`audit`] has the append-only access log.
//! * [`glance`] is the office's day: what was loaded, and what needs doing.
//! * [`mail`] has the outbox, what mails say, and their way out.
//! * [`notices`] tells customers what is new, and reminds them of what nobody has fetched.
//! * [`storage`] keeps the bytes: S3, or a local folder.
//! * [`usage`] is what the storage holds and costs, by month.
//! * [`web`] turns requests into calls of the above and their results into pages.
//! * `outlet` carries bytes from a thread that makes them to whoever reads them; `csv_file` knows how spreadsheets write.
//! * [`samples`] makes up the sample data of `demo` and `seed`.

pub mod accounts;
pub mod audit;
pub mod bols;
pub mod cli;
pub mod clock;
pub mod config;
mod csv_file;
pub mod db;
pub mod documents;
pub mod glance;
pub mod mail;
pub mod notices;
mod outlet;
pub mod samples;
pub mod storage;
pub mod telemetry;
pub mod usage;
pub mod web;
