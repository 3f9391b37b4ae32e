//! Filling in the blank fields of the form: defaults, the customer's last load, or the load to reissue.
//!
//! When the user chooses another customer, the form takes back what it filled in for the previous one.

use chrono::NaiveDate;

use super::Draft;
use crate::bols::BolNumber;
use crate::bols::choices::{self, Choices};
use crate::bols::fields::{self, FIELDS, Field, Printed, Reuse};
use crate::bols::settings::Company;
use crate::db::{Database, DbResult};
use crate::field_errors::FieldErrors;

/// Where the form takes values from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filling<'a> {
    /// The code of the customer whose last load filled the form before.
    pub filled_for: &'a str,
    /// The void BOL to reissue, if the form was opened for that.
    pub from: Option<&'a BolNumber>,
    /// The address that the user picked from the customer's list.
    pub pick: &'a str,
}

/// A form that was filled in.
pub struct FilledIn {
    pub choices: Choices,
    pub errors: FieldErrors,
    pub copied: Option<Copied>,
}

/// The load from which blank fields were copied.
pub struct Copied {
    pub number: String,
    /// The names of these fields.
    pub fields: Vec<&'static str>,
}

/// Fills in the form. Returns `None` if the BOL to fill it from does not exist.
pub async fn fill_in(
    db: &Database,
    draft: &mut Draft,
    filling: Filling<'_>,
    today: NaiveDate,
) -> DbResult<Option<FilledIn>> {
    let mut errors = FieldErrors::default();
    // A reissue keeps its own load, and takes nothing from the customer's last one.
    let is_reissue = filling.from.is_some() || !draft.is_blank("reissue_of");
    let has_changed = filling.filled_for != draft.customer_code();
    if has_changed && filling.from.is_none() {
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
            errors.add("reissue_of", "This BOL isn't void. Void it first, then reissue it.");
        }
        draft.fill("reissue_of", &bol.number);
        draft.fill("customer", &choices::customer_of(db, &bol).await?.unwrap_or_default());
        draft.fill_from_load(&bol.printed);
    }
    let choices = choices::choices(db, &draft.customer_code()).await?;
    // After a change of customer, the picked address is the previous customer's.
    if !filling.pick.is_empty() && !has_changed {
        draft.set("ship_to", filling.pick);
    }
    draft.fill_from_lists(&choices);
    let copied = choices.last.as_ref().and_then(|last| {
        let fields = if !is_reissue {
            draft.fill_from_last(&last.printed)
        } else if has_changed && filling.from.is_none() {
            draft.fill_customer_fields(&last.printed)
        } else {
            Vec::new()
        };
        (!fields.is_empty()).then(|| Copied { number: last.number.clone(), fields })
    });
    draft.fill_defaults(today, &choices.company);
    Ok(Some(FilledIn { choices, errors, copied }))
}

/// Returns the fields that tend to stay the same from load to load.
fn reused() -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(|field| field.reuse != Reuse::Reissue)
}

impl Draft {
    /// Sets a field if it is blank. Returns whether it has a value now that it had not before.
    pub fn fill(&mut self, name: &str, value: &str) -> bool {
        self.is_blank(name) && self.set(name, value) && !self.is_blank(name)
    }

    /// Fills in what every new form starts with.
    pub fn fill_defaults(&mut self, today: NaiveDate, company: &Company) {
        self.fill("bol_date", &today.to_string());
        if !company.company_name.is_empty() {
            self.fill("ship_from", &format!("{}\n{}", company.company_name, company.company_address));
        }
        for field in &FIELDS {
            if let Some(value) = field.default {
                self.fill(field.name, value);
            }
        }
    }

    /// Fills in the fields that tend to stay the same from one load of a customer to the next.
    ///
    /// Fields that belong together stay together: the form doesn't copy the chemistry of another lot, nor the address
    /// to bill under other freight terms. Returns the names of the fields that were filled in.
    pub fn fill_from_last(&mut self, last: &Printed) -> Vec<&'static str> {
        let differs = |draft: &Self, name: &str| {
            let value = fields::find(name).map(|field| field.form_text(last)).unwrap_or_default();
            !draft.is_blank(name) && !draft.get(name).trim().eq_ignore_ascii_case(value.trim())
        };
        let kept: Vec<&Field> =
            reused().filter(|field| !field.belongs_to.is_some_and(|name| differs(self, name))).collect();
        let filled = kept.into_iter().filter(|field| self.fill(field.name, &field.form_text(last)));
        filled.map(|field| field.name).collect()
    }

    /// Fills in the chemistry of a lot and the SCAC of a carrier from the lists.
    fn fill_from_lists(&mut self, choices: &Choices) {
        let is_typed = |draft: &Self, name, entry: &str| entry.eq_ignore_ascii_case(draft.get(name).trim());
        if let Some((_, chemistry)) = choices.lots.iter().find(|(number, _)| is_typed(self, "lot", number)) {
            self.fill("chemistry", chemistry);
        }
        if let Some((_, scac)) = choices.carriers.iter().find(|(name, _)| is_typed(self, "carrier", name)) {
            self.fill("carrier_scac", scac);
        }
    }

    /// Fills in the customer's own fields, for a reissue to another customer.
    fn fill_customer_fields(&mut self, last: &Printed) -> Vec<&'static str> {
        let is_billed = self.get("freight_terms").trim() == "third-party";
        let fields = FIELDS.iter().filter(|field| field.reuse == Reuse::Customer);
        let fields = fields.filter(|field| field.name != "bill_to" || is_billed);
        let filled = fields.filter(|field| self.fill(field.name, &field.form_text(last)));
        filled.map(|field| field.name).collect()
    }

    /// Clears the fields that still have their default.
    pub fn take_back_defaults(&mut self) {
        for field in &FIELDS {
            if field.default.is_some_and(|value| self.get(field.name).trim() == value) {
                self.set(field.name, "");
            }
        }
    }

    /// Clears the fields that still have the value of this load. Fields that the user changed stay.
    pub fn take_back(&mut self, load: &Printed, only_customer_fields: bool) {
        for field in reused().filter(|field| !only_customer_fields || field.reuse == Reuse::Customer) {
            if self.get(field.name).trim() == field.form_text(load).trim() {
                self.set(field.name, "");
            }
        }
    }

    /// Fills in every field of a load, for the BOL that replaces it.
    pub fn fill_from_load(&mut self, load: &Printed) {
        for field in FIELDS.iter().filter(|field| field.reuse == Reuse::Reissue) {
            // Gross and tare give the net weight.
            if field.name != "net_lb" || load.gross_lb.is_none() {
                self.fill(field.name, &field.form_text(load));
            }
        }
        self.fill_from_last(load);
    }
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
