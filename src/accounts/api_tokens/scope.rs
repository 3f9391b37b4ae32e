//! What a token may do, besides what its owner may.

use std::str::FromStr;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TokenScope {
    BolsRead,
    DocumentsRead,
    BolsIssue,
    DocumentsUpload,
    LogRead,
}

impl TokenScope {
    pub const ALL: [Self; 5] =
        [Self::BolsRead, Self::DocumentsRead, Self::BolsIssue, Self::DocumentsUpload, Self::LogRead];

    /// The name in the database, in forms and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BolsRead => "bols:read",
            Self::DocumentsRead => "documents:read",
            Self::BolsIssue => "bols:issue",
            Self::DocumentsUpload => "documents:upload",
            Self::LogRead => "log:read",
        }
    }

    /// What it allows, for pages.
    pub fn label(self) -> &'static str {
        match self {
            Self::BolsRead => "List and read bills of lading",
            Self::DocumentsRead => "Download documents",
            Self::BolsIssue => "Issue, void and weigh bills of lading",
            Self::DocumentsUpload => "Upload and file documents",
            Self::LogRead => "Read and export the access log",
        }
    }
}

impl FromStr for TokenScope {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name).ok_or(())
    }
}

/// Names that are not known allow nothing.
pub(super) fn read(names: &[String]) -> Vec<TokenScope> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}
