//! What operators run: the commands, the database, the storage and the mail.

mod checkpoint_lock;
mod commands;
mod confinement;
mod connections;
mod database;
mod demo;
mod failover;
mod guard;
mod import_lists;
mod mail;
mod metrics;
mod migrate_pdfs;
mod point_in_time;
mod pooler;
mod reconcile;
mod replica;
mod restore_drill;
mod roles;
mod s3;
mod statements;
mod storage;
