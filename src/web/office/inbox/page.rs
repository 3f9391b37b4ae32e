//! The page of the inbox, also with what was typed into its forms.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::{HERE, MAX_SELECTED};
use crate::accounts::customers::{self, Customer};
use crate::bols::weight::{Pounds, grouped};
use crate::bols::{BolNumber, assign, settings};
use crate::db::Database;
use crate::field_errors::FieldErrors;
use crate::intake::inbox::{self, Page, Shelf};
use crate::units::file_size;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::{self, Done};
use crate::web::form_field::FormField;
use crate::web::forms::{Choice, choices};
use crate::web::page::{self, Layout, html_with_status, non_empty, timestamp, with_period};
use crate::web::problem::Problem;
use crate::web::undo::Undo;
use crate::web::{Error, Site};

/// Most BOLs without a customer on one page.
const MAX_UNASSIGNED: usize = 200;

#[derive(Template)]
#[template(path = "office/inbox.html")]
struct InboxPage {
    layout: Layout,
    script: String,
    tabs: Vec<Tab>,
    show: &'static str,
    rows: Vec<InboxEntry>,
    bols: Vec<Loose>,
    customers: Vec<Choice>,
    first_href: Option<String>,
    next_href: Option<String>,
    /// Where this page begins.
    after: String,
    bulk: Bulk,
    /// The office may file quarantined documents as they are.
    releases_originals: bool,
}

/// Offers to undo what was just done to documents.
async fn undo(db: &Database, view: &View) -> Result<Option<Undo>, Error> {
    let known = [flash::inbox::FILED, flash::inbox::CLEANED, flash::inbox::DISCARDED];
    let Some(done) = view.done.find(&known) else { return Ok(None) };
    let ids: Vec<i64> = view.moved.split('.').take(MAX_SELECTED).filter_map(|id| id.parse().ok()).collect();
    let is_filed = done != flash::inbox::DISCARDED;
    let mut moved = inbox::moved(db, &ids).await?;
    moved.retain(|document| document.bol_number.is_some() == is_filed);
    let Some(first) = moved.first() else { return Ok(None) };
    let what = if moved.len() == 1 { first.arrived_as.clone() } else { format!("{} documents", moved.len()) };
    let mut text = match (&first.bol_number, &first.customer) {
        (Some(number), Some(customer)) => format!("{what} → {number}, {}", with_period(customer)),
        (Some(number), None) => format!("{what} → {number}, no customer yet."),
        (None, _) if moved.len() == 1 => format!("{what} is in the bin."),
        (None, _) => format!("{what} are in the bin."),
    };
    if done == flash::inbox::CLEANED {
        text.push_str(" The original is for the office alone.");
    }
    let action = if is_filed { "unfile" } else { "restore" };
    let mut fields: Vec<(&str, String)> = moved.iter().map(|document| ("document", document.id.to_string())).collect();
    fields.extend([("back", "inbox".to_owned()), ("action", action.to_owned())]);
    let href = first.bol_number.as_ref().map(|number| format!("/bols/{number}"));
    Ok(Some(Undo { text, href, action: HERE, fields }))
}

struct Tab {
    label: &'static str,
    count: String,
    href: &'static str,
    current: bool,
}

struct InboxEntry {
    id: i64,
    file_name: String,
    detail: String,
    when: String,
    when_iso: String,
    by: Option<String>,
    reason: String,
    /// It can't be filed as it is.
    is_quarantined: bool,
    /// A photo that was left without a PDF.
    is_photo: bool,
    /// The photo of which this PDF was made.
    photo_href: Option<String>,
    found: Vec<FoundNumbers>,
    preview_src: String,
    open_href: String,
    number: String,
    kinds: Vec<Choice>,
    /// Why it should be filed as it is.
    why: String,
    errors: FieldErrors,
    /// The number to confirm, if the document names another one.
    confirm: Option<String>,
    focus: bool,
    checked: bool,
}

struct FoundNumbers {
    label: String,
    value: String,
}

struct Loose {
    number: String,
    href: String,
    date: String,
    date_iso: String,
    product: String,
    ship_to: String,
    net_tons: String,
}

#[derive(Default)]
pub(super) struct Bulk {
    pub number: String,
    pub kinds: Vec<Choice>,
    pub errors: FieldErrors,
    /// The number to confirm, if the documents name another one.
    pub confirm: Option<String>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct View {
    pub(super) show: String,
    pub(super) after: String,
    /// Ids of the documents that were just filed or discarded, separated by periods.
    pub(super) moved: String,
    #[serde(flatten)]
    pub(super) done: Done,
}

/// What was typed, for showing a form again.
#[derive(Default)]
pub(super) struct Typed {
    /// Of one document's own form.
    pub row: Option<(i64, Filing, FieldErrors)>,
    /// The number to confirm in that form, if the document names another one.
    pub confirm: Option<String>,
    pub bulk: Bulk,
    pub ticked: Vec<i64>,
    /// What happened, if that isn't only a message beside a field.
    pub headline: Option<String>,
}

impl Typed {
    /// The summary of what is wrong. Its links lead to the fields of the one form that was sent, unless another user
    /// has moved the document in the meantime.
    fn problem(&self, rows: &[InboxEntry]) -> Option<Problem> {
        let (errors, confirm) = match &self.row {
            Some((_, _, errors)) => (errors, &self.confirm),
            None => (&self.bulk.errors, &self.bulk.confirm),
        };
        if errors.is_empty() && self.headline.is_none() {
            return None;
        }
        let problem = match (&self.headline, confirm) {
            (Some(headline), _) => Problem::new(headline),
            (None, Some(_)) => Problem::new("Not filed yet. Is this right?").label("Not filed yet"),
            (None, None) => Problem::new("Nothing was filed."),
        };
        let mut problem = problem.fields_with_ids(errors, |field| match &self.row {
            Some((id, ..)) => format!("{field}-{id}"),
            None => format!("bulk-{field}"),
        });
        if self.row.as_ref().is_some_and(|(id, ..)| !rows.iter().any(|row| row.id == *id)) {
            problem.links.iter_mut().for_each(|link| link.href = None);
        }
        Some(problem)
    }
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Filing {
    pub(super) number: String,
    pub(super) kind: String,
    /// Of a quarantined document: `cleaned` or `original`.
    pub(super) form: String,
    /// Why it should be filed as it is.
    pub(super) why: String,
    /// The page of the inbox it was on.
    pub(super) after: String,
    /// The BOL number that the user confirmed although the document names another one.
    pub(super) confirm: String,
}

pub(super) fn kinds(selected: &str) -> Vec<Choice> {
    crate::web::forms::kinds("Kind of document", selected)
}

/// The contents of the requested page.
struct Shown {
    name: &'static str,
    after: Option<i64>,
    found: Page,
    loose: Vec<assign::Chosen>,
    unassigned: i64,
    customers: Vec<Customer>,
    releases_originals: bool,
}

impl Shown {
    async fn load(db: &Database, view: &View) -> Result<Self, Error> {
        let name = match view.show.as_str() {
            // Earlier versions linked to "unassigned".
            "bols" | "unassigned" => "bols",
            "bin" => "bin",
            _ => "documents",
        };
        let shelf = if name == "bin" { Shelf::Bin } else { Shelf::Inbox };
        let after = view.after.parse().ok();
        let found = inbox::page(db, shelf, after).await?;
        let (loose, unassigned) = assign::unassigned(db, if name == "bols" { MAX_UNASSIGNED } else { 0 }).await?;
        let mut connection = db.get().await?;
        let customers = customers::all(&mut connection).await?;
        let releases_originals = settings::releases_originals(&mut connection).await?;
        Ok(Self { name, after, found, loose, unassigned, customers, releases_originals })
    }

    fn tabs(&self) -> Vec<Tab> {
        let tab =
            |label, name, href, count: i64| Tab { label, count: grouped(count), href, current: self.name == name };
        vec![
            tab("Documents", "documents", "/office/inbox", self.found.waiting),
            tab("BOLs without a customer", "bols", "/office/inbox?show=bols", self.unassigned),
            tab("Bin", "bin", "/office/inbox?show=bin", self.found.discarded),
        ]
    }
}

/// Shows the inbox, with what was typed.
pub(super) async fn show(
    context: &Context<OfficeStaff>,
    view: &View,
    status: StatusCode,
    typed: Typed,
) -> Result<HttpResponse, Error> {
    let Context { site, db, .. } = context;
    let shown = Shown::load(db, view).await?;
    let (tabs, name) = (shown.tabs(), shown.name);
    let rows = if name == "bols" { Vec::new() } else { shown.found.rows };
    let mut rows: Vec<InboxEntry> = rows.into_iter().map(|(row, by)| InboxEntry::new(row, by, site)).collect();
    let problem = typed.problem(&rows);
    let Typed { row, confirm, mut bulk, ticked, .. } = typed;
    if let Some((id, filing, errors)) = row
        && let Some(row) = rows.iter_mut().find(|row| row.id == id)
    {
        (row.number, row.kinds, row.why, row.errors) = (filing.number, kinds(&filing.kind), filing.why, errors);
        row.confirm = confirm;
    }
    for row in &mut rows {
        row.checked = ticked.contains(&row.id);
    }
    let first = rows.iter().position(|row| !row.errors.is_empty()).unwrap_or(0);
    if let Some(row) = rows.get_mut(first) {
        row.focus = true;
    }
    if bulk.kinds.is_empty() {
        bulk.kinds = kinds("");
    }
    let here = if name == "documents" { HERE.to_owned() } else { format!("{HERE}?show={name}") };
    let sign = if here.contains('?') { '&' } else { '?' };
    let active = shown.customers.into_iter().filter(|customer| customer.active);
    let problem = problem.or_else(|| context.draft().map(|reason| reason.problem("Not done yet")));
    let layout = match problem {
        Some(problem) => context.layout(HERE).problem(problem),
        None => context.layout(HERE),
    };
    let page = InboxPage {
        layout: layout.flash(&view.done, flash::inbox::ALL).undo(undo(db, view).await?),
        script: site.assets.href("ticks.js"),
        tabs,
        show: name,
        rows,
        bols: shown.loose.into_iter().map(Loose::from).collect(),
        customers: choices("Choose a customer", active.map(|customer| (customer.code, customer.name)), ""),
        after: shown.after.map(|after| after.to_string()).unwrap_or_default(),
        first_href: shown.after.map(|_| here.clone()),
        next_href: shown.found.next.filter(|_| name != "bols").map(|next| format!("{here}{sign}after={next}")),
        bulk,
        releases_originals: shown.releases_originals,
    };
    Ok(html_with_status(&page, status))
}

impl InboxEntry {
    fn new(row: inbox::InboxEntry, by: Option<String>, site: &Site) -> Self {
        let zone = site.time_zone;
        let (found, is_photo) = (found(&row.found), row.is_photo());
        let when = timestamp(row.created_at, zone);
        let pages = match row.pages {
            None => String::new(),
            Some(1) => ", 1 page".into(),
            Some(pages) => format!(", {pages} pages"),
        };
        let reason = match row.discarded_at {
            Some(at) => format!("Discarded {} by {}. {}", timestamp(at, zone).text, row.discarded_by, row.waits_for),
            None => row.waits_for,
        };
        Self {
            id: row.id,
            detail: format!("{}{pages}", file_size(row.size_bytes)),
            when: when.text,
            when_iso: when.iso,
            by: by.and_then(non_empty),
            reason,
            is_photo,
            photo_href: row.original_id.map(|photo| format!("/documents/{photo}/download")),
            is_quarantined: !row.quarantine.is_empty(),
            number: suggestion(&found, &site.bol_prefix),
            found,
            preview_src: format!("/office/documents/{}/preview", row.id),
            open_href: format!("/documents/{}/download?inline=1", row.id),
            kinds: kinds(&row.kind),
            file_name: row.arrived_as,
            why: String::new(),
            errors: FieldErrors::default(),
            confirm: None,
            focus: false,
            checked: false,
        }
    }
}

/// Source and numbers, as intake wrote them down.
fn found(found: &serde_json::Value) -> Vec<FoundNumbers> {
    let pairs = found.as_object().into_iter().flatten();
    pairs
        .map(|(source, numbers)| {
            let numbers = numbers.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
            FoundNumbers { label: source.clone(), value: numbers.collect::<Vec<_>>().join(", ") }
        })
        .collect()
}

/// The one number that was found, if there is only one.
fn suggestion(found: &[FoundNumbers], prefix: &str) -> String {
    let mut numbers =
        BolNumber::find_all(&found.iter().map(|found| &*found.value).collect::<Vec<_>>().join(" "), prefix);
    match (numbers.pop_first(), numbers.is_empty()) {
        (Some(number), true) => number.to_string(),
        _ => String::new(),
    }
}

impl From<assign::Chosen> for Loose {
    fn from(bol: assign::Chosen) -> Self {
        Self {
            href: format!("/bols/{}", bol.number),
            date: page::date(bol.bol_date),
            date_iso: bol.bol_date.to_string(),
            product: bol.product,
            ship_to: bol.ship_to.lines().next().unwrap_or_default().into(),
            net_tons: Pounds(bol.net_lb).short_tons(),
            number: bol.number,
        }
    }
}
