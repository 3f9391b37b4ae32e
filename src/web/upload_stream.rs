//! Reads a form with files as it arrives, and settles each file before it reads the next. For the page and the API.
//!
//! Memory holds one chunk of one file, and the outcomes. The kind, the customer and the list apply to the files that
//! follow them. A file that comes before the kind waits on the disk until the kind is known. A list that comes after
//! files is applied to those of them for which no BOL number was found.

mod broken;

use actix_multipart::{Field, Multipart};
use futures_util::StreamExt;
use uuid::Uuid;

pub use self::broken::Broken;
use self::broken::PUT_OFF;
use crate::accounts::access::AccessError;
use crate::documents::Kind;
use crate::intake::examine::Findings;
use crate::intake::journal::{self, MAX_BATCH_BYTES};
use crate::intake::{
    Arrival, Examined, FileName, Intake, IntakeError, Outcome, Receipt, Screening, UploadList, UploadOptions,
};
use crate::storage::spool::ReceiveError;
use crate::web::auth::Audience;
use crate::web::context::Context;

/// Files and fields of one form.
const MAX_PARTS: usize = 5_000;
/// Files that wait at once because their kind isn't known yet. A photo and its PDF are two.
const MAX_HELD_FILES: usize = 200;
/// Size of a text field.
const MAX_TEXT_BYTES: usize = 4 * 1024;
/// Size of the list.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an unknown part, or of a file beyond its limit, that are read and dropped to reach the files after it.
const MAX_SKIPPED_BYTES: u64 = 1_000_000_000;

const STILL_AWAY: &str = "The file was not stored: the storage or the virus scanner did not answer for a file before it. \
                          Upload it again in a minute. The portal recognizes files that it has.";

pub struct Stack<'a, A: Audience> {
    context: &'a Context<A>,
    pub batch: String,
    /// `None` until the field arrives.
    kind: Option<Option<Kind>>,
    customer: String,
    list: Option<UploadList>,
    held: Vec<(Arrival, Examined)>,
    /// The files without a BOL number, with their receipts: a list may still match them.
    unmatched: Vec<(usize, Arrival, Findings)>,
    pub receipts: Vec<Receipt>,
    too_large: usize,
    put_off: usize,
    /// The outcomes are kept, so that their page can be opened again.
    pub is_noted: bool,
    /// Lists with a mistake. They have a receipt too.
    lists: usize,
    /// The user's access was taken away during the upload.
    is_over: bool,
    /// The storage or the scanner failed for a file, so that the files after it needn't wait for it too.
    is_away: bool,
}

pub enum Ending {
    Whole,
    /// Every file was beyond the limit.
    AllTooLarge,
    /// No file could be stored, because the storage, the database or the scanner was away.
    AllPutOff,
}

impl<'a, A: Audience> Stack<'a, A> {
    pub fn new(context: &'a Context<A>) -> Self {
        Self {
            context,
            batch: Uuid::now_v7().simple().to_string(),
            kind: None,
            customer: String::new(),
            list: None,
            held: Vec::new(),
            unmatched: Vec::new(),
            receipts: Vec::new(),
            too_large: 0,
            put_off: 0,
            is_noted: true,
            lists: 0,
            is_over: false,
            is_away: false,
        }
    }

    fn intake(&self) -> Intake<'_> {
        let Context { viewer, site, db, origin, .. } = self.context;
        Intake {
            db,
            storage: &site.storage,
            clock: &site.clock,
            screening: Screening {
                examiner: &site.examiner,
                clamd: site.clamd.as_ref(),
                prefix: &site.bol_prefix,
                codes: &site.codes,
            },
            spool: &site.spool,
            viewer,
            origin,
            batch: &self.batch,
        }
    }

    pub async fn take(&mut self, form: Multipart) -> Result<Ending, Broken> {
        let read = self.read(form).await;
        // Files that arrived whole are settled, however the form ends.
        self.release().await;
        read?;
        self.check_access()?;
        let all = self.receipts.len() - self.lists;
        Ok(match all {
            0 => Ending::Whole,
            _ if all == self.too_large => Ending::AllTooLarge,
            _ if all <= self.put_off => Ending::AllPutOff,
            _ => Ending::Whole,
        })
    }

    async fn read(&mut self, mut form: Multipart) -> Result<(), Broken> {
        let mut parts = 0;
        while let Some(field) = form.next().await {
            let mut field = field.map_err(|error| if parts == 0 { Broken::NoForm } else { error.into() })?;
            parts += 1;
            if parts > MAX_PARTS {
                return Err(Broken::TooMany);
            }
            let name = field.name().unwrap_or_default().to_owned();
            match name.as_str() {
                "files" | "file" => self.file(field).await?,
                "mapping" => self.list(field).await?,
                "kind" => {
                    let kind = match text(field).await?.as_str() {
                        "" => None,
                        text => Some(text.parse().map_err(|_| Broken::Field("kind: no such kind of document."))?),
                    };
                    self.kind = Some(kind);
                    self.release().await;
                }
                "customer" => {
                    let customer = text(field).await?.to_uppercase();
                    if !customer.is_empty() && !self.receipts.is_empty() {
                        return Err(Broken::Field(
                            "customer must come before the files. Those above were handled without it. Check them.",
                        ));
                    }
                    self.customer = customer;
                }
                "batch" => {
                    let batch = text(field).await?;
                    let fits = (1..=MAX_BATCH_BYTES).contains(&batch.len());
                    if fits && batch.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                        self.batch = batch;
                    }
                }
                _ => drop(skip(&mut field).await?),
            }
            self.check_access()?;
        }
        Ok(())
    }

    fn check_access(&self) -> Result<(), Broken> {
        if self.is_over { Err(Broken::AccessEnded) } else { Ok(()) }
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
        if self.is_away {
            let size = skip(&mut field).await?;
            self.put_off(&name, size, STILL_AWAY).await;
            return Ok(());
        }
        let received = self.context.site.spool.receive(&mut field, self.context.site.max_upload_bytes).await;
        let spooled = match received {
            // A browser sends this when no file was chosen.
            Ok(spooled) if spooled.size == 0 && sent.is_empty() => return Ok(()),
            Ok(spooled) => spooled,
            Err(ReceiveError::TooLarge) => {
                skip(&mut field).await?;
                let most = self.context.site.max_upload_bytes;
                let reason = format!(
                    "The file is larger than {} MB. Scan it in gray at 200 dpi, or split it.",
                    most / 1_000_000
                );
                let rejected = self.intake().reject(&name, most, None, &reason).await;
                self.note(&name, most, rejected).await;
                self.too_large += usize::from(!self.is_over);
                return Ok(());
            }
            Err(ReceiveError::Source(error)) => return Err(error.into()),
            Err(ReceiveError::Spool(error)) => return Err(Broken::Unavailable(format!("SPOOL_DIR: {error}"))),
        };
        let mut arrival = Arrival::new(name, spooled);
        let examined = self.intake().examine(&mut arrival).await;
        let held: usize = self.held.iter().map(|(arrival, _)| arrival.file_count()).sum();
        match examined {
            Ok(_) if self.kind.is_none() && held >= MAX_HELD_FILES => {
                return Err(Broken::Field(
                    "kind must come before the files. 200 files waited for it and are now handled without it.",
                ));
            }
            Ok(examined) if self.kind.is_none() => self.held.push((arrival, examined)),
            Ok(examined) => self.settle(arrival, examined).await,
            Err(error) => self.note(&arrival.name, arrival.uploaded().size, Err(error)).await,
        }
        Ok(())
    }

    async fn settle(&mut self, arrival: Arrival, examined: Examined) {
        let settled = self.settled(&arrival, examined.clone(), false).await;
        self.note(&arrival.name, arrival.uploaded().size, settled).await;
        if self.is_over {
            return;
        }
        let index = self.receipts.len() - 1;
        let held: usize = self.unmatched.iter().map(|(_, arrival, _)| arrival.file_count()).sum();
        if let (true, Ok(findings), true) = (self.receipts[index].found_nothing, examined, held < MAX_HELD_FILES) {
            self.unmatched.push((index, arrival, findings));
        }
    }

    async fn settled(&self, arrival: &Arrival, examined: Examined, is_again: bool) -> Result<Receipt, IntakeError> {
        let customer = Some(self.customer.as_str()).filter(|code| !code.is_empty());
        // A list names a file once. With two files of that name, it doesn't say which.
        let listed = self.list.as_ref().filter(|list| list.row(&arrival.name).is_some());
        let is_second = listed.is_some() && journal::has_named(&self.intake(), arrival.name.as_str()).await?;
        let list = listed.filter(|_| !is_second);
        let options = UploadOptions { kind: self.kind.flatten(), customer, list, is_again };
        self.intake().settle(arrival, examined, options).await
    }

    async fn release(&mut self) {
        for (arrival, examined) in std::mem::take(&mut self.held) {
            if self.is_over {
                return;
            }
            if self.is_away {
                self.put_off(&arrival.name, arrival.uploaded().size, STILL_AWAY).await;
                continue;
            }
            self.settle(arrival, examined).await;
        }
    }

    async fn note(&mut self, name: &FileName, size: u64, settled: Result<Receipt, IntakeError>) {
        let receipt = match settled {
            Ok(receipt) => receipt,
            Err(IntakeError::Access(ended @ AccessError::Ended(_))) => {
                self.is_over = true;
                if let Err(error) = self.intake().record_access_ended(name, &ended.to_string()).await {
                    tracing::error!(%error, "can't record that an upload's access has ended");
                }
                return;
            }
            Err(cause) => {
                tracing::warn!(%cause, file = name.as_str(), "can't take a file");
                self.is_away |= matches!(cause, IntakeError::Storage(_) | IntakeError::Scanner(_));
                return self.put_off(name, size, PUT_OFF).await;
            }
        };
        self.count(receipt.outcome.as_str());
        self.receipts.push(receipt);
    }

    fn count(&self, outcome: &'static str) {
        if let Some(metrics) = &self.context.site.metrics {
            metrics.upload(outcome);
        }
    }

    /// Tells to upload the file again.
    async fn put_off(&mut self, name: &FileName, size: u64, reason: &str) {
        self.put_off += 1;
        self.count("put_off");
        let receipt = Receipt::rejected(name, size, reason);
        let noted = journal::note(&self.intake(), receipt.clone()).await;
        self.is_noted &= noted.is_ok();
        self.receipts.push(receipt);
    }

    /// Reads the list. A list with a mistake has an outcome like a file, and a good one has none.
    async fn list(&mut self, mut field: Field) -> Result<(), Broken> {
        let sent = field.content_disposition().and_then(|disposition| disposition.get_filename()).unwrap_or_default();
        let name = FileName::cleaned(sent);
        let (mut bytes, mut size) = (Vec::new(), 0);
        while let Some(piece) = field.next().await {
            let piece = piece?;
            size += piece.len();
            if size <= MAX_LIST_BYTES {
                bytes.extend_from_slice(&piece);
            } else if size as u64 > MAX_SKIPPED_BYTES {
                return Err(Broken::TooMany);
            }
        }
        let parsed = match size {
            0 => return Ok(()),
            1..=MAX_LIST_BYTES => UploadList::parse(&bytes),
            _ => Err(format!("The list is larger than {} MB.", MAX_LIST_BYTES / 1_000_000)),
        };
        match parsed {
            Ok(list) => self.apply(list).await,
            Err(reason) => {
                let reason = format!("{reason} The files were handled without it.");
                let rejected = self.intake().reject(&name, size as u64, None, &reason).await;
                self.note(&name, size as u64, rejected).await;
                self.lists += usize::from(!self.is_over);
            }
        }
        Ok(())
    }

    /// Applies the list to the files that follow, and settles earlier files without a BOL number again.
    async fn apply(&mut self, list: UploadList) {
        for index in 0..self.receipts.len() {
            let receipt = &self.receipts[index];
            let row = list.row(&FileName::cleaned(&receipt.file_name)).filter(|_| receipt.outcome == Outcome::Stored);
            let other = row.and_then(|row| {
                row.numbers.into_iter().find(|number| receipt.bol_number.as_deref() != Some(number.as_str()))
            });
            let (Some(number), Some(id)) = (other, receipt.document_id) else { continue };
            let reason = format!("Stored before the list arrived, which says {number}. Check the file.");
            self.is_noted &= journal::remark(&self.intake(), id, &reason).await.is_ok();
            self.receipts[index].reason = reason;
        }
        let unmatched = std::mem::take(&mut self.unmatched);
        let (helped, left) =
            unmatched.into_iter().partition::<Vec<_>, _>(|(_, arrival, _)| list.row(&arrival.name).is_some());
        self.unmatched = left;
        let helped = if self.is_away { Vec::new() } else { helped };
        match &mut self.list {
            Some(before) => before.extend(list),
            none => *none = Some(list),
        }
        for (index, arrival, findings) in helped {
            match self.settled(&arrival, Ok(findings), true).await {
                Ok(receipt) => {
                    if let Some(id) = receipt.document_id {
                        self.is_noted &= journal::forget_former(&self.intake(), id).await.is_ok();
                    }
                    self.count(receipt.outcome.as_str());
                    self.receipts[index] = receipt;
                }
                Err(IntakeError::Access(AccessError::Ended(_))) => return self.is_over = true,
                Err(cause) => tracing::warn!(%cause, "a file stays in the inbox"),
            }
        }
    }
}

async fn text(field: Field) -> Result<String, Broken> {
    let bytes = bytes(field, MAX_TEXT_BYTES).await?;
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

/// Returns the bytes that were skipped.
async fn skip(field: &mut Field) -> Result<u64, Broken> {
    let mut skipped = 0;
    while let Some(piece) = field.next().await {
        skipped += piece?.len() as u64;
        if skipped > MAX_SKIPPED_BYTES {
            return Err(Broken::TooMany);
        }
    }
    Ok(skipped)
}
