//! `primetrade migrate`

use super::{Failure, database_url};
use crate::config::Config;
use crate::db::migrations;

pub async fn run(config: &Config) -> Result<(), Failure> {
    let applied = migrations::apply(database_url(config)?).await.map_err(Failure::problem)?;
    for name in &applied {
        println!("applied {name}");
    }
    if applied.is_empty() {
        println!("nothing to apply: the database is up to date");
    }
    Ok(())
}
