//! What the office does with a BOL: issue it, void it, enter its official weight.
//!
//! Each is one transaction that ends in the storage: the row, the printed PDF as the next version, and the event are
//! there together or not at all. The file is stored before the commit, so that no BOL is ever without its file.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

pub mod print;
mod warnings;

use self::print::{PrintError, Sheet, print};
pub use self::warnings::Doubt;
use crate::accounts::Viewer;
use crate::accounts::customers::{self, Customer};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::bols::{Bol, BolNumber, Draft, NewBol, Printed, Problem, choices, draft, settings};
use crate::clock::Clock;
use crate::config::PublicUrl;
use crate::db::schema::{bol_requests, bols};
use crate::db::{Database, DbError};
use crate::documents::{Kind, StoreError, Stored, store_next_version};
use crate::storage::{Storage, StorageError};
use crate::typefaces;

/// The office's desk, with everything it needs at hand.
pub struct Dispatch<'a> {
    pub db: &'a Database,
    pub storage: &'a Storage,
    pub clock: &'a Clock,
    pub zone: Tz,
    pub prefix: &'a str,
    pub public_url: &'a PublicUrl,
}

#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// Each with its field; nothing was changed.
    #[error("the input is wrong")]
    Invalid(Vec<Problem>),
    /// Plausible on second thought only, and not confirmed yet; nothing was changed.
    #[error("to be confirmed")]
    Doubtful(Vec<Doubt>),
    /// The key of the request was used for another load.
    #[error("this request key was used for another load")]
    KeyReused,
    #[error("no such BOL")]
    NotFound,
    /// The BOL isn't in the state for it; the text says why.
    #[error("{0}")]
    Refused(&'static str),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Print(#[from] PrintError),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(DispatchError);

impl From<StoreError> for DispatchError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Storage(error) => error.into(),
            StoreError::Query(error) => error.into(),
        }
    }
}

/// What a key of a request stands for.
pub struct Issued {
    pub id: i64,
    pub number: String,
    /// It was issued by an earlier request with the same key.
    pub repeated: bool,
}

/// A load that nothing is wrong with.
pub(super) struct Load {
    pub customer: Customer,
    pub printed: Printed,
    pub reissue_of: Option<i64>,
}

impl Dispatch<'_> {
    pub fn today(&self) -> NaiveDate {
        self.clock.now().with_timezone(&self.zone).date_naive()
    }

    /// The PDF as it would be, and nothing else: no number, no record.
    pub async fn preview(&self, draft: &Draft) -> Result<Vec<u8>, DispatchError> {
        let mut connection = self.db.get().await?;
        let load = prepare(&mut connection, draft).await?;
        drop(connection);
        Ok(print(&Sheet::preview(&load.printed)).await?)
    }

    /// Issues the BOL under the next number of the year. `key` names the request: the same key and load again give the
    /// BOL that was issued before, and change nothing.
    pub async fn issue(
        &self,
        draft: &Draft,
        key: &str,
        viewer: &Viewer,
        origin: &Origin,
    ) -> Result<Issued, DispatchError> {
        self.db
            .transaction_outside(async |connection: &mut AsyncPgConnection| {
                if let Some(before) = claim(connection, viewer.user_id, key, draft).await? {
                    return Ok(before);
                }
                let load = prepare(connection, draft).await?;
                let now = self.clock.now();
                let year = now.with_timezone(&self.zone).year();
                let number = self.next_number(connection, year).await?;
                // Behind the counter's lock, so that of two at once the second sees the first.
                let doubts = warnings::about(connection, &load, now, self.today()).await?;
                let open: Vec<Doubt> = doubts.into_iter().filter(|doubt| !draft.has_confirmed(&doubt.code)).collect();
                if !open.is_empty() {
                    return Err(DispatchError::Doubtful(open));
                }
                let new = NewBol {
                    number: number.to_string(),
                    number_year: number.year(),
                    number_seq: number.seq(),
                    customer_id: Some(load.customer.id),
                    printed: load.printed,
                    issued_by: viewer.name.clone(),
                    reissue_of: load.reissue_of,
                    changed_at: now,
                    created_at: now,
                    ..NewBol::default()
                };
                let insert = diesel::insert_into(bols::table).values(new).returning(Bol::as_returning());
                let bol = insert.get_result(connection).await?;
                settle(connection, viewer.user_id, key, bol.id).await?;
                choices::remember(connection, load.customer.id, &bol.printed).await?;
                let detail = serde_json::json!({"reissue_of": draft.get("reissue_of").trim(), "net_lb": bol.net_lb});
                self.file(connection, &bol, Action::BolCreated, detail, viewer, origin).await?;
                Ok(Issued { id: bol.id, number: bol.number, repeated: false })
            })
            .await
    }

    /// Voids a BOL. Its stamped copy becomes the next version; the number is never used again.
    pub async fn void(
        &self,
        number: &BolNumber,
        reason: &str,
        viewer: &Viewer,
        origin: &Origin,
    ) -> Result<(), DispatchError> {
        let reason = checked_reason(reason)?;
        self.db
            .transaction_outside(async |connection: &mut AsyncPgConnection| {
                let mut bol = locked(connection, number).await?;
                if bol.voided_at.is_some() {
                    return Err(DispatchError::Refused("This BOL is void already."));
                }
                let now = self.clock.now();
                diesel::update(bols::table.find(bol.id))
                    .set((bols::voided_at.eq(now), bols::void_reason.eq(&reason), bols::voided_by.eq(&viewer.name)))
                    .execute(connection)
                    .await?;
                (bol.voided_at, bol.void_reason, bol.voided_by) = (Some(now), reason.clone(), viewer.name.clone());
                let detail = serde_json::json!({"reason": reason});
                self.file(connection, &bol, Action::BolVoided, detail, viewer, origin).await
            })
            .await
    }

    /// Enters the certified weight, in pounds, or corrects it. The stamped copy becomes the next version.
    pub async fn weigh(
        &self,
        number: &BolNumber,
        pounds: &str,
        viewer: &Viewer,
        origin: &Origin,
    ) -> Result<(), DispatchError> {
        let pounds = checked_pounds(pounds)?;
        self.db
            .transaction_outside(async |connection: &mut AsyncPgConnection| {
                let mut bol = locked(connection, number).await?;
                if bol.voided_at.is_some() {
                    return Err(DispatchError::Refused("This BOL is void; it can't be weighed any more."));
                }
                if bol.official_weight_lb == Some(pounds) {
                    return Err(invalid("official_weight_lb", "That is the official weight already."));
                }
                let (now, before) = (self.clock.now(), bol.official_weight_lb);
                diesel::update(bols::table.find(bol.id))
                    .set((
                        bols::official_weight_lb.eq(pounds),
                        bols::weighed_at.eq(now),
                        bols::weighed_by.eq(&viewer.name),
                    ))
                    .execute(connection)
                    .await?;
                (bol.official_weight_lb, bol.weighed_at, bol.weighed_by) =
                    (Some(pounds), Some(now), viewer.name.clone());
                let detail = serde_json::json!({"official_weight_lb": pounds, "before": before, "net_lb": bol.net_lb});
                self.file(connection, &bol, Action::BolWeighed, detail, viewer, origin).await
            })
            .await
    }

    /// Prints the BOL as it is now, stores that as its next version, and records what was done.
    async fn file(
        &self,
        connection: &mut AsyncPgConnection,
        bol: &Bol,
        action: Action,
        mut detail: serde_json::Value,
        viewer: &Viewer,
        origin: &Origin,
    ) -> Result<(), DispatchError> {
        let number: BolNumber =
            bol.number.parse().map_err(|_| DbError::Unreachable(format!("{} is no BOL number", bol.number)))?;
        let url = format!("{}/bols/{number}", self.public_url.origin());
        let bytes = print(&Sheet::of(bol, url, self.zone)).await?;
        let Stored { document, sha256, strays } =
            store_next_version(connection, self.storage, (bol.id, &number), Kind::Bol, bytes, viewer, self.clock.now())
                .await?;
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
        event.document_id = Some(document.id);
        event.document_kind = Some(&document.kind);
        event.file_name = Some(&document.file_name);
        event.object_key = Some(&document.object_key);
        event.sha256 = Some(&sha256);
        audit::record(connection, &event).await?;
        Ok(())
    }

    /// The counter's row stays locked until the BOL is committed. It never falls behind the BOLs that are there.
    async fn next_number(&self, connection: &mut AsyncPgConnection, year: i32) -> Result<BolNumber, DispatchError> {
        #[derive(QueryableByName)]
        struct Taken {
            #[diesel(sql_type = Integer)]
            last_seq: i32,
        }
        let taken: Taken = diesel::sql_query(
            "INSERT INTO bol_counters AS c (year, last_seq) \
             VALUES ($1, 1 + coalesce((SELECT max(number_seq) FROM bols WHERE number_year = $1), 0)) \
             ON CONFLICT (year) DO UPDATE SET last_seq = 1 + greatest(c.last_seq, \
                 coalesce((SELECT max(number_seq) FROM bols WHERE number_year = $1), 0)) \
             RETURNING last_seq",
        )
        .bind::<Integer, _>(year)
        .get_result(connection)
        .await?;
        BolNumber::new(self.prefix, year, taken.last_seq)
            .map_err(|_| DispatchError::Refused("The running numbers of this year are used up."))
    }
}

/// Looks up what the draft names, and checks the rest.
async fn prepare(connection: &mut AsyncPgConnection, draft: &Draft) -> Result<Load, DispatchError> {
    let company = settings::company(connection).await?;
    let code = [draft.customer_code()];
    let customer = customers::with_codes(connection, &code).await?.pop();
    let checked = draft.check(customer.as_ref().map(|customer| (customer.name.as_str(), customer.active)), &company);
    let reissue_of = reissued(connection, draft.get("reissue_of").trim()).await?;
    match (checked, reissue_of, customer) {
        (Ok(printed), Ok(reissue_of), Some(customer)) => Ok(Load { customer, printed, reissue_of }),
        (checked, reissue_of, _) => {
            Err(DispatchError::Invalid(checked.err().into_iter().flatten().chain(reissue_of.err()).collect()))
        }
    }
}

/// The BOL that is to be replaced: one that is void.
async fn reissued(connection: &mut AsyncPgConnection, number: &str) -> QueryResult<Result<Option<i64>, Problem>> {
    if number.is_empty() {
        return Ok(Ok(None));
    }
    let missing = || Problem::new("reissue_of", "There is no BOL of that number to take the place of.");
    let Ok(number) = number.parse::<BolNumber>() else { return Ok(Err(missing())) };
    let found: Option<(i64, Option<DateTime<Utc>>)> = bols::table
        .filter(bols::number.eq(number.as_str()))
        .select((bols::id, bols::voided_at))
        .first(connection)
        .await
        .optional()?;
    Ok(match found {
        Some((id, Some(_))) => Ok(Some(id)),
        Some(_) => Err(Problem::new("reissue_of", "That BOL isn't void. Void it first, then reissue it.")),
        None => Err(missing()),
    })
}

/// Takes the key for this request; or gives the BOL that it stands for already. A second request with the same key waits
/// here until the first has ended.
async fn claim(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    key: &str,
    draft: &Draft,
) -> Result<Option<Issued>, DispatchError> {
    let digest = draft.digest();
    let row = (bol_requests::user_id.eq(user_id), bol_requests::key.eq(key), bol_requests::digest.eq(&digest[..]));
    let claimed = diesel::insert_into(bol_requests::table).values(row).on_conflict_do_nothing().execute(connection);
    if claimed.await? == 1 {
        return Ok(None);
    }
    let (known, id, number): (Vec<u8>, i64, String) = bol_requests::table
        .inner_join(bols::table.on(bol_requests::bol_id.eq(bols::id.nullable())))
        .filter(bol_requests::user_id.eq(user_id))
        .filter(bol_requests::key.eq(key))
        .select((bol_requests::digest, bols::id, bols::number))
        .first(connection)
        .await?;
    if known == digest { Ok(Some(Issued { id, number, repeated: true })) } else { Err(DispatchError::KeyReused) }
}

async fn settle(connection: &mut AsyncPgConnection, user_id: i64, key: &str, bol_id: i64) -> QueryResult<()> {
    diesel::update(bol_requests::table.find((user_id, key)))
        .set(bol_requests::bol_id.eq(bol_id))
        .execute(connection)
        .await
        .map(drop)
}

/// The BOL, and nobody else changes it meanwhile.
async fn locked(connection: &mut AsyncPgConnection, number: &BolNumber) -> Result<Bol, DispatchError> {
    let query = bols::table.filter(bols::number.eq(number.as_str())).select(Bol::as_select()).for_no_key_update();
    query.first(connection).await.optional()?.ok_or(DispatchError::NotFound)
}

fn invalid(field: &'static str, message: impl Into<String>) -> DispatchError {
    DispatchError::Invalid(vec![Problem::new(field, message)])
}

const MOST_REASON: usize = 500;

fn checked_reason(reason: &str) -> Result<String, DispatchError> {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if reason.is_empty() {
        return Err(invalid("reason", "Say why; the customer will read it."));
    }
    if reason.chars().count() > MOST_REASON {
        return Err(invalid("reason", format!("Up to {MOST_REASON} characters fit here.")));
    }
    match typefaces::unprintable(&reason) {
        Some(c) => Err(invalid("reason", typefaces::unprintable_message(c))),
        None => Ok(reason),
    }
}

fn checked_pounds(pounds: &str) -> Result<i32, DispatchError> {
    let found = draft::whole(pounds.trim()).filter(|pounds| (1..=draft::MOST_POUNDS).contains(pounds));
    found.ok_or_else(|| invalid("official_weight_lb", "Enter whole pounds, such as 46,060."))
}
