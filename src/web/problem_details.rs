//! Errors of the API: `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use utoipa::ToSchema;

use crate::field_errors::FieldErrors;
use crate::intake::Receipt;
use crate::issuing::Warning;

pub const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong, and what to do.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// The id of the request in the server's log. A 404 has none.
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The fields that are wrong, with status 422.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// What is possible but unlikely, with status 422. To go on, send the same request with these codes in `confirm`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<ToConfirm>,
    /// The files of an upload that were settled before it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<UploadReceipt>,
}

/// A wrong field.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    /// The name of the field or parameter, or empty for a message about the whole request.
    pub field: &'static str,
    pub message: String,
}

/// A warning to confirm.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToConfirm {
    /// The value to send in `confirm`. It confirms only this warning.
    pub code: String,
    pub field: &'static str,
    pub message: String,
}

/// The outcome of an uploaded file.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadReceipt {
    pub file_name: String,
    /// `stored`: filed with its BOL. `duplicate`: the portal has the file already, and nothing was changed. `needs_review`:
    /// it waits in the inbox. `rejected`: it was not kept.
    #[schema(pattern = "^(stored|duplicate|needs_review|rejected)$")]
    pub outcome: &'static str,
    pub bol_number: Option<String>,
    pub document_id: Option<i64>,
    /// Why, in words for a person.
    pub reason: String,
}

impl ProblemDetails {
    pub fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        let (title, detail) = (title.into(), detail.into());
        Self { kind: "about:blank", title, status: status.as_u16(), detail, ..Self::default() }
    }

    pub fn fields(self, errors: &FieldErrors) -> Self {
        let errors = errors.iter().map(|error| FieldProblem { field: error.field, message: error.message.clone() });
        Self { errors: errors.collect(), ..self }
    }

    pub fn warnings(self, warnings: &[Warning]) -> Self {
        let warnings = warnings.iter().cloned();
        let warnings = warnings.map(|Warning { code, field, message }| ToConfirm { code, field, message });
        Self { warnings: warnings.collect(), ..self }
    }

    /// Completes a response. A problem that can't be written as JSON leaves it without a body.
    pub fn respond(&self, response: &mut HttpResponseBuilder) -> HttpResponse {
        response.content_type(CONTENT_TYPE).body(serde_json::to_string(self).unwrap_or_default())
    }
}

impl From<Receipt> for UploadReceipt {
    fn from(receipt: Receipt) -> Self {
        let Receipt { file_name, outcome, bol_number, document_id, reason, .. } = receipt;
        Self { file_name, outcome: outcome.as_str(), bol_number, document_id, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_only_the_members_that_it_needs() {
        let plain = ProblemDetails::new(StatusCode::NOT_FOUND, "Not found", "It isn't there.");
        let text = serde_json::to_string(&plain).expect("JSON");
        assert_eq!(text, r#"{"type":"about:blank","title":"Not found","status":404,"detail":"It isn't there."}"#);
        let wrong = plain.fields(&FieldErrors::one("to", "Not a date."));
        let text = serde_json::to_string(&wrong).expect("JSON");
        assert!(text.ends_with(r#""errors":[{"field":"to","message":"Not a date."}]}"#), "{text}");
    }
}
