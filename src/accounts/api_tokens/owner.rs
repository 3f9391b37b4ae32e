//! Whose tokens a user may make and revoke: the user's own, and those of the service accounts in the user's charge.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::TokenScope;
use crate::accounts::people::Authority;
use crate::accounts::{Role, User, Viewer, users};
use crate::db::schema::memberships;

/// The user whose tokens are shown or changed.
#[derive(Clone, Debug)]
pub struct TokenOwner {
    pub id: i64,
    pub email: String,
    pub name: String,
    pub is_service: bool,
    pub active: bool,
    role: Role,
}

impl TokenOwner {
    /// Returns the owner, if this viewer may manage its tokens. A token never has more rights than its maker: the maker of one
    /// for a service account manages all its companies.
    pub async fn find(connection: &mut AsyncPgConnection, viewer: &Viewer, id: i64) -> QueryResult<Option<Self>> {
        let user = users::by_id(connection, id).await?;
        Self::of(connection, viewer, user).await
    }

    /// The same, with the owner's row locked until the transaction ends.
    pub(super) async fn lock(
        connection: &mut AsyncPgConnection,
        viewer: &Viewer,
        id: i64,
    ) -> QueryResult<Option<Self>> {
        let user = users::lock(connection, id).await?;
        Self::of(connection, viewer, user).await
    }

    async fn of(connection: &mut AsyncPgConnection, viewer: &Viewer, user: Option<User>) -> QueryResult<Option<Self>> {
        let Some(user) = user else { return Ok(None) };
        let Ok(role) = user.role.parse() else { return Ok(None) };
        let is_managed = user.is_service && manages(connection, viewer, &user).await?;
        let User { id, email, name, is_service, active, .. } = user;
        let is_own = id == viewer.user_id;
        Ok((is_own || is_managed).then_some(Self { id, email, name, is_service, active, role }))
    }

    /// The scopes that are of any use to the owner.
    pub fn scopes(&self) -> impl Iterator<Item = TokenScope> + use<> {
        let role = self.role;
        TokenScope::ALL.into_iter().filter(move |scope| role.has_use_for(*scope))
    }
}

/// Whether a service account is in the viewer's charge.
async fn manages(connection: &mut AsyncPgConnection, viewer: &Viewer, user: &User) -> QueryResult<bool> {
    let companies: Vec<i64> = memberships::table
        .filter(memberships::user_id.eq(user.id))
        .select(memberships::customer_id)
        .load(connection)
        .await?;
    Ok(Authority::of(viewer).has_charge_of(user, &companies))
}
