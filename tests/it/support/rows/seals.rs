//! Leaves and checkpoints of the sealed log.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use primetrade::audit::seal::checkpoint_key;
use primetrade::db::schema::{audit_checkpoints, audit_leaves};

use super::super::App;
use super::{find, load_all};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = audit_leaves)]
pub struct LeafRow {
    pub position: i64,
    pub event_id: i64,
    pub hash: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = audit_checkpoints)]
pub struct CheckpointRow {
    /// How many leaves the tree has at this checkpoint.
    pub size: i64,
    pub note: String,
    pub publish_at: Option<DateTime<Utc>>,
    pub is_published: bool,
}

load_all!(LeafRow, audit_leaves, position);
load_all!(CheckpointRow, audit_checkpoints, size);

impl CheckpointRow {
    /// Where the storage holds it once it is published.
    pub fn key(&self) -> String {
        checkpoint_key(self.size.try_into().unwrap()).to_string()
    }
}

impl App {
    /// Every leaf in the order of the tree.
    pub async fn leaves(&self) -> Vec<LeafRow> {
        LeafRow::all(&mut *self.connection().await).await
    }

    /// The position in the tree at which an event is sealed.
    pub async fn position_of(&self, event: i64) -> i64 {
        find(self.leaves().await, &format!("leaf of event {event}"), |leaf| leaf.event_id == event).position
    }

    pub async fn is_sealed(&self, event: i64) -> bool {
        self.leaves().await.iter().any(|leaf| leaf.event_id == event)
    }

    /// Every checkpoint from the smallest tree to the largest.
    pub async fn checkpoints(&self) -> Vec<CheckpointRow> {
        CheckpointRow::all(&mut *self.connection().await).await
    }

    pub async fn newest_checkpoint(&self) -> CheckpointRow {
        self.checkpoints().await.pop().expect("a checkpoint")
    }
}
