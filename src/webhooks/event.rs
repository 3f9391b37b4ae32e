//! The events that a webhook can be sent, and the actions of the access log that they are.

use std::str::FromStr;

use crate::audit::Action;

/// An event that a webhook can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    Issued,
    Assigned,
    Voided,
    Weighed,
    DocumentAdded,
    DocumentFetched,
}

impl WebhookEvent {
    pub const ALL: [Self; 6] =
        [Self::Issued, Self::Assigned, Self::Voided, Self::Weighed, Self::DocumentAdded, Self::DocumentFetched];

    /// Returns the `type` of its messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "bol.issued",
            Self::Assigned => "bol.assigned",
            Self::Voided => "bol.voided",
            Self::Weighed => "bol.weighed",
            Self::DocumentAdded => "document.added",
            Self::DocumentFetched => "document.fetched",
        }
    }

    /// Returns a label for forms.
    pub fn label(self) -> &'static str {
        match self {
            Self::Issued => "A BOL is issued",
            Self::Assigned => "A BOL is assigned to a customer, or taken away",
            Self::Voided => "A BOL is voided",
            Self::Weighed => "The official weight is entered",
            Self::DocumentAdded => "A document is added to a BOL",
            Self::DocumentFetched => "A customer fetches a document",
        }
    }

    /// Returns the successful actions that it stands for.
    ///
    /// A document counts as fetched when its link is issued, as on the dashboard. `LINK_FETCHED` follows later, from S3 after
    /// hours, and would tell of the same download again.
    pub fn actions(self) -> &'static [Action] {
        match self {
            Self::Issued => &[Action::BolCreated],
            Self::Assigned => &[Action::BolAssigned],
            Self::Voided => &[Action::BolVoided],
            Self::Weighed => &[Action::BolWeighed],
            Self::DocumentAdded => &[Action::DocumentUploaded, Action::DocumentFiled, Action::DocumentAdopted],
            Self::DocumentFetched => &[Action::BolDownloaded, Action::BolPreviewed, Action::BolsZipped],
        }
    }

    /// Returns the event that an action stands for, if there is one.
    pub(super) fn of_action(action: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.actions().iter().any(|known| known.as_str() == action))
    }
}

impl FromStr for WebhookEvent {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|event| event.as_str() == name).ok_or(())
    }
}
