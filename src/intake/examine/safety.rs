//! Whether a PDF only shows pages: no scripts, no actions besides turning pages and following links, no attachments.
//!
//! Actions and annotations come from lists of the harmless. What can't be read isn't known to be harmless.

mod filters;
mod lexer;
mod objects;
mod rules;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::lexer::is_space;
pub use self::objects::{Decrypt, Objects, places_of};
pub use self::rules::is_harmless_address;

/// Something in a PDF because of which only the office may open the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    Script,
    StartsProgram,
    SendsData,
    ActsAlone,
    UnknownAction,
    OtherFile,
    Address,
    Attachment,
    Media,
    UnknownAnnotation,
    /// Bytes of another kind of file before its beginning.
    Before,
    /// Other bytes behind its end.
    Behind,
    /// The end is missing, and viewers repair the file.
    Cut,
    /// Parts that can't be decoded.
    Unread,
    /// The portal's own reader can't open the file, but others may.
    Unopened,
}

impl Concern {
    /// Completes the sentence "The PDF …".
    pub fn text(self) -> &'static str {
        match self {
            Self::Script => "contains scripts",
            Self::StartsProgram => "contains scripts or actions that start a program",
            Self::SendsData => "contains scripts or actions that send or load form data",
            Self::ActsAlone => "contains scripts or actions that open an address without a click",
            Self::UnknownAction => "contains scripts or actions that the portal doesn't know",
            Self::OtherFile => "opens or loads other files",
            Self::Address => "links to something other than a web page or an email address",
            Self::Attachment => "has attached files",
            Self::Media => "contains sound, video or 3D content",
            Self::UnknownAnnotation => "contains annotations that the portal doesn't know",
            Self::Before => "begins with another kind of file",
            Self::Behind => "has other data behind its end",
            Self::Cut => "lacks its end, so pages may be missing",
            Self::Unread => "has parts that the portal can't read and that may hide scripts",
            Self::Unopened => "can't be read by the portal, although other programs may open it",
        }
    }
}

/// Returns the reason for the clerk.
pub fn reason(concerns: &BTreeSet<Concern>) -> Option<String> {
    let mut texts: Vec<_> = concerns.iter().map(|concern| concern.text()).collect();
    let last = texts.pop()?;
    let found = if texts.is_empty() { last.to_owned() } else { format!("{} and {last}", texts.join(", ")) };
    Some(format!("The PDF {found}. Check its first page, then file a cleaned copy, or ask the sender for a plain PDF."))
}

/// Returns what isn't harmless in these objects.
pub fn concerns(objects: &Objects<'_>) -> BTreeSet<Concern> {
    rules::check(objects)
}
