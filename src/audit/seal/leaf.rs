//! The leaves of the tree, as the database keeps them.

use super::Hash;
use crate::audit::binary_copy::Reader;

/// A leaf: its place in the tree, counted from 0, and the event that it seals.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    pub position: i64,
    pub event_id: i64,
    pub hash: Hash,
}

impl Leaf {
    /// The query whose rows [`Leaf::from_copy`] reads, without an order.
    pub const SELECT: &str = "SELECT position, event_id, hash FROM audit_leaves";

    /// Reads a row of `COPY` in binary format. Returns `None` if it is malformed. A constraint of the table keeps hashes at
    /// 32 bytes.
    pub fn from_copy(row: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(row, 3)?;
        Some(Self { position: reader.number()??, event_id: reader.number()??, hash: reader.field()??.try_into().ok()? })
    }
}
