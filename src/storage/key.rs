//! Keys of objects.

use std::fmt;
use std::str::FromStr;

/// Types of stored files.
pub mod content_type {
    pub const PDF: &str = "application/pdf";
    const PHOTOS: [(&str, &str); 4] =
        [("jpg", "image/jpeg"), ("png", "image/png"), ("heic", "image/heic"), ("tif", "image/tiff")];

    /// Returns the type of a photo by the extension of its key.
    pub fn of_photo(extension: &str) -> Option<&'static str> {
        PHOTOS.into_iter().find_map(|(known, kind)| (known == extension).then_some(kind))
    }
}

/// A key such as `bols/2025/PRT-2025-0001.pdf`, whose segments can't leave the folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an object key is segments of A-Z a-z 0-9 . _ - with / between, none starting with a dot")]
pub struct InvalidKey;

impl ObjectKey {
    /// The limit of S3, in bytes of UTF-8. Keys of this program are ASCII.
    const MAX_KEY_BYTES: usize = 1024;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the extension, without the dot.
    pub fn extension(&self) -> &str {
        self.file_name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Returns the type of the file: of a photo in the inbox, or of a PDF, which everything else is.
    pub fn content_type(&self) -> &'static str {
        content_type::of_photo(self.extension()).unwrap_or(content_type::PDF)
    }

    /// Returns an alternative key for a document whose own key is taken: `bols/2025/PRT-2025-0001.again-2.pdf`.
    pub fn again(&self, attempt: u32) -> Self {
        Self(match self.0.rsplit_once('.') {
            Some((stem, extension)) => format!("{stem}.again-{attempt}.{extension}"),
            None => format!("{}.again-{attempt}", self.0),
        })
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |segment: &str| {
            !segment.is_empty()
                && !segment.starts_with('.')
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if text.len() <= Self::MAX_KEY_BYTES && text.split('/').all(plain) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidKey)
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_key_is_a_key_too() {
        let key: ObjectKey = "bols/2025/PRT-2025-0001.v2.pdf".parse().expect("a key");
        assert_eq!(key.file_name(), "PRT-2025-0001.v2.pdf");
        assert_eq!(key.again(2).as_str(), "bols/2025/PRT-2025-0001.v2.again-2.pdf");
        assert!(key.again(2).as_str().parse::<ObjectKey>().is_ok());
        let photo: ObjectKey = "inbox/2026/ab.jpg".parse().expect("a key");
        assert_eq!((key.content_type(), photo.again(2).content_type()), ("application/pdf", "image/jpeg"));
    }

    #[test]
    fn keys_can_not_climb() {
        assert!("bols/2025/PRT-2025-0001.scale-ticket.v1.pdf".parse::<ObjectKey>().is_ok());
        for bad in
            ["", "/x", "x/", "a//b", "../x", "a/../b", "a/.hidden", "a\\b", "a b", "a\0b", "ä", "%2e%2e/x", "a/b\n"]
        {
            assert_eq!(bad.parse::<ObjectKey>(), Err(InvalidKey), "{bad:?}");
        }
    }
}
