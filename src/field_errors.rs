//! Messages beside the fields of a form, a filter or an import: the one error type for what a user typed.

/// A message beside a field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// The name of the field, or empty for a message about the whole input.
    pub field: &'static str,
    pub message: String,
}

/// Every message about one input, in the order in which they were found. Empty if the input is right.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Returns the errors of an input with one wrong field.
    pub fn one(field: &'static str, message: impl Into<String>) -> Self {
        Self(vec![FieldError { field, message: message.into() }])
    }

    pub fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(FieldError { field, message: message.into() });
    }

    /// Adds a message, unless the field has one.
    pub fn add_first(&mut self, field: &'static str, message: impl Into<String>) {
        if self.message(field).is_none() {
            self.add(field, message);
        }
    }

    /// Adds the messages of another input.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// Returns the first message about a field.
    pub fn message(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }

    pub fn iter(&self) -> std::slice::Iter<'_, FieldError> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value if there is no error, or the errors.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Returns all messages in one line, each after the name of its field, for callers that don't show the fields.
    pub fn summary(&self) -> String {
        let named = self.0.iter().map(|FieldError { field, message }| match *field {
            "" => message.clone(),
            field => format!("{field}: {message}"),
        });
        named.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_its_first_message() {
        let mut errors = FieldErrors::one("to", "Use a date such as 2025-11-30.");
        errors.add_first("to", "This date is before the first one.");
        errors.add("", "No customer has this code.");
        assert_eq!(errors.message("to"), Some("Use a date such as 2025-11-30."));
        assert_eq!(errors.message("from"), None);
        assert_eq!(errors.summary(), "to: Use a date such as 2025-11-30. No customer has this code.");
        assert_eq!(errors.clone().or(()), Err(errors));
        assert_eq!(FieldErrors::default().or(7), Ok(7));
    }
}
