//! The outcome of each file, and the totals.

/// The outcome of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    WouldUpload,
    Uploaded,
    /// The bucket has the same bytes already.
    Exists,
    /// Only the bucket has the object.
    OnlyThere,
    Missing,
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The number of the BOL, or the file name.
    pub name: String,
    pub key: String,
    pub fate: Fate,
    /// A document other than the PDF with which a BOL was issued.
    pub is_other: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub total: u64,
    pub found: u64,
    pub missing: u64,
    pub only_there: u64,
    /// In a dry run, the objects that would be uploaded.
    pub uploaded: u64,
    pub skipped: u64,
    pub errors: u64,
}

impl Tally {
    pub(super) fn count(&mut self, fate: &Fate) {
        self.total += 1;
        self.found += u64::from(!matches!(fate, Fate::Missing | Fate::OnlyThere));
        match fate {
            Fate::WouldUpload | Fate::Uploaded => self.uploaded += 1,
            Fate::Exists => self.skipped += 1,
            Fate::OnlyThere => self.only_there += 1,
            Fate::Missing => self.missing += 1,
            Fate::Failed(_) => self.errors += 1,
        }
    }
}
