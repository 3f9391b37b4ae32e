//! `/api/v1/bols`: the list, and one BOL.

use actix_web::web::{Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::conditional;
use super::types::{Bol, BolEntry, BolFormat, BolList, BolQuery, Company, Ebol};
use crate::bols::BolNumber;
use crate::bols::search;
use crate::documents;
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::{BolListViewers, BolsRead, DocumentReaders, Scoped};
use crate::web::bol_filter::{BolFilter, encode};
use crate::web::context::Context;

const MAX_LIMIT: usize = 200;

/// A BOL in one of its formats.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BolAnswer {
    Bol(Box<Bol>),
    Ebol(Box<Ebol>),
}

/// List bills of lading.
///
/// Customers get those of their companies. To follow the changes, ask with `updated_since` and repeat with `after` until
/// `next` is `null`; the next time, begin five minutes before the newest `updated_at` that you have, because a change may
/// become visible a moment after its time.
#[utoipa::path(
    get,
    path = "/api/v1/bols",
    operation_id = "list_bols",
    tag = "Bills of lading",
    params(BolQuery),
    responses((status = 200, description = "A page of the list.", body = BolList)),
    security(("token" = ["bols:read"]), ("session" = []))
)]
pub async fn list(
    request: HttpRequest,
    context: Context<Scoped<BolListViewers, BolsRead>>,
    query: Query<BolQuery>,
) -> Result<HttpResponse, Error> {
    let (filter, since, limit) = read(query.into_inner())?;
    let (mut search, errors) = filter.resolve(&context).await?;
    if !errors.is_empty() {
        return Err(Error::Fields(errors));
    }
    search.changed_since = since;
    let viewer = &context.viewer;
    // One more, to know whether there is a next page.
    let mut found = search::batch(&context.db, &viewer.scope(), &search, limit + 1).await?;
    let has_more = found.rows.len() > limit;
    found.rows.truncate(limit);
    let next = found.rows.last().filter(|_| has_more).map(|last| encode(&search.position(last)));
    let owners = found.owners;
    let bols = found.rows.into_iter().map(|row| {
        let owner = row.owner_names(&owners, viewer);
        let owner = owner.map(|(code, name)| Company { code: code.into(), name: name.into() });
        BolEntry::new(row, owner)
    });
    conditional::json(&request, &BolList { bols: bols.collect(), next })
}

/// Reads the parameters that the page doesn't have, and gives the others the form of the page's filter.
fn read(query: BolQuery) -> Result<(BolFilter, Option<DateTime<Utc>>, usize), Error> {
    let mut errors = FieldErrors::default();
    let since = query.updated_since.as_deref().map(|text| text.trim().parse::<DateTime<Utc>>());
    let since = match since {
        None => None,
        // Postgres can't store some other years.
        Some(Ok(since)) if (1..=9999).contains(&since.year()) => Some(since),
        Some(_) => {
            errors.add("updated_since", "Not a valid time. Use one such as 2025-11-30T12:00:00Z.");
            None
        }
    };
    let limit = match query.limit.as_deref().map(str::parse) {
        None => search::PAGE,
        Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
        Some(_) => {
            errors.add("limit", "Use a number from 1 to 200.");
            search::PAGE
        }
    };
    let default_sort = || if since.is_some() { "updated".to_owned() } else { String::new() };
    let filter = BolFilter {
        q: query.q.unwrap_or_default(),
        from: query.from.unwrap_or_default(),
        to: query.to.unwrap_or_default(),
        kind: query.kind.unwrap_or_default(),
        status: query.status.unwrap_or_default(),
        customer: query.customer.unwrap_or_default(),
        new: query.new.unwrap_or_default(),
        sort: query.sort.filter(|sort| !sort.is_empty()).unwrap_or_else(default_sort),
        after: query.after.unwrap_or_default(),
        ..BolFilter::default()
    };
    errors.or((filter, since, limit)).map_err(Error::Fields)
}

/// Get a bill of lading.
///
/// Every field, and every version of every document. It is recorded as `BOL_VIEWED`, like a visit of its page. `HEAD` is
/// not allowed for that reason.
#[utoipa::path(
    get,
    path = "/api/v1/bols/{number}",
    operation_id = "get_bol",
    tag = "Bills of lading",
    params(("number" = String, Path, description = "Such as `PRT-2026-0128`."), BolFormat),
    responses((status = 200, description = "The BOL.", body = BolAnswer)),
    security(("token" = ["bols:read"]), ("session" = []))
)]
pub async fn get(
    request: HttpRequest,
    context: Context<Scoped<DocumentReaders, BolsRead>>,
    number: Path<String>,
    format: Query<BolFormat>,
) -> Result<HttpResponse, Error> {
    let is_ebol = match format.format.as_deref() {
        None | Some("") => false,
        Some("ebol") => true,
        Some(_) => return Err(Error::Fields(FieldErrors::one("format", "Leave it out, or use ebol."))),
    };
    let Context { viewer, db, origin, .. } = &context;
    let number: BolNumber = number.parse().map_err(|_| Error::NotFound)?;
    let viewed = documents::view(db, viewer, origin, &number, None).await?.ok_or(Error::NotFound)?;
    let bol = Bol::from(viewed);
    let answer = if is_ebol { BolAnswer::Ebol(Box::new(bol.into())) } else { BolAnswer::Bol(Box::new(bol)) };
    conditional::json(&request, &answer)
}
