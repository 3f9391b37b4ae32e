//! One event, and writing it down.

use std::net::IpAddr;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;

use crate::db::schema::audit_events;

/// What was done. The names are those of every export and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    LoginSucceeded,
    LoginFailed,
    LoginBlocked,
    Logout,
    PasswordChanged,
    SessionRevoked,
    UserInvited,
    UserDisabled,
    UserEnabled,
    /// Name of a user.
    UserChanged,
    PasswordResetRequested,
    /// A user joins or leaves a company, or becomes or stops being its administrator.
    MembershipChanged,
    /// What somebody wants to be told by mail.
    NoticesChanged,
    CustomerCreated,
    /// Name, address, state, ship-tos, reminders or extra addresses of a customer.
    CustomerChanged,
    ReminderSent,
    /// Somebody of the office begins to look as a customer, looks at a page, and stops.
    SeeAsStarted,
    SeenAs,
    SeeAsEnded,
    /// A list of the office: products, lots, carriers, trucks.
    ListChanged,
    SettingsChanged,
    BolCreated,
    BolAssigned,
    BolVoided,
    BolWeighed,
    BolViewed,
    BolDownloaded,
    DocumentRestoreRequested,
    DocumentAdopted,
    PdfsMigrated,
    BolsImported,
    BolPreviewed,
    /// Stored: with a BOL, or in the inbox (the detail says why).
    DocumentUploaded,
    DocumentRejected,
    /// Out of the inbox, to a BOL.
    DocumentFiled,
    /// Taken away from its BOL, back into the inbox.
    DocumentUnfiled,
    DocumentDiscarded,
    /// Out of the bin, into the inbox.
    DocumentRestored,
    AccessDenied,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginSucceeded => "LOGIN_SUCCEEDED",
            Self::LoginFailed => "LOGIN_FAILED",
            Self::LoginBlocked => "LOGIN_BLOCKED",
            Self::Logout => "LOGOUT",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::SessionRevoked => "SESSION_REVOKED",
            Self::UserInvited => "USER_INVITED",
            Self::UserDisabled => "USER_DISABLED",
            Self::UserEnabled => "USER_ENABLED",
            Self::UserChanged => "USER_CHANGED",
            Self::PasswordResetRequested => "PASSWORD_RESET_REQUESTED",
            Self::MembershipChanged => "MEMBERSHIP_CHANGED",
            Self::NoticesChanged => "NOTICES_CHANGED",
            Self::CustomerCreated => "CUSTOMER_CREATED",
            Self::CustomerChanged => "CUSTOMER_CHANGED",
            Self::ReminderSent => "REMINDER_SENT",
            Self::SeeAsStarted => "SEE_AS_STARTED",
            Self::SeenAs => "SEEN_AS",
            Self::SeeAsEnded => "SEE_AS_ENDED",
            Self::ListChanged => "LIST_CHANGED",
            Self::SettingsChanged => "SETTINGS_CHANGED",
            Self::BolCreated => "BOL_CREATED",
            Self::BolAssigned => "BOL_ASSIGNED",
            Self::BolVoided => "BOL_VOIDED",
            Self::BolWeighed => "BOL_WEIGHED",
            Self::BolViewed => "BOL_VIEWED",
            Self::BolDownloaded => "BOL_DOWNLOADED",
            Self::DocumentRestoreRequested => "DOCUMENT_RESTORE_REQUESTED",
            Self::DocumentAdopted => "DOCUMENT_ADOPTED",
            Self::PdfsMigrated => "PDFS_MIGRATED",
            Self::BolsImported => "BOLS_IMPORTED",
            Self::BolPreviewed => "BOL_PREVIEWED",
            Self::DocumentUploaded => "DOCUMENT_UPLOADED",
            Self::DocumentRejected => "DOCUMENT_REJECTED",
            Self::DocumentFiled => "DOCUMENT_FILED",
            Self::DocumentUnfiled => "DOCUMENT_UNFILED",
            Self::DocumentDiscarded => "DOCUMENT_DISCARDED",
            Self::DocumentRestored => "DOCUMENT_RESTORED",
            Self::AccessDenied => "ACCESS_DENIED",
        }
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

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = audit_events)]
pub struct Event<'a> {
    pub action: &'static str,
    pub outcome: &'static str,
    pub user_id: Option<i64>,
    pub user_email: &'a str,
    pub user_role: Option<&'a str>,
    pub customer_id: Option<i64>,
    pub customer_code: Option<&'a str>,
    pub bol_id: Option<i64>,
    pub bol_number: Option<&'a str>,
    pub document_id: Option<i64>,
    pub document_kind: Option<&'a str>,
    pub file_name: Option<&'a str>,
    pub object_key: Option<&'a str>,
    pub sha256: Option<&'a [u8]>,
    pub ip: Option<IpNet>,
    pub user_agent: &'a str,
    pub request_id: &'a str,
    pub detail: serde_json::Value,
}

impl<'a> Event<'a> {
    pub fn new(action: Action, outcome: Outcome, actor: Actor<'a>, origin: &'a Origin) -> Self {
        Self {
            action: action.as_str(),
            outcome: outcome.as_str(),
            user_id: actor.user_id,
            user_email: actor.email,
            user_role: actor.role,
            customer_id: None,
            customer_code: None,
            bol_id: None,
            bol_number: None,
            document_id: None,
            document_kind: None,
            file_name: None,
            object_key: None,
            sha256: None,
            ip: origin.ip.map(Into::into),
            user_agent: &origin.user_agent,
            request_id: &origin.request_id,
            detail: match actor.seen_as {
                Some(code) => serde_json::json!({"seen_as": code}),
                None => serde_json::json!({}),
            },
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

/// Writes an event. It is on record when the connection's transaction, if there is one, is committed.
pub async fn record(connection: &mut AsyncPgConnection, event: &Event<'_>) -> QueryResult<()> {
    diesel::insert_into(audit_events::table).values(event).execute(connection).await.map(drop)
}
