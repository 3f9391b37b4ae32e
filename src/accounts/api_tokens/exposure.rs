//! Revokes a token that was sent in a URL, where proxies, browsers and logs keep it.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::ApiToken;
use super::readers::readers;
use super::refusal::{TokenError, refuse};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome, TokenName};
use crate::clock::Clock;
use crate::db::schema::{api_tokens, users};
use crate::db::{Database, DbResult};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice};

/// Revokes these tokens, records each, and emails their owners. If none of them could be used, records the refusal instead.
pub async fn revoke_exposed(db: &Database, clock: &Clock, origin: &Origin, tokens: &[ApiToken]) -> DbResult<()> {
    let now = clock.now();
    let hashes: Vec<Vec<u8>> = tokens.iter().map(ApiToken::hash).collect();
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let open = api_tokens::table
            .filter(api_tokens::token_hash.eq_any(hashes))
            .filter(api_tokens::revoked_at.is_null())
            .filter(api_tokens::expires_at.gt(now));
        let revoked: Vec<(i64, String, i64)> = diesel::update(open)
            .set(api_tokens::revoked_at.eq(now))
            .returning((api_tokens::id, api_tokens::name, api_tokens::user_id))
            .load(connection)
            .await?;
        if revoked.is_empty() {
            // Not even its owner is known, because the request was not checked any further.
            let _: TokenError = refuse(connection, now, origin, None).await?;
        }
        for (id, name, user_id) in revoked {
            let owner = users::table.find(user_id).select((users::email, users::name, users::is_service));
            let (owner, owner_name, is_service): (String, String, bool) = owner.first(connection).await?;
            let actor = Actor { token: Some(TokenName { id, name: &name }), ..Actor::PORTAL };
            let event = Event::new(Action::TokenRevoked, Outcome::Success, actor, origin);
            audit::record(connection, &event.detail(json!({"owner": owner, "reason": "in_url"}))).await?;
            for reader in readers(connection, (id, user_id, is_service)).await? {
                let service = is_service.then(|| owner_name.clone());
                let notice = SecurityNotice::TokenExposed { token: name.clone(), service };
                let template = EmailTemplate::security(notice, &reader.name);
                outbox::post(connection, now, To::new(&reader.email, Some(reader.id)), &template).await?;
            }
        }
        Ok(())
    })
    .await
}
