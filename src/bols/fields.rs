//! The table of the fields that a BOL prints. The form, the checks, the import, the API, the page of a BOL and the
//! printed sheet all read it.
//!
//! A new field needs:
//!
//! - a column of `bols` (a migration and `db::schema`);
//! - a member of [`Printed`];
//! - an entry of [`FIELDS`], with its places in [`FORM`] and [`PAGE`];
//! - a place on the paper, in `issuing/print/form.rs`.
//!
//! How a value is read belongs in `field`. How a typed field is checked belongs in [`super::draft`], and so does what
//! the form fills in.

mod field;

use chrono::NaiveDate;
use diesel::prelude::*;

pub(super) use self::field::Column;
pub use self::field::{Choice, Field, Kind, Reuse};
use crate::db::schema::bols;

/// What a BOL prints. Issuing copies it onto the BOL, and it never changes afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = bols, check_for_backend(diesel::pg::Pg))]
pub struct Printed {
    /// The customer's name at the time of issue.
    pub customer_name: String,
    pub bol_date: NaiveDate,
    pub product: String,
    pub lot: String,
    pub chemistry: String,
    pub customer_po: String,
    pub release_number: String,
    pub carrier: String,
    pub carrier_scac: String,
    pub truck_number: String,
    pub trailer_number: String,
    pub seal_numbers: String,
    pub driver_name: String,
    pub ship_from: String,
    pub care_of: String,
    pub ship_to: String,
    pub bill_to: String,
    pub freight_terms: String,
    pub pieces: Option<i32>,
    pub package_type: String,
    pub gross_lb: Option<i32>,
    pub tare_lb: Option<i32>,
    pub net_lb: i32,
    pub scale_ticket: String,
    pub special_instructions: String,
    pub trailer_loaded_by: String,
    pub freight_counted_by: String,
    /// The consignor. Empty on BOLs from before the portal.
    pub company_name: String,
    pub company_address: String,
    pub company_phone: String,
    pub company_email: String,
}

macro_rules! text {
    ($column:ident, $label:literal, $kind:expr) => {
        Field::new(
            stringify!($column),
            $label,
            $kind,
            Column::Text(|printed| &printed.$column, |printed| &mut printed.$column),
        )
    };
}

macro_rules! number {
    ($column:ident, $label:literal, $kind:expr) => {
        Field::new(
            stringify!($column),
            $label,
            $kind,
            Column::Number(|printed| printed.$column, |printed, number| printed.$column = number),
        )
    };
}

const FREIGHT_TERMS: Kind = Kind::Choice(&[
    Choice { value: "prepaid", label: "Prepaid" },
    Choice { value: "collect", label: "Collect" },
    Choice { value: "third-party", label: "Third party" },
]);
const SHIPPER_OR_DRIVER: Kind =
    Kind::Choice(&[Choice { value: "shipper", label: "By shipper" }, Choice { value: "driver", label: "By driver" }]);

const fn line(max_chars: usize) -> Kind {
    Kind::Line { max_chars }
}

const fn lines(max_chars: usize, rows: u8) -> Kind {
    Kind::Lines { max_chars, rows }
}

/// Every field that the form fills in and a BOL prints, in the order in which problems are listed.
pub static FIELDS: [Field; 26] = [
    Field::new(
        "bol_date",
        "Date",
        Kind::Date,
        Column::Date(|printed| printed.bol_date, |printed, date| printed.bol_date = date),
    )
    .required("Enter the date of loading.")
    .headings(&["date"]),
    text!(ship_from, "Ship from", lines(600, 4))
        .required("Enter the name and address of the origin.")
        .hint("Name and address, one per line.")
        .reuse(Reuse::NextLoad),
    text!(ship_to, "Ship to", lines(600, 4))
        .required("Enter the name and address of the consignee.")
        .hint("The consignee’s name, then the address.")
        .headings(&["consignee"])
        .reuse(Reuse::Customer),
    text!(freight_terms, "Freight terms", FREIGHT_TERMS)
        .required("Choose who pays the freight.")
        .default("prepaid")
        .reuse(Reuse::NextLoad),
    text!(bill_to, "Bill freight to", lines(600, 2))
        .hint("Only when a third party pays.")
        .belongs_to("freight_terms")
        .reuse(Reuse::Customer),
    number!(gross_lb, "Gross", Kind::Pounds).headings(&["grosslbs"]),
    number!(tare_lb, "Tare", Kind::Pounds).headings(&["tarelbs"]),
    Field::new(
        "net_lb",
        "Net",
        Kind::Pounds,
        Column::Number(|printed| Some(printed.net_lb), |printed, lb| printed.net_lb = lb.unwrap_or_default()),
    )
    .hint("Net alone, or gross and tare.")
    .headings(&["netlbs"]),
    text!(product, "Product", line(200))
        .required("Enter the product.")
        .required_in_import("The product is missing.")
        .headings(&["productname"])
        .suggestions("products")
        .reuse(Reuse::NextLoad),
    text!(lot, "Lot", line(100))
        .headings(&["lotnumber"])
        .suggestions("lots")
        .reuse(Reuse::NextLoad)
        .recheck("Is this load from the same lot?"),
    text!(chemistry, "Chemistry", line(300))
        .hint("Percent, such as C 4.31%, Si 0.72%")
        .belongs_to("lot")
        .reuse(Reuse::NextLoad),
    text!(customer_po, "Customer PO", line(100)).headings(&["po", "ponumber"]).reuse(Reuse::Customer),
    text!(release_number, "Release", line(100))
        .headings(&["release"])
        .reuse(Reuse::Customer)
        .recheck("Is this release still open?"),
    text!(carrier, "Carrier", line(200))
        .required("Enter the name of the carrier.")
        .headings(&["carriername"])
        .suggestions("carriers")
        .reuse(Reuse::NextLoad),
    text!(carrier_scac, "SCAC", Kind::Scac)
        .hint("2 to 4 letters")
        .headings(&["scac"])
        .belongs_to("carrier")
        .reuse(Reuse::NextLoad),
    text!(truck_number, "Truck", line(60)).headings(&["truck", "truckno"]).suggestions("trucks"),
    text!(trailer_number, "Trailer", line(60)).headings(&["trailer", "trailerno"]),
    text!(seal_numbers, "Seals", Kind::Seals).hint("Separated by commas or spaces.").headings(&["seal", "seals"]),
    text!(driver_name, "Driver", line(200)).headings(&["driver"]),
    text!(care_of, "Care of", lines(600, 2))
        .hint("Blind shipment: the shipper to show instead.")
        .reuse(Reuse::Customer),
    number!(pieces, "Packages", Kind::Count)
        .required("Enter the number of packages. Loose material counts as 1.")
        .hint("Loose material counts as 1.")
        .default("1")
        .reuse(Reuse::NextLoad),
    text!(package_type, "Package type", line(60))
        .required("Enter the package type. For loose material: load, bulk.")
        .headings(&["package"])
        .default("load, bulk")
        .suggestions("package_types")
        .reuse(Reuse::NextLoad),
    text!(scale_ticket, "Scale ticket", line(100)).headings(&["ticket"]),
    text!(special_instructions, "Special instructions", lines(3000, 4))
        .hint("Up to 3,000 characters.")
        .headings(&["notes", "instructions"])
        .reuse(Reuse::NextLoad),
    text!(trailer_loaded_by, "Trailer loaded", SHIPPER_OR_DRIVER)
        .required("Choose who loaded the trailer.")
        .default("shipper")
        .reuse(Reuse::NextLoad),
    text!(freight_counted_by, "Freight counted", SHIPPER_OR_DRIVER)
        .required("Choose who counted the freight.")
        .default("shipper")
        .reuse(Reuse::NextLoad),
];

/// A titled part of the form.
pub struct Fieldset {
    pub legend: &'static str,
    /// Folded away while it holds nothing unusual.
    pub is_folded: bool,
    pub rows: &'static [FormRow],
}

/// Fields side by side.
pub struct FormRow {
    /// The class of the row.
    pub class: &'static str,
    names: &'static [&'static str],
}

impl FormRow {
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.names.iter().filter_map(|name| find(name))
    }
}

const fn row(class: &'static str, names: &'static [&'static str]) -> FormRow {
    FormRow { class, names }
}

/// Where each field stands on the form, below the customer and the date.
pub static FORM: [Fieldset; 5] = [
    Fieldset {
        legend: "To",
        is_folded: false,
        rows: &[row("row two", &["ship_to"]), row("row two", &["freight_terms", "bill_to"])],
    },
    Fieldset {
        legend: "Load",
        is_folded: false,
        rows: &[row("row", &["product", "lot", "chemistry"]), row("row", &["customer_po", "release_number"])],
    },
    Fieldset {
        legend: "Weight",
        is_folded: false,
        rows: &[row("row weights", &["gross_lb", "tare_lb", "net_lb", "scale_ticket"])],
    },
    Fieldset {
        legend: "Transport",
        is_folded: false,
        rows: &[
            row("row", &["carrier", "carrier_scac", "truck_number", "trailer_number"]),
            row("row", &["seal_numbers", "driver_name"]),
            row("row", &["special_instructions"]),
        ],
    },
    Fieldset {
        legend: "Ship from, care of, packages, loading",
        is_folded: true,
        rows: &[
            row("row two", &["ship_from", "care_of"]),
            row("row", &["pieces", "package_type"]),
            row("row two", &["trailer_loaded_by", "freight_counted_by"]),
        ],
    },
];

/// One fact on the page of a BOL.
pub enum Fact {
    Field(&'static str),
    /// Number and type of the packages.
    Packages,
    /// The carrier with its SCAC.
    Carrier,
    NetTons,
    OfficialWeight,
    IssuedBy,
}

/// A titled part of the page of a BOL.
pub struct Section {
    pub title: &'static str,
    /// Whether its values are set as figures.
    pub is_numeric: bool,
    pub facts: &'static [Fact],
}

/// Where each field stands on the page of a BOL, below number, customer and date.
pub static PAGE: [Section; 4] = [
    Section {
        title: "Load",
        is_numeric: false,
        facts: &[
            Fact::Field("product"),
            Fact::Field("lot"),
            Fact::Field("chemistry"),
            Fact::Packages,
            Fact::Field("customer_po"),
            Fact::Field("release_number"),
        ],
    },
    Section {
        title: "Weight",
        is_numeric: true,
        facts: &[
            Fact::Field("gross_lb"),
            Fact::Field("tare_lb"),
            Fact::Field("net_lb"),
            Fact::NetTons,
            Fact::OfficialWeight,
            Fact::Field("scale_ticket"),
        ],
    },
    Section {
        title: "Transport",
        is_numeric: false,
        facts: &[
            Fact::Carrier,
            Fact::Field("truck_number"),
            Fact::Field("trailer_number"),
            Fact::Field("seal_numbers"),
            Fact::Field("driver_name"),
            Fact::Field("freight_terms"),
            Fact::Field("trailer_loaded_by"),
            Fact::Field("freight_counted_by"),
        ],
    },
    Section {
        title: "From and to",
        is_numeric: false,
        facts: &[
            Fact::Field("ship_from"),
            Fact::Field("care_of"),
            Fact::Field("ship_to"),
            Fact::Field("bill_to"),
            Fact::Field("special_instructions"),
            Fact::IssuedBy,
        ],
    },
];

/// Returns the field of this name.
pub fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_field_stands_once_on_the_form_and_on_the_page() {
        let all: BTreeSet<&str> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(all.len(), FIELDS.len());
        let on_form: Vec<&str> =
            FORM.iter().flat_map(|fieldset| fieldset.rows).flat_map(|row| row.names).copied().collect();
        let on_page = PAGE.iter().flat_map(|section| section.facts).flat_map(|fact| match fact {
            Fact::Field(name) => vec![*name],
            Fact::Packages => vec!["pieces", "package_type"],
            Fact::Carrier => vec!["carrier", "carrier_scac"],
            Fact::NetTons | Fact::OfficialWeight | Fact::IssuedBy => vec![],
        });
        let on_page: Vec<&str> = on_page.collect();
        for shown in [on_form, on_page] {
            // The date stands beside the customer on the form, and beside the number on the page.
            let once: BTreeSet<&str> = shown.iter().copied().chain(["bol_date"]).collect();
            assert_eq!((once, shown.len()), (all.clone(), all.len() - 1));
        }
    }

    #[test]
    fn a_heading_names_one_field() {
        let headings = FIELDS.iter().flat_map(|field| field.headings);
        let unique: BTreeSet<_> = headings.clone().collect();
        assert_eq!(unique.len(), headings.count());
    }
}
