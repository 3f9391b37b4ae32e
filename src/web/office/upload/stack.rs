//! A form with files, as it arrives: fields first, then file after file, each settled before the next is read. Memory
//! holds a piece of one file and the outcomes.
//!
//! The kind, the customer and the list apply to the files behind them. Files that come before the kind are held until it
//! is known (with their bytes on the disk); a list that comes after files is applied to those that it can still help.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::error::PayloadError;
use futures_util::StreamExt;
use uuid::Uuid;

use crate::accounts::Viewer;
use crate::audit::Origin;
use crate::db::Database;
use crate::documents::Kind;
use crate::documents::inbox;
use crate::documents::intake::journal::{self, MOST_BATCH};
use crate::documents::intake::{Arrival, Examined, FileName, Intake, IntakeError, Mapping, Outcome, Receipt, Wishes};
use crate::documents::spool::ReceiveError;
use crate::web::{Error, Site, limits};

/// Parts of one form at the most, files and fields.
const MOST_PARTS: usize = 5_000;
/// Files that are held at once because their kind isn't known yet.
const MOST_HELD: usize = 200;
/// Of fields that aren't files, and of the list, in bytes.
const MOST_TEXT: usize = 4 * 1024;
const MOST_LIST: usize = 4 * 1024 * 1024;
/// Of a part that nobody asked for, or of a file beyond its limit: read on, so that the files behind it are reached.
const MOST_SKIPPED: u64 = 1_000_000_000;

const PUT_OFF: &str = "It could not be stored just now: the storage, the database or the virus scanner can't be reached. \
                       Nothing of it was kept. Upload it again in a minute.";

pub struct Stack<'a> {
    site: &'a Site,
    db: &'a Database,
    viewer: &'a Viewer,
    origin: &'a Origin,
    pub batch: String,
    /// `None`: the field has not come yet.
    kind: Option<Option<Kind>>,
    customer: String,
    mapping: Option<Mapping>,
    held: Vec<(Arrival, Examined)>,
    pub receipts: Vec<Receipt>,
    too_large: usize,
    put_off: usize,
    /// Lists with a mistake, which have a receipt too.
    lists: usize,
}

pub enum Ending {
    Whole,
    /// Nothing but files beyond the limit.
    AllTooLarge,
    /// Nothing could be stored, through no fault of the files.
    AllPutOff,
}

/// Why a form came to no end.
pub enum Broken {
    /// It isn't a form with files, or broke off.
    Form,
    TooSlow,
    TooMany,
    Field(&'static str),
    Unavailable(String),
}

impl Broken {
    pub fn to_error(&self) -> Error {
        match self {
            Self::Form => Error::Broken,
            Self::TooSlow => Error::TooSlow,
            Self::TooMany => Error::TooLarge,
            Self::Field(message) => Error::Invalid((*message).into()),
            Self::Unavailable(cause) => Error::Unavailable(cause.clone()),
        }
    }
}

impl From<MultipartError> for Broken {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::Payload(error) if limits::is_too_slow(&error) => Self::TooSlow,
            MultipartError::Payload(PayloadError::Overflow) => Self::TooMany,
            error => {
                tracing::info!(%error, "an upload broke off");
                Self::Form
            }
        }
    }
}

impl<'a> Stack<'a> {
    pub fn new(site: &'a Site, db: &'a Database, viewer: &'a Viewer, origin: &'a Origin) -> Self {
        Self {
            site,
            db,
            viewer,
            origin,
            batch: Uuid::now_v7().simple().to_string(),
            kind: None,
            customer: String::new(),
            mapping: None,
            held: Vec::new(),
            receipts: Vec::new(),
            too_large: 0,
            put_off: 0,
            lists: 0,
        }
    }

    fn intake(&self) -> Intake<'_> {
        Intake {
            db: self.db,
            storage: &self.site.storage,
            clock: &self.site.clock,
            examiner: &self.site.examiner,
            clamd: self.site.clamd.as_ref(),
            prefix: &self.site.bol_prefix,
            viewer: self.viewer,
            origin: self.origin,
            batch: &self.batch,
        }
    }

    pub async fn take(&mut self, mut form: Multipart) -> Result<Ending, Broken> {
        let mut parts = 0;
        while let Some(field) = form.next().await {
            let mut field = field?;
            parts += 1;
            if parts > MOST_PARTS {
                return Err(Broken::TooMany);
            }
            let name = field.name().unwrap_or_default().to_owned();
            match name.as_str() {
                "files" | "file" => self.file(field).await?,
                "mapping" => self.list(field).await?,
                "kind" => {
                    let kind = match text(field).await?.as_str() {
                        "" => None,
                        text => {
                            Some(text.parse().map_err(|_| Broken::Field("kind: there is no such kind of document."))?)
                        }
                    };
                    self.kind = Some(kind);
                    self.release().await;
                }
                "customer" => self.customer = text(field).await?.to_uppercase(),
                "batch" => {
                    let batch = text(field).await?;
                    let fits = (1..=MOST_BATCH).contains(&batch.len());
                    if fits && batch.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                        self.batch = batch;
                    }
                }
                _ => skip(&mut field).await?,
            }
        }
        self.release().await;
        let all = self.receipts.len() - self.lists;
        Ok(match all {
            0 => Ending::Whole,
            _ if all == self.too_large => Ending::AllTooLarge,
            _ if all == self.put_off => Ending::AllPutOff,
            _ => Ending::Whole,
        })
    }

    async fn file(&mut self, mut field: Field) -> Result<(), Broken> {
        let sent = field.content_disposition().and_then(|disposition| {
            disposition
                .get_filename_ext()
                .map(|name| String::from_utf8_lossy(&name.value).into_owned())
                .or_else(|| disposition.get_filename().map(str::to_owned))
        });
        let sent = sent.unwrap_or_default();
        let name = FileName::cleaned(&sent);
        if name.is_csv() {
            return self.list(field).await;
        }
        let received = self.site.spool.receive(&mut field, self.site.most_upload).await;
        let spooled = match received {
            // What a browser sends when nothing was chosen.
            Ok(spooled) if spooled.size == 0 && sent.is_empty() => return Ok(()),
            Ok(spooled) => spooled,
            Err(ReceiveError::TooLarge) => {
                skip(&mut field).await?;
                let most = self.site.most_upload;
                let reason =
                    format!("It is larger than {} MB. Scan it in grey and at 200 dpi, or split it.", most / 1_000_000);
                let rejected = self.intake().reject(&name, most, None, &reason).await;
                self.too_large += 1;
                self.note(&name, most, rejected);
                return Ok(());
            }
            Err(ReceiveError::Source(error)) => return Err(error.into()),
            Err(ReceiveError::Spool(error)) => return Err(Broken::Unavailable(format!("SPOOL_DIR: {error}"))),
        };
        let arrival = Arrival { name, spooled };
        match self.intake().examine(&arrival.spooled).await {
            Ok(examined) if self.kind.is_none() && self.held.len() < MOST_HELD => self.held.push((arrival, examined)),
            Ok(examined) => self.settle(arrival, examined).await,
            Err(error) => self.note(&arrival.name, arrival.spooled.size, Err(error)),
        }
        Ok(())
    }

    async fn settle(&mut self, arrival: Arrival, examined: Examined) {
        let customer = Some(self.customer.as_str()).filter(|code| !code.is_empty());
        let wishes = Wishes { kind: self.kind.flatten(), customer, mapping: self.mapping.as_ref() };
        let settled = self.intake().settle(&arrival, examined, wishes).await;
        self.note(&arrival.name, arrival.spooled.size, settled);
    }

    async fn release(&mut self) {
        for (arrival, examined) in std::mem::take(&mut self.held) {
            self.settle(arrival, examined).await;
        }
    }

    fn note(&mut self, name: &FileName, size: u64, settled: Result<Receipt, IntakeError>) {
        let receipt = settled.unwrap_or_else(|cause| {
            tracing::warn!(%cause, file = name.as_str(), "a file could not be taken");
            self.put_off += 1;
            Receipt::rejected(name, size, PUT_OFF)
        });
        self.receipts.push(receipt);
    }

    /// The list. One with a mistake has an outcome like a file; a good one has none.
    async fn list(&mut self, field: Field) -> Result<(), Broken> {
        let sent = field.content_disposition().and_then(|disposition| disposition.get_filename()).unwrap_or_default();
        let name = FileName::cleaned(sent);
        let bytes = bytes(field, MOST_LIST).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        match Mapping::parse(&bytes) {
            Ok(mapping) => {
                self.help(&mapping).await;
                self.mapping = Some(mapping);
            }
            Err(reason) => {
                let reason = format!("{reason} The files were taken without it.");
                let rejected = self.intake().reject(&name, bytes.len() as u64, None, &reason).await;
                self.note(&name, bytes.len() as u64, rejected);
                self.lists += 1;
            }
        }
        Ok(())
    }

    /// Files that came before their list, and are in the inbox for want of a number, are filed as it says.
    async fn help(&mut self, mapping: &Mapping) {
        let desk = inbox::Desk {
            db: self.db,
            storage: &self.site.storage,
            clock: &self.site.clock,
            spool: &self.site.spool,
            viewer: self.viewer,
            origin: self.origin,
        };
        for receipt in &mut self.receipts {
            let (Some(row), Some(id)) = (mapping.row(&FileName::cleaned(&receipt.file_name)), receipt.document_id)
            else {
                continue;
            };
            let [number] = &row.numbers[..] else { continue };
            match (receipt.outcome, &receipt.bol_number) {
                (Outcome::Stored, Some(stored)) if stored != number.as_str() => {
                    receipt.reason = format!("Stored before the list came, which says {number}. Check it.");
                }
                (Outcome::NeedsReview, _) if receipt.found_nothing && row.customer.is_empty() => {
                    let kind = row.kind.or(self.kind.flatten()).unwrap_or(Kind::Other);
                    if desk.file(id, number, kind).await.is_ok() {
                        receipt.outcome = Outcome::Stored;
                        receipt.bol_number = Some(number.to_string());
                        receipt.reason = "Stored as the list says.".into();
                        if let Err(error) = journal::correct(self.db, &self.batch, receipt).await {
                            tracing::warn!(%error, "an outcome could not be corrected");
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

async fn text(field: Field) -> Result<String, Broken> {
    let bytes = bytes(field, MOST_TEXT).await?;
    let text = String::from_utf8(bytes).map_err(|_| Broken::Field("A field of the form isn't UTF-8 text."))?;
    Ok(text.trim().replace('\0', ""))
}

async fn bytes(mut field: Field, most: usize) -> Result<Vec<u8>, Broken> {
    let mut all = Vec::new();
    while let Some(piece) = field.next().await {
        all.extend_from_slice(&piece?);
        if all.len() > most {
            return Err(Broken::TooMany);
        }
    }
    Ok(all)
}

async fn skip(field: &mut Field) -> Result<(), Broken> {
    let mut skipped = 0;
    while let Some(piece) = field.next().await {
        skipped += piece?.len() as u64;
        if skipped > MOST_SKIPPED {
            return Err(Broken::TooMany);
        }
    }
    Ok(())
}
