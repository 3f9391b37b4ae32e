//! The office's pages: new BOLs, uploads, the inbox, the lists, customers and users.

pub mod assign;
pub mod customers;
pub mod inbox;
pub mod intake;
pub mod lists;
pub mod new_bol;
pub mod printed_bol;
pub mod scans;
pub mod see_as;
pub mod stamp;
pub mod today;
pub mod upload;
pub mod users;
pub mod virus_scan;
