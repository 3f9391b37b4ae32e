//! Issues a BOL under the next number, or previews it.

use chrono::{DateTime, Datelike, Utc};
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::load::Load;
use super::print::{Sheet, print};
use super::{IssueError, Issued, Issuer, RequestKey, request_key, warnings};
use crate::audit::Action;
use crate::bols::{Bol, BolNumber, Draft, NewBol, choices};
use crate::db::schema::bols;

impl Issuer<'_> {
    /// Returns the PDF that issuing would print. It uses no number and stores nothing.
    pub async fn preview(&self, draft: &Draft) -> Result<Vec<u8>, IssueError> {
        let mut connection = self.user.db.get().await?;
        let load = Load::read(&mut connection, draft).await?;
        drop(connection);
        Ok(print(Sheet::preview(&load.printed)).await?)
    }

    /// Issues the BOL under the next number of the year.
    ///
    /// `key` names the request. A second request with the same key and the same load returns the BOL of the first one
    /// and changes nothing.
    pub async fn issue(&self, draft: &Draft, key: &str) -> Result<Issued, IssueError> {
        let user_id = self.user.viewer.user_id;
        let key = RequestKey::of_draft(key, draft);
        self.user
            .db
            .transaction_outside(async |connection: &mut AsyncPgConnection| {
                if let Some(earlier) = request_key::claim(connection, user_id, key).await? {
                    return Ok(earlier);
                }
                let load = Load::read(connection, draft).await?;
                let now = self.user.clock.now();
                let number = self.next_number(connection, now.with_timezone(&self.zone).year()).await?;
                // After the counter is locked, so that the second of two simultaneous requests sees the first.
                let warnings = warnings::check_warnings(connection, &load, now, self.today()).await?;
                let unconfirmed: Vec<_> =
                    warnings.into_iter().filter(|warning| !draft.has_confirmed(&warning.code)).collect();
                if !unconfirmed.is_empty() {
                    return Err(IssueError::Unconfirmed(unconfirmed));
                }
                let bol = self.insert(connection, load, &number, now).await?;
                request_key::settle(connection, user_id, key, bol.id).await?;
                let detail = serde_json::json!({"reissue_of": draft.get("reissue_of").trim(), "net_lb": bol.net_lb});
                self.store_printed(connection, &bol, Action::BolCreated, detail).await?;
                Ok(Issued { id: bol.id, number: bol.number, repeated: false })
            })
            .await
    }

    /// Inserts the row, and adds values the lists don't have yet.
    async fn insert(
        &self,
        connection: &mut AsyncPgConnection,
        load: Load,
        number: &BolNumber,
        now: DateTime<Utc>,
    ) -> QueryResult<Bol> {
        let new = NewBol {
            number: number.to_string(),
            number_year: number.year(),
            number_seq: number.seq(),
            customer_id: Some(load.customer.id),
            printed: load.printed,
            issued_by: self.user.viewer.name.clone(),
            reissue_of: load.reissue_of,
            changed_at: now,
            created_at: now,
            ..NewBol::default()
        };
        let insert = diesel::insert_into(bols::table).values(new).returning(Bol::as_returning());
        let bol = insert.get_result(connection).await?;
        choices::remember(connection, load.customer.id, &bol.printed).await?;
        Ok(bol)
    }

    /// Takes the next number of the year.
    ///
    /// The counter's row stays locked until the transaction ends. The counter is never lower than the highest
    /// number issued.
    async fn next_number(&self, connection: &mut AsyncPgConnection, year: i32) -> Result<BolNumber, IssueError> {
        #[derive(QueryableByName)]
        struct Counter {
            #[diesel(sql_type = Integer)]
            last_seq: i32,
        }
        let counter: Counter = diesel::sql_query(
            "INSERT INTO bol_counters AS c (year, last_seq) \
             VALUES ($1, 1 + coalesce((SELECT max(number_seq) FROM bols WHERE number_year = $1), 0)) \
             ON CONFLICT (year) DO UPDATE SET last_seq = 1 + greatest(c.last_seq, \
                 coalesce((SELECT max(number_seq) FROM bols WHERE number_year = $1), 0)) \
             RETURNING last_seq",
        )
        .bind::<Integer, _>(year)
        .get_result(connection)
        .await?;
        BolNumber::new(self.prefix, year, counter.last_seq)
            .map_err(|_| IssueError::Refused("All BOL numbers of this year are used."))
    }
}
