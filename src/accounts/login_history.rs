//! A user's own logins of the last weeks, from the access log.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;
use serde_json::Value;

use super::Viewer;
use crate::audit::Action;
use crate::db::lower;
use crate::db::schema::audit_events as events;

/// How far back the history goes.
pub const DAYS: i64 = 30;
/// The most entries that it shows.
pub const MAX_ENTRIES: usize = 50;

/// One attempt to log in.
#[derive(Queryable, Selectable)]
#[diesel(table_name = events, check_for_backend(diesel::pg::Pg))]
pub struct LoginAttempt {
    pub occurred_at: DateTime<Utc>,
    action: String,
    pub ip: Option<IpNet>,
    pub user_agent: Option<String>,
    detail: Value,
}

impl LoginAttempt {
    pub fn is_refused(&self) -> bool {
        ![Action::LoginSucceeded, Action::MfaRequested].map(Action::as_str).contains(&self.action.as_str())
    }

    /// "Logged in with password and app"
    pub fn label(&self) -> String {
        match self.action.as_str() {
            "LOGIN_SUCCEEDED" => match self.detail["method"].as_str() {
                Some(method) => format!("Logged in with {}", method_label(method)),
                None => "Logged in".into(),
            },
            "MFA_REQUESTED" => "Password right, second factor missing".into(),
            "LOGIN_BLOCKED" => "Refused: too many attempts".into(),
            "MFA_FAILED" if self.detail["reason"] == "too many attempts" => "Refused: too many codes".into(),
            "MFA_FAILED" => "Refused: wrong code".into(),
            _ => "Refused: wrong password".into(),
        }
    }
}

/// Names the method of a session for people.
pub fn method_label(method: &str) -> String {
    let part = |part: &str| match part {
        "pwd" => "password".to_owned(),
        "otp" => "app".into(),
        "recovery" => "recovery code".into(),
        "device" => "remembered device".into(),
        "sso" => "single sign-on".into(),
        other => other.into(),
    };
    method.split('+').map(part).collect::<Vec<_>>().join(" and ")
}

/// Returns the viewer's attempts, latest first; one more than [`MAX_ENTRIES`] if there are more.
pub async fn of_viewer(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    viewer: &Viewer,
) -> QueryResult<Vec<LoginAttempt>> {
    let actions =
        [Action::LoginSucceeded, Action::MfaRequested, Action::LoginFailed, Action::LoginBlocked, Action::MfaFailed];
    events::table
        .select(LoginAttempt::as_select())
        .filter(lower(events::user_email.assume_not_null()).eq(viewer.email.to_lowercase()))
        .filter(events::user_id.eq(viewer.user_id))
        .filter(events::action.eq_any(actions.map(Action::as_str)))
        .filter(events::occurred_at.gt(now - TimeDelta::days(DAYS)))
        .order((events::occurred_at.desc(), events::id.desc()))
        .limit(MAX_ENTRIES as i64 + 1)
        .load(connection)
        .await
}

#[cfg(test)]
mod tests {
    use super::method_label;

    #[test]
    fn a_method_is_named_for_people() {
        assert_eq!(method_label("pwd"), "password");
        assert_eq!(method_label("pwd+otp"), "password and app");
        assert_eq!(method_label("pwd+device"), "password and remembered device");
        assert_eq!(method_label("passkey"), "passkey");
    }
}
