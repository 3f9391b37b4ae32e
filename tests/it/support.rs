//! Starts one Postgres cluster for all tests, and a database, a server and a storage for each test.

mod actor;
mod app;
mod browser;
mod builders;
mod cluster;
mod connections;
mod devtools;
mod events;
mod fault;
mod fetches;
mod files;
mod forms;
mod issuer;
mod load;
mod log_entries;
mod ministack;
mod oidc_provider;
pub mod openapi;
mod pair;
mod phone;
pub mod photo;
mod program;
pub mod raw_pdf;
mod receiver;
mod rows;
mod s3;
pub mod scan;
mod scrape;
mod sealed_log;
mod smtp;
pub mod soft_key;
mod tamper;
mod tokens;
mod virtual_authenticator;
mod webhooks;
mod witness_service;
mod world;

pub use actor::{Actor, Answer, http_client, patiently, raw};
pub use app::App;
pub use browser::Browser;
pub use cluster::{
    Rows, admit_server, as_server, copy_of, database_of, discard, execute, fresh_database, migrated_database, rows,
};
pub use devtools::Look;
pub use events::{EventRow, Events};
pub use fault::{Fault, Proxy};
pub use fetches::Fetch;
pub use issuer::{Begun, Issuer, IssuerError, Signature, SigningKey};
pub use load::{Load, TERMINAL_ADDRESS, text_of};
pub use ministack::Ministack;
pub use oidc_provider::OidcProvider;
pub use pair::Pair;
pub use phone::Phone;
pub use program::{Environment, Program, primetrade, run, with_variables};
pub use receiver::{Received, Receiver, Reply};
pub use rows::{BolRow, CustomerRow, DocumentRow, LotRow, MailRow, versions};
pub use s3::{ACCESS_KEY, BUCKET, Door, S3Server, SECRET_KEY};
pub use scrape::{Scrape, promtool, tool};
pub use sealed_log::SealedLog;
pub use smtp::{Mail, Smtp};
pub use witness_service::WitnessService;
pub use world::{PASSWORD, World};

pub use ::primetrade::audit::{Action, Outcome};

/// Runs a Python script, and returns whether it succeeded and what it printed.
pub async fn script(arguments: &[&std::ffi::OsStr]) -> (bool, String) {
    let mut command = tokio::process::Command::new(python());
    let output = command.args(arguments).stdin(std::process::Stdio::null()).output().await.unwrap();
    let told = String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap();
    (output.status.success(), told)
}

/// Debian's Python, for which `make test` installs packages, or the first one in the path.
pub fn python() -> &'static str {
    if std::path::Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

/// 128 different bytes in hex.
pub fn secret_key() -> String {
    (0..128u8).map(|n| format!("{:02x}", n.wrapping_mul(37))).collect()
}
