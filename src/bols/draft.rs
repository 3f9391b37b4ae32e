//! A BOL as somebody fills it in: what was typed, kept as it was, and what is wrong with it, a message a field.

mod check;
mod fill;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

pub use check::{MOST_POUNDS, seals, whole};
pub use fill::{Filling, fill_in};

/// How a field is written and how much fits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One line; runs of spaces count as one.
    Line(usize),
    Lines(usize),
    Choice,
}

/// Every field of the form, in its order.
const FIELDS: [(&str, Shape); 29] = [
    ("customer", Shape::Line(16)),
    ("bol_date", Shape::Line(10)),
    ("ship_from", Shape::Lines(600)),
    ("care_of", Shape::Lines(600)),
    ("ship_to", Shape::Lines(600)),
    ("bill_to", Shape::Lines(600)),
    ("product", Shape::Line(200)),
    ("lot", Shape::Line(100)),
    ("chemistry", Shape::Line(300)),
    ("customer_po", Shape::Line(100)),
    ("release_number", Shape::Line(100)),
    ("carrier", Shape::Line(200)),
    ("carrier_scac", Shape::Line(4)),
    ("truck_number", Shape::Line(60)),
    ("trailer_number", Shape::Line(60)),
    ("seal_numbers", Shape::Lines(1000)),
    ("driver_name", Shape::Line(200)),
    ("freight_terms", Shape::Choice),
    ("pieces", Shape::Line(12)),
    ("package_type", Shape::Line(60)),
    ("gross_lb", Shape::Line(12)),
    ("tare_lb", Shape::Line(12)),
    ("net_lb", Shape::Line(12)),
    ("scale_ticket", Shape::Line(100)),
    ("special_instructions", Shape::Lines(3000)),
    ("trailer_loaded_by", Shape::Choice),
    ("freight_counted_by", Shape::Choice),
    // Which void BOL this one takes the place of, and which warnings were seen and confirmed.
    ("reissue_of", Shape::Line(40)),
    ("confirm", Shape::Line(100)),
];

/// What was typed, by the name of its field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft(BTreeMap<&'static str, String>);

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    pub field: &'static str,
    pub message: String,
}

impl Problem {
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl Draft {
    pub fn names() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().map(|(name, _)| *name)
    }

    /// `false`: there is no such field.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> bool {
        let Some((name, _)) = FIELDS.iter().find(|(known, _)| *known == name) else { return false };
        self.0.insert(name, value.into());
        true
    }

    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The code of the customer, as it is looked up.
    pub fn customer_code(&self) -> String {
        self.get("customer").replace('\0', "").trim().to_ascii_uppercase()
    }

    /// The same load, whatever was confirmed: by this a request that comes twice is known.
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

    pub fn has_confirmed(&self, code: &str) -> bool {
        self.get("confirm").split([',', ' ']).any(|confirmed| confirmed == code)
    }
}
