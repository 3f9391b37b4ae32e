//! `primetrade storage reconcile`

use std::io::{IsTerminal, stderr};

use clap::Args;
use serde_json::json;

use crate::bols::PrintedCodes;
use crate::cli::{Failure, database_url, printable, this_program};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Database;
use crate::documents::sweep;
use crate::intake::Screening;
use crate::intake::examine::Examiner;
use crate::operations::reconcile::{
    Adopted, Adopter, Compared, Comparison, Depth, Difference, Expected, Mended, ReconcileError, mend,
};
use crate::storage::Storage;
use crate::storage::spool::Spool;

/// Differences of a kind that one run repairs or adopts.
const MAX_REPAIRS: usize = 10_000;

#[derive(Args)]
pub struct Arguments {
    /// Settle interrupted uploads, and restore missing objects whose bytes are stored under another key
    #[arg(long)]
    fix: bool,
    /// Take objects without a document into the office's inbox
    #[arg(long)]
    adopt: bool,
    /// Compare sizes only, with one request for a thousand objects
    #[arg(long, conflicts_with = "read")]
    sizes: bool,
    /// Read every object, even if the storage reports a checksum
    #[arg(long)]
    read: bool,
    /// Print one JSON object per line, the summary last
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn depth(&self) -> Depth {
        match (self.sizes, self.read) {
            (true, _) => Depth::Sizes,
            (_, true) => Depth::Bytes,
            _ => Depth::Checksums,
        }
    }
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let db = Database::new(database_url(config)?, 4);
    let storage = Storage::with_long_timeouts(&config.storage).await;
    storage.ready().await.map_err(Failure::storage)?;
    let clock = Clock::system();
    if !arguments.json {
        println!("{}", storage.place());
    }
    let mut settled = 0;
    if arguments.fix {
        settled = sweep::sweep_once(&db, &storage, &clock).await.map_err(Failure::problem)?.settled;
    }
    let (mut missing, mut orphans) = (Vec::new(), Vec::new());
    let report = |difference: Difference| {
        print(&difference, arguments.json);
        match difference {
            Difference::Missing(expected) if missing.len() < MAX_REPAIRS => missing.push(expected),
            Difference::Orphan { key, size } if orphans.len() < MAX_REPAIRS => orphans.push((key, size)),
            _ => {}
        }
    };
    let comparison = Comparison { db: &db, storage: &storage, clock: &clock, depth: arguments.depth() };
    let compared = comparison.run(report, progress).await;
    if stderr().is_terminal() {
        eprintln!();
    }
    let compared = compared.map_err(|error| match error {
        ReconcileError::Storage(_) => {
            Failure::Problem(format!("{error}\nTo find the cause, run: primetrade storage check"))
        }
        error => Failure::problem(error),
    })?;
    let spool = Spool::new(config.spool.clone());
    let mut mended = 0;
    if arguments.fix {
        for expected in &missing {
            mended += u64::from(put_back(&db, &storage, &spool, expected, arguments.json).await);
        }
    }
    let mut adopted = 0;
    if arguments.adopt {
        let examiner = Examiner::new(this_program()?, config.bol_prefix.clone());
        let codes = PrintedCodes::new(config.code_origins(&config.public_origin()), config.secret_key.as_ref());
        let (clamd, prefix) = (config.clamd.as_ref(), config.bol_prefix.as_str());
        let screening = Screening { examiner: &examiner, clamd, prefix, codes: &codes };
        let (db, storage, clock, spool) = (&db, &storage, &clock, &spool);
        let adopter = Adopter { db, storage, clock, spool, screening, max_bytes: config.max_upload_bytes };
        for (key, size) in &orphans {
            adopted += u64::from(adopt(&adopter, key, *size, arguments.json).await);
        }
    }
    summary(&compared, settled, mended, adopted, arguments.json);
    match compared.differences - mended - adopted {
        0 => Ok(()),
        1 => Err(Failure::Problem("1 difference.".into())),
        many => Err(Failure::Problem(format!("{many} differences."))),
    }
}

fn progress(done: &Compared) {
    if stderr().is_terminal() {
        eprint!("\r{} documents, {} objects compared", done.expected, done.listed);
    }
}

fn print(difference: &Difference, as_json: bool) {
    let (document, text) = match difference {
        Difference::Missing(expected) => (Some(expected), "the object is missing".to_owned()),
        Difference::Orphan { size, .. } => (None, format!("no document has this object ({size} bytes)")),
        Difference::Size { expected, found } => {
            (Some(expected), format!("{found} bytes, but {} are recorded", expected.size))
        }
        Difference::Checksum(expected) => (Some(expected), "the bytes differ from the recorded SHA-256".into()),
        Difference::Unreadable(expected, why) => (Some(expected), format!("can't be read: {why}")),
        Difference::Stuck(expected) => {
            let since = expected.pending_since.map(|since| since.format("%Y-%m-%d %H:%M UTC").to_string());
            (Some(expected), format!("pending since {}; --fix settles it", since.unwrap_or_default()))
        }
    };
    if as_json {
        let id = document.map(|expected| expected.document);
        let line = json!({"difference": difference.word(), "key": difference.key(), "document": id, "detail": text});
        return println!("{line}");
    }
    // A key can be any text.
    let key = printable(difference.key());
    let whose = match document {
        Some(Expected { document, is_copy: true, .. }) => format!("document {document}, as it arrived: "),
        Some(Expected { document, .. }) => format!("document {document}: "),
        None => String::new(),
    };
    println!("{:<9} {key}  {whose}{text}", difference.word());
}

/// A failed repair doesn't stop the others.
async fn put_back(db: &Database, storage: &Storage, spool: &Spool, expected: &Expected, as_json: bool) -> bool {
    let mended = mend(db, storage, spool, expected).await;
    let text = match &mended {
        Ok(Mended::From(other)) => format!("restored from {other}"),
        Ok(Mended::Nowhere) => {
            "no other document has its bytes; --adopt searches the objects without a document; a versioned bucket \
                                may have an older version (see docs/operations.md)"
                .into()
        }
        Err(error) => format!("not now: {error}"),
    };
    say("fix", &expected.key, &text, as_json);
    matches!(mended, Ok(Mended::From(_)))
}

async fn adopt(adopter: &Adopter<'_>, key: &str, size: u64, as_json: bool) -> bool {
    let adopted = adopter.adopt(key, size).await;
    let text = match &adopted {
        Ok(Adopted::Document(id)) => format!("now in the inbox, as document {id}"),
        Ok(Adopted::PutBack(id)) => format!("restored the missing bytes of document {id}"),
        Ok(Adopted::SameAs(id)) => format!("left as it is: document {id} has the same bytes"),
        Ok(Adopted::Unfit(why)) => format!("left: {why}"),
        Err(error) => format!("not now: {error}"),
    };
    say("adopt", key, &text, as_json);
    // A restored document is one difference fewer. The object without a document remains one.
    matches!(adopted, Ok(Adopted::Document(_) | Adopted::PutBack(_)))
}

fn say(what: &str, key: &str, text: &str, as_json: bool) {
    if as_json {
        println!("{}", json!({"done": what, "key": key, "detail": text}))
    } else {
        println!("{what:<9} {}  {}", printable(key), printable(text))
    }
}

fn summary(compared: &Compared, settled: usize, mended: u64, adopted: u64, as_json: bool) {
    if as_json {
        return println!("{}", json!({"summary": compared, "settled": settled, "mended": mended, "adopted": adopted}));
    }
    println!("Keys in the database:      {}", compared.expected);
    println!("Objects in the storage:    {} ({} bytes)", compared.listed, compared.bytes);
    println!("In both, as recorded:      {} ({} with checksum)", compared.agreed, compared.checked);
    println!("Uploads in progress:       {}", compared.under_way);
    println!("Not documents:             {}", compared.others);
    println!("Differences:               {}", compared.differences);
    for (what, count) in [("Settled", settled as u64), ("Put back", mended), ("Adopted", adopted)] {
        if count > 0 {
            println!("{:<26} {count}", format!("{what}:"));
        }
    }
}
