//! What a page says about a refused code of a second factor.

use std::time::Duration;

use super::problem::Problem;
use super::wait::in_words;
use crate::accounts::factors::code::{CodeError, TypedCode};
use crate::field_errors::FieldErrors;

/// Returns the summary, the message beside the field, and how long to wait.
pub fn refusal(typed: TypedCode<'_>, error: &CodeError) -> (Problem, FieldErrors, Option<Duration>) {
    if let CodeError::Slowed(wait) = error {
        let message = format!("Too many attempts. Try again in {}.", in_words(*wait));
        return (Problem::new(message), FieldErrors::default(), Some(*wait));
    }
    let errors = FieldErrors::one(typed.field(), error.to_string());
    (Problem::new("The code was not accepted.").fields(&errors), errors, None)
}
