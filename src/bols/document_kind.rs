//! The kinds of documents.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    Bol,
    /// Proof of delivery.
    SignedBol,
    ScaleTicket,
    CertificateOfAnalysis,
    PackingList,
    Invoice,
    Other,
}

impl DocumentKind {
    pub const ALL: [Self; 7] = [
        Self::Bol,
        Self::SignedBol,
        Self::ScaleTicket,
        Self::CertificateOfAnalysis,
        Self::PackingList,
        Self::Invoice,
        Self::Other,
    ];

    /// Returns the name in URLs, object keys, the database and the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bol => "bol",
            Self::SignedBol => "signed-bol",
            Self::ScaleTicket => "scale-ticket",
            Self::CertificateOfAnalysis => "certificate-of-analysis",
            Self::PackingList => "packing-list",
            Self::Invoice => "invoice",
            Self::Other => "other",
        }
    }

    /// Returns the code of the Digital Standards Development Council for documents of freight (full truckload, *Invoice and
    /// Documents* 1.0: `DocumentType`).
    pub fn dsdc_code(self) -> &'static str {
        match self {
            Self::Bol => "BOL",
            Self::SignedBol => "POD",
            Self::ScaleTicket => "SCL",
            Self::CertificateOfAnalysis => "INSP",
            Self::PackingList => "PAC",
            Self::Invoice => "INV",
            Self::Other => "OTHER",
        }
    }

    /// Returns the name of a downloaded file: `PRT-2026-0135.pdf`, `PRT-2026-0135-signed-bol.pdf`.
    pub fn file_name(self, number: &str) -> String {
        match self {
            Self::Bol => format!("{number}.pdf"),
            _ => format!("{number}-{self}.pdf"),
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Bol => "Bill of lading",
            Self::SignedBol => "Signed BOL (proof of delivery)",
            Self::ScaleTicket => "Scale ticket",
            Self::CertificateOfAnalysis => "Certificate of analysis",
            Self::PackingList => "Packing list",
            Self::Invoice => "Invoice",
            Self::Other => "Other document",
        }
    }

    /// Returns the label without its explanation: "Signed BOL".
    pub fn plain_label(self) -> &'static str {
        self.label().split(" (").next().unwrap_or_default()
    }

    /// Returns the label within a sentence: "signed BOL".
    pub fn short_label(self) -> String {
        let label = self.plain_label();
        label[..1].to_lowercase() + &label[1..]
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DocumentKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("unknown kind of document {text:?}"))
    }
}
