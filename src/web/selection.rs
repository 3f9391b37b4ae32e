//! The BOLs that the form around the list selects: those that are ticked, or all that match.
//!
//! The form sends `list`, the query of its list; `number` for each ticked row; and `all` to take every match instead.
//! Without `list`, the same addresses take the filters of the list themselves.

use actix_web::HttpResponse;
use serde_json::Value;
use url::form_urlencoded;

use super::auth::Audience;
use super::bol_filter::BolFilter;
use super::context::Context;
use super::flash::{Flash, not_selected, see_other};
use super::{Error, Site};
use crate::accounts::Viewer;
use crate::bols::search::{self, Selection, Total};
use crate::documents::Kind;
use crate::documents::selection::{self, MAX_NUMBERS};

/// A selection as it was sent.
pub struct SelectionForm {
    /// The list to return to. `None` if the request doesn't come from the form.
    list: Option<String>,
    numbers: Vec<String>,
    is_all: bool,
    filter: BolFilter,
}

/// What was selected, or the response that says why nothing can be done with it.
pub enum Selected {
    /// With their number, as far as it was counted.
    Bols(Selection, Total),
    Refused(HttpResponse),
}

impl SelectionForm {
    pub fn parse(query: &str) -> Self {
        let mut form = Self { list: None, numbers: Vec::new(), is_all: false, filter: BolFilter::from_query(query) };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "list" => form.list = Some(value.into_owned()),
                "number" => form.numbers.push(value.trim().to_uppercase()),
                "all" => form.is_all = value == "1",
                _ => {}
            }
        }
        if let Some(list) = &form.list {
            form.filter = BolFilter::from_query(list);
        }
        form
    }

    /// Whether the request comes from the form around a list.
    pub fn is_from_list(&self) -> bool {
        self.list.is_some()
    }

    /// Returns what is selected, if it is at most `limit` BOLs.
    pub async fn resolve<A: Audience>(&self, context: &Context<A>, limit: Option<usize>) -> Result<Selected, Error> {
        let Context { viewer, db, origin, .. } = context;
        if !self.numbers.is_empty() && !self.is_all {
            if self.numbers.len() > MAX_NUMBERS {
                return self.too_many(viewer, format!("Name up to {MAX_NUMBERS} bills of lading."));
            }
            let found = selection::find(db, viewer, origin, &self.numbers).await?.ok_or(Error::NotFound)?;
            let total = Total::Exactly(found.len() as i64);
            return Ok(Selected::Bols(Selection::These(found), total));
        }
        if self.list.is_some() && !self.is_all {
            return self.refused(viewer, not_selected::NOTHING, "Name bills of lading, or set all to 1.".into());
        }
        let filter = self.filter.clone().whole();
        let (search, errors) = filter.resolve(context).await?;
        if !errors.is_empty() {
            return Err(Error::Invalid(errors.summary()));
        }
        let mut total = search::search(db, &viewer.scope(), &search).await?.total;
        if let Some(limit) = limit {
            if !total.is_exact() && total.at_least() <= limit as i64 {
                total = search::count_up_to(db, &viewer.scope(), &search, limit).await?;
            }
            if total.at_least() > limit as i64 {
                return self.too_many(viewer, format!(
                    "More than {limit} bills of lading match. Choose a shorter range of dates, then download the rest separately."
                ));
            }
        }
        if total == Total::Exactly(0) {
            return Err(Error::Invalid("No bill of lading matches; there is nothing to download.".into()));
        }
        Ok(Selected::Bols(Selection::Matching(Box::new(search)), total))
    }

    fn too_many(&self, viewer: &Viewer, message: String) -> Result<Selected, Error> {
        self.refused(viewer, not_selected::TOO_MANY, message)
    }

    /// Says on the list itself, if the request comes from there, why nothing can be done. Programs get the message.
    fn refused(&self, viewer: &Viewer, flash: Flash, message: String) -> Result<Selected, Error> {
        if self.list.is_some() && viewer.token().is_none() {
            return Ok(Selected::Refused(self.back(flash)));
        }
        Err(Error::Invalid(message))
    }

    /// Returns to the list, on the page where the request was sent.
    fn back(&self, flash: Flash) -> HttpResponse {
        see_other(&self.filter.href(), Some(flash))
    }

    /// Returns the filter as it was typed, for the access log.
    pub fn filter_json(&self) -> Value {
        self.filter.to_json()
    }

    /// Returns the kind of documents that the list shows.
    pub fn kind(&self, site: &Site) -> Option<Kind> {
        self.filter.parse(&site.bol_prefix, site.today()).0.kind
    }
}
