//! The table of GET routes: an example of each page, and what the test compares it with.

use crate::support::World;

/// What a GET route answers.
pub enum Answers {
    /// A page, at each of these addresses.
    Page(&'static [&'static str]),
    /// A file, JSON or a redirect; its errors are pages. An address that answers such an error.
    File(&'static str),
}

use Answers::{File, Page};

/// Every GET route of `src/web/routes.rs`, with addresses in the sample data of [`World`].
///
/// The addresses with mistakes show the messages beside the filters.
pub const ROUTES: &[(&str, Answers)] = &[
    ("/", File("/nothing-here")),
    ("/login", Page(&["/login", "/login?next=/bols"])),
    ("/login/sso", File("/login/sso")),
    ("/login/sso/callback", File("/login/sso/callback")),
    ("/login/sso/confirm", File("/login/sso/confirm")),
    ("/login/sso/out", File("/login/sso/out")),
    ("/invitation", Page(&["/invitation", "/invitation?token=x"])),
    ("/password", Page(&["/password?token=x"])),
    ("/.well-known/security.txt", File("/.well-known/nothing")),
    ("/password-reset", Page(&["/password-reset"])),
    ("/account", Page(&["/account", "/account?done=password"])),
    ("/login/factor", File("/login/factor")),
    ("/login/enroll", File("/login/enroll")),
    ("/confirm", Page(&["/confirm"])),
    ("/account/factors", Page(&["/account/factors", "/account/factors?done=forgotten"])),
    ("/account/factors/app", Page(&["/account/factors/app"])),
    ("/account/factors/app/remove", Page(&["/account/factors/app/remove"])),
    ("/sessions/end", Page(&["/sessions/end?token=x"])),
    ("/account/passkeys", Page(&["/account/passkeys", "/account/passkeys?done=added"])),
    ("/account/passkeys/new", Page(&["/account/passkeys/new"])),
    ("/account/passkeys/{id}/rename", Page(&["/account/passkeys/999999/rename"])),
    ("/account/passkeys/{id}/remove", Page(&["/account/passkeys/999999/remove"])),
    ("/account/tokens", Page(&["/account/tokens", "/account/tokens?done=revoked"])),
    ("/account/tokens/{token}/revoke", Page(&["/account/tokens/1/revoke", "/account/tokens/2/revoke"])),
    ("/office/service-accounts", Page(&["/office/service-accounts"])),
    (
        "/office/service-accounts/{id}/tokens",
        Page(&["/office/service-accounts/10/tokens", "/office/service-accounts/1/tokens"]),
    ),
    ("/office/service-accounts/{id}/tokens/{token}/revoke", Page(&["/office/service-accounts/10/tokens/3/revoke"])),
    ("/people/service-accounts", Page(&["/people/service-accounts"])),
    ("/people/service-accounts/{id}/tokens", Page(&["/people/service-accounts/10/tokens"])),
    ("/people/service-accounts/{id}/tokens/{token}/revoke", Page(&["/people/service-accounts/10/tokens/3/revoke"])),
    ("/office/webhooks", Page(&["/office/webhooks", "/office/webhooks?done=removed"])),
    ("/office/webhooks/{id}", Page(&["/office/webhooks/1", "/office/webhooks/2", "/office/webhooks/999999"])),
    ("/office/webhooks/{id}/{change}", Page(&["/office/webhooks/1/key", "/office/webhooks/2/remove"])),
    (
        "/office/webhooks/{id}/deliveries/{delivery}",
        Page(&[
            "/office/webhooks/1/deliveries/1",
            "/office/webhooks/1/deliveries/3",
            "/office/webhooks/2/deliveries/6",
        ]),
    ),
    ("/office/webhooks/{id}/secret", Page(&["/office/webhooks/1/secret"])),
    ("/people/webhooks/{id}/secret", Page(&["/people/webhooks/1/secret"])),
    ("/people/webhooks", Page(&["/people/webhooks"])),
    ("/people/webhooks/{id}", Page(&["/people/webhooks/1"])),
    ("/people/webhooks/{id}/{change}", Page(&["/people/webhooks/1/key", "/people/webhooks/1/remove"])),
    ("/people/webhooks/{id}/deliveries/{delivery}", Page(&["/people/webhooks/1/deliveries/2"])),
    ("/people", Page(&["/people"])),
    (
        "/people/{id}/{change}",
        Page(&["/people/1/leave?customer_id=1", "/people/999999/leave?customer_id=1", "/people/10/disable"]),
    ),
    (
        "/bols",
        Page(&[
            "/bols",
            "/bols?q=sesame",
            "/bols?new=1",
            "/bols?done=none",
            "/bols?q=nothing-like-this",
            "/bols?from=x&to=2025-13-01",
            "/bols?status=void&sort=tons",
            "/bols?customer=ACME",
        ]),
    ),
    ("/bols/export", File("/bols/export?from=x")),
    ("/bols/download.zip", File("/bols/download.zip?q=nothing-like-this")),
    (
        "/bols/{number}",
        Page(&["/bols/PRT-2025-0001", "/bols/PRT-2025-0002", "/bols/PRT-2025-0005", "/bols/PRT-2099-0001"]),
    ),
    ("/bols/{number}/download", File("/bols/PRT-2025-0005/download")),
    ("/documents/{id}/download", File("/documents/999999/download")),
    ("/api", Page(&["/api"])),
    ("/api/openapi.json", File("/api/nothing")),
    ("/api/v1/me", File("/api/v1/nothing")),
    ("/api/v1/bols", File("/api/v1/bols?from=x")),
    ("/api/v1/bols/{number}", File("/api/v1/bols/PRT-2099-0001")),
    ("/api/v1/inbox", File("/api/v1/inbox?after=x")),
    ("/api/v1/customers", File("/api/v1/nothing")),
    ("/api/v1/log/events", File("/api/v1/log/events?after=x")),
    ("/api/bols", File("/api/nothing")),
    ("/api/bol/{id}/download/", File("/api/bol/999999/download/")),
    ("/api/bol/{id}/download", File("/api/bol/999999/download")),
    (
        "/office/bols/new",
        Page(&["/office/bols/new", "/office/bols/new?customer=ACME", "/office/bols/new?from=PRT-2025-0002"]),
    ),
    (
        "/office/bols/assign",
        Page(&[
            "/office/bols/assign?number=PRT-2025-0004",
            "/office/bols/assign?number=PRT-2025-0004&customer=ACME",
            "/office/bols/assign?number=PRT-2025-0001&customer=RIVAL",
            "/office/bols/assign?number=PRT-2025-0004&customer=NONE",
            "/office/bols/assign",
        ]),
    ),
    ("/office/upload", Page(&["/office/upload", "/office/upload?batch={batch}"])),
    ("/office/inbox", Page(&["/office/inbox", "/office/inbox?show=unassigned", "/office/inbox?show=bin"])),
    ("/office/documents/{id}/unfile", Page(&["/office/documents/{filed}/unfile", "/office/documents/999999/unfile"])),
    ("/office/documents/{id}/preview", File("/office/documents/999999/preview")),
    ("/office/bols/{number}/void", Page(&["/office/bols/PRT-2025-0001/void", "/office/bols/PRT-2025-0002/void"])),
    ("/office/bols/{number}/weight", Page(&["/office/bols/PRT-2025-0001/weight", "/office/bols/PRT-2025-0002/weight"])),
    ("/office/remind", Page(&["/office/remind?customer=ACME"])),
    ("/office", Page(&["/office", "/office?done=reminded&people=1"])),
    (
        "/office/products",
        Page(&["/office/products", "/office/products?edit={lot}", "/office/products?find=nothing-like-this"]),
    ),
    (
        "/office/carriers",
        Page(&["/office/carriers", "/office/carriers?edit={truck}", "/office/carriers?find=nothing-like-this"]),
    ),
    ("/office/settings", Page(&["/office/settings"])),
    ("/office/storage", Page(&["/office/storage"])),
    ("/office/customers", Page(&["/office/customers", "/office/customers?find=nothing-like-this"])),
    ("/office/customers/{code}", Page(&["/office/customers/ACME", "/office/customers/IDLE", "/office/customers/NONE"])),
    ("/office/customers/{code}/state", Page(&["/office/customers/ACME/state", "/office/customers/IDLE/state"])),
    ("/office/users", Page(&["/office/users", "/office/users?customer=ACME", "/office/users?find=nothing-like-this"])),
    (
        "/office/users/{id}",
        Page(&["/office/users/1", "/office/users/5", "/office/users/6", "/office/users/7", "/office/users/10"]),
    ),
    (
        "/office/users/{id}/{change}",
        Page(&[
            "/office/users/1/disable",
            "/office/users/1/leave?customer_id=1",
            "/office/users/1/leave?customer_id=0",
        ]),
    ),
    (
        "/audit",
        Page(&[
            "/audit",
            "/audit?number=PRT-2025-0001",
            "/audit?q=nothing-like-this",
            "/audit?from=x",
            "/audit?user=buyer@acme.example",
        ]),
    ),
    ("/audit/export", File("/audit/export?from=x")),
    ("/audit/pack", File("/audit/pack?from=x")),
    ("/audit/events/{id}", Page(&["/audit/events/1", "/audit/events/999999"])),
    ("/audit/events/{id}/proof", File("/audit/events/999999/proof")),
    ("/audit/integrity", Page(&["/audit/integrity"])),
];

/// Every address of the table.
pub fn addresses() -> impl Iterator<Item = &'static str> {
    ROUTES
        .iter()
        .flat_map(|(_, answers)| match answers {
            Page(addresses) => *addresses,
            File(error) => std::slice::from_ref(error),
        })
        .copied()
}

/// The paths of `src/web/routes.rs` that answer GET.
fn routes_of_the_portal() -> Vec<&'static str> {
    let table = include_str!("../../../../src/web/routes.rs");
    let resources =
        table.split("resource(").skip(1).map(|resource| resource.split(".service(").next().unwrap_or_default());
    let answers_get = |resource: &&str| resource.contains("page!(") || resource.contains("get().to(");
    resources
        .filter(answers_get)
        .flat_map(|resource| resource.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/')))
        .collect()
}

#[test]
fn the_table_of_pages_has_every_get_route() {
    let mut portal = routes_of_the_portal();
    let mut here: Vec<&str> = ROUTES.iter().map(|(path, _)| *path).collect();
    portal.sort_unstable();
    here.sort_unstable();
    assert!(portal.len() > 35 && portal.contains(&"/office/customers/{code}/state"), "{portal:?}");
    assert_eq!(here, portal, "a new GET route needs an example in tests/it/house/pages/table.rs");
    assert_eq!(World::ACME_BOL, "PRT-2025-0001", "the addresses name the sample data");
}
