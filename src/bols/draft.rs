//! A BOL as a user fills it in: the text of every field as typed, and a message beside each field that is wrong.

mod check;
mod fill;
mod parse;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::fields::FIELDS;

pub use check::MAX_POUNDS;
pub use fill::{Copied, FilledIn, Filling, fill_in};
pub use parse::{split_seals, whole_number};

/// Fields of the form that no BOL prints: the customer's code, the void BOL to replace, and the codes of confirmed
/// warnings.
const NOT_PRINTED: [&str; 3] = ["customer", "reissue_of", "confirm"];

/// The typed texts, by the name of the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft(BTreeMap<&'static str, String>);

impl Draft {
    /// Returns the name of every field of the form.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NOT_PRINTED.into_iter().chain(FIELDS.iter().map(|field| field.name))
    }

    /// Sets a field. Returns `false` if the form has no field of this name.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> bool {
        let Some(name) = Self::names().find(|known| *known == name) else { return false };
        self.0.insert(name, value.into());
        true
    }

    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn is_blank(&self, name: &str) -> bool {
        self.get(name).trim().is_empty()
    }

    /// Returns the customer's code as the database spells it.
    pub fn customer_code(&self) -> String {
        self.get("customer").replace('\0', "").trim().to_ascii_uppercase()
    }

    /// Returns a hash of the load, without the confirmations. Two requests with the same hash are for the same load.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (name, value) in self.0.iter().filter(|(name, _)| **name != "confirm") {
            for part in [name, value.as_str()] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.finalize().into()
    }

    /// Whether the user has confirmed the warning with this code.
    pub fn has_confirmed(&self, code: &str) -> bool {
        self.get("confirm").split([',', ' ']).any(|confirmed| confirmed == code)
    }
}
