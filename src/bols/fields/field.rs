//! One field that a BOL prints: how it is written, and how its value is read for the form, the paper and a page.

use chrono::NaiveDate;

use super::Printed;
use crate::bols::weight::{Pounds, grouped};

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line of text. Runs of spaces count as one.
    Line {
        max_chars: usize,
    },
    Lines {
        max_chars: usize,
        /// Height of the box on the form.
        rows: u8,
    },
    Date,
    /// A weight in whole pounds.
    Pounds,
    /// A number of packages.
    Count,
    /// A Standard Carrier Alpha Code.
    Scac,
    /// Seal numbers, separated by commas, semicolons or white space.
    Seals,
    Choice(&'static [Choice]),
}

/// One value of a field with a fixed set of values.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    pub value: &'static str,
    pub label: &'static str,
}

impl Kind {
    pub fn max_chars(self) -> usize {
        match self {
            Self::Line { max_chars } | Self::Lines { max_chars, .. } => max_chars,
            Self::Date => 10,
            Self::Pounds | Self::Count => 12,
            Self::Scac => 4,
            Self::Seals => 1000,
            Self::Choice(_) => 20,
        }
    }

    /// The height of the box on the form, for a field of several lines.
    pub fn rows(self) -> Option<u8> {
        match self {
            Self::Lines { rows, .. } => Some(rows),
            Self::Seals => Some(2),
            _ => None,
        }
    }

    /// Whether a phone should show the keyboard with digits.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Pounds | Self::Count)
    }

    pub fn choices(self) -> &'static [Choice] {
        match self {
            Self::Choice(choices) => choices,
            _ => &[],
        }
    }
}

/// When the form fills a field in from an earlier BOL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Only when that BOL is reissued: the field describes one truckload.
    Reissue,
    /// From the customer's last load, too.
    NextLoad,
    /// Likewise. The form clears the field when another customer is chosen, even on a reissue.
    Customer,
}

/// How a field is read from [`Printed`] and written to it.
#[derive(Clone, Copy)]
pub(in crate::bols) enum Column {
    Text(fn(&Printed) -> &String, fn(&mut Printed) -> &mut String),
    Number(fn(&Printed) -> Option<i32>, fn(&mut Printed, Option<i32>)),
    Date(fn(&Printed) -> NaiveDate, fn(&mut Printed, NaiveDate)),
}

/// One field of the form that a BOL prints.
pub struct Field {
    /// The name of the form field, of the API's field and of the column.
    pub name: &'static str,
    pub label: &'static str,
    pub hint: Option<&'static str>,
    pub kind: Kind,
    /// The message when a new BOL leaves the field blank, if it must not.
    pub required: Option<&'static str>,
    /// The message when an imported BOL leaves the field blank, if it must not.
    pub required_in_import: Option<&'static str>,
    /// Other headings of the column in an import: letters and digits only, in lower case.
    pub headings: &'static [&'static str],
    /// What a new form starts with.
    pub default: Option<&'static str>,
    pub reuse: Reuse,
    /// The field whose value this one belongs to. An earlier BOL fills this one in only if both have the same value there.
    pub belongs_to: Option<&'static str>,
    /// What to check when the value was copied from the last load, if it often changes.
    pub recheck: Option<&'static str>,
    /// The `datalist` of the form that suggests values.
    pub suggestions: Option<&'static str>,
    pub(in crate::bols) column: Column,
}

impl Field {
    pub(super) const fn new(name: &'static str, label: &'static str, kind: Kind, column: Column) -> Self {
        Self {
            name,
            label,
            hint: None,
            kind,
            required: None,
            required_in_import: None,
            headings: &[],
            default: None,
            reuse: Reuse::Reissue,
            belongs_to: None,
            recheck: None,
            suggestions: None,
            column,
        }
    }

    pub(super) const fn required(mut self, message: &'static str) -> Self {
        self.required = Some(message);
        self
    }

    pub(super) const fn required_in_import(mut self, message: &'static str) -> Self {
        self.required_in_import = Some(message);
        self
    }

    pub(super) const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    pub(super) const fn headings(mut self, headings: &'static [&'static str]) -> Self {
        self.headings = headings;
        self
    }

    pub(super) const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    pub(super) const fn reuse(mut self, reuse: Reuse) -> Self {
        self.reuse = reuse;
        self
    }

    pub(super) const fn belongs_to(mut self, field: &'static str) -> Self {
        self.belongs_to = Some(field);
        self
    }

    pub(super) const fn recheck(mut self, text: &'static str) -> Self {
        self.recheck = Some(text);
        self
    }

    pub(super) const fn suggestions(mut self, datalist: &'static str) -> Self {
        self.suggestions = Some(datalist);
        self
    }

    /// The label on the form, with the unit of a weight.
    pub fn form_label(&self) -> String {
        if self.kind == Kind::Pounds { format!("{}, lb", self.label) } else { self.label.into() }
    }

    /// The value as the form would have it.
    pub fn form_text(&self, printed: &Printed) -> String {
        match self.column {
            Column::Text(get, _) => get(printed).clone(),
            Column::Number(get, _) => get(printed).map(|number| number.to_string()).unwrap_or_default(),
            Column::Date(get, _) => get(printed).to_string(),
        }
    }

    /// The value as the paper has it: commas between thousands, and a choice by its value.
    pub fn printed_text(&self, printed: &Printed) -> String {
        match self.column {
            Column::Number(get, _) => get(printed).map(|number| grouped(number.into())).unwrap_or_default(),
            Column::Text(..) | Column::Date(..) => self.form_text(printed),
        }
    }

    /// The value as a page shows it: with its unit, and a choice by its label.
    pub fn shown_text(&self, printed: &Printed) -> String {
        match (self.kind, self.column) {
            (Kind::Pounds, Column::Number(get, _)) => {
                get(printed).map(|lb| format!("{} lb", Pounds(lb))).unwrap_or_default()
            }
            (Kind::Choice(choices), Column::Text(get, _)) => {
                let choice = choices.iter().find(|choice| choice.value == get(printed).as_str());
                choice.or(choices.first()).map_or("", |choice| choice.label).into()
            }
            _ => self.printed_text(printed),
        }
    }

    /// Sets a text, such as one of the sample data. Numbers and dates have to be set by their members.
    pub fn set_text(&self, printed: &mut Printed, text: &str) {
        if let Column::Text(_, get_mut) = self.column {
            *get_mut(printed) = text.into();
        }
    }
}
