//! The PDFs of a pack, each recorded before its bytes, and an index that says which are missing.

use super::archive::{PackFile, PackPart, Parts};
use super::index::PackedDocument;
use super::message;
use crate::audit::export::ExportBroken;
use crate::documents::DocumentRef;
use crate::documents::fetcher::{DocumentFetcher, FetchError, Fetched};
use crate::storage::ObjectKey;

const INDEX: &str = "index.csv";

pub(super) async fn write(
    fetcher: &DocumentFetcher,
    wanted: Vec<PackedDocument>,
    to: &Parts,
) -> Result<(), ExportBroken> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines.write_record(["document_id", "file", "bytes", "sha256", "problem"]).map_err(message)?;
    for PackedDocument { id, key, sha256 } in wanted {
        // Waits for room before recording the access, because the reader may still be reading earlier files.
        let places = to.to.reserve_many(2).await.map_err(message)?;
        let name = format!("pdfs/{key}");
        // A name that isn't a key could point outside the folder into which the pack is unpacked.
        let fetched = match key.parse::<ObjectKey>() {
            Ok(_) if key != INDEX => fetcher.fetch(DocumentRef::Document(id)).await.map_err(broken)?,
            _ => Some(Fetched::Problem("its key is not a valid file name")),
        };
        let id = id.to_string();
        match fetched {
            Some(Fetched::File(spooled, _)) => {
                [PackPart::Begin(name.clone()), PackPart::Content(spooled.file)]
                    .into_iter()
                    .zip(places)
                    .for_each(|(part, place)| place.send(part));
                let problem =
                    if spooled.sha256[..] == sha256[..] { "" } else { "its SHA-256 differs from the recorded one" };
                lines
                    .write_record([&id, &name, &spooled.size.to_string(), &hex::encode(spooled.sha256), problem])
                    .map_err(message)?;
            }
            Some(Fetched::Problem(problem)) => lines.write_record([&id, "", "", "", problem]).map_err(message)?,
            None => lines.write_record([&id, "", "", "", "removed since then"]).map_err(message)?,
        }
    }
    let mut file = PackFile::begin(to, &format!("pdfs/{INDEX}")).await?;
    file.write(&lines.into_inner().map_err(message)?).await?;
    file.end().await
}

fn broken(error: FetchError) -> ExportBroken {
    match error {
        FetchError::Access(error) => error.into(),
        other => ExportBroken::Other(other.to_string()),
    }
}
