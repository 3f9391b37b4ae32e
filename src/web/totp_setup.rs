//! The form that sets up an authenticator app: the QR code, the secret as text, and the first code.

use askama::Template;
use askama::filters::HtmlSafe;

use super::form_field::FormField;
use super::qr::QrPath;
use crate::accounts::factors::totp::NewSecret;
use crate::field_errors::FieldErrors;

#[derive(Template)]
#[template(path = "session/totp_setup.html")]
pub struct TotpSetup {
    qr: Option<QrPath>,
    /// In groups of four.
    secret: String,
    /// Opens the app on a phone.
    url: String,
    errors: FieldErrors,
}

/// The template escapes what it shows.
impl HtmlSafe for TotpSetup {}

impl TotpSetup {
    pub fn new(secret: NewSecret, errors: FieldErrors) -> Self {
        Self { qr: QrPath::new(&secret.url), secret: secret.text, url: secret.url, errors }
    }
}
