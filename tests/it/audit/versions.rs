//! `audit verify` finds objects in a versioned bucket that someone overwrote or deleted.

use reqwest::{Client, Method};

use crate::support::{App, BUCKET, Fault, Ministack, Proxy, World, http_client, run, with_variables};

/// A portal on a versioned bucket, with a proxy in between for the command line.
struct Versioned {
    app: App,
    server: Ministack,
    http: Client,
}

impl Versioned {
    async fn new() -> Option<Self> {
        let server = Ministack::start().await?;
        assert_eq!(run(&server.environment(), &["storage", "setup", "--yes"]).await.0, 0);
        let app = App::on(server.environment()).await;
        app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
        app.sealed().await;
        app.published().await;
        Some(Self { app, server, http: http_client() })
    }

    /// A request of someone who may do anything with the bucket.
    async fn change(&self, method: Method, key: &str, body: impl Into<reqwest::Body>) {
        let url = format!("http://{}/{BUCKET}/{key}", self.server.address);
        let answer = self.http.request(method, url).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{key}: {}", answer.status());
    }

    async fn bytes(&self, key: &str) -> Vec<u8> {
        let url = format!("http://{}/{BUCKET}/{key}", self.server.address);
        self.http.get(url).send().await.unwrap().bytes().await.unwrap().to_vec()
    }

    async fn verify(&self) -> (i32, String) {
        let (code, stdout, stderr) = run(&self.app.environment().to_vec(), &["audit", "verify"]).await;
        (code, format!("{stdout}{stderr}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overwritten_and_deleted_objects_are_named() {
    let Some(bucket) = Versioned::new().await else { return };
    let (code, text) = bucket.verify().await;
    assert!(code == 0 && text.contains(" versions of documents and checkpoints in the bucket"), "{text}");
    assert!(!text.contains("note: "), "{text}");
    let document = "bols/2025/PRT-2025-0001.v2.pdf";
    let original = bucket.bytes(document).await;
    // The same bytes again are no fault.
    bucket.change(Method::PUT, document, original.clone()).await;
    let (code, text) = bucket.verify().await;
    assert!(
        code == 0 && text.contains(&format!("or again after a deletion, with the same bytes: {document}")),
        "{text}"
    );
    bucket.change(Method::PUT, document, "%PDF-1.7 another one").await;
    let (code, text) = bucket.verify().await;
    let said = format!("first difference: {document} was overwritten: the bucket has 3 versions of it");
    assert!(code == 1 && text.contains(&said), "{text}");
    // Putting the original back doesn't hide it.
    bucket.change(Method::PUT, document, original).await;
    let (code, text) = bucket.verify().await;
    assert!(code == 1 && text.contains(&format!("{document} was overwritten: the bucket has 4 versions")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_markers_and_checkpoints_are_named_and_foreign_objects_only_noted() {
    let Some(bucket) = Versioned::new().await else { return };
    let deleted = "bols/2025/PRT-2025-0001.pdf";
    bucket.change(Method::DELETE, deleted, "").await;
    bucket.change(Method::PUT, "bols/2025/stray.pdf", "one").await;
    bucket.change(Method::DELETE, "bols/2025/stray.pdf", "").await;
    bucket.change(Method::PUT, "elsewhere/stray.pdf", "one").await;
    bucket.change(Method::PUT, "elsewhere/stray.pdf", "two").await;
    let (code, text) = bucket.verify().await;
    assert!(
        code == 1 && text.contains(&format!("{deleted} was deleted: the bucket has a delete marker from ")),
        "{text}"
    );
    assert!(text.contains("but no document of the portal: bols/2025/stray.pdf\n"), "{text}");
    assert!(!text.contains("elsewhere"), "{text}");
    let checkpoint = bucket.app.checkpoints().await.into_iter().find(|checkpoint| checkpoint.is_published).unwrap();
    let (key, note) = (checkpoint.key(), checkpoint.note);
    bucket.change(Method::PUT, &key, "something else").await;
    let (code, text) = bucket.verify().await;
    assert!(code == 1 && text.contains(&format!("{key} was overwritten: the bucket has 2 versions")), "{text}");
    bucket.change(Method::DELETE, &key, "").await;
    bucket.change(Method::PUT, &key, note).await;
    let (code, text) = bucket.verify().await;
    assert!(code == 1 && text.contains(&format!("{key} was overwritten: the bucket has 3 versions")), "{text}");
    assert!(!text.contains(&format!("{key} in the storage differs")), "the current version is right: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_to_list_versions_is_noted_and_strictly_a_fault() {
    let Some(bucket) = Versioned::new().await else { return };
    let proxy = Proxy::before(bucket.server.address).await;
    let endpoint = format!("http://{}", proxy.address);
    let through = with_variables(bucket.app.environment().to_vec(), &[("AWS_ENDPOINT_URL_S3", &endpoint)]);
    proxy.always(Some(Fault::Denied("versions")));
    let (code, stdout, stderr) = run(&through, &["audit", "verify"]).await;
    assert!(code == 0 && stdout.contains("note: versions in the bucket can't be listed"), "{stdout}{stderr}");
    assert!(stdout.contains("allow s3:ListBucketVersions"), "{stdout}");
    let (code, stdout, _) = run(&through, &["audit", "verify", "--strict"]).await;
    assert!(code == 1 && !stdout.contains("everything matches"), "{stdout}");
    proxy.always(None);
    let (code, stdout, _) = run(&through, &["audit", "verify", "--strict"]).await;
    assert!(code == 0 && stdout.contains("everything matches"), "{stdout}");
    // Without the right to read old versions, entity tags decide.
    bucket.change(Method::PUT, "bols/2025/PRT-2025-0001.v2.pdf", "%PDF-1.7 another one").await;
    proxy.always(Some(Fault::Denied("versionId")));
    let (code, stdout, _) = run(&through, &["audit", "verify"]).await;
    assert!(code == 1 && stdout.contains("PRT-2025-0001.v2.pdf was overwritten"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_without_versions_has_nothing_to_look_at() {
    let app = App::on_s3(&[]).await;
    app.sealed().await;
    let (code, stdout, stderr) = run(&app.environment().to_vec(), &["audit", "verify", "--strict"]).await;
    assert!(code == 0 && stdout.contains("note: the storage doesn't list versions"), "{stdout}{stderr}");
    // A server that doesn't know the request.
    let proxy = Proxy::before(app.s3.as_ref().unwrap().address).await;
    proxy.always(Some(Fault::VersionsIgnored));
    let endpoint = format!("http://{}", proxy.address);
    let through = with_variables(app.environment().to_vec(), &[("AWS_ENDPOINT_URL_S3", &endpoint)]);
    let (code, stdout, stderr) = run(&through, &["audit", "verify", "--strict"]).await;
    assert!(code == 0 && stdout.contains("note: the storage doesn't list versions"), "{stdout}{stderr}");
    let local = App::start().await;
    let (code, stdout, _) = run(&local.environment().to_vec(), &["audit", "verify", "--strict"]).await;
    assert!(code == 0 && !stdout.contains("versions"), "{stdout}");
}
