//! Compares grants, triggers, rules, policies and roles with what the migrations made, and mends them.
//!
//! A dump that is restored under another owner leaves that owner with the right to change the access log. Nothing else
//! would notice, because the rows are the same.

mod login;
mod roles;

use diesel::QueryableByName;
use diesel::dsl::sql;
use diesel::result::QueryResult;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::migrations::{self, Failure, alone};
use crate::config::DatabaseUrl;
pub use roles::prepare as prepare_roles;

const DIFFERENCES: &str = include_str!("guard/differences.sql");
/// Some statements are possible only after others, such as a grant to a role that is missing.
const MAX_PASSES: usize = 4;

/// What a difference puts at risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The access log could be changed, or events could be lost.
    Ledger,
    /// A customer's transaction could see or do more than it should.
    Isolation,
    /// The portal can't do something that it needs.
    Service,
}

/// A difference between the database and what the migrations made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaDifference {
    pub concern: Concern,
    pub what: String,
    /// The statement that mends it. `None` if a person has to decide.
    mend: Option<String>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    concern: String,
    #[diesel(sql_type = Text)]
    what: String,
    #[diesel(sql_type = Nullable<Text>)]
    mend: Option<String>,
}

/// What a set-up changed.
#[derive(Debug, Default)]
pub struct SetUp {
    /// The versions of the migrations that were applied.
    pub applied: Vec<String>,
    pub mended: Vec<SchemaDifference>,
    /// The role that may serve now.
    pub admitted: Option<String>,
}

/// Brings a database up to date: roles, migrations, rights, and the role of `server`, which may be the owner's.
pub async fn set_up(owner: &DatabaseUrl, server: &DatabaseUrl) -> Result<SetUp, Failure> {
    roles::prepare(owner).await?;
    let applied = migrations::apply(owner).await?;
    let admitted = login::admit(owner, server).await?;
    let mended = mend_for(owner, server.options().get_user()).await?;
    Ok(SetUp { applied, mended, admitted })
}

/// Finds the differences. Reads only the catalog, which every role may read. Requires the current migrations.
pub async fn differences(connection: &mut AsyncPgConnection) -> QueryResult<Vec<SchemaDifference>> {
    let rows: Vec<Row> = diesel::sql_query(DIFFERENCES).load(connection).await?;
    let difference = |Row { concern, what, mend }: Row| {
        let concern = match concern.as_str() {
            "service" => Concern::Service,
            "isolation" => Concern::Isolation,
            _ => Concern::Ledger,
        };
        SchemaDifference { concern, what, mend }
    };
    Ok(rows.into_iter().map(difference).collect())
}

/// Whether this connection's role owns the access log, or may act as its owner.
pub async fn is_owner(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let owns = "pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'audit_events'::regclass), 'USAGE')";
    diesel::select(sql::<Bool>(owns)).get_result(connection).await
}

/// Mends the differences as the owner of the tables, and returns what differed. All or nothing.
pub async fn mend(url: &DatabaseUrl) -> Result<Vec<SchemaDifference>, Failure> {
    mend_for(url, None).await
}

/// `server` is the role that serves this database. Members of `portal_server` may serve other databases of the cluster.
async fn mend_for(url: &DatabaseUrl, server: Option<&str>) -> Result<Vec<SchemaDifference>, Failure> {
    let mut connection = alone(url).await?;
    connection.batch_execute("BEGIN").await?;
    let setting =
        sql::<Text>("set_config('portal.server_role', ").bind::<Text, _>(server.unwrap_or_default()).sql(", true)");
    diesel::select(setting).execute(&mut connection).await?;
    let mut mended = Vec::new();
    for _ in 0..MAX_PASSES {
        let found = differences(&mut connection).await?;
        if found.is_empty() {
            connection.batch_execute("COMMIT").await?;
            return Ok(mended);
        }
        for (at, SchemaDifference { what, mend, .. }) in found.iter().enumerate() {
            let Some(statement) = mend else {
                return Err(format!("{what}: decide what it is for, and remove it").into());
            };
            if let Err(error) = connection.batch_execute(&tolerant(statement)).await {
                let all = alike(&found[at..]);
                return Err(format!("{what}, and this role can't mend it ({error}). As a superuser, run: {all}").into());
            }
        }
        mended.extend(found);
    }
    let what = mended.last().map(|difference| difference.what.as_str()).unwrap_or_default();
    Err(format!("{what}, and mending it has no effect").into())
}

/// Joins the statements that need the same right as the first: those that begin with the same two words.
fn alike(found: &[SchemaDifference]) -> String {
    let statements = || found.iter().filter_map(|difference| difference.mend.as_deref());
    let words = |statement: &str| statement.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let first = statements().next().map(words);
    statements().filter(|statement| first == Some(words(statement))).collect::<Vec<_>>().join("; ")
}

/// Roles belong to the cluster, so another process may do the same for another database at the same time.
fn tolerant(statement: &str) -> String {
    format!(
        "DO $tolerant$ BEGIN {statement}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $tolerant$"
    )
}
