//! Photos as proof of delivery. The PDF that was made of a photo is matched and filed like a scan. The photo itself is kept
//! beside it, for the office alone.

use std::io::{self, Read, Seek};

use serde_json::json;

use super::examine::ExamineError;
use super::examine::photo::{Format, SNIFFED_BYTES};
use super::{Arrival, Examined, IntakeError, Screening};
use crate::documents::lifecycle::Pending;
use crate::storage::spool::{Spool, Spooled};

/// Why a photo that was left without a PDF waits in the inbox.
pub(super) const INTERRUPTED: &str =
    "The upload of this photo was interrupted before its PDF was stored. File it as a PDF, or upload it again.";
/// Why customers don't get a photo as it arrived.
pub(super) const QUARANTINE: &str =
    "This is a photo as it arrived, which may say where and by whom it was taken. File it as a PDF.";
const DAMAGED: &str = "The end of the photo is missing, and its PDF shows the part that arrived. Check that it shows \
                       enough, or ask the driver to send it again.";

/// A photo as it arrived, of which a PDF was made.
pub struct Photo {
    pub format: Format,
    pub spooled: Spooled,
    pub is_whole: bool,
}

impl Photo {
    /// Describes the photo for the event about its PDF.
    pub(super) fn to_json(&self, kept: &Pending) -> serde_json::Value {
        json!({
            "document": kept.id,
            "format": self.format.label(),
            "sha256": hex::encode(self.spooled.sha256),
            "size_bytes": self.spooled.size,
        })
    }

    /// Returns why a clerk has to look at the PDF.
    pub(super) fn damage(&self) -> Option<String> {
        (!self.is_whole).then(|| DAMAGED.into())
    }
}

/// Returns the format, if the file is a photo.
pub async fn photo_format(spooled: &Spooled) -> io::Result<Option<Format>> {
    let mut file = spooled.file.try_clone()?;
    let read = tokio::task::spawn_blocking(move || {
        file.rewind()?;
        let mut beginning = Vec::with_capacity(SNIFFED_BYTES);
        file.take(SNIFFED_BYTES as u64).read_to_end(&mut beginning)?;
        Ok(Format::of(&beginning))
    });
    read.await.map_err(io::Error::other)?
}

impl Screening<'_> {
    /// Screens an uploaded file. Replaces a photo with the PDF that the confined process makes of it.
    pub(super) async fn screen_arrival(&self, arrival: &mut Arrival, spool: &Spool) -> Result<Examined, IntakeError> {
        let unavailable = |error: io::Error| IntakeError::Unavailable(error.to_string());
        let Some(format) = photo_format(&arrival.spooled).await.map_err(unavailable)? else {
            return self.screen(&arrival.spooled).await;
        };
        if let Some(refusal) = self.scan(&arrival.spooled).await? {
            return Ok(Err(refusal));
        }
        let (pdf, is_whole) = match self.examiner.photo_pdf(&arrival.spooled.file, spool).await {
            Ok(made) => made,
            Err(ExamineError::Fault(fault)) => return Ok(Err(fault.reason().into())),
            Err(ExamineError::Unavailable(error)) => return Err(unavailable(error)),
        };
        let examined = self.examine(&pdf).await?;
        if examined.is_ok() {
            let spooled = std::mem::replace(&mut arrival.spooled, pdf);
            arrival.photo = Some(Photo { format, spooled, is_whole });
        }
        Ok(examined)
    }
}
