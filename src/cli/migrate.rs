//! `primetrade migrate`

use super::{Failure, database_url, owner_url};
use crate::config::Config;
use crate::db::guard::{self, Concern, SetUp};

pub async fn run(config: &Config) -> Result<(), Failure> {
    let done = guard::set_up(owner_url(config)?, database_url(config)?).await.map_err(Failure::problem)?;
    let SetUp { applied, mended, admitted } = done;
    for name in &applied {
        println!("applied {name}");
    }
    // The owner's and the server's own rights and limits follow from the migrations.
    let mended: Vec<_> = mended.iter().filter(|mended| mended.concern != Concern::Service).collect();
    for difference in &mended {
        println!("mended: {}", difference.what);
    }
    if let Some(name) = &admitted {
        println!("{name} may serve");
    }
    if applied.is_empty() && mended.is_empty() && admitted.is_none() {
        println!("nothing to apply: the database is up to date");
    }
    Ok(())
}
