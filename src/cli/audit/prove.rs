//! `primetrade audit prove`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::audit::prove::prove;
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::cli::{Failure, database_url, serve};
use crate::config::Config;
use crate::db::Database;

#[derive(Args)]
pub struct Arguments {
    /// The id of the event
    id: i64,
    /// The file to write. The default is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub async fn run(config: &Config, Arguments { id, output }: Arguments) -> Result<(), Failure> {
    let keys = config.seal_keys(config.secret_key.as_ref());
    let url = database_url(config)?;
    serve::check_schema(url).await?;
    let db = Database::new(url, 1);
    let proof = prove(&db, &keys, id).await.map_err(Failure::problem)?;
    let origin = Origin::command_line();
    let event = Event::new(Action::AuditViewed, Outcome::Success, Actor::COMMAND_LINE, &origin);
    audit::record(&*db.get().await?, &event.detail(json!({"proof": id}))).await?;
    match output {
        Some(file) => {
            std::fs::write(&file, proof).map_err(|error| Failure::Problem(format!("{}: {error}", file.display())))
        }
        None => std::io::stdout().write_all(proof.as_bytes()).map_err(Failure::problem),
    }
}
