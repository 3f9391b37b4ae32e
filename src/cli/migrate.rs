//! `primetrade migrate`

use super::{Failure, database_url};
use crate::config::Config;
use crate::db::{guard, migrations};

pub async fn run(config: &Config) -> Result<(), Failure> {
    let url = database_url(config)?;
    let applied = migrations::apply(url).await.map_err(Failure::problem)?;
    for name in &applied {
        println!("applied {name}");
    }
    let mended = guard::mend(url).await.map_err(Failure::problem)?;
    for what in &mended {
        println!("mended: {what}");
    }
    if applied.is_empty() && mended.is_empty() {
        println!("nothing to apply: the database is up to date");
    }
    Ok(())
}
