//! One event, and writing it down.

use std::net::IpAddr;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

pub use super::columns::Event;

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident $name:literal $label:literal,)*) => {
        /// What was done. The names are those of every export and never change.
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

            /// For people.
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
    LoginFailed "LOGIN_FAILED" "Log-in failed",
    LoginBlocked "LOGIN_BLOCKED" "Log-in held back",
    Logout "LOGOUT" "Logged out",
    PasswordChanged "PASSWORD_CHANGED" "Password changed",
    SessionRevoked "SESSION_REVOKED" "Session ended",
    UserInvited "USER_INVITED" "User invited",
    UserDisabled "USER_DISABLED" "User disabled",
    UserEnabled "USER_ENABLED" "User enabled",
    /// Name of a user.
    UserChanged "USER_CHANGED" "User changed",
    PasswordResetRequested "PASSWORD_RESET_REQUESTED" "Link for a forgotten password asked for",
    /// A user joins or leaves a company, or becomes or stops being its administrator.
    MembershipChanged "MEMBERSHIP_CHANGED" "Membership changed",
    /// What somebody wants to be told by mail.
    NoticesChanged "NOTICES_CHANGED" "Choice of mail changed",
    CustomerCreated "CUSTOMER_CREATED" "Customer created",
    /// Name, address, state, ship-tos, reminders or extra addresses of a customer.
    CustomerChanged "CUSTOMER_CHANGED" "Customer changed",
    ReminderSent "REMINDER_SENT" "Customer reminded",
    /// Somebody of the office begins to look as a customer, looks at a page, and stops.
    SeeAsStarted "SEE_AS_STARTED" "Began to look as a customer",
    SeenAs "SEEN_AS" "Looked as a customer",
    SeeAsEnded "SEE_AS_ENDED" "Stopped looking as a customer",
    /// A list of the office: products, lots, carriers, trucks.
    ListChanged "LIST_CHANGED" "List changed",
    SettingsChanged "SETTINGS_CHANGED" "Settings changed",
    BolCreated "BOL_CREATED" "BOL issued",
    BolAssigned "BOL_ASSIGNED" "BOL assigned",
    BolVoided "BOL_VOIDED" "BOL voided",
    BolWeighed "BOL_WEIGHED" "Official weight entered",
    BolViewed "BOL_VIEWED" "BOL looked at",
    BolDownloaded "BOL_DOWNLOADED" "Link to a document issued",
    /// One a document, before its bytes.
    BolsZipped "BOLS_ZIPPED" "PDF sent in a ZIP",
    /// With a link that was issued before, or one that nobody knows of.
    LinkFetched "LINK_FETCHED" "Document fetched with a link",
    DocumentRestoreRequested "DOCUMENT_RESTORE_REQUESTED" "Document asked for from the archive",
    DocumentMended "DOCUMENT_MENDED" "Missing object put back",
    DocumentAdopted "DOCUMENT_ADOPTED" "Document found in the storage",
    PdfsMigrated "PDFS_MIGRATED" "PDF moved to the bucket",
    BolsImported "BOLS_IMPORTED" "BOLs imported",
    BolPreviewed "BOL_PREVIEWED" "Link to look at a document issued",
    /// Stored: with a BOL, or in the inbox (the detail says why).
    DocumentUploaded "DOCUMENT_UPLOADED" "Document stored",
    DocumentRejected "DOCUMENT_REJECTED" "Document rejected",
    /// Out of the inbox, to a BOL.
    DocumentFiled "DOCUMENT_FILED" "Document filed",
    /// Taken away from its BOL, back into the inbox.
    DocumentUnfiled "DOCUMENT_UNFILED" "Document taken back from a BOL",
    DocumentDiscarded "DOCUMENT_DISCARDED" "Document put into the bin",
    /// Out of the bin, into the inbox.
    DocumentRestored "DOCUMENT_RESTORED" "Document taken out of the bin",
    AuditViewed "AUDIT_VIEWED" "Log read",
    /// Before the first byte.
    AuditExportBegun "AUDIT_EXPORT_BEGUN" "Export of the log begun",
    /// When its last bytes are handed over, or when it broke off.
    AuditExported "AUDIT_EXPORTED" "Log exported",
    /// Of the bucket.
    AccessLogImported "ACCESS_LOG_IMPORTED" "Access log of the bucket imported",
    AuditVerified "AUDIT_VERIFIED" "Seals of the log verified",
    /// Before the first of its events goes.
    AuditPurged "AUDIT_PURGED" "Old events purged",
    AccessDenied "ACCESS_DENIED" "Access denied",
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
    /// Refused to this person.
    Denied,
    /// Allowed, but it could not be done.
    Failed,
}

impl Outcome {
    pub const ALL: [Self; 3] = [Self::Success, Self::Denied, Self::Failed];

    /// For people.
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

/// Who did it, as they were at the time.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    pub user_id: Option<i64>,
    pub email: &'a str,
    pub role: Option<&'a str>,
    /// The code of the company as which somebody of the office looks; every event says so.
    pub seen_as: Option<&'a str>,
}

impl Actor<'static> {
    /// Whoever has the shell.
    pub const COMMAND_LINE: Self = Self { user_id: None, email: "command line", role: None, seen_as: None };
    /// What the portal does by itself.
    pub const PORTAL: Self = Self { user_id: None, email: "portal", role: None, seen_as: None };
}

impl<'a> Actor<'a> {
    /// A user as the database has it.
    pub fn user(id: i64, email: &'a str, role: &'a str) -> Self {
        Self { user_id: Some(id), email, role: Some(role), seen_as: None }
    }
}

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub ip: Option<IpAddr>,
    /// Cut to [`Origin::MOST_AGENT`] characters, never refused.
    pub user_agent: String,
    pub request_id: String,
}

impl Origin {
    pub const MOST_AGENT: usize = 300;

    pub fn new(ip: Option<IpAddr>, user_agent: &str, request_id: String) -> Self {
        let user_agent = user_agent.chars().filter(|c| *c != '\0').take(Self::MOST_AGENT).collect();
        Self { ip, user_agent, request_id }
    }

    /// The command line has no address; its user is whoever has the shell.
    pub fn command_line() -> Self {
        Self { ip: None, user_agent: "command line".into(), request_id: String::new() }
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
            detail: match actor.seen_as {
                Some(code) => serde_json::json!({"seen_as": code}),
                None => serde_json::json!({}),
            },
            ..Self::default()
        }
    }

    /// Says more, beside what the actor has said already.
    pub fn detail(mut self, more: serde_json::Value) -> Self {
        match (&mut self.detail, more) {
            (serde_json::Value::Object(detail), serde_json::Value::Object(more)) => detail.extend(more),
            (detail, more) => *detail = more,
        }
        self
    }

    /// The company that it is about.
    pub fn about(mut self, customer_id: i64, customer_code: &'a str) -> Self {
        (self.customer_id, self.customer_code) = (Some(customer_id), Some(customer_code));
        self
    }
}

/// Records an event, in the connection's transaction if it has one.
pub async fn record(connection: &AsyncPgConnection, event: &Event<'_>) -> QueryResult<()> {
    record_all(connection, std::slice::from_ref(event)).await
}

/// Records events with one statement. Postgres takes 65,535 parameters, which is some 3,500 events.
pub async fn record_all(mut connection: &AsyncPgConnection, events: &[Event<'_>]) -> QueryResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    InsertEvents(events).execute(&mut connection).await.map(drop)
}

struct InsertEvents<'a>(&'a [Event<'a>]);

impl QueryFragment<Pg> for InsertEvents<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if self.0.len() > 1 {
            // Each number of events is a statement of its own.
            out.unsafe_to_cache_prepared();
        }
        Event::push_insert_values(self.0, &mut out)
    }
}

/// The text depends on the number of events, so the statement cache must compare texts.
impl QueryId for InsertEvents<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
