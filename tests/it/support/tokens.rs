//! API tokens that a test starts from, without the page that makes them.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use primetrade::accounts::api_tokens::{ApiToken, TokenScope};
use primetrade::db::schema::{api_tokens, users};
use sha2::{Digest, Sha256};

use super::{Actor, App};

impl App {
    /// A token of a user, for 90 days. Returns its text.
    pub async fn token(&self, email: &str, scopes: &[&str]) -> String {
        let token = ApiToken::generate().unwrap();
        let mut connection = self.connection().await;
        let owner: i64 =
            users::table.filter(users::email.eq(email)).select(users::id).first(&mut *connection).await.unwrap();
        let now = self.clock.now();
        let row = (
            api_tokens::user_id.eq(owner),
            api_tokens::made_by.eq(owner),
            api_tokens::form_key.eq(token.as_str()[4..40].to_owned()),
            api_tokens::name.eq(format!("Token of {email}")),
            api_tokens::scopes.eq(scopes),
            api_tokens::token_hash.eq(Sha256::digest(token.as_str()).to_vec()),
            api_tokens::created_at.eq(now),
            api_tokens::expires_at.eq(now + TimeDelta::days(90)),
        );
        diesel::insert_into(api_tokens::table).values(row).execute(&mut *connection).await.unwrap();
        token.as_str().to_owned()
    }

    /// A program with a new token of a user, with every scope.
    pub async fn program(&self, email: &str) -> Actor {
        let scopes = TokenScope::ALL.map(TokenScope::as_str);
        self.stranger().with_token(&self.token(email, &scopes).await)
    }
}
