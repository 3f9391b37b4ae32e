//! Examination of an uploaded PDF: whether a customer can open it safely, and which BOL numbers it shows. A photo becomes
//! a PDF first ([`photo`]).
//!
//! A separate process parses the file, so that a malicious file can't harm the portal. The process has limits on memory
//! and time, no environment, and only the file and a pipe. It can't open files or sockets, nor reach other processes.
//! [`Examiner`] starts it; [`run`] is the process, `primetrade examine`.

mod clean;
mod code;
mod confinement;
mod drawing;
mod examiner;
mod file;
mod heading;
mod line;
pub mod photo;
mod pixels;
mod safety;
mod shapes;
mod shown;
mod text;
mod watch;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use hayro::hayro_syntax::page::Page;
use serde::{Deserialize, Serialize};

use self::pixels::{Codes, PageContent};
use self::text::PageText;
use self::watch::Reporter;

pub use self::clean::MAX_CLEANED_BYTES;
pub use self::code::{Holds, QrCode};
pub use self::confinement::{Confinement, confine, forbid_inspection};
pub use self::examiner::{ExamineError, Examiner};
pub use self::file::Preamble;
pub use self::heading::OtherKind;
pub use self::safety::Concern;

/// Processor time for examining a file, and for drawing a preview.
pub const CPU_SECONDS: u64 = 40;
pub const CPU_SECONDS_PREVIEW: u64 = 5;
/// Processor time for the text of a page, and for its codes. A program that isn't optimized takes longer.
pub const MAX_PAGE_TIME: Duration = Duration::from_millis(if cfg!(debug_assertions) { 12_000 } else { 2_000 });
/// Pages that are examined. A clerk decides about a longer document.
pub const MAX_PAGES: usize = 40;

/// Scanned pages that are tried at many resolutions.
const MAX_SCANNED_PAGES: usize = 12;

/// Why no viewer opens the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    Empty,
    NotPdf,
    /// The end is missing.
    Truncated,
    Unreadable,
    NoPage,
    /// Only with a password. A file whose password only protects permissions is examined like any other.
    Encrypted,
    PhotoUnreadable,
    /// More pixels than the portal decodes.
    PhotoTooLarge,
    HeicUnreadable,
    /// A sound TIFF in a form that the portal doesn't read.
    TiffUnsupported,
    TooManyPages,
}

impl Fault {
    /// Returns the reason for the clerk.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Empty => "The file is empty. Scan it again, or look for the original.",
            Self::NotPdf => {
                "This file is not a PDF. Nor is it a photo in JPEG, PNG, HEIC or TIFF. Print or scan the document to \
                 PDF, and upload that."
            }
            Self::Truncated => "The end of the file is missing. Scan or copy it again.",
            Self::Unreadable => "The file is damaged and can't be opened. Scan it again, or print it to a new PDF.",
            Self::NoPage => "The PDF has no pages.",
            Self::Encrypted => "The PDF is protected with a password. Print it to a new PDF without one.",
            Self::PhotoUnreadable => {
                "The photo can't be read. It is damaged, or needs more time or memory than the portal allows. Take it \
                 again, or send it again from the phone."
            }
            Self::PhotoTooLarge => {
                "The photo is larger than 120 megapixels. Set the camera to a smaller picture, and take it again."
            }
            Self::HeicUnreadable => {
                "This HEIC photo is damaged, or of a kind that the portal can't read. Set the phone to Most Compatible, or \
                 send the photo as JPEG."
            }
            Self::TiffUnsupported => {
                "This TIFF is of a kind that the portal can't read. Save it as PDF or JPEG, and upload that."
            }
            Self::TooManyPages => "The TIFF has more than 100 pages. Split it, and upload the parts.",
        }
    }
}

/// The findings of a PDF that can be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    pub pages: usize,
    /// Why only the office may open the original.
    pub concerns: BTreeSet<Concern>,
    /// What came before the header.
    pub preamble: Option<Preamble>,
    /// In QR codes.
    pub codes: BTreeSet<String>,
    /// What these codes hold.
    pub qr_codes: BTreeSet<QrCode>,
    /// In visible text.
    pub text: BTreeSet<String>,
    /// In invisible text, which text recognition adds behind a scan, and in text that the page doesn't show.
    pub ocr: BTreeSet<String>,
    /// In text where the page shows other digits.
    pub disputed: BTreeSet<String>,
    /// What the document calls itself, if it isn't a document of a load.
    pub other_kind: Option<OtherKind>,
    /// Every page was examined completely.
    pub is_complete: bool,
    /// The page that took too long, after which the examination ended.
    pub slow_page: Option<usize>,
}

/// The maximum of numbers kept for each source.
const MAX_NUMBERS: usize = 20;

impl Findings {
    /// Returns the number of pages, if the portal's reader can open the file.
    pub fn known_pages(&self) -> Option<usize> {
        Some(self.pages).filter(|pages| *pages > 0)
    }

    /// Returns why only the office may open the file as it is.
    pub fn quarantine(&self) -> Option<String> {
        safety::reason(&self.concerns)
    }

    fn shortened(mut self) -> Self {
        for numbers in [&mut self.codes, &mut self.text, &mut self.ocr, &mut self.disputed] {
            while numbers.len() > MAX_NUMBERS {
                numbers.pop_last();
            }
        }
        while self.qr_codes.len() > MAX_NUMBERS {
            self.qr_codes.pop_last();
        }
        self
    }
}

/// A progress report of the process, one line of JSON. If the process dies while it draws a page, the portal still has
/// the text of all pages.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Report {
    Fault(Fault),
    Found(Box<Findings>),
}

/// Runs `primetrade examine`: reads the file from standard input and writes the findings to standard output.
pub fn run(prefix: &str, input: File, output: impl Write + Send + 'static) -> io::Result<()> {
    let (bytes, prefix) = (Arc::new(whole(input)?), prefix.to_owned());
    watch::run(Reporter::new(output), move |reporter| examine(&prefix, &bytes, reporter))
}

fn examine(prefix: &str, bytes: &Arc<Vec<u8>>, reporter: &Reporter) -> io::Result<()> {
    let mut inspection = match file::inspect(bytes) {
        Ok(inspection) => inspection,
        Err(fault) => return reporter.fault(fault),
    };
    let mut found = Findings { preamble: inspection.preamble.clone(), ..Findings::default() };
    if inspection.may_open() {
        // Counts if this process dies when it opens the file.
        found.concerns = inspection.concerns.iter().copied().chain([Concern::Unopened]).collect();
        reporter.found(&found)?;
    }
    let pdf = match file::open(bytes, &mut inspection) {
        Ok(pdf) => pdf,
        Err(fault) => return reporter.fault(fault),
    };
    found.concerns = inspection.concerns;
    let Some(pdf) = pdf else { return reporter.found(&found) };
    let pages = pdf.pages();
    found.pages = pages.len();
    reporter.found(&found)?;
    let looks = read_text(pages, prefix, &mut found, reporter);
    let mut is_complete = std::mem::take(&mut found.is_complete);
    reporter.found(&found)?;
    for (number, (page, look)) in (1..).zip(pages.iter().zip(looks)) {
        reporter.begin_page(number);
        // A page that the renderer can't draw may show a code.
        let codes = catch_unwind(AssertUnwindSafe(|| pixels::codes(page, look, prefix))).unwrap_or(Codes::UNKNOWN);
        is_complete &= codes.is_sure;
        found.codes.extend(codes.found.iter().map(|code| code.number.clone()));
        found.qr_codes.extend(codes.found);
        reporter.found(&found)?;
    }
    reporter.end_pages();
    found.is_complete = is_complete;
    reporter.found(&found)
}

/// Reads the text of the pages, and returns what each consists of.
fn read_text(pages: &[Page<'_>], prefix: &str, found: &mut Findings, reporter: &Reporter) -> Vec<PageContent> {
    let (mut looks, mut scans, mut shapes, mut headings) = (Vec::new(), 0, None, Vec::new());
    found.is_complete = pages.len() <= MAX_PAGES;
    for (number, page) in (1..).zip(pages.iter().take(MAX_PAGES)) {
        reporter.begin_page(number);
        let text = catch_unwind(AssertUnwindSafe(|| text::of(page)));
        let text = text.unwrap_or_else(|_| PageText::unread());
        // A number that is nowhere drawn can't be compared.
        let numbers = catch_unwind(AssertUnwindSafe(|| shown::compare(page, &text, prefix, &mut shapes)));
        let numbers = numbers.unwrap_or_else(|_| shown::Numbers::unseen(&text, prefix));
        found.is_complete &= !text.is_cut && !numbers.is_cut;
        looks.push(match text {
            PageText { has_picture: true, .. } if scans < MAX_SCANNED_PAGES => {
                scans += 1;
                PageContent::Scanned
            }
            // Tries fewer resolutions, which may miss a code.
            PageText { has_picture: true, .. } => {
                found.is_complete = false;
                PageContent::Drawn
            }
            PageText { has_picture: false, has_drawing: false, .. } => PageContent::Text,
            _ => PageContent::Drawn,
        });
        headings.extend(heading::of(&text.lines));
        found.text.extend(numbers.shown);
        found.disputed.extend(numbers.disputed);
        found.ocr.extend(numbers.unseen);
        found.ocr.extend(text::numbers(&text.hidden, prefix));
    }
    found.other_kind = heading::of_document(&headings);
    looks
}

/// Runs `primetrade examine --preview`: writes the first page as PNG to standard output.
pub fn preview(input: File, mut output: impl Write) -> io::Result<()> {
    let bytes = Arc::new(whole(input)?);
    let opened = file::inspect(&bytes).and_then(|mut inspection| file::open(&bytes, &mut inspection));
    let pdf = opened.map_err(|fault| io::Error::other(fault.reason()))?;
    let pdf = pdf.ok_or_else(|| io::Error::other(Fault::Unreadable.reason()))?;
    let page = pdf.pages().first().ok_or_else(|| io::Error::other(Fault::NoPage.reason()))?;
    output.write_all(&pixels::preview(page)?)
}

/// Runs `primetrade examine --clean`: writes a copy that only shows the pages to standard output.
pub fn clean(input: File, mut output: impl Write) -> io::Result<()> {
    let bytes = Arc::new(whole(input)?);
    let opened = file::inspect(&bytes).and_then(|mut inspection| file::open(&bytes, &mut inspection));
    let pdf = opened.map_err(|fault| io::Error::other(fault.reason()))?;
    let pdf = pdf.ok_or_else(|| io::Error::other(Fault::Unreadable.reason()))?;
    output.write_all(&clean::copy(&pdf).map_err(io::Error::other)?)?;
    output.flush()
}

/// Reads the whole file into one allocation of the right size.
fn whole(mut input: File) -> io::Result<Vec<u8>> {
    // The confined process can't ask for metadata. A pipe has no size.
    let size = input.seek(SeekFrom::End(0)).unwrap_or(0);
    if size > 0 {
        input.rewind()?;
    }
    let mut bytes = Vec::with_capacity(size.try_into().map_err(io::Error::other)?);
    input.read_to_end(&mut bytes)?;
    Ok(bytes)
}
