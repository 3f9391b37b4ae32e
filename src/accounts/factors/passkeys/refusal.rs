//! Why a passkey was not accepted.

use std::time::Duration;

use webauthn_rs::prelude::WebauthnError;

use crate::db::DbError;

/// What was wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The challenge is unknown here: it has expired, was answered before, or belongs to another browser or session.
    Expired,
    /// No passkey of an active login, or one of another user.
    Unknown,
    /// The authenticator did not check who uses it.
    NotVerified,
    /// The sign count did not increase: there may be a copy.
    SignCount,
    /// The passkey says that it may be synced now, or no longer. The flag never changes (WebAuthn Level 3, 6.1.3).
    BackupEligibility,
    /// The passkey is right, but logins of this role use single sign-on and nothing else.
    SsoRequired,
    /// Anything else: another origin, an altered field, a wrong signature.
    Invalid,
}

impl Refusal {
    /// The reason in the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Expired => "challenge expired or used",
            Self::Unknown => "unknown passkey",
            Self::NotVerified => "user not verified",
            Self::SignCount => "sign count",
            Self::BackupEligibility => "backup eligibility",
            Self::SsoRequired => "sso_required",
            Self::Invalid => "invalid answer",
        }
    }

    /// What happened, and what to do.
    fn message(self) -> &'static str {
        match self {
            Self::Expired => "The passkey was not accepted, because the portal’s question had expired. Try again.",
            Self::Unknown => {
                "The portal doesn’t accept this passkey: it was removed, or belongs to another login. Use another one."
            }
            Self::NotVerified => {
                "The passkey was not accepted, because your device didn’t check who you are. Turn on its PIN, fingerprint or \
                 face recognition, and try again."
            }
            Self::SignCount => {
                "The passkey was not accepted: its counter shows that someone may have a copy of it. Log in without it, \
                 remove it under Account, and tell the terminal office."
            }
            Self::BackupEligibility => {
                "The passkey was not accepted, because it has changed since you added it. Log in without it, remove it under \
                 Account, and add it again."
            }
            Self::SsoRequired => "Your login uses single sign-on and nothing else. Choose it below.",
            Self::Invalid => "The passkey was not accepted. Try again, or use another way.",
        }
    }

    pub(super) fn of(error: &WebauthnError) -> Self {
        match error {
            WebauthnError::UserNotVerified => Self::NotVerified,
            WebauthnError::CredentialPossibleCompromise => Self::SignCount,
            WebauthnError::CredentialBackupEligibilityInconsistent | WebauthnError::CredentialMayNotBeHardwareBound => {
                Self::BackupEligibility
            }
            _ => Self::Invalid,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    #[error("{}", .0.message())]
    Refused(Refusal),
    #[error(
        "This device has a passkey of your login already, or its passkey belongs to another login. Use another device."
    )]
    Registered,
    #[error("You have {} passkeys, which is the most. Remove one first.", super::MAX_PASSKEYS)]
    TooMany,
    #[error("Enter a name of 1 to 100 characters.")]
    Name,
    #[error("You have no passkey. Use another way.")]
    None,
    #[error("too many attempts; wait {0:?}")]
    Slowed(Duration),
    /// The session has ended during the request, or may not do this.
    #[error("the session has ended")]
    Ended,
    /// webauthn-rs can't begin, or a stored passkey can't be read. The text is for the log.
    #[error("{0}")]
    Internal(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(PasskeyError);

impl PasskeyError {
    pub(super) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(format!("passkeys: {error}"))
    }
}
