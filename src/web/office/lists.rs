//! The reference lists that the form of a new BOL offers: products and lots, carriers and trucks.
//!
//! A page shows two lists: entries, and below them what belongs to an entry. Each list has its own pages, and one search
//! covers both. What the lists have in common is here: showing, adding, changing and retiring. A file for each page
//! describes its two lists.

pub mod carriers;
pub mod products;

use actix_web::http::StatusCode;
use actix_web::web::{Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::bols::lists::paging::{self, ListPage as Page, Paged, Place, Placed};
use crate::bols::lists::{Entry, add_entry, change_entry};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::{Done, Flash, see_other};
use crate::web::form_field::FormField;
use crate::web::forms::{Choice, Fields, refusal};
use crate::web::list_query::{ListName, ListQuery};
use crate::web::page::{Layout, Pager, html, html_with_status, non_empty};

/// A page with two lists.
pub struct ListPage {
    title: &'static str,
    path: &'static str,
    names: [ListName; 2],
    /// The label of the search.
    search: &'static str,
    flashes: &'static [Flash],
}

/// The words of a list, and where its forms go.
pub struct ListTexts {
    /// The id of its heading, and what one entry is called.
    name: ListName,
    heading: &'static str,
    path: &'static str,
    columns: &'static [&'static str],
    /// Shown while the list has no entry.
    empty: &'static str,
    /// Shown above the entries.
    note: Option<&'static str>,
    /// Shown when the search finds nothing.
    no_match: &'static str,
    added: Flash,
    saved: Flash,
}

/// An entry of a list, as its page shows and reads it.
pub(crate) trait ListedEntry: Entry + 'static {
    /// How the list shows an entry.
    type Row: Paged;

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
    async fn load(context: &Context<OfficeStaff>, query: &ListQuery) -> Result<ListsPage, Error>;
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
    /// The label of the search, unless there is nothing to find.
    search: Option<&'static str>,
    /// The text that every entry contains.
    find: Option<String>,
    /// The address of this page as a query string, which the forms send along.
    query: String,
    lists: [List; 2],
}

struct List {
    texts: ListTexts,
    parents: Vec<Parent>,
    new: EntryForm,
    rows: Vec<ListRow>,
    pager: Pager,
    is_searched: bool,
}

struct ListRow {
    id: i64,
    /// The id of the row.
    key: String,
    /// What the row is called beside its buttons.
    name: String,
    cells: Vec<Cell>,
    is_active: bool,
    /// The address of the page with the form of the row open.
    edit_href: String,
    /// The row without its form.
    close_href: String,
    form: Option<EntryForm>,
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
}

/// A row of a list as it was loaded: its entry, what it is called, and its texts.
struct Loaded<E> {
    entry: E,
    name: String,
    cells: Vec<Cell>,
}

/// Shows both lists of a page.
pub(crate) async fn page<E: ListedEntry>(
    context: Context<OfficeStaff>,
    request: HttpRequest,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let query = ListQuery::of_request(&request, E::PAGE.path, &E::PAGE.names);
    let mut page = E::load(&context, &query).await?;
    if query.is_wrong {
        page.layout = page.layout.no_such_page();
        return Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY));
    }
    page.layout = page.layout.flash(&done, E::PAGE.flashes);
    Ok(html(&page))
}

/// Adds an entry. It is active. Returns to its row.
pub(crate) async fn add<E: ListedEntry>(
    context: Context<OfficeStaff>,
    form: Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Error> {
    let fields = Fields::with_nul(form);
    let errors = match context.change(add_entry(&context.acting(), E::read(&fields, true))).await {
        Ok(id) => return to_entry::<E>(&context, &fields, id, E::TEXTS.added).await,
        Err(error) => refusal(error)?,
    };
    let mut page = E::load(&context, &sent_from::<E>(&fields)).await?;
    page.refuse::<E>(None, &fields, &errors)
}

/// Changes an entry, retires it, or offers it again. Returns to its row.
pub(crate) async fn change<E: ListedEntry>(
    context: Context<OfficeStaff>,
    id: Path<String>,
    form: Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Error> {
    let fields = Fields::with_nul(form);
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let acting = context.acting();
    let changed = change_entry(&acting, id, E::read(&fields, is_checked(&fields)));
    let errors = match context.change(changed).await {
        Ok(()) => return to_entry::<E>(&context, &fields, id, E::TEXTS.saved).await,
        Err(error) => refusal(error)?,
    };
    let query = showing::<E>(&context, sent_from::<E>(&fields), id).await?;
    let mut page = E::load(&context, &query.with(E::TEXTS.name, Place::At(id))).await?;
    page.refuse::<E>(Some(id), &fields, &errors)
}

/// The page that a form was sent from.
fn sent_from<E: ListedEntry>(fields: &Fields) -> ListQuery {
    ListQuery::read(E::PAGE.path, &E::PAGE.names, fields.one("list"))
}

/// Ends the search if it would hide the entry.
async fn showing<E: ListedEntry>(
    context: &Context<OfficeStaff>,
    mut query: ListQuery,
    id: i64,
) -> Result<ListQuery, Error> {
    if !query.find.is_empty() && !paging::contains::<E::Row>(&mut *context.db.get().await?, &query.find, id).await? {
        query.find.clear();
    }
    Ok(query)
}

/// Redirects to the row of an entry.
async fn to_entry<E: ListedEntry>(
    context: &Context<OfficeStaff>,
    fields: &Fields,
    id: i64,
    flash: Flash,
) -> Result<HttpResponse, Error> {
    let query = showing::<E>(context, sent_from::<E>(fields), id).await?;
    Ok(see_other(&query.entry_href(E::TEXTS.name, id), Some(flash)))
}

fn is_checked(fields: &Fields) -> bool {
    fields.one("active") == "true"
}

impl ListsPage {
    fn new(context: &Context<OfficeStaff>, page: ListPage, query: &ListQuery, lists: [List; 2]) -> Self {
        let ListPage { title, path, search, .. } = page;
        let find = non_empty(query.find.clone());
        let has_entries = lists.iter().any(|list| !list.rows.is_empty());
        Self {
            layout: context.layout(path),
            title,
            path,
            search: (has_entries || find.is_some()).then_some(search),
            find,
            query: query.query(),
            lists,
        }
    }

    /// Shows the form of an entry again, with what was typed and a message beside each wrong field.
    fn refuse<E: ListedEntry>(
        &mut self,
        id: Option<i64>,
        fields: &Fields,
        errors: &FieldErrors,
    ) -> Result<HttpResponse, Error> {
        // The list with the fault comes first, and in it the form.
        self.lists.sort_by_key(|list| list.texts.name != E::TEXTS.name);
        let [list, _] = &mut self.lists;
        list.rows.sort_by_key(|row| Some(row.id) != id);
        let typed = EntryFields { values: fields, errors, parents: &list.parents, is_new: id.is_none() };
        let form = EntryForm { is_active: is_checked(fields), ..EntryForm::new::<E>(id, &typed) };
        let key = form.key.clone();
        match id {
            None => list.new = form,
            Some(id) => list.rows.iter_mut().find(|row| row.id == id).ok_or(Error::NotFound)?.form = Some(form),
        }
        self.layout = std::mem::take(&mut self.layout).not_saved(errors, |field| format!("{key}-{field}"));
        Ok(html_with_status(self, StatusCode::UNPROCESSABLE_ENTITY))
    }
}

impl List {
    /// `loaded` says what a row shows.
    fn new<E: ListedEntry>(
        page: Page<E::Row>,
        query: &ListQuery,
        parents: Vec<Parent>,
        loaded: impl Fn(E::Row) -> Loaded<E>,
    ) -> Self {
        let (empty, errors) = (Fields::default(), FieldErrors::default());
        let new = EntryForm::new::<E>(
            None,
            &EntryFields { values: &empty, errors: &errors, parents: &parents, is_new: true },
        );
        let pager = query.pager(E::TEXTS.name, &page);
        let rows = page.rows.into_iter().map(|Placed { position, row }| {
            let (id, Loaded { entry, name, cells }) = (position.id, loaded(row));
            let is_active = entry.is_active();
            let form = query.is_edited(E::TEXTS.name, id).then(|| {
                let values = entry.to_fields();
                let form = EntryFields { values: &values, errors: &errors, parents: &parents, is_new: false };
                EntryForm { is_active, ..EntryForm::new::<E>(Some(id), &form) }.with_focus()
            });
            let (edit_href, close_href) = (query.edit_href(E::TEXTS.name, id), query.entry_href(E::TEXTS.name, id));
            ListRow { id, key: key(E::TEXTS.name, id), name, cells, is_active, edit_href, close_href, form }
        });
        let rows = rows.collect();
        let is_searched = !query.find.is_empty();
        Self { texts: E::TEXTS, parents, new, rows, pager, is_searched }
    }

    /// Whether the form for a new entry is shown. One form of a list is open at a time.
    fn is_adding(&self) -> bool {
        self.rows.iter().all(|row| row.form.is_none())
    }

    /// What is shown instead of entries.
    fn nothing_listed(&self) -> &'static str {
        if self.is_searched { self.texts.no_match } else { self.texts.empty }
    }

    fn pages_label(&self) -> String {
        format!("Pages of {}", self.texts.name.list)
    }
}

impl EntryForm {
    fn new<E: ListedEntry>(id: Option<i64>, form: &EntryFields<'_>) -> Self {
        let ListTexts { name, path, .. } = E::TEXTS;
        let (key, action) = match id {
            None => (format!("{}-new", name.entry), path.to_owned()),
            Some(id) => (key(name, id), format!("{path}/{id}")),
        };
        let fields = E::form(form).into_iter().map(|field| field.of_form(&key)).collect();
        Self { key, action, fields, is_active: true }
    }

    /// Puts the cursor into the first field.
    fn with_focus(mut self) -> Self {
        let mut fields = std::mem::take(&mut self.fields).into_iter();
        self.fields = fields.next().map(FormField::autofocus).into_iter().chain(fields).collect();
        self
    }
}

/// The id of a row, and the prefix of the ids of its fields.
fn key(name: ListName, id: i64) -> String {
    format!("{}-{id}", name.entry)
}
