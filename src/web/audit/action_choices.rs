//! The list of actions to search for, grouped by what an auditor asks about.

use crate::audit::Action;
use crate::web::forms::Choice;

/// Actions of one kind, for a list to choose from.
pub struct ActionGroup {
    pub label: &'static str,
    pub choices: Vec<Choice>,
}

const GROUPS: [(&str, &[Action]); 10] = [
    ("Downloads", &Action::DOWNLOADS),
    ("Refusals and unusual activity", &[Action::AccessDenied, Action::LookupsLimited, Action::UnusualActivity]),
    (
        "Logins",
        &[
            Action::LoginSucceeded,
            Action::LoginFailed,
            Action::LoginBlocked,
            Action::Logout,
            Action::PasswordChanged,
            Action::PasswordResetRequested,
            Action::SessionRevoked,
        ],
    ),
    (
        "Second factors and single sign-on",
        &[
            Action::MfaRequested,
            Action::MfaFailed,
            Action::MfaEnrolled,
            Action::MfaRemoved,
            Action::RecoveryCodeUsed,
            Action::PasskeyAdded,
            Action::PasskeyRenamed,
            Action::PasskeyRemoved,
            Action::DeviceRemembered,
            Action::DeviceForgotten,
            Action::StepUp,
            Action::SsoLinked,
            Action::SsoUnlinked,
        ],
    ),
    ("API tokens", &[Action::TokenCreated, Action::TokenRevoked, Action::TokenRefused]),
    (
        "Webhooks",
        &[
            Action::WebhookCreated,
            Action::WebhookChanged,
            Action::WebhookSent,
            Action::WebhookRemoved,
            Action::WebhookStopped,
        ],
    ),
    (
        "Bills of lading",
        &[
            Action::BolViewed,
            Action::BolCreated,
            Action::BolAssigned,
            Action::BolWeighed,
            Action::BolVoided,
            Action::BolsImported,
            Action::BolsExported,
        ],
    ),
    (
        "Documents",
        &[
            Action::DocumentUploaded,
            Action::DocumentRejected,
            Action::DocumentFiled,
            Action::DocumentUnfiled,
            Action::DocumentDiscarded,
            Action::DocumentRestored,
            Action::DocumentRestoreRequested,
            Action::DocumentMended,
            Action::DocumentAdopted,
            Action::PdfsMigrated,
        ],
    ),
    (
        "Users, customers and settings",
        &[
            Action::UserInvited,
            Action::UserDisabled,
            Action::UserEnabled,
            Action::UserChanged,
            Action::MembershipChanged,
            Action::NoticesChanged,
            Action::CustomerCreated,
            Action::CustomerChanged,
            Action::ReminderSent,
            Action::SeeAsStarted,
            Action::SeenAs,
            Action::SeeAsEnded,
            Action::ListChanged,
            Action::SettingsChanged,
        ],
    ),
    (
        "Access log",
        &[
            Action::AuditViewed,
            Action::AuditExportBegun,
            Action::AuditExported,
            Action::AuditVerified,
            Action::AuditPurged,
            Action::AccessLogImported,
            Action::RestoreDrilled,
        ],
    ),
];

/// The groups of actions, or the downloads alone. A name that is no action stays selected, with its message beside it.
pub fn groups(selected: &str, downloads_only: bool) -> Vec<ActionGroup> {
    let choice = |action: &Action| Choice {
        value: action.as_str().into(),
        label: action.label().into(),
        selected: action.as_str() == selected,
    };
    let known = GROUPS.iter().take(if downloads_only { 1 } else { GROUPS.len() });
    let mut groups: Vec<_> =
        known.map(|(label, actions)| ActionGroup { label, choices: actions.iter().map(choice).collect() }).collect();
    let is_listed = groups.iter().flat_map(|group| &group.choices).any(|choice| choice.selected);
    if !selected.is_empty() && !is_listed {
        let label =
            selected.parse::<Action>().map_or_else(|()| selected.to_owned(), |action| action.label().to_owned());
        let choices = vec![Choice { value: selected.into(), label, selected: true }];
        groups.push(ActionGroup { label: "Other", choices });
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_is_in_one_group_under_a_label_of_its_own() {
        let listed: Vec<_> = GROUPS.iter().flat_map(|(_, actions)| *actions).map(|action| action.as_str()).collect();
        let all: BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!((listed.len(), listed.into_iter().collect::<BTreeSet<_>>()), (all.len(), all));
        let labels: BTreeSet<_> = Action::ALL.iter().map(|action| action.label()).collect();
        assert_eq!(labels.len(), Action::ALL.len());
    }

    #[test]
    fn an_unknown_action_stays_selected() {
        let selected = |name, downloads_only| {
            let groups = groups(name, downloads_only);
            let found = groups.iter().flat_map(|group| &group.choices).find(|choice| choice.selected);
            found.map(|choice| choice.value.clone())
        };
        for name in ["BOL_VIEWED", "NOTHING"] {
            assert_eq!(selected(name, false).as_deref(), Some(name));
            assert_eq!(selected(name, true).as_deref(), Some(name));
        }
        assert_eq!(selected("", false), None);
    }
}
