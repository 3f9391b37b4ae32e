//! Pages of the terminal's office.

pub mod assign;
pub mod customers;
pub mod inbox;
pub mod lists;
pub mod new_bol;
pub mod service_accounts;
pub mod settings;
pub mod stamp;
pub mod storage;
pub mod today;
pub mod upload;
pub mod users;
