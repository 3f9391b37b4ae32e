//! The user behind a request: of a session, or of an API token.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::{Error as QueryError, QueryResult};

use super::api_tokens::TokenScope;
use super::users::Role;
use crate::audit::{Actor, TokenName};
use crate::db::scope::Scope;

/// How long a proof is fresh: by a login, or by confirming it.
pub const FRESH: TimeDelta = TimeDelta::minutes(10);

/// The user of a request, as of this request.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Viewer {
    pub user_id: i64,
    /// How the user came in.
    pub door: Door,
    pub email: String,
    pub name: String,
    /// The effective role: a customer's while the office views the portal as one.
    pub role: Role,
    pub companies: Vec<Company>,
    /// The user's own role, while the office views the portal as a company.
    pub seeing_from: Option<Role>,
    /// BOLs that last changed before are not new to this user.
    pub read_until: DateTime<Utc>,
    /// When the user last proved who they are in this session ([`Viewer::has_fresh_proof`]).
    pub proven_at: Option<DateTime<Utc>>,
    /// Until when the user has to set up a second factor, if one is required.
    pub factor_due_at: Option<DateTime<Utc>>,
}

/// How a user came in. Whether it is still open is checked at every request, and again during long responses.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub enum Door {
    /// A person's browser.
    Session { id: i64 },
    /// A program with an API token.
    Token(TokenGrant),
}

/// The API token of a request.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct TokenGrant {
    pub id: i64,
    pub name: String,
    pub scopes: Vec<TokenScope>,
}

/// A company of a login.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Company {
    pub id: i64,
    pub code: String,
    pub name: String,
    /// Whether the user manages the company's logins.
    pub is_admin: bool,
    /// Whether the company's logins must have a second factor.
    pub factor_required: bool,
}

impl Viewer {
    /// Returns the session of the user, for what only a person can do. A token has none: no such handler admits one.
    pub fn session(&self) -> QueryResult<i64> {
        match self.door {
            Door::Session { id } => Ok(id),
            Door::Token(_) => Err(QueryError::QueryBuilderError("a token has no session".into())),
        }
    }

    /// Returns the token of the request, unless a person's session made it.
    pub fn token(&self) -> Option<&TokenGrant> {
        match &self.door {
            Door::Session { .. } => None,
            Door::Token(token) => Some(token),
        }
    }

    /// Whether the request may use this part of the user's rights. A person's session may use all of them.
    pub fn allows(&self, scope: TokenScope) -> bool {
        self.token().is_none_or(|token| token.scopes.contains(&scope))
    }

    /// Whether the user has proved who they are recently enough for a change that needs it.
    pub fn has_fresh_proof(&self, now: DateTime<Utc>) -> bool {
        is_fresh(self.proven_at, now)
    }

    pub fn scope(&self) -> Scope {
        match self.role {
            Role::Customer => Scope::Companies {
                user_id: self.user_id,
                ids: self.companies.iter().map(|company| company.id).collect(),
                acting_as: self.true_role().as_str(),
            },
            Role::Office | Role::Auditor | Role::Admin => Scope::All,
        }
    }

    pub fn actor(&self) -> Actor<'_> {
        Actor {
            user_id: Some(self.user_id),
            email: &self.email,
            role: Some(self.true_role().as_str()),
            seen_as: self.seen_as(),
            token: self.token().map(|token| TokenName { id: token.id, name: &token.name }),
        }
    }

    /// Returns the user's own role, whatever the portal is viewed as.
    pub fn true_role(&self) -> Role {
        self.seeing_from.unwrap_or(self.role)
    }

    /// Returns the code of the company that the office views the portal as.
    pub fn seen_as(&self) -> Option<&str> {
        self.seeing_from.and(self.companies.as_slice().first()).map(|company| company.code.as_str())
    }

    /// Returns the companies whose logins the user manages.
    pub fn administered(&self) -> impl Iterator<Item = &Company> {
        self.companies.iter().filter(|company| company.is_admin)
    }

    /// "Acme Steel, Beta Foundry"
    pub fn company_names(&self) -> String {
        let names: Vec<&str> = self.companies.iter().map(|company| company.name.as_str()).collect();
        names.join(", ")
    }
}

pub(super) fn is_fresh(proven_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    proven_at.is_some_and(|proven_at| now - proven_at < FRESH)
}
