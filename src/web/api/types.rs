//! What the API sends and takes, with the schemas of its OpenAPI document.
//!
//! Names are those of the form of a new BOL, of the access log and of error messages. Texts that are blank are `null`.

mod bol;
mod ebol;
mod list;
mod work;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub use bol::Bol;
pub use ebol::Ebol;
pub use list::{BolEntry, BolList, BolQuery};
pub use work::{
    Customer, CustomerList, DocumentLink, FileRequest, Filed, InboxDocument, InboxPage, InboxQuery, IssuedBol,
    LogEvent, LogQuery, Moved, NewBol, UploadForm, UploadReceipts, VoidRequest, VoidedBol, WeighedBol, WeightRequest,
};

/// A customer of the terminal.
#[derive(Debug, Serialize, ToSchema)]
pub struct Company {
    pub code: String,
    pub name: String,
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    pub name: String,
    pub email: String,
    #[schema(pattern = "^(customer|office|auditor|admin)$")]
    pub role: &'static str,
    /// The companies of a customer's user. Others have none.
    pub companies: Vec<Company>,
    /// The token of the request. A person's session has none.
    pub token: Option<Token>,
}

/// An API token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    pub name: String,
    /// What it may do, as far as its owner may: `bols:read`, `documents:read`, `bols:issue`, `documents:upload`,
    /// `log:read`.
    pub scopes: Vec<&'static str>,
    /// The `RateLimit` headers say how many are left.
    pub requests_per_minute: Option<i32>,
}

/// How a BOL is written.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BolFormat {
    /// `ebol`: in the shape of the DSDC full-truckload eBOL 1.0.
    #[param(pattern = "^(ebol)?$")]
    pub format: Option<String>,
}

/// Makes a request safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header")]
pub struct IdempotencyKey {
    /// 1 to 150 visible ASCII characters. The same key with the same request gets the same answer, and nothing happens
    /// twice. With another request it answers 409.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 150, pattern = "^[!-~]+$")]
    idempotency_key: Option<String>,
}

/// Returns a text, or `None` for a blank one.
pub(super) fn non_blank(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}
