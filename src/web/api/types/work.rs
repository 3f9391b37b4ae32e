//! What the operations take and answer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::{IntoParams, ToSchema};

use crate::web::problem_details::UploadReceipt;

/// A link to a document. It works without a login until it expires.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentLink {
    #[schema(format = "uri")]
    pub url: String,
    /// Seconds for which the link works.
    pub expires_in: u64,
    pub bol_number: Option<String>,
    pub file_name: String,
}

/// The files of an upload, as `multipart/form-data`. A field applies to the files after it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read as a stream")]
pub struct UploadForm {
    /// A kind of document for the files that follow. Without it, each file's name decides.
    kind: Option<String>,
    /// The code of the customer that the BOLs should have.
    customer: Option<String>,
    /// A CSV file with the columns `file,number,kind,customer`.
    #[schema(value_type = Option<String>, format = Binary)]
    mapping: Option<Vec<u8>>,
    /// PDFs, or photos in JPEG, PNG, HEIC or TIFF.
    #[schema(value_type = Vec<String>, format = Binary)]
    files: Vec<Vec<u8>>,
}

/// The outcomes of an upload, in the order of the files.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadReceipts {
    pub receipts: Vec<UploadReceipt>,
}

/// A new BOL. Weights and pieces may be numbers or texts, seals and confirmations lists or texts.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body whose fields are read by name")]
pub struct NewBol {
    /// The code of an active customer.
    customer: String,
    /// `YYYY-MM-DD`.
    #[schema(format = Date)]
    bol_date: String,
    /// Name and address, one per line.
    ship_from: String,
    /// The consignee: name and address, one per line.
    ship_to: String,
    /// `prepaid`, `collect` or `third-party`.
    #[schema(pattern = "^(prepaid|collect|third-party)$")]
    freight_terms: String,
    /// Name and address. Required with `third-party`, refused otherwise.
    bill_to: Option<String>,
    /// Shows this shipper instead (blind shipment).
    care_of: Option<String>,
    product: String,
    lot: Option<String>,
    chemistry: Option<String>,
    customer_po: Option<String>,
    release_number: Option<String>,
    carrier: String,
    /// 2 to 4 letters.
    carrier_scac: Option<String>,
    truck_number: Option<String>,
    trailer_number: Option<String>,
    #[schema(schema_with = text_or_list)]
    seal_numbers: Option<Vec<String>>,
    driver_name: Option<String>,
    /// Number of packages. Loose material counts as 1.
    #[schema(schema_with = text_or_number, required)]
    pieces: i32,
    /// Such as `load, bulk`.
    package_type: String,
    /// Pounds, together with `tare_lb`.
    #[schema(schema_with = text_or_number)]
    gross_lb: Option<i32>,
    /// Pounds, together with `gross_lb`.
    #[schema(schema_with = text_or_number)]
    tare_lb: Option<i32>,
    /// Pounds. Required without gross and tare.
    #[schema(schema_with = text_or_number)]
    net_lb: Option<i32>,
    scale_ticket: Option<String>,
    special_instructions: Option<String>,
    #[schema(pattern = "^(shipper|driver)$")]
    trailer_loaded_by: String,
    #[schema(pattern = "^(shipper|driver)$")]
    freight_counted_by: String,
    /// The number of a void BOL that this one replaces.
    reissue_of: Option<String>,
    /// Codes of warnings that you accept.
    #[schema(schema_with = text_or_list)]
    confirm: Option<Vec<String>>,
}

fn text_or_number() -> RefOr<Schema> {
    let kinds = SchemaType::from_iter([Type::Integer, Type::String, Type::Null]);
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(kinds).build()))
}

fn text_or_list() -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    let list = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String));
    RefOr::T(Schema::OneOf(OneOfBuilder::new().item(text).item(list).build()))
}

/// A BOL that was issued.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedBol {
    pub id: i64,
    pub number: String,
    /// Its address in this API.
    #[schema(format = "uri")]
    pub url: String,
    /// Its page.
    #[schema(format = "uri")]
    pub page_url: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoidRequest {
    /// The customer sees it.
    #[schema(max_length = 500)]
    pub reason: String,
}

/// A BOL that is void.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoidedBol {
    pub number: String,
    pub voided_at: DateTime<Utc>,
    pub voided_by: Option<String>,
    pub reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightRequest {
    /// The certified weight in pounds.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub official_weight_lb: i32,
    /// Codes of warnings that you accept.
    #[serde(default)]
    pub confirm: Vec<String>,
}

/// The certified weight that was entered.
#[derive(Debug, Serialize, ToSchema)]
pub struct WeighedBol {
    pub number: String,
    pub official_weight_lb: i32,
    /// The weight that was shipped, in pounds.
    pub net_lb: i32,
    /// The difference from the net weight, in percent with two decimals and a sign.
    pub variance_percent: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InboxQuery {
    /// `inbox` (the default) or `bin`.
    pub shelf: Option<String>,
    /// The value `next` of the page before.
    #[param(value_type = Option<i64>)]
    pub after: Option<String>,
}

/// A page of the inbox or of the bin, the oldest document first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InboxPage {
    pub documents: Vec<InboxDocument>,
    /// Send it as `after` to get the next page. `null` on the last one.
    pub next: Option<i64>,
    /// All documents in the inbox.
    pub waiting: i64,
    /// All documents in the bin.
    pub discarded: i64,
}

/// A document without a certain BOL.
#[derive(Debug, Serialize, ToSchema)]
pub struct InboxDocument {
    pub id: i64,
    /// What the portal takes it for.
    pub kind: String,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub pages: Option<i32>,
    pub uploaded_at: DateTime<Utc>,
    pub uploaded_by: Option<String>,
    /// Why it waits.
    pub reason: String,
    /// Why it can't be filed as it is, if it can't.
    pub quarantine: Option<String>,
    pub discarded_at: Option<DateTime<Utc>>,
    pub discarded_by: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRequest {
    /// The number of the BOL.
    pub number: String,
    pub kind: String,
    /// Of a quarantined document or a photo: `cleaned` files a copy that only shows its pages, `original` the document as
    /// it arrived, with `why`.
    #[schema(pattern = "^(as_is|cleaned|original)$")]
    #[serde(default)]
    pub form: Option<String>,
    /// Why the customer should get the file as it arrived.
    #[serde(default)]
    pub why: Option<String>,
    /// Codes of warnings that you accept.
    #[serde(default)]
    pub confirm: Vec<String>,
}

/// A document that is filed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Filed {
    /// Of a cleaned copy, its own id.
    pub document_id: i64,
    pub bol_number: String,
}

/// Where a document is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Moved {
    pub document_id: i64,
    /// `inbox` or `bin`.
    #[schema(pattern = "^(inbox|bin)$")]
    pub shelf: &'static str,
}

/// The customers, by code.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustomerList {
    pub customers: Vec<Customer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Customer {
    pub code: String,
    pub name: String,
    /// No BOL can be issued to an inactive customer, and its logins see none.
    pub is_active: bool,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// The position of the last event that you have. Without it, the log begins with its first event.
    #[param(value_type = Option<i64>, minimum = 0)]
    pub after: Option<String>,
    /// Most events to return, 1 to 5,000. Default: 500.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 5000)]
    pub limit: Option<String>,
    /// Seconds to wait for an event if there is none yet, 0 to 30. Default: 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 30)]
    pub wait: Option<String>,
}

/// A sealed event: one line of the answer. The members after `leaf_hash` are the columns of an export.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a line that is written column by column")]
pub struct LogEvent {
    /// Its place in the sealed log, counted from 0.
    position: i64,
    /// The hash of its leaf in the Merkle tree, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    leaf_hash: String,
    id: i64,
    occurred_at: DateTime<Utc>,
    action: String,
    #[schema(pattern = "^(success|denied|failed)$")]
    outcome: String,
    user_email: Option<String>,
    user_role: Option<String>,
    customer_code: Option<String>,
    bol_number: Option<String>,
    document_id: Option<i64>,
    document_kind: Option<String>,
    file_name: Option<String>,
    object_key: Option<String>,
    sha256: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    /// What the action adds, as documented in the guide to the log.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}
