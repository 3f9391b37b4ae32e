//! `primetrade user …`

use std::io::{IsTerminal, Read};

use clap::Subcommand;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::{Failure, database_url};
use crate::accounts::breached::BreachList;
use crate::accounts::customers::{self, Customer};
use crate::accounts::factors::{Factors, reset};
use crate::accounts::sso::identity;
use crate::accounts::users::{self, NewMembership, NewUser};
use crate::accounts::{Role, User, invitation, passwords, people, person_name, sessions};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Database, DbError, DbResult};
use crate::mail;

#[derive(Subcommand)]
pub enum Command {
    /// Add a login. Without a password it can't be used until one is set
    Create {
        #[arg(long)]
        email: String,
        #[arg(long)]
        name: String,
        /// customer, office, auditor or admin
        #[arg(long)]
        role: Role,
        /// Code of a company that this login belongs to. Can be repeated
        #[arg(long, value_name = "CODE")]
        customer: Vec<String>,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all logins by email address
    List {
        #[arg(long)]
        json: bool,
    },
    /// Disable a login, end its sessions, and revoke its API tokens
    Disable { email: String },
    /// Enable a disabled login
    Enable { email: String },
    /// Remove the second factors of a login, and end its sessions
    ResetMfa { email: String },
    /// Forget which person of the single sign-on issuer a login belongs to
    UnlinkSso { email: String },
    /// Print a link to set a password. It works once, for a week, and replaces earlier links
    Invite { email: String },
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let db = Database::new(database_url(config)?, 2);
    match command {
        Command::Create { email, name, role, customer, password_stdin } => {
            let password = if password_stdin { Some(read_password()?) } else { None };
            let Some(address) = mail::read_address(&email) else {
                return Err(Failure::Usage(format!(
                    "--email: found {email:?}, allowed is an email address such as jane@example.com"
                )));
            };
            let name = person_name::read(&name).map_err(|why| Failure::Usage(format!("--name: {why}")))?;
            let password = password.as_deref();
            let breached = config.breach_list.as_deref().map(BreachList::open).transpose();
            let breached = breached.map_err(|error| Failure::Usage(format!("BREACHED_PASSWORDS_FILE: {error}")))?;
            let breached = breached.as_ref();
            NewLogin { email: &address, name: &name, role, codes: &customer, password, breached }.create(&db).await
        }
        Command::List { json } => list(&db, json).await,
        Command::Disable { email } => set_active(&db, &email, false).await,
        Command::Enable { email } => set_active(&db, &email, true).await,
        Command::ResetMfa { email } => reset_mfa(&db, &email).await,
        Command::UnlinkSso { email } => unlink_sso(&db, &email).await,
        Command::Invite { email } => invite(config, &db, &email).await,
    }
}

/// Reads one line without its line ending.
fn read_password() -> Result<String, Failure> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("type the password, Enter, Ctrl-D (it will be visible; a pipe is safer)");
    }
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(|_| Failure::Usage("the password must be UTF-8 text".into()))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// The login that `create` adds.
struct NewLogin<'a> {
    email: &'a str,
    name: &'a str,
    role: Role,
    /// The codes of its customers.
    codes: &'a [String],
    password: Option<&'a str>,
    breached: Option<&'a BreachList>,
}

impl NewLogin<'_> {
    async fn create(&self, db: &Database) -> Result<(), Failure> {
        self.check_role()?;
        let customers = self.customers(db).await?;
        let password_hash = self.password_hash().await?;
        let activated = password_hash.is_some();
        self.insert(db, &customers, password_hash).await.map_err(|error| self.refusal(error))?;
        println!("created {} {}", self.role, self.email);
        if !activated {
            println!("it has no password yet; create a link to set one with: primetrade user invite {}", self.email);
        }
        Ok(())
    }

    /// Checks that exactly the logins of customers name companies.
    fn check_role(&self) -> Result<(), Failure> {
        match (self.role.belongs_to_companies(), self.codes.is_empty()) {
            (true, true) => {
                Err(Failure::Usage("--customer: a login with the role customer needs at least one company".into()))
            }
            (false, false) => Err(Failure::Usage(format!(
                "--customer: only logins with the role customer belong to companies, not {}",
                self.role
            ))),
            _ => Ok(()),
        }
    }

    async fn customers(&self, db: &Database) -> Result<Vec<Customer>, Failure> {
        let found = customers::with_codes(&mut *db.get().await?, self.codes).await?;
        match self.codes.iter().find(|code| !found.iter().any(|customer| customer.code == **code)) {
            None => Ok(found),
            Some(unknown) => Err(Failure::Problem(format!(
                "--customer: no customer has the code {unknown}; see: primetrade customer list"
            ))),
        }
    }

    async fn password_hash(&self) -> Result<Option<String>, Failure> {
        let Some(password) = self.password else { return Ok(None) };
        passwords::check(password, &[self.email, self.name], self.breached)
            .await
            .map_err(|error| Failure::Usage(format!("password: {error}")))?;
        let hash = passwords::hash(password).await;
        hash.map(Some).ok_or_else(|| Failure::problem("the password can't be hashed"))
    }

    /// Adds the user with its memberships, and records that.
    async fn insert(&self, db: &Database, customers: &[Customer], password_hash: Option<String>) -> DbResult<()> {
        let Self { email, name, role, codes, .. } = *self;
        let activated = password_hash.is_some();
        let origin = Origin::command_line();
        db.transaction(async |connection: &mut AsyncPgConnection| {
            let id = NewUser { email, name, role: role.as_str(), password_hash }.insert(connection).await?;
            let membership =
                |customer: &Customer| NewMembership { user_id: id, customer_id: customer.id, is_admin: false };
            let memberships: Vec<_> = customers.iter().map(membership).collect();
            users::add_memberships(connection, &memberships).await?;
            let detail = json!({"email": email, "role": role, "customers": codes, "activated": activated});
            Ok(record(connection, Action::UserInvited, &origin, detail).await?)
        })
        .await
    }

    /// Names the option that the database refused.
    fn refusal(&self, error: DbError) -> Failure {
        let DbError::Query(Error::DatabaseError(kind, info)) = error else { return error.into() };
        match (kind, info.constraint_name()) {
            (DatabaseErrorKind::UniqueViolation, Some("users_email_unique")) => {
                Failure::Problem(format!("a user with the address {} exists already", self.email))
            }
            (_, Some("users_email_format")) => {
                Failure::Usage(format!("--email: found {:?}, allowed is an email address", self.email))
            }
            (_, Some("users_name_length")) => Failure::Usage("--name: 1 to 200 characters are allowed".into()),
            _ => Failure::problem(info.message()),
        }
    }
}

async fn list(db: &Database, json: bool) -> Result<(), Failure> {
    let mut connection = db.get().await?;
    let all = users::all(&mut connection).await?;
    let factors = Factors::of_all(&mut connection).await?;
    let factors = |user: &User| factors.get(&user.id).copied().unwrap_or_default();
    let state = |user: &User| match (user.active, &user.password_hash) {
        (false, _) => "disabled",
        (true, None) if user.is_service => "service account",
        (true, None) => "no password yet",
        (true, Some(_)) => "active",
    };
    if json {
        let rows: Vec<_> = all
            .iter()
            .map(|(user, codes)| {
                json!({"email": user.email, "name": user.name, "role": user.role, "customers": codes, "state": state(user), "factors": factors(user).names()})
            })
            .collect();
        println!("{}", serde_json::Value::from(rows));
        return Ok(());
    }
    if all.is_empty() {
        println!("no users yet; add one with: primetrade user create --email E --name N --role ROLE --password-stdin");
    }
    for (user, codes) in &all {
        let names = factors(user).names();
        let factors = if names.is_empty() { "-".into() } else { names.join(",") };
        println!(
            "{:<40}  {:<9} {:<16} {factors:<12} {}  {}",
            user.email,
            user.role,
            state(user),
            user.name,
            codes.join(" ")
        );
    }
    Ok(())
}

async fn find_user(db: &Database, email: &str) -> Result<User, Failure> {
    let user = users::by_email(&mut *db.get().await?, email.trim()).await?;
    user.ok_or_else(|| Failure::Problem(format!("no user has the address {email}; see: primetrade user list")))
}

/// Prints only the link to stdout, so that a script can read it.
async fn invite(config: &Config, db: &Database, email: &str) -> Result<(), Failure> {
    let user = find_user(db, email).await?;
    if user.is_service {
        return Err(Failure::Problem(format!(
            "{} is a service account: it has API tokens, and can't log in",
            user.email
        )));
    }
    if !user.active {
        return Err(Failure::Problem(format!(
            "{} is disabled; enable it first with: primetrade user enable {}",
            user.email, user.email
        )));
    }
    let origin = Origin::command_line();
    let token = db
        .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<_> {
            let token = invitation::invite(connection, Clock::system().now(), user.id).await?;
            record(connection, Action::UserInvited, &origin, json!({"email": user.email, "link": true})).await?;
            Ok(token)
        })
        .await?;
    if let Some(oidc) = config.oidc.as_ref().filter(|oidc| oidc.required_for.contains(&user.role)) {
        eprintln!("logins of the role {} have no password: the link leads to {}", user.role, oidc.label);
    }
    eprintln!(
        "send this link to {} <{}>; it works once, for {} days, unless a newer link replaces it:",
        user.name,
        user.email,
        invitation::LIFE.num_days()
    );
    println!("{}/invitation?token={}", config.public_origin(), token.as_str());
    Ok(())
}

/// For a user who is locked out.
async fn reset_mfa(db: &Database, email: &str) -> Result<(), Failure> {
    let user = find_user(db, email).await?;
    let origin = Origin::command_line();
    let had_any = db
        .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<bool> {
            users::lock(connection, user.id).await?;
            let by = (Actor::COMMAND_LINE, &origin);
            Ok(reset::reset(connection, Clock::system().now(), &user, by).await?)
        })
        .await?;
    match had_any {
        true => println!("removed the second factors of {}, and ended its sessions", user.email),
        false => println!("{} has no second factor", user.email),
    }
    Ok(())
}

/// For a person whose account at the issuer was replaced. The next login links the new one by its verified address.
async fn unlink_sso(db: &Database, email: &str) -> Result<(), Failure> {
    let user = find_user(db, email).await?;
    let origin = Origin::command_line();
    let was_linked = db
        .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<bool> {
            users::lock(connection, user.id).await?;
            if identity::unlink(connection, user.id).await? == 0 {
                return Ok(false);
            }
            sessions::end_all(connection, user.id).await?;
            record(connection, Action::SsoUnlinked, &origin, json!({"email": user.email})).await?;
            Ok(true)
        })
        .await?;
    match was_linked {
        true => println!("unlinked {}, and ended its sessions; the next single sign-on links it again", user.email),
        false => println!("{} is not linked", user.email),
    }
    Ok(())
}

/// Disabling a user ends its sessions and revokes its API tokens.
async fn set_active(db: &Database, email: &str, active: bool) -> Result<(), Failure> {
    let user = find_user(db, email).await?;
    let word = if active { "enabled" } else { "disabled" };
    if user.active == active {
        println!("{} is {word} already", user.email);
        return Ok(());
    }
    let origin = Origin::command_line();
    let done = db
        .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<bool> {
            let changed = people::set_active(connection, &user, active, Clock::system().now()).await?;
            let Some(people::Changed { tokens }) = changed else { return Ok(false) };
            let action = if active { Action::UserEnabled } else { Action::UserDisabled };
            let mut detail = json!({"email": user.email});
            if tokens > 0 {
                detail["tokens"] = tokens.into();
            }
            record(connection, action, &origin, detail).await?;
            Ok(true)
        })
        .await?;
    if !done {
        return Err(Failure::problem(people::LAST_ADMIN));
    }
    println!("{word} {}", user.email);
    Ok(())
}

async fn record(
    connection: &mut AsyncPgConnection,
    action: Action,
    origin: &Origin,
    detail: serde_json::Value,
) -> diesel::QueryResult<()> {
    let actor = Actor::COMMAND_LINE;
    audit::record(connection, &Event::new(action, Outcome::Success, actor, origin).detail(detail)).await
}
