//! The auditor's pack: a ZIP of events, their BOLs and the proof that the events were sealed, which a third party
//! verifies without the portal. An administrator can include the PDFs.
//!
//! Events and leaves come from one snapshot. Bounded channels slow the queries down to the speed of the reader. The
//! pack is recorded like every export, and each PDF is recorded before its first byte is sent. The auditor's access is
//! checked again before each part.

mod archive;
mod index;
mod pdfs;

use std::pin::pin;

use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::archive::{PackFile, PackPart, Parts};
use crate::accounts::response_slots::ResponseSlot;
use crate::audit::export::{ExportBroken, ExportError, ExportRun, ExportSlots};
use crate::audit::seal::{Multiproof, ProofNode, RangeProof, RangeProofError};
use crate::audit::search::{self, Filter};
use crate::config::SealKeys;
use crate::db::DbError;
use crate::db::replica::WHOLE_LOG;
use crate::db::snapshot::Snapshot;
use crate::documents::fetcher::DocumentFetcher;
use crate::stream_writer::{ByteReceiver, StreamLimits, StreamWriter, stream};

/// PDFs in one pack.
pub const MAX_PDFS: usize = 5000;

const README: &str = include_str!("audit_pack/verify.md");
/// The programs that verify a pack, copied from the project.
const CHECKS: [(&str, &str); 2] = [
    ("check_pack.py", include_str!("../tools/check_pack.py")),
    ("check_proof.py", include_str!("../tools/check_proof.py")),
];

pub struct Pack {
    pub fetcher: DocumentFetcher,
    pub keys: SealKeys,
    pub filter: Filter,
    /// The filter as the auditor typed it, for the log.
    pub filter_json: Value,
    pub with_pdfs: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("no sealed event matches")]
    Nothing,
    #[error("the events name more than {MAX_PDFS} documents")]
    TooMany,
    #[error(transparent)]
    Proof(#[from] RangeProofError),
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl From<DbError> for PackError {
    fn from(error: DbError) -> Self {
        Self::Proof(error.into())
    }
}

crate::db::query_error_into!(PackError);

impl Pack {
    /// Records the export, then returns its bytes as the response reads them. An error ends the stream.
    /// `response` is freed when it ends.
    pub async fn begin(self, slots: &ExportSlots, response: ResponseSlot) -> Result<ByteReceiver, PackError> {
        let slot = slots.acquire()?;
        let mut snapshot = self.fetcher.db.reader(WHOLE_LOG).await.snapshot().await?;
        let held = snapshot.connection();
        let extent = search::position_range(held, &self.filter).await?.ok_or(PackError::Nothing)?;
        let range = RangeProof::find(held, &self.keys, extent).await?;
        if self.with_pdfs {
            let bols = search::bol_ids(held, &self.filter).await?;
            if index::documents(held, &bols).await? > MAX_PDFS as i64 {
                return Err(PackError::TooMany);
            }
        }
        let (by, origin) = (self.fetcher.viewer().actor().into(), self.fetcher.origin.clone());
        let asked = json!({"filter": self.filter_json, "pdfs": self.with_pdfs});
        let run = ExportRun::begin(self.fetcher.db.clone(), slot, "pack", asked, (by, origin)).await?;
        let (to, bytes) = stream(StreamLimits::RESPONSE);
        let (parts, to_be_packed) = mpsc::channel(4);
        let writer = StreamWriter::new(to.clone());
        let packing = tokio::task::spawn_blocking(move || archive::pack(to_be_packed, writer));
        let to_pack = Parts { to: parts.clone(), access: self.fetcher.access.clone() };
        let contents = Contents { pack: self, snapshot, range, extent, to: to_pack };
        tokio::spawn(async move {
            run.run(to, parts, contents.feed(), packing).await;
            drop(response);
        });
        Ok(bytes)
    }
}

struct Contents {
    pack: Pack,
    snapshot: Snapshot,
    range: RangeProof,
    /// Positions of the first and the last event.
    extent: (i64, i64),
    to: Parts,
}

impl Contents {
    async fn feed(mut self) -> Result<(), ExportBroken> {
        self.whole("verify.md", README).await?;
        for (name, text) in CHECKS {
            self.whole(name, text).await?;
        }
        self.whole("pack.json", &format!("{:#}\n", self.described())).await?;
        let note = self.range.note.clone();
        self.whole("checkpoint.txt", &note).await?;
        let events = self.events().await?;
        self.tree().await?;
        self.checkpoints().await?;
        let held = self.snapshot.connection();
        let bols = search::bol_ids(held, &self.pack.filter).await.map_err(message)?;
        let mut documents = Vec::new();
        let keep = self.pack.with_pdfs.then_some(&mut documents);
        index::write(held, &bols, keep, PackFile::begin(&self.to, "bols.csv").await?).await?;
        if self.pack.with_pdfs {
            pdfs::write(&self.pack.fetcher, documents, &self.to).await?;
        }
        self.to.send(PackPart::End(events)).await
    }

    async fn whole(&self, name: &str, text: &str) -> Result<(), ExportBroken> {
        let mut file = PackFile::begin(&self.to, name).await?;
        file.write(text.as_bytes()).await?;
        file.end().await
    }

    /// Describes the pack. A verifier trusts it only as far as the other files prove it.
    fn described(&self) -> Value {
        let checkpoint = &self.range.checkpoint;
        json!({
            "log": checkpoint.origin,
            "asked": self.pack.filter_json,
            "by": self.pack.fetcher.viewer().actor().email,
            "first_position": self.extent.0,
            "last_position": self.extent.1,
            "checkpoint": {"size": checkpoint.size, "sealed_at": checkpoint.stated.sealed_at},
            "pdfs": self.pack.with_pdfs,
        })
    }

    /// Writes the canonical bytes of the events, one per line, in the order of the tree.
    async fn events(&mut self) -> Result<u64, ExportBroken> {
        let mut file = PackFile::begin(&self.to, "events.jsonl").await?;
        let mut rows =
            pin!(search::stream_sealed(self.snapshot.connection(), &self.pack.filter).await.map_err(message)?);
        let (mut line, mut count) = (Vec::new(), 0);
        while let Some((_, hash, row)) = rows.try_next().await.map_err(message)? {
            if row.fields().leaf_hash(&mut line)[..] != hash[..] {
                let problem = format!("event {} differs from what was sealed: run primetrade audit verify", row.id);
                return Err(problem.into());
            }
            line.push(b'\n');
            file.write(&line).await?;
            count += 1;
        }
        file.end().await?;
        Ok(count)
    }

    /// Writes the parts of the tree that can't be computed from the events.
    async fn tree(&mut self) -> Result<(), ExportBroken> {
        let mut file = PackFile::begin(&self.to, "tree.txt").await?;
        let mut leaves = pin!(self.range.leaves(&self.snapshot.handle()).await.map_err(message)?);
        let mut proved =
            pin!(search::stream_positions(self.snapshot.connection(), &self.pack.filter).await.map_err(message)?);
        let (mut tree, mut multiproof) = (self.range.start.clone(), Multiproof::after(&self.range.start));
        let mut next = proved.try_next().await.map_err(message)?;
        let mut lines = Vec::new();
        while let Some((position, hash)) = leaves.try_next().await.map_err(message)? {
            let is_proved = next == Some(position);
            if is_proved {
                next = proved.try_next().await.map_err(message)?;
            }
            tree.push(hash);
            multiproof.push(hash, is_proved, |node| line(&mut lines, node));
            file.write(&lines).await?;
            lines.clear();
        }
        multiproof.finish(|node| line(&mut lines, node));
        file.write(&lines).await?;
        let checkpoint = &self.range.checkpoint;
        if next.is_some() || tree.size() != checkpoint.size || tree.root() != checkpoint.root {
            return Err(RangeProofError::Changed.to_string().into());
        }
        file.end().await
    }

    /// Writes the published checkpoints. A checkpoint covers every event whose position is less than its
    /// size.
    async fn checkpoints(&mut self) -> Result<(), ExportBroken> {
        let mut file = PackFile::begin(&self.to, "checkpoints.jsonl").await?;
        let held = self.snapshot.connection();
        let mut notes = pin!(self.range.published(held, self.extent.0).await.map_err(message)?);
        while let Some((size, note)) = notes.try_next().await.map_err(message)? {
            file.write(format!("{}\n", json!({"size": size, "note": note})).as_bytes()).await?;
        }
        file.end().await
    }
}

/// Writes `leaf` for the next line of events.jsonl, or the level and hash of a subtree of 2^level leaves.
fn line(to: &mut Vec<u8>, node: ProofNode) {
    match node {
        ProofNode::Leaf => to.extend_from_slice(b"leaf\n"),
        ProofNode::Subtree { level, hash } => {
            to.extend_from_slice(format!("{level} {}\n", hex::encode(hash)).as_bytes())
        }
    }
}

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}
