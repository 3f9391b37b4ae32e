//! Error pages that no address answers by itself: a form that is too large, too many lookups, and a log that can't be
//! written.

use serde_json::json;

use super::visitor::Visitor;
use crate::support::{App, World};

/// Larger than a form may be.
const TOO_LARGE: usize = 200_000;
/// Lookups of BOLs that aren't there, after which a customer gets none.
const LOOKUPS: usize = 61;

/// Leads the user to each error, and examines its page.
pub async fn examine(app: &App, visitor: &mut Visitor, email: &str) {
    too_large(visitor).await;
    let role = app.rows(&format!("SELECT role FROM users WHERE email = '{email}'")).await.remove(0);
    // The page needs a record, which the database refuses.
    let recorded = if role == "auditor" { "/audit" } else { "/bols/PRT-2025-0001" };
    app.sql(
        "REVOKE INSERT ON audit_events FROM primetrade, portal_server; REVOKE ALL ON audit_events FROM portal_customer",
    )
    .await;
    visitor.visit_error(recorded, 503).await;
    app.sql("GRANT INSERT ON audit_events TO primetrade, portal_server, portal_customer; GRANT SELECT ON audit_events TO portal_customer").await;
    if email == World::ACME {
        let actor = app.user(email).await;
        // The pages before have counted some, in a minute that may end any time.
        app.sql("DELETE FROM denied_lookups").await;
        let look_up = async |n: usize| actor.get(&format!("/bols/PRT-2099-{n:04}")).await;
        futures_util::future::join_all((0..LOOKUPS).map(look_up)).await;
        visitor.visit_error("/bols/PRT-2025-0001", 429).await;
        app.sql("DELETE FROM denied_lookups").await;
    }
}

/// Sends the form for a new password with a field that is too large.
async fn too_large(visitor: &mut Visitor) {
    visitor.open("/account").await;
    let forms = visitor.ask("forms", &[]).await;
    let form = forms.as_array().and_then(|forms| forms.iter().find(|form| form["action"] == "/account/password"));
    let index = form.expect("a form for the password")["index"].clone();
    let refused = visitor.send(&index, json!({"new_password": "x".repeat(TOO_LARGE)})).await;
    visitor.examine_error("POST /account/password", &refused, 413).await;
}
