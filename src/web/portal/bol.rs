//! `GET /bols/{number}`: the page of one BOL. The access log records the view.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::bols::fields::{self, PAGE};
use crate::bols::weight::{Pounds, Variance, grouped};
use crate::bols::{Bol, BolNumber};
use crate::documents::{self, Access, Document, History, HistoryPage, Kind, Viewed};
use crate::units::file_size;
use crate::web::Error;
use crate::web::assignment_undo::{self, AssignmentQuery};
use crate::web::auth::DocumentReaders;
use crate::web::context::Context;
use crate::web::flash::bol as flash;
use crate::web::page::{self, Layout, html, non_empty, timestamp};

#[derive(Template)]
#[template(path = "portal/bol.html")]
struct BolPage {
    layout: Layout,
    number: String,
    date: String,
    date_iso: String,
    voided: Option<Voided>,
    /// The number of the void BOL that this one replaces.
    reissue_of: Option<String>,
    /// The number of the BOL that replaces this one.
    reissued_as: Option<String>,
    /// Offers the office to void, weigh and reissue.
    is_office: bool,
    /// The customer that it is assigned to, for the office. The printed BOL may name another one.
    owner: Option<String>,
    customer: Option<String>,
    headline: String,
    sections: Vec<Section>,
    documents: Vec<Doc>,
    /// Whether the BOL itself can be downloaded.
    has_pdf: bool,
    /// Whether a signed copy can be downloaded, which is offered first.
    is_signed: bool,
    history: Vec<HistoryRow>,
    /// The history before the rows that are shown, if there is more.
    earlier_href: Option<String>,
    /// Leads back to the newest part of the history.
    newest_href: Option<String>,
    /// Fetches are known only after the bucket's access log was imported.
    fetched_later: bool,
}

struct Voided {
    /// When it was voided, and by which user.
    when: String,
    reason: Option<String>,
}

struct Section {
    title: &'static str,
    rows: Vec<Fact>,
}

struct Fact {
    label: &'static str,
    value: String,
    numeric: bool,
}

struct Doc {
    kind_label: String,
    file_name: String,
    version: i32,
    size: String,
    stored: String,
    stored_iso: String,
    /// The user who stored it.
    by: Option<String>,
    /// Moves a document that was filed with the wrong BOL back to the inbox; for the office.
    unfile_href: Option<String>,
    /// A photo was turned into this PDF; for the office.
    is_of_photo: bool,
    /// The original of a cleaned copy, or the photo; for the office.
    original_href: Option<String>,
    download_href: String,
    preview_href: String,
    older: Vec<Doc>,
    /// Whether it arrived since the user last opened the BOL.
    is_new: bool,
}

struct HistoryRow {
    when: String,
    when_iso: String,
    who: String,
    what: String,
    file: String,
}

/// The part of the history that is shown.
#[derive(serde::Deserialize)]
pub struct HistoryQuery {
    /// The position of the event before which it begins; blank for the newest.
    #[serde(default)]
    earlier: String,
}

impl HistoryQuery {
    /// A position that doesn't exist shows the newest.
    fn page(&self) -> HistoryPage {
        self.earlier.parse().map_or(HistoryPage::Newest, HistoryPage::Before)
    }
}

pub async fn page(
    context: Context<DocumentReaders>,
    number: Path<String>,
    query: Query<AssignmentQuery>,
    history: Query<HistoryQuery>,
) -> Result<HttpResponse, Error> {
    let Context { viewer, site, db, origin, .. } = &context;
    let number: BolNumber = number.parse().map_err(|_| Error::NotFound)?;
    let history_page = history.page();
    let viewed = documents::view(db, viewer, origin, &number, Some(history_page)).await?;
    let viewed = viewed.ok_or(Error::NotFound)?;
    let done = &query.done;
    let undo = assignment_undo::offer(&context, &query).await?;
    let mut layout = context.layout("/bols").flash(done, flash::ALL).undo(undo);
    if done.find(flash::ALL) == Some(flash::ISSUED) {
        layout = layout.script(&context.site, "forget-draft.js");
    }
    let is_office = viewer.can_issue();
    let owner = match &viewed.owner {
        _ if !is_office => None,
        Some(owner) if owner.name == viewed.bol.customer_name => None,
        Some(owner) => Some(format!("Assigned to {}", owner.name)),
        None => Some("Not assigned to a customer yet".into()),
    };
    let fetched_later = site.storage.local().is_none();
    let newest_href = (history_page != HistoryPage::Newest).then(|| format!("/bols/{number}#history"));
    let page = BolPage::new(layout, site.time_zone, viewed);
    Ok(html(&BolPage { is_office, owner, fetched_later, newest_href, ..page }))
}

impl BolPage {
    fn new(layout: Layout, zone: Tz, viewed: Viewed) -> Self {
        let Viewed { bol, documents, history, related, new_since, .. } = viewed;
        let History { accesses, earlier } = history;
        let has = |kind: Kind| documents.iter().any(|document| document.kind == kind.as_str());
        let (has_pdf, is_signed) = (has(Kind::Bol), has(Kind::SignedBol));
        let voided = bol.voided_at.map(|at| Voided {
            when: by(&timestamp(at, zone).text, &bol.voided_by),
            reason: non_empty(bol.void_reason.clone()),
        });
        Self {
            layout,
            date: page::date(bol.bol_date),
            date_iso: bol.bol_date.to_string(),
            voided,
            reissue_of: related.before,
            reissued_as: related.after,
            is_office: false,
            owner: None,
            headline: headline(&bol),
            sections: sections(&bol, zone),
            documents: grouped_by_kind(documents, zone, new_since),
            has_pdf,
            is_signed,
            fetched_later: false,
            newest_href: None,
            earlier_href: earlier.map(|position| format!("/bols/{}?earlier={position}#history", bol.number)),
            history: accesses.into_iter().map(|access| HistoryRow::new(access, zone)).collect(),
            number: bol.number,
            customer: non_empty(bol.printed.customer_name),
        }
    }
}

/// "Basic pig iron · 23.45 net tons to Acme Steel"
fn headline(bol: &Bol) -> String {
    let tons = Pounds(bol.net_lb).short_tons();
    match bol.ship_to.lines().next() {
        Some(consignee) => format!("{} · {tons} net tons to {consignee}", bol.product),
        None => format!("{} · {tons} net tons", bol.product),
    }
}

fn by(what: &str, who: &str) -> String {
    if who.is_empty() { what.into() } else { format!("{what} by {who}") }
}

/// "46,180 lb (+120 lb, +0.26 %), Nov 12, 2025, 3:04 PM EST by D. Kowalczyk"
fn official_weight(bol: &Bol, zone: Tz) -> String {
    let Some(lb) = bol.official_weight_lb else { return String::new() };
    let variance = Variance::new(lb, bol.net_lb);
    let entered = bol.weighed_at.map(|at| format!("\n{}", by(&timestamp(at, zone).text, &bol.weighed_by)));
    let (pounds, percent) = (variance.pounds(), variance.percent());
    format!("{} lb\nVariance {pounds} lb, {percent} %{}", Pounds(lb), entered.unwrap_or_default())
}

/// Returns the facts of each section, without those that are blank.
fn sections(bol: &Bol, zone: Tz) -> Vec<Section> {
    let section = |section: &fields::Section| Section {
        title: section.title,
        rows: section
            .facts
            .iter()
            .map(|fact| shown(fact, bol, zone))
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| Fact { label, value, numeric: section.is_numeric })
            .collect(),
    };
    PAGE.iter().map(section).filter(|section| !section.rows.is_empty()).collect()
}

/// Returns the label and the value of a fact.
fn shown(fact: &fields::Fact, bol: &Bol, zone: Tz) -> (&'static str, String) {
    match fact {
        fields::Fact::Field(name) => {
            fields::find(name).map(|field| (field.label, field.shown_text(bol))).unwrap_or_default()
        }
        fields::Fact::Packages => {
            let pieces = bol.pieces.map(|pieces| grouped(pieces.into())).unwrap_or_default();
            ("Packages", format!("{pieces} {}", bol.package_type).trim().to_owned())
        }
        fields::Fact::Carrier if bol.carrier_scac.is_empty() => ("Carrier", bol.carrier.clone()),
        fields::Fact::Carrier => ("Carrier", format!("{} ({})", bol.carrier, bol.carrier_scac)),
        fields::Fact::NetTons => ("Net short tons", Pounds(bol.net_lb).short_tons()),
        fields::Fact::OfficialWeight => ("Official weight", official_weight(bol, zone)),
        fields::Fact::IssuedBy => ("Issued by", bol.issued_by.clone()),
    }
}

/// Groups the versions of each kind under the newest one, with the kinds in the order of [`Kind::ALL`].
fn grouped_by_kind(documents: Vec<Document>, zone: Tz, new_since: Option<DateTime<Utc>>) -> Vec<Doc> {
    let mut shown = Vec::new();
    for kind in Kind::ALL {
        let mut versions = documents
            .iter()
            .filter(|document| document.kind == kind.as_str())
            .map(|document| (document.stored_at, Doc::new(document, kind, zone)));
        if let Some((stored_at, mut newest)) = versions.next() {
            newest.is_new = new_since.is_some() && stored_at > new_since;
            newest.older = versions.map(|(_, older)| older).collect();
            shown.push(newest);
        }
    }
    shown
}

impl Doc {
    fn new(document: &Document, kind: Kind, zone: Tz) -> Self {
        let stored = document.stored_at.map(|at| timestamp(at, zone));
        let (stored, stored_iso) = stored.map(|at| (at.text, at.iso)).unwrap_or_default();
        Self {
            kind_label: kind.label().into(),
            file_name: document.file_name.clone(),
            version: document.version,
            size: file_size(document.size_bytes),
            stored,
            stored_iso,
            by: non_empty(document.stored_by.clone()),
            unfile_href: (!document.arrived_as.is_empty()).then(|| format!("/office/documents/{}/unfile", document.id)),
            is_of_photo: document.is_of_photo,
            original_href: document.original_id.map(|original| format!("/documents/{original}/download")),
            download_href: format!("/documents/{}/download", document.id),
            preview_href: format!("/documents/{}/download?inline=1", document.id),
            older: Vec::new(),
            is_new: false,
        }
    }
}

/// "Downloaded: 184 KB", "Downloaded: 60 KB of 184 KB"
fn fetched(access: &Access) -> String {
    let Some(fetched) = access.fetched() else { return "Downloaded".into() };
    let bytes = file_size(fetched.bytes);
    match (fetched.status, fetched.size) {
        (200 | 206, Some(size)) if fetched.bytes < size => format!("Downloaded: {bytes} of {}", file_size(size)),
        (200 | 206, _) => format!("Downloaded: {bytes}"),
        (304, _) => "Requested again: not modified".into(),
        (403, _) => "Not downloaded: the link was refused".into(),
        (status, _) => format!("Not downloaded: status {status}"),
    }
}

impl HistoryRow {
    fn new(access: Access, zone: Tz) -> Self {
        let when = timestamp(access.at(), zone);
        let what = match (access.action.as_str(), access.outcome.as_str()) {
            ("LINK_FETCHED", _) => fetched(&access),
            (_, "failed") => "No download link issued: the file is missing".into(),
            ("BOL_PREVIEWED", _) => "Shown in the browser".into(),
            ("BOLS_ZIPPED", _) => "Downloaded in a ZIP".into(),
            _ => "Download link issued".into(),
        };
        Self {
            when: when.text,
            when_iso: when.iso,
            who: access.user_email.filter(|who| !who.is_empty()).unwrap_or_else(|| "Unknown".into()),
            what,
            file: access.file_name.unwrap_or_default(),
        }
    }
}
