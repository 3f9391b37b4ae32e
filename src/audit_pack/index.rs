//! `bols.csv`: the BOLs that the events name, as they are now. One line for each document, or for a BOL without one.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::archive::PackFile;
use super::message;
use crate::audit::export::ExportBroken;
use crate::bols::weight::Pounds;
use crate::csv_file::escape_formula;
use crate::db::schema::{bols, customers, documents};

/// BOLs in one query.
const BATCH: usize = 500;

/// A document for the pack.
pub(super) struct PackedDocument {
    pub id: i64,
    pub key: String,
    pub sha256: Vec<u8>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = bols, check_for_backend(diesel::pg::Pg))]
struct Bol {
    number: String,
    bol_date: NaiveDate,
    customer_name: String,
    product: String,
    net_lb: i32,
    voided_at: Option<DateTime<Utc>>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = documents, check_for_backend(diesel::pg::Pg))]
struct Document {
    id: i64,
    kind: String,
    version: i32,
    file_name: String,
    object_key: String,
    size_bytes: i64,
    sha256: Vec<u8>,
}

/// Counts the stored documents of these BOLs.
pub(super) async fn documents(connection: &mut AsyncPgConnection, bols: &[i64]) -> QueryResult<i64> {
    documents::table
        .filter(documents::bol_id.eq_any(bols).and(documents::state.eq("stored")))
        .count()
        .get_result(connection)
        .await
}

/// Writes the index, and appends the documents to `keep`.
pub(super) async fn write(
    connection: &mut AsyncPgConnection,
    ids: &[i64],
    mut keep: Option<&mut Vec<PackedDocument>>,
    mut to: PackFile<'_>,
) -> Result<(), ExportBroken> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines
        .write_record([
            "number",
            "date",
            "customer",
            "consignee",
            "product",
            "net_lb",
            "net_tons",
            "status",
            "document_id",
            "document_kind",
            "version",
            "file_name",
            "object_key",
            "bytes",
            "sha256",
        ])
        .map_err(message)?;
    for ids in ids.chunks(BATCH) {
        let found: Vec<(Bol, Option<String>, Option<Document>)> = bols::table
            .left_join(customers::table)
            .left_join(
                documents::table.on(documents::bol_id.eq(bols::id.nullable()).and(documents::state.eq("stored"))),
            )
            .filter(bols::id.eq_any(ids))
            .order((bols::id, documents::id))
            .select((Bol::as_select(), customers::code.nullable(), Option::<Document>::as_select()))
            .load(connection)
            .await
            .map_err(message)?;
        for (bol, customer, document) in found {
            lines.write_record(record(&bol, &customer.unwrap_or_default(), document.as_ref())).map_err(message)?;
            if let (Some(keep), Some(Document { id, object_key, sha256, .. })) = (&mut keep, document) {
                keep.push(PackedDocument { id, key: object_key, sha256 });
            }
        }
        let bytes = lines.into_inner().map_err(message)?;
        to.write(&bytes).await?;
        lines = csv::Writer::from_writer(Vec::new());
    }
    to.write(&lines.into_inner().map_err(message)?).await?;
    to.end().await
}

fn record(bol: &Bol, customer: &str, document: Option<&Document>) -> [String; 15] {
    let of = |field: fn(&Document) -> String| document.map(field).unwrap_or_default();
    [
        bol.number.clone(),
        bol.bol_date.to_string(),
        escape_formula(customer).into_owned(),
        escape_formula(&bol.customer_name).into_owned(),
        escape_formula(&bol.product).into_owned(),
        bol.net_lb.to_string(),
        Pounds(bol.net_lb).short_tons().replace(',', ""),
        if bol.voided_at.is_some() { "void".into() } else { "issued".into() },
        of(|document| document.id.to_string()),
        of(|document| document.kind.clone()),
        of(|document| document.version.to_string()),
        of(|document| escape_formula(&document.file_name).into_owned()),
        of(|document| document.object_key.clone()),
        of(|document| document.size_bytes.to_string()),
        of(|document| hex::encode(&document.sha256)),
    ]
}
