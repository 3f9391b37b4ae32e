//! The configuration and the services that handlers share.

use std::time::Duration;

use actix_web::http::header::HeaderValue;
use chrono::NaiveDate;
use chrono_tz::Tz;

use super::assets::Assets;
use super::files::FetchRecorder;
use super::office_contact::ContactCache;
use crate::accounts::breached::BreachList;
use crate::accounts::factors::code::CodeChecker;
use crate::accounts::factors::passkeys::RelyingParty;
use crate::accounts::sso::SingleSignOn;
use crate::accounts::{DeviceKey, FactorKey, LoginLinks, Policy};
use crate::audit::export::ExportSlots;
use crate::bols::PrintedCodes;
use crate::clock::Clock;
use crate::config::{ClamdAddress, PublicUrl, SealKeys, TrustedProxies};
use crate::db::Database;
use crate::intake::examine::Examiner;
use crate::mail::LinkKey;
use crate::metrics::Metrics;
use crate::storage::Storage;
use crate::storage::spool::Spool;
use crate::webhooks::WebhookOffice;

/// What handlers need besides the database; shared by all workers.
pub struct Site {
    pub public_url: PublicUrl,
    /// The content security policy of pages.
    pub policy: HeaderValue,
    pub storage: Storage,
    pub clock: Clock,
    pub devices: DeviceKey,
    pub breached: Option<BreachList>,
    pub factors: FactorKey,
    /// Which logins must have a second factor.
    pub factor_policy: Policy,
    pub sso: Option<SingleSignOn>,
    /// `None` if browsers have no passkeys for the portal's address.
    pub passkeys: Option<RelyingParty>,
    pub links: LinkKey,
    pub link_life: Duration,
    pub bol_prefix: String,
    pub time_zone: Tz,
    pub trusted_proxies: TrustedProxies,
    /// Domains of the terminal's own addresses.
    pub staff_domains: Vec<String>,
    pub assets: Assets,
    /// Largest accepted file, in bytes.
    pub max_upload_bytes: u64,
    pub spool: Spool,
    pub exports: ExportSlots,
    /// Records the fetches of local files.
    pub fetches: FetchRecorder,
    pub seals: SealKeys,
    /// Years for which events of the access log are kept; `None`: forever.
    pub retention: Option<u16>,
    /// The QR codes that the portal prints and recognizes.
    pub codes: PrintedCodes,
    pub examiner: Examiner,
    /// How people outside the office reach it.
    pub contact: ContactCache,
    pub clamd: Option<ClamdAddress>,
    /// Makes and checks webhooks.
    pub webhooks: WebhookOffice,
    /// `None`: nothing is counted.
    pub metrics: Option<Metrics>,
}

impl Site {
    /// Checks codes of second factors.
    pub fn code_checker<'a>(&'a self, db: &'a Database) -> CodeChecker<'a> {
        CodeChecker { db, clock: &self.clock, key: &self.factors, devices: &self.devices }
    }

    /// What an email with a link to a login needs.
    pub fn login_links(&self) -> LoginLinks<'_> {
        LoginLinks { key: &self.links, policy: &self.factor_policy, issuer: self.sso.as_ref().map(SingleSignOn::label) }
    }

    /// Today at the terminal.
    pub fn today(&self) -> NaiveDate {
        self.clock.now().with_timezone(&self.time_zone).date_naive()
    }
}
