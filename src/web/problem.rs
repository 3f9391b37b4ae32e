//! What went wrong, above a page: it gets the focus, and its links lead to the fields.
//!
//! `base.html` shows it, and begins the page's title with its label.

use crate::field_errors::FieldErrors;

/// A summary of what is wrong with what was typed.
pub struct Problem {
    /// Begins the title of the page.
    pub label: &'static str,
    /// What happened.
    pub headline: String,
    /// What to do.
    pub advice: Option<&'static str>,
    pub links: Vec<FieldLink>,
}

/// A message, with the address of its field on the page.
pub struct FieldLink {
    pub href: Option<String>,
    pub message: String,
}

impl Problem {
    pub fn new(headline: impl Into<String>) -> Self {
        Self { label: "Error", headline: headline.into(), advice: None, links: Vec::new() }
    }

    /// Begins the title with something else than "Error".
    pub fn label(self, label: &'static str) -> Self {
        Self { label, ..self }
    }

    pub fn advice(self, advice: &'static str) -> Self {
        Self { advice: Some(advice), ..self }
    }

    /// Lists the messages. A field has its name as id.
    pub fn fields(self, errors: &FieldErrors) -> Self {
        self.fields_with_ids(errors, str::to_owned)
    }

    /// Lists the messages of a form whose fields have an id of their own ([`super::form_field::FormField::of_form`]).
    pub fn fields_of_form(self, form: &str, errors: &FieldErrors) -> Self {
        self.fields_with_ids(errors, |field| format!("{form}-{field}"))
    }

    pub fn fields_with_ids(mut self, errors: &FieldErrors, id: impl Fn(&str) -> String) -> Self {
        self.links.extend(errors.iter().map(|error| FieldLink {
            href: Some(error.field).filter(|field| !field.is_empty()).map(|field| format!("#{}", id(field))),
            message: error.message.clone(),
        }));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_leads_to_its_field() {
        let mut errors = FieldErrors::one("name", "Enter the name.");
        errors.add("", "No customer has this code.");
        let hrefs = |problem: Problem| problem.links.into_iter().map(|link| link.href).collect::<Vec<_>>();
        assert_eq!(hrefs(Problem::new("No.").fields(&errors)), [Some("#name".to_owned()), None]);
        assert_eq!(hrefs(Problem::new("No.").fields_of_form("new", &errors)), [Some("#new-name".to_owned()), None]);
    }
}
