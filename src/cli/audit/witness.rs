//! `primetrade audit witness`

use clap::Args;
use serde_json::json;

use super::trusted_keys;
use crate::audit::witness::{InvalidPlace, Place, Sent, Witness};
use crate::bols::weight::grouped;
use crate::cli::{Failure, database_url, printable, serve};
use crate::config::{Config, StorageConfig};
use crate::db::Database;

#[derive(Args)]
pub struct Arguments {
    /// A folder, s3://BUCKET/PREFIX, or an https address. The default is AUDIT_WITNESS
    #[arg(value_name = "PLACE", value_parser = |place: &str| place.parse::<Place>())]
    place: Option<Place>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let place = match (arguments.place, &config.witness.place) {
        (Some(place), _) => place,
        (None, Some(text)) => {
            text.parse().map_err(|error: InvalidPlace| Failure::Usage(format!("AUDIT_WITNESS: {error}")))?
        }
        (None, None) => {
            return Err(Failure::Usage(format!("AUDIT_WITNESS: not set, nor a PLACE given; {InvalidPlace}")));
        }
    };
    let keys = trusted_keys(config, &[], "set SEAL_VERIFIERS to what `primetrade audit key` prints on the server")?;
    let witness = open(config, &place).await?;
    let url = database_url(config)?;
    serve::check_migrations(url).await?;
    let sent = witness.send(&Database::new(url, 1), &keys).await.map_err(Failure::problem)?;
    if arguments.json {
        println!("{}", json!({"ok": true, "witness": sent}));
    } else {
        print(&sent);
    }
    Ok(())
}

/// Opens a place that isn't the storage itself.
pub async fn open(config: &Config, place: &Place) -> Result<Witness, Failure> {
    // Fails only if a provider was installed before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let s3 = match place {
        Place::Bucket { bucket, .. } => Some(
            config
                .witness
                .bucket(bucket)
                .ok_or_else(|| Failure::Usage(format!("{place}: not the name of a bucket")))?,
        ),
        _ => None,
    };
    let is_own = match (&config.storage, place, &s3) {
        (StorageConfig::S3(own), Place::Bucket { .. }, Some(s3)) => {
            own.bucket == s3.bucket && own.endpoint == s3.endpoint
        }
        (StorageConfig::Local { root }, Place::Path(path), _) => match (root.canonicalize(), path.canonicalize()) {
            (Ok(root), Ok(path)) => path.starts_with(root),
            _ => path.starts_with(root),
        },
        _ => false,
    };
    if is_own {
        return Err(Failure::Usage(format!(
            "{place}: this is the storage of the portal, where a witness proves nothing; choose a place that other people \
             control"
        )));
    }
    Ok(Witness::open(place, s3).await)
}

fn print(sent: &Sent) {
    let count = |count: u64| grouped(count.cast_signed());
    let place = printable(&sent.place);
    match (sent.sent, sent.events) {
        (0, None) => return println!("nothing to send to {place}: the log has no checkpoint yet"),
        (0, _) => println!("nothing to send: {place} has every checkpoint"),
        (1, _) => println!("1 checkpoint sent to {place}"),
        (sent, _) => println!("{} checkpoints sent to {place}", count(sent)),
    }
    match sent.present {
        Some(present) => println!("{} checkpoints there", count(present)),
        None => println!(
            "note: {place} can't be listed, so only the newest checkpoint was sent, and it wasn't compared with earlier ones"
        ),
    }
    if let (Some(events), Some(sealed_at)) = (sent.events, sent.sealed_at) {
        let sealed_at = sealed_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        println!("the newest one has {} events ({sealed_at})", count(events));
    }
}
