//! The issuer's public keys (JSON Web Key Set), kept for a while and fetched again when a token names an unknown one.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::Jwk;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::discovery::WAITED;
use super::http::{Http, IssuerFault};
use super::id_token::TokenHeader;

/// A withdrawn key is accepted no longer than this.
const LIFE: TimeDelta = TimeDelta::minutes(15);
/// Between two fetches that tokens with unknown keys cause.
const REFETCH: TimeDelta = TimeDelta::seconds(30);
/// Logins that wait for an issuer that is away would otherwise each wait for its time limit, one after the other.
const FAULT_LIFE: TimeDelta = TimeDelta::seconds(5);
const MAX_KEYS: usize = 100;

struct Fetched {
    at: DateTime<Utc>,
    keys: Vec<Jwk>,
}

#[derive(Default)]
struct Kept {
    fetched: Option<Fetched>,
    /// The newest fetch for an unknown key.
    refetched_at: Option<DateTime<Utc>>,
    /// The newest fetch that failed.
    fault: Option<(DateTime<Utc>, IssuerFault)>,
}

#[derive(Default)]
pub struct Keys(Mutex<Kept>);

impl Keys {
    /// Returns the keys that fit a token's header. There may be none.
    pub async fn find(
        &self,
        http: &Http,
        url: &Url,
        now: DateTime<Utc>,
        header: &TokenHeader,
    ) -> Result<Vec<Jwk>, IssuerFault> {
        let mut kept = self.0.lock().await;
        let is_fresh = |fetched: &Fetched| now - fetched.at < LIFE && now >= fetched.at;
        let was_fresh = kept.fetched.as_ref().is_some_and(is_fresh);
        if !was_fresh {
            kept.fetch(http, url, now).await?;
        }
        let found = fitting(&kept, header);
        let may_refetch = kept.refetched_at.is_none_or(|at| now - at >= REFETCH);
        if !found.is_empty() || !was_fresh || !may_refetch {
            return Ok(found);
        }
        kept.refetched_at = Some(now);
        kept.fetch(http, url, now).await?;
        Ok(fitting(&kept, header))
    }
}

impl Kept {
    async fn fetch(&mut self, http: &Http, url: &Url, now: DateTime<Utc>) -> Result<(), IssuerFault> {
        if let Some((at, fault)) = &self.fault
            && now - *at < FAULT_LIFE
            && now > *at - WAITED
        {
            return Err(fault.clone());
        }
        let begun = Instant::now();
        let fetched = fetch(http, url).await;
        let failed_at = now + TimeDelta::from_std(begun.elapsed()).unwrap_or_default();
        self.fault = fetched.as_ref().err().map(|fault| (failed_at, fault.clone()));
        self.fetched = Some(Fetched { at: now, keys: fetched? });
        Ok(())
    }
}

fn fitting(kept: &Kept, header: &TokenHeader) -> Vec<Jwk> {
    let keys = kept.fetched.iter().flat_map(|fetched| &fetched.keys);
    let found: Vec<Jwk> = keys.filter(|key| header.fits(key)).cloned().collect();
    // Without a key id, the choice must be clear (OpenID Connect Core 1.0, 10.1).
    if header.has_key_id() || found.len() == 1 { found } else { Vec::new() }
}

/// Leaves out keys of kinds that the portal doesn't know.
async fn fetch(http: &Http, url: &Url) -> Result<Vec<Jwk>, IssuerFault> {
    let document = http.get(url, None).await?;
    let Some(keys) = document["keys"].as_array() else {
        return Err(IssuerFault(format!("{}{} answers no key set", url.origin().ascii_serialization(), url.path())));
    };
    let known = |key: &Value| serde_json::from_value(key.clone()).ok();
    Ok(keys.iter().take(MAX_KEYS).filter_map(known).collect())
}
