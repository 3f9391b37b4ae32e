//! `primetrade token …`

use clap::Subcommand;
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::{Failure, database_url};
use crate::accounts::api_tokens::{self, list};
use crate::audit::{Actor, Origin};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Database, DbResult};

#[derive(Subcommand)]
pub enum Command {
    /// List the API tokens that work, by the address of their owner
    List {
        #[arg(long)]
        json: bool,
    },
    /// Revoke an API token at once
    Revoke {
        /// Its number in the list, on the page and in the access log
        id: i64,
    },
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let db = Database::new(database_url(config)?, 2);
    match command {
        Command::List { json } => list(&db, json).await,
        Command::Revoke { id } => revoke(&db, id).await,
    }
}

async fn list(db: &Database, json: bool) -> Result<(), Failure> {
    let all = list::working(&mut *db.get().await?, Clock::system().now()).await?;
    if json {
        let rows: Vec<_> = all
            .iter()
            .map(|(owner, token)| {
                let networks: Vec<String> = token.networks.iter().map(ToString::to_string).collect();
                json!({"id": token.id, "owner": owner, "name": token.name, "scopes": token.scopes, "networks": networks,
                       "createdAt": token.created_at, "expiresAt": token.expires_at, "lastUsedAt": token.last_used_at})
            })
            .collect();
        println!("{}", serde_json::Value::from(rows));
        return Ok(());
    }
    if all.is_empty() {
        println!("no API token works");
    }
    for (owner, token) in &all {
        let ends = token.expires_at.format("%Y-%m-%d");
        println!("{:>6}  {owner:<40}  until {ends}  {}  {}", token.id, token.scopes.join(","), token.name);
    }
    Ok(())
}

async fn revoke(db: &Database, id: i64) -> Result<(), Failure> {
    let origin = Origin::command_line();
    let revoked = db
        .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<Option<String>> {
            let by = (Actor::COMMAND_LINE, &origin);
            Ok(api_tokens::revoke(connection, Clock::system().now(), id, by).await?)
        })
        .await?;
    match revoked {
        Some(name) => println!("revoked {name}"),
        None => {
            return Err(Failure::Problem(format!(
                "no token with the number {id} that isn't revoked; see: primetrade token list"
            )));
        }
    }
    Ok(())
}
