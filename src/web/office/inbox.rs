//! `/office/inbox`: what waits for the office. Documents without a BOL, BOLs without a customer, and the bin.

mod page;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Form, Path, Query};
use chrono::Datelike;
use url::form_urlencoded;

use self::page::{Bulk, Filing, Typed, View, kinds, show};
use crate::bols::BolNumber;
use crate::documents::Kind;
use crate::field_errors::FieldErrors;
use crate::intake::inbox::{self, FileError, Inbox, Moved};
use crate::storage::StorageError;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::{self, Flash, see_other};
use crate::web::forms::Fields;
use crate::web::page::html;
use crate::web::question::Question;
use crate::web::{Error, Site};

const HERE: &str = "/office/inbox";
/// Most documents of one selection.
const MAX_SELECTED: usize = 200;

pub async fn page(context: Context<OfficeStaff>, view: Query<View>) -> Result<HttpResponse, Error> {
    show(&context, &view, StatusCode::OK, Typed::default()).await
}

/// `POST /office/documents/{id}/file`: `number`, `kind`. `form` of a quarantined document: `cleaned`, or `original` with
/// `why`.
pub async fn file(context: Context<OfficeStaff>, id: Path<i64>, form: Form<Filing>) -> Result<HttpResponse, Error> {
    if context.is_draft() {
        let view = View { after: form.after.clone(), ..View::default() };
        let typed = Typed { row: Some((*id, form.into_inner(), FieldErrors::default())), ..Typed::default() };
        return show(&context, &view, StatusCode::OK, typed).await;
    }
    let done = if form.form == "cleaned" { flash::inbox::CLEANED } else { flash::inbox::FILED };
    let mut confirm = None;
    let (status, errors) = match (number(&context.site, &form.number), kind(&form.kind)) {
        (Ok(number), Ok(kind)) => match objection(&context, &[*id], &number, &form.confirm).await? {
            Some(message) => {
                confirm = Some(number.to_string());
                (StatusCode::UNPROCESSABLE_ENTITY, beside_number(message))
            }
            None => match file_as(&context, *id, &number, kind, &form).await {
                Ok(filed) => return Ok(redirect("", done, &form.after, &[filed])),
                Err(FileError::Gone) => return Err(Error::NotFound),
                Err(FileError::Filed(there)) if there == number.as_str() => {
                    return Ok(redirect("", flash::inbox::FILED, &form.after, &[*id]));
                }
                Err(error) => beside_field(error)?,
            },
        },
        (Err(message), _) | (_, Err(message)) => (StatusCode::UNPROCESSABLE_ENTITY, beside_number(message)),
    };
    let view = View { after: form.after.clone(), ..View::default() };
    let typed = Typed { row: Some((*id, form.into_inner(), errors)), confirm, ..Typed::default() };
    show(&context, &view, status, typed).await
}

/// Returns why filing these documents with this BOL may be wrong, unless the user has confirmed that number.
async fn objection(
    context: &Context<OfficeStaff>,
    ids: &[i64],
    number: &BolNumber,
    confirmed: &str,
) -> Result<Option<String>, Error> {
    if confirmed == number.as_str() {
        return Ok(None);
    }
    let found = inbox_of(context).objection(ids, number, &context.site.bol_prefix).await?;
    Ok(found.map(|doubt| format!("{doubt} Correct the number, or file it anyway.")))
}

/// Returns the id of the document that is filed now: that of the copy, if one was made.
async fn file_as(
    context: &Context<OfficeStaff>,
    id: i64,
    number: &BolNumber,
    kind: Kind,
    form: &Filing,
) -> Result<i64, FileError> {
    let inbox = inbox_of(context);
    match form.form.as_str() {
        "cleaned" => return inbox.file_cleaned(id, number, kind, &context.site.examiner).await,
        "original" => inbox.release(id, number, kind, &form.why).await?,
        _ => inbox.file(id, number, kind).await?,
    }
    Ok(id)
}

/// `GET /office/documents/{id}/unfile`: asks before a document leaves its BOL.
pub async fn ask_unfile(context: Context<OfficeStaff>, id: Path<i64>) -> Result<HttpResponse, Error> {
    let moved = inbox::moved(&context.db, &[*id]).await?.pop();
    // Printed documents stay, and another user may have been first.
    let Some(Moved { arrived_as, bol_number: Some(number), customer, .. }) = moved else {
        return Ok(see_other(HERE, None));
    };
    let loses = match customer {
        Some(customer) => format!("{customer} no longer sees it. The access log keeps who has downloaded it."),
        None => "The BOL has no customer, so only the office sees it.".into(),
    };
    Ok(html(&Question {
        layout: context.layout("/bols"),
        title: format!("Move {arrived_as} from {number} to the inbox?"),
        consequences: vec![loses, "You can file it again from the inbox.".into()],
        action: format!("/office/documents/{id}/unfile"),
        fields: Vec::new(),
        button: "Move to inbox".into(),
        back: (format!("/bols/{number}"), number),
    }))
}

/// `POST /office/documents/{id}/unfile`: moves a document from its BOL back to the inbox.
pub async fn unfile(context: Context<OfficeStaff>, id: Path<i64>) -> Result<HttpResponse, Error> {
    match inbox_of(&context).unfile(*id).await {
        Ok(number) => Ok(see_other(&format!("/bols/{number}"), Some(flash::bol::UNFILED))),
        Err(FileError::Db(error)) => Err(error.into()),
        Err(_) => Err(Error::NotFound),
    }
}

/// The form above the list, which acts on all selected documents.
struct Selection {
    documents: Vec<i64>,
    filing: Filing,
}

impl Selection {
    fn parse(fields: &Fields) -> Result<Self, Error> {
        let documents = fields.all("document").into_iter().map(str::parse);
        let text = |name| fields.one(name).to_owned();
        Ok(Self {
            documents: documents.collect::<Result<_, _>>().map_err(|_| Error::BadRequest)?,
            filing: Filing {
                number: text("number"),
                kind: text("kind"),
                after: text("after"),
                confirm: text("confirm"),
                ..Filing::default()
            },
        })
    }

    /// Shows the list again, with a message beside the number or above the list.
    async fn refuse(
        self,
        context: &Context<OfficeStaff>,
        shelf: &str,
        status: StatusCode,
        errors: FieldErrors,
        headline: Option<String>,
    ) -> Result<HttpResponse, Error> {
        let Self { documents: ticked, filing } = self;
        let view = View { show: shelf.into(), after: filing.after, ..View::default() };
        let confirm = Some(filing.confirm).filter(|number| !number.is_empty());
        let bulk = Bulk { number: filing.number, kinds: kinds(&filing.kind), errors, confirm };
        show(context, &view, status, Typed { bulk, ticked, headline, ..Typed::default() }).await
    }

    async fn file(self, context: &Context<OfficeStaff>) -> Result<HttpResponse, Error> {
        let (number, kind) = match (number(&context.site, &self.filing.number), kind(&self.filing.kind)) {
            (Ok(number), Ok(kind)) => (number, kind),
            (Err(message), _) | (_, Err(message)) => {
                let errors = beside_number(message);
                return self.refuse(context, "", StatusCode::UNPROCESSABLE_ENTITY, errors, None).await;
            }
        };
        if let Some(message) = objection(context, &self.documents, &number, &self.filing.confirm).await? {
            let (status, errors) = (StatusCode::UNPROCESSABLE_ENTITY, beside_number(message));
            let filing = Filing { confirm: number.to_string(), ..self.filing };
            return Self { filing, ..self }.refuse(context, "", status, errors, None).await;
        }
        match file_all(&inbox_of(context), &self.documents, &number, kind).await {
            Ok(()) => Ok(redirect("", flash::inbox::FILED, &self.filing.after, &self.documents)),
            Err((filed, error)) => {
                let (status, errors) = beside_field(error)?;
                let headline = (filed > 0).then(|| {
                    let count = self.documents.len();
                    format!("{filed} of {count} documents were filed. The others are still in the inbox.")
                });
                self.refuse(context, "", status, errors, headline).await
            }
        }
    }
}

/// `POST /office/inbox`: `document` repeated, and `action`: `file` (with `number` and `kind`), `discard`,
/// `restore` or `unfile`.
pub async fn many(context: Context<OfficeStaff>, fields: Fields) -> Result<HttpResponse, Error> {
    let selection = Selection::parse(&fields)?;
    let action = fields.one("action");
    if context.is_draft() {
        let shelf = if action == "restore" { "bin" } else { "" };
        return selection.refuse(&context, shelf, StatusCode::OK, FieldErrors::default(), None).await;
    }
    if selection.documents.is_empty() || selection.documents.len() > MAX_SELECTED {
        let nothing = selection.documents.is_empty();
        let message = if nothing { "Select at least one document." } else { "Select at most 200 documents." };
        let shelf = if action == "restore" { "bin" } else { "" };
        let (status, errors) = (StatusCode::UNPROCESSABLE_ENTITY, FieldErrors::default());
        return selection.refuse(&context, shelf, status, errors, Some(message.into())).await;
    }
    match action {
        "discard" => {
            inbox_of(&context).discard(&selection.documents).await?;
            Ok(redirect("", flash::inbox::DISCARDED, &selection.filing.after, &selection.documents))
        }
        "restore" => {
            inbox_of(&context).restore(&selection.documents).await?;
            // The inbox offers to undo a discard.
            let shelf = if fields.one("back") == "inbox" { "" } else { "bin" };
            Ok(redirect(shelf, flash::inbox::RESTORED, &selection.filing.after, &[]))
        }
        "unfile" => {
            for id in &selection.documents {
                match inbox_of(&context).unfile(*id).await {
                    // Another user was first.
                    Ok(_) | Err(FileError::Gone) => {}
                    Err(FileError::Db(error)) => return Err(error.into()),
                    Err(error) => return Err(Error::Internal(error.to_string())),
                }
            }
            Ok(redirect("", flash::inbox::RESTORED, "", &[]))
        }
        "file" => selection.file(&context).await,
        _ => Err(Error::BadRequest),
    }
}

/// Files documents one after the other, skipping those that are filed already.
///
/// On an error, returns how many were filed. An error of the storage or the database ends the run; an error of one
/// document is returned after the others are filed.
async fn file_all(inbox: &Inbox<'_>, ids: &[i64], number: &BolNumber, kind: Kind) -> Result<(), (usize, FileError)> {
    let (mut filed, mut first) = (0, None);
    for id in ids {
        match inbox.file(*id, number, kind).await {
            Ok(()) => filed += 1,
            Err(FileError::Gone) => {}
            Err(FileError::Filed(there)) if there == number.as_str() => {}
            Err(error @ (FileError::Storage(_) | FileError::Db(_) | FileError::NoBol(_))) => {
                return Err((filed, error));
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(()), |error| Err((filed, error)))
}

/// `GET /office/documents/{id}/preview`: the first page as a picture.
pub async fn preview(context: Context<OfficeStaff>, id: Path<i64>) -> Result<HttpResponse, Error> {
    let picture = match inbox_of(&context).preview(*id, &context.site.examiner).await {
        Ok(picture) => picture.ok_or(Error::NotFound)?,
        Err(FileError::Gone | FileError::Filed(_)) => return Err(Error::NotFound),
        Err(FileError::Storage(error)) => return Err(error.into()),
        Err(FileError::Db(error)) => return Err(error.into()),
        Err(error) => return Err(Error::Internal(error.to_string())),
    };
    Ok(HttpResponse::Ok()
        .content_type("image/png")
        // The bytes of a document never change, so the browser may keep the picture for a while.
        .insert_header((CACHE_CONTROL, "private, max-age=600"))
        .body(picture))
}

fn inbox_of(context: &Context<OfficeStaff>) -> Inbox<'_> {
    let Context { viewer, site, db, origin, .. } = context;
    Inbox { db, storage: &site.storage, clock: &site.clock, spool: &site.spool, viewer, origin }
}

fn number(site: &Site, typed: &str) -> Result<BolNumber, &'static str> {
    BolNumber::from_short(typed, &site.bol_prefix, site.today().year())
        .map_err(|_| "Enter a BOL number such as PRT-2025-0001, or in short 25-1, or 1 for this year.")
}

fn kind(typed: &str) -> Result<Kind, &'static str> {
    typed.parse().map_err(|_| "Choose the kind of document.")
}

/// Each form has room for one message, beside the BOL number.
fn beside_number(message: impl Into<String>) -> FieldErrors {
    FieldErrors::one("number", message)
}

/// The status and the message beside the field.
fn beside_field(error: FileError) -> Result<(StatusCode, FieldErrors), Error> {
    match error {
        FileError::NoReason => Ok((StatusCode::UNPROCESSABLE_ENTITY, FieldErrors::one("why", error.to_string()))),
        FileError::NoBol(_)
        | FileError::Double(_)
        | FileError::Quarantined(_)
        | FileError::Unclean
        | FileError::Photo
        | FileError::NotAllowed => Ok((StatusCode::UNPROCESSABLE_ENTITY, beside_number(error.to_string()))),
        FileError::Filed(_) | FileError::UnderWay => Ok((StatusCode::CONFLICT, beside_number(error.to_string()))),
        FileError::Storage(cause @ StorageError::Missing(_)) => {
            tracing::error!(%cause, "a document in the inbox has no object");
            let message = "The file is missing from the storage. Tell the portal's administrator.";
            Ok((StatusCode::SERVICE_UNAVAILABLE, beside_number(message)))
        }
        FileError::Storage(cause) => {
            tracing::warn!(%cause, "can't file a document");
            let message = "The storage can't be reached, so the document is still here. Try again in a minute.";
            Ok((StatusCode::SERVICE_UNAVAILABLE, beside_number(message)))
        }
        FileError::Gone => Err(Error::NotFound),
        FileError::Db(error) => Err(error.into()),
    }
}

/// Redirects to the page of the inbox that the form was on, which offers to undo what was done to the documents.
fn redirect(shelf: &str, flash: Flash, after: &str, moved: &[i64]) -> HttpResponse {
    let moved: Vec<String> = moved.iter().map(i64::to_string).collect();
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("show", shelf), ("after", after), ("done", flash.word), ("moved", &*moved.join("."))] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    see_other(&format!("{HERE}?{}", query.finish()), None)
}
