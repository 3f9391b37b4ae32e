//! A witness behind an address: POST adds a checkpoint, and GET returns all of them, if the service offers that.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::{MAX_NOTE_BYTES, WitnessError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer to GET, about 500,000 checkpoints.
const MAX_BYTES: usize = 256 * 1024 * 1024;

pub(super) struct Web {
    pub place: String,
    pub url: Url,
}

/// The answer to GET.
pub(super) enum Listing {
    /// All notes, one after the other.
    Notes(Vec<u8>),
    /// The service has no listing.
    None(StatusCode),
}

impl Web {
    pub async fn get(&self) -> Result<Listing, WitnessError> {
        let unreadable = |why| WitnessError::Unreadable { place: self.place.clone(), why };
        let answer = client().map_err(unreadable)?.get(self.url.clone()).send().await;
        let mut answer = answer.map_err(|error| unreadable(text(error)))?;
        match answer.status() {
            StatusCode::OK => {}
            status @ (StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED) => {
                return Ok(Listing::None(status));
            }
            status => return Err(unreadable(format!("it answers GET with {status}; check the address"))),
        }
        let mut notes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| unreadable(text(error)))? {
            notes.extend_from_slice(&piece);
            if notes.len() > MAX_BYTES {
                return Err(unreadable("its answer is too long; save it as a file, and use --witness FILE".into()));
            }
        }
        Ok(Listing::Notes(notes))
    }

    /// Sends a checkpoint. A service that has it already should answer as if it were new.
    pub async fn post(&self, size: u64, note: String) -> Result<(), WitnessError> {
        let place = || self.place.clone();
        let unwritable = |why| WitnessError::Unwritable { place: place(), size, why };
        let post = client().map_err(unwritable)?.post(self.url.clone());
        let post = post.header(CONTENT_TYPE, "text/plain; charset=utf-8").body(note);
        let answer = post.send().await.map_err(|error| unwritable(text(error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::CONFLICT => Err(WitnessError::Conflict { place: place(), size }),
            status => Err(unwritable(format!("it answers POST with {status}{}", reason(answer).await))),
        }
    }
}

fn client() -> Result<Client, String> {
    let client = Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT);
    client.redirect(reqwest::redirect::Policy::none()).build().map_err(text)
}

/// Leaves out the address, which may hold a secret.
fn text(error: reqwest::Error) -> String {
    let error = error.without_url();
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

/// The first line of an answer that isn't too long to be a message.
async fn reason(mut answer: Response) -> String {
    let piece = answer.chunk().await.ok().flatten().filter(|piece| (piece.len() as u64) < MAX_NOTE_BYTES);
    let body = piece.map(|piece| String::from_utf8_lossy(&piece).into_owned()).unwrap_or_default();
    match body.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => format!(": {}", line.chars().take(200).collect::<String>()),
        None => String::new(),
    }
}
