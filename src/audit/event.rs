//! Events: their actions, outcomes and actors, and recording them.

use std::net::IpAddr;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

pub use super::columns::Event;

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident $name:literal $label:literal,)*) => {
        /// What was done. Exports use these names, so they never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $variant,)*
        }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// A label for pages.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }
    };
}

actions! {
    LoginSucceeded "LOGIN_SUCCEEDED" "Logged in",
    LoginFailed "LOGIN_FAILED" "Login failed",
    LoginBlocked "LOGIN_BLOCKED" "Login blocked",
    /// The password was right, and the second factor is missing.
    MfaRequested "MFA_REQUESTED" "Second factor asked for",
    /// A user set up an authenticator app.
    MfaEnrolled "MFA_ENROLLED" "Second factor set up",
    /// By the user, or by an administrator.
    MfaRemoved "MFA_REMOVED" "Second factor removed",
    PasskeyAdded "PASSKEY_ADDED" "Passkey added",
    PasskeyRenamed "PASSKEY_RENAMED" "Passkey renamed",
    PasskeyRemoved "PASSKEY_REMOVED" "Passkey removed",
    /// The user is not asked for the second factor in this browser for a while.
    DeviceRemembered "DEVICE_REMEMBERED" "Device remembered",
    /// By its user. Others end with a change of factors or of the password.
    DeviceForgotten "DEVICE_FORGOTTEN" "Device forgotten",
    /// A wrong or used code, a passkey that was not accepted, or too many of them.
    MfaFailed "MFA_FAILED" "Second factor refused",
    RecoveryCodeUsed "RECOVERY_CODE_USED" "Recovery code used",
    /// A login was linked to a person of the single sign-on issuer, or created for one.
    SsoLinked "SSO_LINKED" "Single sign-on linked",
    /// By the command line.
    SsoUnlinked "SSO_UNLINKED" "Single sign-on unlinked",
    /// A logged-in user confirmed who they are, before a change that needs it.
    StepUp "STEP_UP" "Identity confirmed",
    Logout "LOGOUT" "Logged out",
    /// An API token was made, for oneself or for a service account.
    TokenCreated "TOKEN_CREATED" "API token made",
    /// By its user, by an administrator, or because it was in a URL.
    TokenRevoked "TOKEN_REVOKED" "API token revoked",
    /// An expired, revoked or unknown token, or one that may not do what was asked.
    TokenRefused "TOKEN_REFUSED" "API token refused",
    WebhookCreated "WEBHOOK_CREATED" "Webhook added",
    /// Address, events or key of a webhook, or a user turned it on or off.
    WebhookChanged "WEBHOOK_CHANGED" "Webhook changed",
    /// A user sent a test, or a message again.
    WebhookSent "WEBHOOK_SENT" "Webhook message sent by a user",
    WebhookRemoved "WEBHOOK_REMOVED" "Webhook removed",
    /// The portal turned a webhook off, because of what its receiver answers.
    WebhookStopped "WEBHOOK_STOPPED" "Webhook turned off",
    PasswordChanged "PASSWORD_CHANGED" "Password changed",
    SessionRevoked "SESSION_REVOKED" "Session ended",
    UserInvited "USER_INVITED" "User invited",
    UserDisabled "USER_DISABLED" "User disabled",
    UserEnabled "USER_ENABLED" "User enabled",
    /// The name of a user.
    UserChanged "USER_CHANGED" "User changed",
    PasswordResetRequested "PASSWORD_RESET_REQUESTED" "Password reset requested",
    /// A user joined or left a company, or became or stopped being its administrator.
    MembershipChanged "MEMBERSHIP_CHANGED" "Membership changed",
    /// The email notices that a user receives.
    NoticesChanged "NOTICES_CHANGED" "Email notices changed",
    CustomerCreated "CUSTOMER_CREATED" "Customer created",
    /// Name, address, state, ship-tos, reminders or extra addresses of a customer.
    CustomerChanged "CUSTOMER_CHANGED" "Customer changed",
    ReminderSent "REMINDER_SENT" "Reminder sent",
    /// An office user began to view the portal as a customer.
    SeeAsStarted "SEE_AS_STARTED" "Started viewing as customer",
    /// An office user viewed a page as a customer.
    SeenAs "SEEN_AS" "Viewed as customer",
    SeeAsEnded "SEE_AS_ENDED" "Stopped viewing as customer",
    /// A reference list of the office: products, lots, carriers or trucks.
    ListChanged "LIST_CHANGED" "List changed",
    SettingsChanged "SETTINGS_CHANGED" "Settings changed",
    BolCreated "BOL_CREATED" "BOL issued",
    BolAssigned "BOL_ASSIGNED" "BOL assigned",
    BolVoided "BOL_VOIDED" "BOL voided",
    BolWeighed "BOL_WEIGHED" "Official weight entered",
    BolViewed "BOL_VIEWED" "BOL viewed",
    BolDownloaded "BOL_DOWNLOADED" "Download link issued",
    /// One event for each document, recorded before its bytes are sent.
    BolsZipped "BOLS_ZIPPED" "Downloaded in a ZIP",
    /// Recorded before the first byte is sent.
    BolsExported "BOLS_EXPORTED" "List of BOLs exported",
    /// A link was followed, whether or not the portal issued it.
    LinkFetched "LINK_FETCHED" "Downloaded",
    DocumentRestoreRequested "DOCUMENT_RESTORE_REQUESTED" "Restore from archive requested",
    DocumentMended "DOCUMENT_MENDED" "Missing file restored",
    DocumentAdopted "DOCUMENT_ADOPTED" "Document adopted from storage",
    PdfsMigrated "PDFS_MIGRATED" "PDF moved to the bucket",
    BolsImported "BOLS_IMPORTED" "BOLs imported",
    BolPreviewed "BOL_PREVIEWED" "Shown in the browser",
    /// Stored with a BOL, or in the inbox, for a reason in the detail.
    DocumentUploaded "DOCUMENT_UPLOADED" "Document stored",
    DocumentRejected "DOCUMENT_REJECTED" "Document rejected",
    /// Moved from the inbox to a BOL.
    DocumentFiled "DOCUMENT_FILED" "Document filed",
    /// Moved from its BOL back to the inbox.
    DocumentUnfiled "DOCUMENT_UNFILED" "Document moved back to the inbox",
    DocumentDiscarded "DOCUMENT_DISCARDED" "Document moved to the bin",
    /// Moved from the bin to the inbox.
    DocumentRestored "DOCUMENT_RESTORED" "Document restored from the bin",
    AuditViewed "AUDIT_VIEWED" "Log viewed",
    /// Recorded before the first byte is sent.
    AuditExportBegun "AUDIT_EXPORT_BEGUN" "Log export started",
    /// Recorded before the last bytes are sent, or when the export fails.
    AuditExported "AUDIT_EXPORTED" "Log exported",
    /// The access log of the bucket.
    AccessLogImported "ACCESS_LOG_IMPORTED" "Bucket access log imported",
    AuditVerified "AUDIT_VERIFIED" "Log verified",
    /// Recorded before the first event is removed.
    AuditPurged "AUDIT_PURGED" "Old events purged",
    /// A dump was restored into a scratch database and checked.
    RestoreDrilled "RESTORE_DRILLED" "Restore drilled",
    AccessDenied "ACCESS_DENIED" "Access denied",
    /// A login asked for many BOLs or documents that aren't its own, and is refused for a while.
    LookupsLimited "LOOKUPS_LIMITED" "Lookups limited",
    /// The portal found in the log what an auditor would ask about.
    UnusualActivity "UNUSUAL_ACTIVITY" "Unusual activity",
}

impl Action {
    /// The actions by which a document reaches a user.
    pub const DOWNLOADS: [Self; 4] = [Self::BolDownloaded, Self::LinkFetched, Self::BolsZipped, Self::BolPreviewed];
}

impl std::str::FromStr for Action {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|action| action.as_str() == name).ok_or(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success,
    /// Refused for lack of permission.
    Denied,
    /// Permitted, but it failed.
    Failed,
}

impl Outcome {
    pub const ALL: [Self; 3] = [Self::Success, Self::Denied, Self::Failed];

    /// A label for pages.
    pub fn label(self) -> &'static str {
        match self {
            Self::Success => "Done",
            Self::Denied => "Denied",
            Self::Failed => "Failed",
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// The user or program that acts, with its names at that time.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    pub user_id: Option<i64>,
    pub email: &'a str,
    pub role: Option<&'a str>,
    /// The code of the company as which an office user views the portal. Every event has it in its detail.
    pub seen_as: Option<&'a str>,
    /// The API token with which the user's program acts. Every event has it in its detail.
    pub token: Option<TokenName<'a>>,
}

/// An API token as events name it.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct TokenName<'a> {
    pub id: i64,
    pub name: &'a str,
}

impl Actor<'static> {
    /// The user of the command line.
    pub const COMMAND_LINE: Self = Self::named("command line");
    /// Background work of the portal.
    pub const PORTAL: Self = Self::named("portal");
    /// A visitor who belongs to no user.
    pub const UNKNOWN: Self = Self::named("-");
}

impl<'a> Actor<'a> {
    /// A program or a visitor under this name, which belongs to no user of the portal.
    pub const fn named(email: &'a str) -> Self {
        Self { user_id: None, email, role: None, seen_as: None, token: None }
    }

    /// A logged-in user.
    pub const fn user(id: i64, email: &'a str, role: &'a str) -> Self {
        Self { user_id: Some(id), role: Some(role), ..Self::named(email) }
    }

    /// What every event of this actor has in its detail.
    fn detail(&self, origin: &Origin) -> serde_json::Value {
        let mut detail = serde_json::Map::new();
        if let Some(code) = self.seen_as {
            detail.insert("seen_as".into(), code.into());
        }
        if let Some(token) = self.token {
            detail.insert("token".into(), serde_json::json!(token));
        }
        if let Some(trace_id) = &origin.trace_id {
            detail.insert("trace_id".into(), trace_id.as_str().into());
        }
        detail.into()
    }
}

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub ip: Option<IpAddr>,
    /// Cut to [`Origin::MAX_USER_AGENT_CHARS`].
    pub user_agent: String,
    pub request_id: String,
    /// The caller's id of the trace that the request belongs to, 32 hexadecimal digits. The detail of each event has it.
    pub trace_id: Option<String>,
}

impl Origin {
    pub const MAX_USER_AGENT_CHARS: usize = 300;

    pub fn new(ip: Option<IpAddr>, user_agent: &str, request_id: String) -> Self {
        let user_agent = user_agent.chars().filter(|c| *c != '\0').take(Self::MAX_USER_AGENT_CHARS).collect();
        Self { ip, user_agent, request_id, trace_id: None }
    }

    pub fn with_trace(self, trace_id: Option<String>) -> Self {
        Self { trace_id, ..self }
    }

    /// The origin of commands, which have no IP address and no request.
    pub fn command_line() -> Self {
        Self { ip: None, user_agent: "command line".into(), ..Self::default() }
    }
}

impl<'a> Event<'a> {
    pub fn new(action: Action, outcome: Outcome, actor: Actor<'a>, origin: &'a Origin) -> Self {
        Self {
            action: action.as_str(),
            outcome: outcome.as_str(),
            user_id: actor.user_id,
            user_email: Some(actor.email),
            user_role: actor.role,
            ip: origin.ip.map(Into::into),
            user_agent: Some(&origin.user_agent),
            request_id: Some(&origin.request_id),
            detail: actor.detail(origin),
            ..Self::default()
        }
    }

    /// Adds members to the detail.
    pub fn detail(mut self, more: serde_json::Value) -> Self {
        match (&mut self.detail, more) {
            (serde_json::Value::Object(detail), serde_json::Value::Object(more)) => detail.extend(more),
            (detail, more) => *detail = more,
        }
        self
    }

    /// Sets the customer that the event concerns, if there is one: its id and code.
    pub fn with_company(self, company: Option<&'a (i64, String)>) -> Self {
        match company {
            Some((id, code)) => self.with_customer(*id, code),
            None => self,
        }
    }

    /// Sets the customer that the event concerns.
    pub fn with_customer(mut self, customer_id: i64, customer_code: &'a str) -> Self {
        (self.customer_id, self.customer_code) = (Some(customer_id), Some(customer_code));
        self
    }
}

/// Records an event, in the connection's transaction if it has one. Fails if the database stores no row.
pub async fn record(connection: &AsyncPgConnection, event: &Event<'_>) -> QueryResult<()> {
    record_all(connection, std::slice::from_ref(event)).await
}

/// Records an event like [`record`], and returns its id.
pub async fn record_returning_id(mut connection: &AsyncPgConnection, event: &Event<'_>) -> QueryResult<i64> {
    let written: Vec<i64> = InsertEvents(std::slice::from_ref(event)).load(&mut connection).await?;
    written.into_iter().next().ok_or_else(not_stored)
}

/// Records events with one statement. Postgres takes 65,535 parameters, which is some 3,500 events. Fails if the
/// database stores fewer rows than there are events.
pub async fn record_all(mut connection: &AsyncPgConnection, events: &[Event<'_>]) -> QueryResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    let written: Vec<i64> = InsertEvents(events).load(&mut connection).await?;
    if written.len() == events.len() { Ok(()) } else { Err(not_stored()) }
}

/// Returns the error of an INSERT that succeeded without storing the event, because a trigger or a rule swallowed it.
/// Counts as an unreachable database ([`DbError::is_unreachable`](crate::db::DbError::is_unreachable)), so the response
/// is 503.
pub fn not_stored() -> QueryError {
    let message =
        "an event was not stored: a trigger or a rule on audit_events swallowed it; run primetrade audit verify";
    QueryError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
}

struct InsertEvents<'a>(&'a [Event<'a>]);

impl QueryFragment<Pg> for InsertEvents<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if self.0.len() > 1 {
            // Each number of events makes a different statement.
            out.unsafe_to_cache_prepared();
        }
        Event::push_insert_values(self.0, &mut out)?;
        out.push_sql(" RETURNING id");
        Ok(())
    }
}

impl Query for InsertEvents<'_> {
    type SqlType = BigInt;
}

/// The text depends on the number of events, so the statement cache must compare texts.
impl QueryId for InsertEvents<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
