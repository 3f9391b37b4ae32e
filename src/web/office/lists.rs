//! The reference lists that the form of a new BOL offers: products and lots, carriers and trucks.
//!
//! A page shows two lists: entries, and below them what belongs to an entry. What the lists have in common is here:
//! showing, adding, changing and retiring. A file for each page describes its two lists.

pub mod carriers;
pub mod products;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Form, Path, Query};
use askama::Template;

use crate::bols::lists::{Entry, ListFilter, MAX_LISTED, add_entry, change_entry};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::{Done, Flash, see_other};
use crate::web::form_field::FormField;
use crate::web::forms::{Choice, Fields, refusal};
use crate::web::page::{Layout, html, html_with_status};

/// A page with two lists.
pub struct ListPage {
    title: &'static str,
    path: &'static str,
    flashes: &'static [Flash],
}

/// The words of a list, and where its forms go.
pub struct ListTexts {
    /// The id of its heading.
    id: &'static str,
    heading: &'static str,
    /// What one entry is called.
    entry: &'static str,
    path: &'static str,
    columns: &'static [&'static str],
    /// Shown while the list has no entry.
    empty: &'static str,
    /// Shown above the entries.
    note: Option<&'static str>,
    /// The label of the search, and what is shown when nothing matches. `None` for a list that can't be searched.
    search: Option<(&'static str, &'static str)>,
    added: Flash,
    saved: Flash,
}

/// An entry of a list, as its page shows and reads it.
pub(crate) trait ListedEntry: Entry + 'static {
    const PAGE: ListPage;
    const TEXTS: ListTexts;

    /// Reads the typed fields.
    fn read(fields: &Fields, active: bool) -> Result<Self, FieldErrors>;

    /// The fields of a saved entry, as its form would send them.
    fn to_fields(&self) -> Fields;

    fn is_active(&self) -> bool;

    /// The fields of the form for an entry, or for a new one.
    fn form(form: &EntryFields<'_>) -> Vec<FormField>;

    /// Loads the page with both of its lists.
    async fn load(context: &Context<OfficeStaff>, filter: ListFilter<'_>) -> Result<ListsPage, Error>;
}

/// What the fields of a form are made from.
pub struct EntryFields<'a> {
    values: &'a Fields,
    errors: &'a FieldErrors,
    /// The entries of the list above.
    parents: &'a [Parent],
    is_new: bool,
}

impl EntryFields<'_> {
    fn value(&self, name: &str) -> &str {
        self.values.one(name)
    }

    /// The parents that this entry can have, after a choice of none.
    fn parent_choices(&self, name: &str, none: &str) -> Vec<Choice> {
        let selected = self.value(name);
        let offered = self.parents.iter().filter(|parent| parent.is_offered || parent.id == selected);
        let choices = offered.map(|parent| Choice {
            value: parent.id.clone(),
            label: parent.label.clone(),
            selected: parent.id == selected,
        });
        std::iter::once(Choice { value: String::new(), label: none.into(), selected: false }).chain(choices).collect()
    }
}

/// An entry of the list above, that entries of the list below belong to.
pub struct Parent {
    id: String,
    label: String,
    /// One that isn't offered can be chosen only by the entries that have it.
    is_offered: bool,
}

#[derive(Template)]
#[template(path = "office/lists.html")]
pub struct ListsPage {
    layout: Layout,
    title: &'static str,
    path: &'static str,
    max_listed: usize,
    lists: [List; 2],
}

struct List {
    texts: ListTexts,
    parents: Vec<Parent>,
    new: EntryForm,
    rows: Vec<ListRow>,
    has_more: bool,
    /// The fragment that every row contains.
    find: Option<String>,
    /// The form of the first row was refused, so the rows come first.
    is_row_first: bool,
}

struct ListRow {
    id: i64,
    /// What the row is called beside its buttons.
    name: String,
    cells: Vec<Cell>,
    is_active: bool,
    form: EntryForm,
}

/// A text of a row. Where rows are stacked, the tag names what it is.
struct Cell {
    tag: Option<&'static str>,
    text: String,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self { tag: None, text: text.into() }
    }
}

struct EntryForm {
    /// The prefix of the ids of its fields.
    key: String,
    action: String,
    fields: Vec<FormField>,
    is_active: bool,
    is_open: bool,
}

/// A row of a list as it was loaded: its entry, what it is called, and its texts.
struct Loaded<E> {
    id: i64,
    entry: E,
    name: String,
    cells: Vec<Cell>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct ListQuery {
    /// The fragment to find in the longer list.
    find: String,
}

/// Shows both lists of a page.
pub(crate) async fn page<E: ListedEntry>(
    context: Context<OfficeStaff>,
    query: Query<ListQuery>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let mut page = E::load(&context, ListFilter { fragment: &query.find, first: None }).await?;
    page.layout = page.layout.flash(&done, E::PAGE.flashes);
    Ok(html(&page))
}

/// Adds an entry. It is active.
pub(crate) async fn add<E: ListedEntry>(
    context: Context<OfficeStaff>,
    form: Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Error> {
    let fields = Fields::with_nul(form);
    let Err(error) = context.change(add_entry(&context.acting(), E::read(&fields, true))).await else {
        return Ok(see_other(E::PAGE.path, Some(E::TEXTS.added)));
    };
    let errors = refusal(error)?;
    let mut page = E::load(&context, ListFilter::default()).await?;
    page.refuse::<E>(None, &fields, &errors)
}

/// Changes an entry, retires it, or offers it again.
pub(crate) async fn change<E: ListedEntry>(
    context: Context<OfficeStaff>,
    id: Path<String>,
    form: Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Error> {
    let fields = Fields::with_nul(form);
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let acting = context.acting();
    let changed = change_entry(&acting, id, E::read(&fields, is_checked(&fields)));
    let Err(error) = context.change(changed).await else {
        return Ok(see_other(E::PAGE.path, Some(E::TEXTS.saved)));
    };
    let errors = refusal(error)?;
    let mut page = E::load(&context, ListFilter { fragment: "", first: Some(id) }).await?;
    page.refuse::<E>(Some(id), &fields, &errors)
}

fn is_checked(fields: &Fields) -> bool {
    fields.one("active") == "true"
}

impl ListsPage {
    fn new(context: &Context<OfficeStaff>, page: ListPage, lists: [List; 2]) -> Self {
        let ListPage { title, path, .. } = page;
        Self { layout: context.layout(path), title, path, max_listed: MAX_LISTED, lists }
    }

    /// Shows the form of an entry again, with what was typed and a message beside each wrong field.
    fn refuse<E: ListedEntry>(
        &mut self,
        id: Option<i64>,
        fields: &Fields,
        errors: &FieldErrors,
    ) -> Result<HttpResponse, Error> {
        // The list with the fault comes first, and in it the form.
        self.lists.sort_by_key(|list| list.texts.id != E::TEXTS.id);
        let [list, _] = &mut self.lists;
        list.is_row_first = id.is_some();
        list.rows.sort_by_key(|row| Some(row.id) != id);
        let form = match id {
            None => &mut list.new,
            Some(id) => &mut list.rows.iter_mut().find(|row| row.id == id).ok_or(Error::NotFound)?.form,
        };
        let typed = EntryFields { values: fields, errors, parents: &list.parents, is_new: id.is_none() };
        *form = EntryForm { is_active: is_checked(fields), is_open: true, ..EntryForm::new::<E>(id, &typed) };
        let key = form.key.clone();
        self.layout = std::mem::take(&mut self.layout).not_saved(errors, |field| format!("{key}-{field}"));
        Ok(html_with_status(self, StatusCode::UNPROCESSABLE_ENTITY))
    }
}

impl List {
    fn new<E: ListedEntry>(rows: Vec<Loaded<E>>, has_more: bool, parents: Vec<Parent>, find: &str) -> Self {
        let (empty, errors) = (Fields::default(), FieldErrors::default());
        let new = EntryForm::new::<E>(
            None,
            &EntryFields { values: &empty, errors: &errors, parents: &parents, is_new: true },
        );
        let rows = rows.into_iter().map(|Loaded { id, entry, name, cells }| {
            let values = entry.to_fields();
            let form = EntryFields { values: &values, errors: &errors, parents: &parents, is_new: false };
            let is_active = entry.is_active();
            let form = EntryForm { is_active, ..EntryForm::new::<E>(Some(id), &form) };
            ListRow { id, name, cells, is_active, form }
        });
        let rows = rows.collect();
        Self {
            texts: E::TEXTS,
            parents,
            new,
            rows,
            has_more,
            find: (!find.is_empty()).then(|| find.into()),
            is_row_first: false,
        }
    }
}

impl List {
    /// What is shown instead of entries.
    fn nothing_listed(&self) -> &'static str {
        match (&self.find, self.texts.search) {
            (Some(_), Some((_, no_match))) => no_match,
            _ => self.texts.empty,
        }
    }
}

impl EntryForm {
    fn new<E: ListedEntry>(id: Option<i64>, form: &EntryFields<'_>) -> Self {
        let ListTexts { entry, path, .. } = E::TEXTS;
        let (key, action) = match id {
            None => (format!("{entry}-new"), path.to_owned()),
            Some(id) => (format!("{entry}-{id}"), format!("{path}/{id}")),
        };
        let fields = E::form(form).into_iter().map(|field| field.of_form(&key)).collect();
        Self { key, action, fields, is_active: true, is_open: false }
    }
}
