//! What operators run: the commands, the database, the storage and the mail.

pub mod commands;
pub mod database;
pub mod demo;
pub mod mail;
pub mod migrate_pdfs;
pub mod reconcile;
pub mod s3;
pub mod storage;
