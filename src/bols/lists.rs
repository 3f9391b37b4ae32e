//! The lists that the office chooses from when it issues a BOL: customers and their addresses, products and lots,
//! carriers and trucks.
//!
//! A BOL copies what it prints, so a change here never changes an issued BOL. Entries are retired instead of deleted, and
//! a retired one can be offered again. This file has what the lists have in common: adding and changing an entry, and the
//! errors.

pub mod carriers;
pub mod customers;
pub mod paging;
pub mod products;

use diesel::QueryResult;
use diesel::result::Error as QueryError;
use diesel_async::AsyncPgConnection;

use crate::accounts::ActingUser;
use crate::audit::{self, Action, Event, Outcome};
use crate::db::DbError;
use crate::field_errors::FieldErrors;

/// The maximum of entries that a `select` offers.
const MAX_OFFERED: i64 = 500;

/// An entry of a list that can be added and changed. Nothing is deleted.
pub(crate) trait Entry: Sized + PartialEq + serde::Serialize {
    /// The name of the list in the audit log.
    const LIST: &'static str;

    /// Inserts the entry and returns its id.
    async fn insert(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64>;

    /// Returns the entry of this id, locked until the transaction ends.
    async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Self>;

    async fn update(&self, connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()>;
}

/// Implements [`Entry`] for a row of a table.
macro_rules! entry {
    ($entry:ty, $table:ident) => {
        impl $crate::bols::lists::Entry for $entry {
            const LIST: &'static str = stringify!($table);

            async fn insert(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64> {
                diesel::insert_into($table::table).values(self).returning($table::id).get_result(connection).await
            }

            async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Self> {
                $table::table.find(id).select(Self::as_select()).for_update().first(connection).await
            }

            async fn update(&self, connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
                diesel::update($table::table.find(id)).set(self).execute(connection).await.map(drop)
            }
        }
    };
}
use entry;

/// Adds an entry, if the input is valid, and records it. Returns its id.
pub(crate) async fn add_entry<E: Entry>(
    user: &ActingUser<'_>,
    entry: Result<E, FieldErrors>,
) -> Result<i64, SaveError> {
    let entry = entry?;
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let id = entry.insert(connection).await?;
            record(user, connection, id, (None, &entry)).await?;
            Ok(id)
        })
        .await
}

/// Changes an entry and records its previous values. Saving it unchanged records nothing.
pub(crate) async fn change_entry<E: Entry>(
    user: &ActingUser<'_>,
    id: i64,
    after: Result<E, FieldErrors>,
) -> Result<(), SaveError> {
    let after = after?;
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let before = E::lock(connection, id).await?;
            if before == after {
                return Ok(());
            }
            after.update(connection, id).await?;
            Ok(record(user, connection, id, (Some(&before), &after)).await?)
        })
        .await
}

async fn record<E: Entry>(
    user: &ActingUser<'_>,
    connection: &mut AsyncPgConnection,
    id: i64,
    (before, after): (Option<&E>, &E),
) -> QueryResult<()> {
    let detail = serde_json::json!({"list": E::LIST, "id": id, "before": before, "after": after});
    let event = Event::new(Action::ListChanged, Outcome::Success, user.actor(), user.origin).detail(detail);
    audit::record(connection, &event).await
}

#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error("some fields are invalid")]
    Fields(FieldErrors),
    #[error("no such entry")]
    Gone,
    #[error(transparent)]
    Db(DbError),
}

crate::db::query_error_into!(SaveError);

impl From<FieldErrors> for SaveError {
    fn from(errors: FieldErrors) -> Self {
        Self::Fields(errors)
    }
}

impl From<DbError> for SaveError {
    /// Turns a broken constraint into a message beside its field. Only the database can tell that another request has
    /// just taken a name.
    fn from(error: DbError) -> Self {
        let message = match &error {
            DbError::Query(QueryError::NotFound) => return Self::Gone,
            DbError::Query(QueryError::DatabaseError(_, info)) => info.constraint_name().and_then(broken),
            _ => None,
        };
        match message {
            Some((field, text)) => Self::Fields(FieldErrors::one(field, text)),
            None => Self::Db(error),
        }
    }
}

/// Returns the field and the message for a constraint that no form can check beforehand.
fn broken(constraint: &str) -> Option<(&'static str, &'static str)> {
    match constraint {
        "customers_code_unique" => Some(("code", "Another customer has this code.")),
        "products_name_unique" => Some(("name", "Another product has this name.")),
        "lots_number_unique" => Some(("number", "Another lot has this number.")),
        "lots_product_id_fkey" => Some(("product", products::NO_PRODUCT)),
        "carriers_name_unique" => Some(("name", "Another carrier has this name.")),
        "trucks_number_unique" => Some(("truck_number", "This carrier already has a truck with this number.")),
        "trucks_carrier_id_fkey" => Some(("carrier", carriers::NO_CARRIER)),
        _ => None,
    }
}
