//! Uploads the sample documents that name no BOL for certain, so that they wait in the inbox.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::accounts::Policy;
use crate::accounts::sessions::{self, Opening, Resumed};
use crate::audit::Origin;
use crate::bols::PrintedCodes;
use crate::cli::{Failure, this_program};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Database;
use crate::db::schema::users;
use crate::intake::examine::Examiner;
use crate::intake::{Arrival, FileName, Intake, Outcome, Screening, UploadOptions};
use crate::samples::{SampleFile, SampleSet, inbox};
use crate::storage::Storage;
use crate::storage::spool::Spool;

/// Files in progress.
const MAX_AT_ONCE: usize = 4;
/// The batch of these uploads.
const BATCH: &str = "sample-inbox";

/// Uploads the files as the sample office user, in a session that ends with it. Returns how many wait in the inbox.
pub(super) async fn fill(
    db: &Database,
    config: &Config,
    sample: &SampleSet,
    (storage, codes): (&Storage, &PrintedCodes),
) -> Result<usize, Failure> {
    let files = inbox(&sample.bols, &config.bol_prefix);
    let Some(office) = sample.users.iter().find(|user| user.role == "office").filter(|_| !files.is_empty()) else {
        return Ok(0);
    };
    let (clock, origin) = (Clock::system(), Origin::command_line());
    let mut connection = db.get().await?;
    let id = users::table.filter(users::email.eq(&office.email)).select(users::id).first(&mut connection).await?;
    let opening = Opening { user_id: id, method: "command line", waits_for: None, is_proven: false };
    let token = sessions::open(&mut connection, clock.now(), &opening, &origin).await?;
    let resumed = sessions::resume(&mut connection, clock.now(), &token, &Policy::default()).await?;
    drop(connection);
    let Some(Resumed::Full(viewer)) = resumed else {
        return Err(Failure::problem("the sample office user can't log in"));
    };
    let examiner = Examiner::new(this_program()?, config.bol_prefix.clone());
    let screening = Screening { examiner: &examiner, clamd: config.clamd.as_ref(), prefix: &config.bol_prefix, codes };
    let (viewer, origin, clock, spool) = (&viewer, &origin, &clock, &Spool::new(config.spool.clone()));
    let intake = Intake { db, storage, clock, screening, spool, viewer, origin, batch: BATCH };
    let uploads = files.into_iter().map(|file| upload(&intake, file));
    let waiting: Result<Vec<bool>, Failure> = stream::iter(uploads).buffered(MAX_AT_ONCE).try_collect().await;
    sessions::end_all(&mut *db.get().await?, id).await?;
    Ok(waiting?.into_iter().filter(|is_waiting| *is_waiting).count())
}

/// Returns whether the file waits in the inbox.
async fn upload(intake: &Intake<'_>, file: SampleFile) -> Result<bool, Failure> {
    let most = file.bytes.len() as u64;
    let chunks = stream::iter([Ok::<_, std::convert::Infallible>(file.bytes)]);
    let spooled = intake.spool.receive(chunks, most).await.map_err(Failure::problem)?;
    let mut arrival = Arrival::new(FileName::cleaned(&file.name), spooled);
    let examined = intake.examine(&mut arrival).await.map_err(Failure::problem)?;
    let receipt = intake.settle(&arrival, examined, UploadOptions::default()).await.map_err(Failure::problem)?;
    Ok(receipt.outcome == Outcome::NeedsReview)
}
