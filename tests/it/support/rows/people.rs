//! Customers, users, their memberships and their sessions.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use primetrade::db::schema::{customers, memberships, sessions, users};

use super::super::App;
use super::{find, load_all};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = customers)]
pub struct CustomerRow {
    pub id: i64,
    pub code: String,
    pub name: String,
    pub address: String,
    pub remind: bool,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct UserRow {
    pub id: i64,
    pub email: String,
    pub role: String,
    pub active: bool,
    /// In PHC string format. `None` for a user who has never set a password.
    pub password_hash: Option<String>,
}

/// One user of a customer.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct MemberRow {
    pub email: String,
    pub is_admin: bool,
    pub password_hash: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    pub id: i64,
    pub token_hash: Vec<u8>,
    pub user_id: i64,
}

load_all!(CustomerRow, customers, id);
load_all!(UserRow, users, id);
load_all!(SessionRow, sessions, id);

impl App {
    pub async fn customer(&self, code: &str) -> CustomerRow {
        let customers = CustomerRow::all(&mut *self.connection().await).await;
        find(customers, &format!("customer {code}"), |customer| customer.code == code)
    }

    /// Every user by id.
    pub async fn users(&self) -> Vec<UserRow> {
        UserRow::all(&mut *self.connection().await).await
    }

    pub async fn user_id(&self, email: &str) -> i64 {
        find(self.users().await, &format!("user {email}"), |user| user.email == email).id
    }

    /// The users of a customer, by email.
    pub async fn members(&self, code: &str) -> Vec<MemberRow> {
        let mut connection = self.connection().await;
        let query = memberships::table
            .inner_join(users::table)
            .inner_join(customers::table)
            .filter(customers::code.eq(code))
            .order(users::email)
            .select((users::email, memberships::is_admin, users::password_hash));
        query.load(&mut *connection).await.unwrap()
    }

    /// Every session by id.
    pub async fn sessions(&self) -> Vec<SessionRow> {
        SessionRow::all(&mut *self.connection().await).await
    }

    /// The only session of a user. Panics if there is none or more than one.
    pub async fn session_of(&self, email: &str) -> SessionRow {
        let user = self.user_id(email).await;
        let mut sessions = self.sessions().await;
        sessions.retain(|session| session.user_id == user);
        assert_eq!(sessions.len(), 1, "sessions of {email}");
        sessions.remove(0)
    }
}
