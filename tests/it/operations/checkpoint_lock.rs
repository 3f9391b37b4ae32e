//! `storage setup --lock-checkpoints` has each new checkpoint locked, and no document.

use chrono::{DateTime, Months, TimeDelta, Utc};
use primetrade::clock::Clock;
use reqwest::Method;

use crate::support::{
    App, BUCKET, Environment, Fault, Ministack, Proxy, S3Server, World, http_client, run, with_variables,
};

const SETUP: [&str; 3] = ["storage", "setup", "--yes"];

async fn setup(environment: &Environment, years: &str) -> (i32, String, String) {
    run(environment, &[&SETUP[..], &["--lock-checkpoints", years]].concat()).await
}

/// The line of `storage check` about locks, with its advice.
async fn check(environment: &Environment) -> (i32, String) {
    let (code, stdout, _) = run(environment, &["storage", "check"]).await;
    let at = stdout.find("object lock").unwrap_or_else(|| panic!("{stdout}"));
    let start = stdout[..at].rfind('\n').unwrap() + 1;
    (code, stdout[start..].to_owned())
}

/// Mode and end of the lock of an object.
async fn lock_of(server: &Ministack, key: &str) -> Option<(String, DateTime<Utc>)> {
    let url = format!("http://{}/{BUCKET}/{key}", server.address);
    let head = http_client().head(url).send().await.unwrap();
    assert_eq!(head.status(), 200, "{key}");
    let header = |name: &str| head.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let until = header("x-amz-object-lock-retain-until-date")?;
    Some((header("x-amz-object-lock-mode")?, until.parse().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn new_checkpoints_are_locked_for_years_and_documents_are_not() {
    let Some(server) = Ministack::start().await else { return };
    let environment = server.environment();
    assert_eq!(run(&environment, &SETUP).await.0, 0);
    let (code, line) = check(&environment).await;
    assert!(code == 0 && line.starts_with("ok") && line.contains("not locked") && line.contains("optional"), "{line}");
    let (code, stdout, _) = run(&environment, &["storage", "setup", "--dry-run", "--lock-checkpoints", "7"]).await;
    assert!(code == 0 && stdout.contains("change  object lock"), "{stdout}");
    assert!(stdout.contains("not even by the account's owner") && stdout.contains("Nothing was changed"), "{stdout}");
    let (code, stdout, stderr) = setup(&environment, "7").await;
    assert!(
        code == 0 && stdout.contains("done    object lock    each checkpoint is locked for 7 years"),
        "{stdout}{stderr}"
    );
    let (code, stdout, _) = setup(&environment, "7").await;
    assert!(code == 0 && stdout.contains("Nothing was changed"), "{stdout}");
    let (code, line) = check(&environment).await;
    assert!(code == 0 && line.starts_with("ok") && line.contains("locked for 7 years"), "{line}");

    let app = App::on(environment.clone()).await;
    app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    app.sealed().await;
    app.published().await;
    let checkpoint = app.checkpoints().await.into_iter().find(|checkpoint| checkpoint.is_published).unwrap();
    let (mode, until) = lock_of(&server, &checkpoint.key()).await.expect("a lock");
    let expected = Clock::system().now() + Months::new(84);
    assert!(mode == "COMPLIANCE" && (until - expected).abs() < TimeDelta::minutes(5), "{mode} {until}");
    assert_eq!(lock_of(&server, "bols/2025/PRT-2025-0001.v2.pdf").await, None);
    let url = format!("http://{}/{BUCKET}/{}", server.address, checkpoint.key());
    let delete = http_client().request(Method::DELETE, url).send().await.unwrap();
    assert_eq!(delete.status(), 403);
    let (code, stdout, stderr) = run(&app.environment().to_vec(), &["audit", "verify"]).await;
    assert!(code == 0 && stdout.contains("everything matches"), "{stdout}{stderr}");

    // Another term changes the setting, and that is no overwritten document.
    let (code, stdout, _) = setup(&environment, "10").await;
    assert!(code == 0 && stdout.contains("locked for 10 years"), "{stdout}");
    let (code, stdout, stderr) = run(&app.environment().to_vec(), &["audit", "verify"]).await;
    assert!(code == 0 && stdout.contains("everything matches"), "{stdout}{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_created_for_it_can_lock() {
    let Some(server) = Ministack::start().await else { return };
    let (code, stdout, stderr) = setup(&server.environment(), "1").await;
    assert!(
        code == 0 && stdout.contains("done    object lock    each checkpoint is locked for 1 year ("),
        "{stdout}{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_locks_says_what_to_do() {
    let s3 = S3Server::start().await;
    let (code, stdout, stderr) = setup(&s3.environment(), "7").await;
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stderr.contains("FAIL    object lock") && stderr.contains("audit witness"), "{stderr}");
    for years in ["0", "101", "seven"] {
        assert_eq!(setup(&s3.environment(), years).await.0, 2, "{years}");
    }
    // A bucket that refuses it, in Amazon's words.
    let Some(server) = Ministack::start().await else { return };
    assert_eq!(run(&server.environment(), &SETUP).await.0, 0);
    let proxy = Proxy::before(server.address).await;
    let endpoint = format!("http://{}", proxy.address);
    let through = with_variables(server.environment(), &[("AWS_ENDPOINT_URL_S3", &endpoint)]);
    proxy.always(Some(Fault::Denied("object-lock")));
    let (code, stdout, stderr) = setup(&through, "7").await;
    assert!(code == 1 && stderr.contains("storage policy"), "{stdout}{stderr}");
    // The setting without the lock of the bucket: no checkpoint could be stored.
    proxy.always(None);
    let url = format!("http://{}/{BUCKET}/audit/lock-checkpoints.json", server.address);
    let put = http_client().put(url).body("{\"years\":7}").send().await.unwrap();
    assert!(put.status().is_success());
    let (code, line) = check(&through).await;
    assert!(code == 1 && line.starts_with("FAIL") && line.contains("the bucket has no Object Lock"), "{line}");
}
