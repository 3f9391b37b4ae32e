//! The office's pages: new BOLs, uploads, the inbox, the lists, customers and users.

mod assign;
mod cleaned_copies;
mod codes;
mod customers;
mod forms;
mod hostile_uploads;
mod inbox;
mod intake;
mod kinds_of_documents;
mod lists;
mod names;
mod new_bol;
mod pdf_cases;
mod photos;
mod printed_bol;
mod questions;
mod scans;
mod see_as;
mod seen_numbers;
mod settings;
mod stamp;
mod sweeper;
mod today;
mod upload;
mod users;
mod virus_scan;
