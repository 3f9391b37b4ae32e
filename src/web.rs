//! The portal over HTTP: requests in, domain calls, pages and redirects out.
//!
//! * [`routes`] lists every URL; [`auth`] says who may call what, in the handlers' signatures.
//! * [`context`] is what a handler works with; [`flash`] is the message after a redirect.
//! * [`error`] alone knows status codes; [`page`] and [`forms`] hold what pages share. Sibling page modules never
//!   import each other.

pub mod account;
pub mod api;
pub mod assets;
mod assignment_undo;
pub mod audit;
pub mod auth;
pub mod background;
mod bearer;
pub mod bol_filter;
pub mod chart;
pub mod client_address;
mod compression;
mod confirm;
pub mod connection;
pub mod context;
mod cookies;
mod counting;
pub mod cross_site;
pub mod drafts;
pub mod error;
pub mod error_page;
pub mod files;
pub mod flash;
pub mod form_address;
pub mod form_field;
pub mod forms;
pub mod headers;
pub mod health;
pub mod https;
pub mod invitation;
pub mod limits;
mod list_query;
pub mod log_links;
mod login_page;
pub mod login_session;
mod login_step;
mod metrics;
pub mod office;
pub mod office_contact;
mod page;
mod passkey;
mod passkey_login;
pub mod password_reset;
pub mod people;
pub mod person;
pub mod portal;
pub mod problem;
mod problem_details;
mod qr;
pub mod question;
mod recovery_codes;
pub mod request;
pub mod routes;
mod second_factor;
pub mod security_txt;
pub mod selection;
pub mod server;
mod service_pages;
pub mod session;
pub mod session_store;
mod sessions_end;
pub mod site;
mod sso;
mod sso_link;
pub mod static_files;
mod token_pages;
mod token_request;
mod totp_setup;
mod traceparent;
mod typed_code;
pub mod undo;
mod upload_stream;
mod wait;
mod webhook_pages;

pub use error::Error;
pub use server::{Running, Settings};
pub use site::Site;
