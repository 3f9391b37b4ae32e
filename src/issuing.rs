//! What the office does with a BOL: issue it, void it, and enter its official weight.
//!
//! Each operation is one transaction that ends in the storage. The row, the printed PDF as the next version, and the
//! event of the audit log are stored together or not at all. The PDF is stored before the commit, so that no BOL exists
//! without its PDF.
//!
//! How a BOL is filled in and checked belongs in [`crate::bols::draft`], and how a version of a document is stored in
//! [`crate::documents`].

use chrono::NaiveDate;
use chrono_tz::Tz;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

mod issue;
mod load;
pub mod print;
mod request_key;
mod void;
mod warnings;
mod weigh;

use self::print::{PrintError, Sheet, print};
pub use self::request_key::{Issued, RequestKey};
pub use self::warnings::Warning;
use crate::accounts::{ActingUser, customers};
use crate::audit::{self, Action, Event, Outcome};
use crate::bols::{Bol, BolNumber, PrintedCodes};
use crate::db::DbError;
use crate::db::schema::bols;
use crate::documents::Kind;
use crate::documents::lifecycle::{self, NextVersion, Stored, store_in_transaction};
use crate::field_errors::FieldErrors;
use crate::storage::{Storage, StorageError};

/// Issues, voids and weighs BOLs for one user.
pub struct Issuer<'a> {
    pub user: ActingUser<'a>,
    pub storage: &'a Storage,
    /// The terminal's time zone. It decides which day and which year it is.
    pub zone: Tz,
    /// The prefix of BOL numbers.
    pub prefix: &'a str,
    /// Makes the address and the QR code.
    pub codes: &'a PrintedCodes,
}

#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Fields with their messages. Nothing was changed.
    #[error("the input is wrong")]
    Invalid(FieldErrors),
    /// Warnings that the user has not confirmed yet. Nothing was changed.
    #[error("to be confirmed")]
    Unconfirmed(Vec<Warning>),
    /// The request key belongs to an earlier request with other values.
    #[error("This key was used for another request.")]
    KeyReused,
    #[error("no such BOL")]
    NotFound,
    /// The state of the BOL does not allow it, for the reason in the text.
    #[error("{0}")]
    Refused(&'static str),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Print(#[from] PrintError),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(IssueError);
lifecycle::store_error_into!(IssueError);

impl Issuer<'_> {
    /// Returns today's date at the terminal.
    fn today(&self) -> NaiveDate {
        self.user.clock.now().with_timezone(&self.zone).date_naive()
    }

    /// Takes the key of a request, if it has one. Returns whether an earlier request with it has done the same.
    async fn has_done(
        &self,
        connection: &mut AsyncPgConnection,
        key: Option<RequestKey<'_>>,
    ) -> Result<bool, IssueError> {
        let Some(key) = key else { return Ok(false) };
        Ok(request_key::claim(connection, self.user.viewer.user_id, key).await?.is_some())
    }

    /// Prints the BOL in its current state, stores the PDF as the next version, and records the event.
    async fn store_printed(
        &self,
        connection: &mut AsyncPgConnection,
        bol: &Bol,
        action: Action,
        mut detail: serde_json::Value,
    ) -> Result<(), IssueError> {
        let ActingUser { viewer, clock, origin, .. } = self.user;
        let number: BolNumber =
            bol.number.parse().map_err(|_| DbError::Unreachable(format!("{} is not a BOL number", bol.number)))?;
        let bytes = print(Sheet::new(bol, self.codes.address(&number), self.zone)).await?;
        let (kind, at) = (Kind::Bol, clock.now());
        let new = NextVersion { bol_id: bol.id, number: &number, kind, bytes, by: viewer, at };
        let Stored { document_id, file_name, object_key, sha256, strays } =
            store_in_transaction(connection, self.storage, new).await?;
        if !strays.is_empty() {
            detail["stray_objects"] = strays.into();
        }
        let code = match bol.customer_id {
            Some(id) => customers::code_of(connection, id).await?,
            None => None,
        };
        let mut event = Event::new(action, Outcome::Success, viewer.actor(), origin).detail(detail);
        event.customer_id = bol.customer_id;
        event.customer_code = code.as_deref();
        event.bol_id = Some(bol.id);
        event.bol_number = Some(&bol.number);
        event.document_id = Some(document_id);
        event.document_kind = Some(kind.as_str());
        event.file_name = Some(&file_name);
        event.object_key = Some(&object_key);
        event.sha256 = Some(&sha256);
        audit::record(connection, &event).await?;
        Ok(())
    }
}

/// Returns the BOL, locked against other changes until the transaction ends.
async fn lock_bol(connection: &mut AsyncPgConnection, number: &BolNumber) -> Result<Bol, IssueError> {
    let query = bols::table.filter(bols::number.eq(number.as_str())).select(Bol::as_select()).for_no_key_update();
    query.first(connection).await.optional()?.ok_or(IssueError::NotFound)
}

fn invalid(field: &'static str, message: impl Into<String>) -> IssueError {
    IssueError::Invalid(FieldErrors::one(field, message))
}
