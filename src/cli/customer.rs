//! `primetrade customer …`

use clap::Subcommand;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::AsyncPgConnection;

use super::{Failure, database_url};
use crate::accounts::customers::{self, NewCustomer};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::config::Config;
use crate::db::{Database, DbError};

#[derive(Subcommand)]
pub enum Command {
    /// Add a company
    Create {
        /// 2 to 16 of A-Z 0-9 -, a letter or digit first
        #[arg(long)]
        code: String,
        #[arg(long)]
        name: String,
        #[arg(long, default_value = "")]
        address: String,
    },
    /// List all companies by code
    List {
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let db = Database::new(database_url(config)?, 2);
    match command {
        Command::Create { code, name, address } => create(&db, code.trim(), name.trim(), address.trim()).await,
        Command::List { json } => {
            let all = customers::all(&mut *db.get().await?).await?;
            if json {
                println!("{}", serde_json::to_string(&all).map_err(Failure::problem)?);
            } else if all.is_empty() {
                println!("no customers yet; add one with: primetrade customer create --code CODE --name NAME");
            }
            for customer in all.iter().filter(|_| !json) {
                let state = if customer.active { "" } else { "  (inactive)" };
                println!("{:<16}  {}{state}", customer.code, customer.name);
            }
            Ok(())
        }
    }
}

async fn create(db: &Database, code: &str, name: &str, address: &str) -> Result<(), Failure> {
    let origin = Origin::command_line();
    let created = db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let customer = NewCustomer { code, name, address }.insert(connection).await?;
            let actor = Actor::COMMAND_LINE;
            let event = Event::new(Action::CustomerCreated, Outcome::Success, actor, &origin);
            audit::record(connection, &event.detail(serde_json::json!({"code": code, "name": name}))).await?;
            Ok(customer)
        })
        .await;
    match created {
        Ok(customer) => {
            println!("created customer {} ({})", customer.code, customer.name);
            Ok(())
        }
        Err(DbError::Query(Error::DatabaseError(kind, info))) => Err(match (kind, info.constraint_name()) {
            (DatabaseErrorKind::UniqueViolation, _) => {
                Failure::Problem(format!("a customer with the code {code} exists already"))
            }
            (_, Some("customers_code_format")) => Failure::Usage(format!(
                "--code: found {code:?}, allowed is 2 to 16 of A-Z 0-9 -, a letter or digit first"
            )),
            (_, Some("customers_name_length")) => Failure::Usage("--name: 1 to 200 characters are allowed".into()),
            _ => Failure::problem(info.message()),
        }),
        Err(error) => Err(error.into()),
    }
}
