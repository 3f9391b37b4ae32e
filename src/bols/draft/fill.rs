//! What the form puts in by itself, where nothing stands yet: defaults, the customer's last load, a load to be reissued.
//! And taking it back, when another customer is chosen.

use chrono::NaiveDate;

use super::{Draft, Problem};
use crate::bols::BolNumber;
use crate::bols::bol::Printed;
use crate::bols::choices::{self, Choices};
use crate::bols::settings::Company;
use crate::db::{Database, DbResult};

/// What a form starts with.
const DEFAULTS: [(&str, &str); 5] = [
    ("pieces", "1"),
    ("package_type", "load, bulk"),
    ("freight_terms", "prepaid"),
    ("trailer_loaded_by", "shipper"),
    ("freight_counted_by", "shipper"),
];

/// Who it goes to and on whose order: another customer's, when the customer changes. The rest is about the load itself.
const OF_CUSTOMER: [&str; 5] = ["ship_to", "care_of", "bill_to", "customer_po", "release_number"];

/// What the form is to be filled with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filling<'a> {
    /// The code of the customer whose last load filled it before.
    pub filled_for: &'a str,
    /// The void BOL that is to be reissued, when that is how the form was opened.
    pub from: Option<&'a BolNumber>,
    /// An address of the customer's that was picked from the list.
    pub pick: &'a str,
}

/// The form, filled in; or `None`, when there is no BOL to fill it from.
pub async fn fill_in(
    db: &Database,
    draft: &mut Draft,
    filling: Filling<'_>,
    today: NaiveDate,
) -> DbResult<Option<(Choices, Vec<Problem>)>> {
    let mut problems = Vec::new();
    // What takes the place of another load is that load and no other.
    let is_reissue = filling.from.is_some() || !draft.get("reissue_of").trim().is_empty();
    let has_changed = filling.filled_for != draft.customer_code();
    if has_changed && filling.from.is_none() {
        // A customer is chosen, or another one: what the form had put in by itself must not stay, least of all the
        // addresses of the one before.
        for load in choices::recent(db, filling.filled_for).await? {
            draft.take_back(&load, is_reissue);
        }
        if !is_reissue {
            draft.take_back_defaults();
        }
    }
    if let Some(number) = filling.from {
        let Some(bol) = choices::bol(db, number).await? else { return Ok(None) };
        if bol.voided_at.is_none() {
            problems.push(Problem::new("reissue_of", "That BOL isn't void. Void it first, then reissue it."));
        }
        draft.fill("reissue_of", &bol.number);
        draft.fill("customer", &choices::customer_of(db, &bol).await?.unwrap_or_default());
        draft.fill_from_load(&bol.printed);
    }
    let choices = choices::choices(db, &draft.customer_code()).await?;
    // The addresses that were offered were those of the customer before.
    if !filling.pick.is_empty() && !has_changed {
        draft.set("ship_to", filling.pick);
    }
    draft.fill_from_lists(&choices);
    match &choices.last {
        Some(last) if !is_reissue => draft.fill_from_last(last),
        Some(last) if has_changed && filling.from.is_none() => draft.fill_of_customer(last),
        _ => {}
    }
    draft.fill_defaults(today, &choices.company);
    Ok(Some((choices, problems)))
}

impl Draft {
    /// Sets what is still blank.
    pub fn fill(&mut self, name: &str, value: &str) {
        if self.get(name).trim().is_empty() {
            self.set(name, value);
        }
    }

    /// What a new form holds already.
    pub fn fill_defaults(&mut self, today: NaiveDate, company: &Company) {
        self.fill("bol_date", &today.to_string());
        if !company.company_name.is_empty() {
            self.fill("ship_from", &format!("{}\n{}", company.company_name, company.company_address));
        }
        for (name, value) in DEFAULTS {
            self.fill(name, value);
        }
    }

    /// What tends to stay the same from one load of a customer to the next. What belongs together stays together: the
    /// chemistry of another lot would be wrong, and so would a bill-to beside other freight terms.
    pub fn fill_from_last(&mut self, last: &Printed) {
        let is_other = |draft: &Self, name, value: &str| {
            let typed = draft.get(name).trim();
            !typed.is_empty() && !typed.eq_ignore_ascii_case(value.trim())
        };
        let skipped = [
            ("chemistry", is_other(self, "lot", &last.lot)),
            ("carrier_scac", is_other(self, "carrier", &last.carrier)),
            ("bill_to", is_other(self, "freight_terms", &last.freight_terms)),
        ];
        for (name, value) in lasting(last) {
            if !skipped.contains(&(name, true)) {
                self.fill(name, &value);
            }
        }
    }

    /// The chemistry of a lot that is known, and the SCAC of a carrier.
    fn fill_from_lists(&mut self, choices: &Choices) {
        let same = |draft: &Self, known: &str, name| known.eq_ignore_ascii_case(draft.get(name).trim());
        if let Some((_, chemistry)) = choices.lots.iter().find(|(number, _)| same(self, number, "lot")) {
            self.fill("chemistry", chemistry);
        }
        if let Some((_, scac)) = choices.carriers.iter().find(|(name, _)| same(self, name, "carrier")) {
            self.fill("carrier_scac", scac);
        }
    }

    /// The same load for another customer.
    fn fill_of_customer(&mut self, last: &Printed) {
        for (name, value) in lasting(last).into_iter().filter(|(name, _)| OF_CUSTOMER.contains(name)) {
            let is_billed = name != "bill_to" || self.get("freight_terms").trim() == "third-party";
            if is_billed {
                self.fill(name, &value);
            }
        }
    }

    /// What is there only because the form started with it.
    pub fn take_back_defaults(&mut self) {
        for (name, value) in DEFAULTS {
            if self.get(name).trim() == value {
                self.set(name, "");
            }
        }
    }

    /// What came from this load, before another customer's is filled in; of a reissue only what is the customer's. What was
    /// changed by hand stays.
    pub fn take_back(&mut self, load: &Printed, only_of_customer: bool) {
        for (name, value) in lasting(load) {
            if (!only_of_customer || OF_CUSTOMER.contains(&name)) && self.get(name).trim() == value.trim() {
                self.set(name, "");
            }
        }
    }

    /// Everything of a load, for the BOL that takes its place.
    pub fn fill_from_load(&mut self, load: &Printed) {
        let pounds = |lb: Option<i32>| lb.map(|lb| lb.to_string()).unwrap_or_default();
        for (name, value) in [
            ("truck_number", load.truck_number.clone()),
            ("trailer_number", load.trailer_number.clone()),
            ("seal_numbers", load.seal_numbers.clone()),
            ("driver_name", load.driver_name.clone()),
            ("scale_ticket", load.scale_ticket.clone()),
            ("bol_date", load.bol_date.to_string()),
            ("gross_lb", pounds(load.gross_lb)),
            ("tare_lb", pounds(load.tare_lb)),
            ("net_lb", if load.gross_lb.is_some() { String::new() } else { load.net_lb.to_string() }),
        ] {
            self.fill(name, &value);
        }
        self.fill_from_last(load);
    }
}

/// Fields that tend to stay the same from load to load.
fn lasting(load: &Printed) -> [(&'static str, String); 17] {
    [
        ("product", load.product.clone()),
        ("lot", load.lot.clone()),
        ("chemistry", load.chemistry.clone()),
        ("customer_po", load.customer_po.clone()),
        ("release_number", load.release_number.clone()),
        ("carrier", load.carrier.clone()),
        ("carrier_scac", load.carrier_scac.clone()),
        ("ship_from", load.ship_from.clone()),
        ("care_of", load.care_of.clone()),
        ("ship_to", load.ship_to.clone()),
        ("bill_to", load.bill_to.clone()),
        ("freight_terms", load.freight_terms.clone()),
        ("pieces", load.pieces.map(|pieces| pieces.to_string()).unwrap_or_default()),
        ("package_type", load.package_type.clone()),
        ("special_instructions", load.special_instructions.clone()),
        ("trailer_loaded_by", load.trailer_loaded_by.clone()),
        ("freight_counted_by", load.freight_counted_by.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_together_is_filled_in_together() {
        let last = Printed {
            lot: "L-1".into(),
            chemistry: "C 4%".into(),
            carrier: "Kessler".into(),
            carrier_scac: "KSNS".into(),
            freight_terms: "third-party".into(),
            bill_to: "Audit Inc".into(),
            package_type: "Bales".into(),
            ..Printed::default()
        };
        let mut draft = Draft::default();
        for (name, value) in [("lot", "L-2"), ("carrier", "kessler"), ("freight_terms", "prepaid")] {
            draft.set(name, value);
        }
        draft.fill_from_last(&last);
        let shown = |draft: &Draft| ["chemistry", "carrier_scac", "bill_to"].map(|name| draft.get(name).to_owned());
        assert_eq!(shown(&draft), ["", "KSNS", ""]);
        let mut fresh = Draft::default();
        fresh.fill_defaults("2025-11-24".parse().expect("a date"), &Company::default());
        fresh.take_back_defaults();
        fresh.fill_from_last(&last);
        assert_eq!((fresh.get("freight_terms"), fresh.get("package_type")), ("third-party", "Bales"));
        fresh.take_back(&last, false);
        assert_eq!(shown(&fresh), ["", "", ""]);
    }
}
