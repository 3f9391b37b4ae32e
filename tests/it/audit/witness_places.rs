//! Witnesses in a bucket of another account, and behind an address.

use primetrade::config::{Config, Needs, StorageConfig};
use primetrade::storage::Storage;
use sha2::{Digest, Sha256};

use crate::support::{App, BUCKET, Environment, S3Server, SECRET_KEY, WitnessService, run, with_variables};

/// An app whose documents are on one S3 server, and the variables of a witness on another.
async fn on_two_servers() -> (App, S3Server, Environment) {
    let app = App::on_s3(&[]).await;
    app.acme().await.get("/bols").await;
    app.sealed().await;
    app.published().await;
    let witness = S3Server::start().await;
    let endpoint = format!("http://{}", witness.address);
    let variables = [
        ("WITNESS_AWS_ENDPOINT_URL", endpoint.as_str()),
        ("WITNESS_AWS_ACCESS_KEY_ID", crate::support::ACCESS_KEY),
        ("WITNESS_AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ];
    let environment = with_variables(app.environment().to_vec(), &variables);
    (app, witness, environment)
}

/// The witness's bucket, for someone who may do anything with it.
async fn storage_of(environment: &Environment) -> Storage {
    let values = environment.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    let config = Config::from_values(&values, Needs::Serving).unwrap();
    Storage::with_long_timeouts(&StorageConfig::S3(config.witness.bucket(BUCKET).unwrap())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_another_account_is_a_witness() {
    let (app, server, environment) = on_two_servers().await;
    let place = format!("s3://{BUCKET}/portal/log");
    let (code, stdout, stderr) = run(&environment, &["audit", "witness", &place]).await;
    assert!(code == 0 && stdout.contains(&format!(" sent to {place}")), "{stdout}{stderr}");
    let newest = app.checkpoints().await.into_iter().rfind(|checkpoint| checkpoint.is_published).unwrap();
    let object = server.path_of(&format!("portal/log/{:012}.txt", newest.size));
    assert_eq!(std::fs::read_to_string(&object).unwrap(), newest.note);
    let (code, stdout, _) = run(&environment, &["audit", "witness", &place]).await;
    assert!(code == 0 && stdout.contains("nothing to send"), "{stdout}");
    let verify = ["audit", "verify", "--witness", &place];
    let (code, stdout, stderr) = run(&environment, &verify).await;
    assert!(code == 0 && stdout.contains(&format!("checkpoints in the witness {place}, ")), "{stdout}{stderr}");
    let altered = newest.note.replace("\"backdated\":0", "\"backdated\":9").into_bytes();
    std::fs::remove_file(&object).unwrap();
    let (key, sha256) = (format!("portal/log/{:012}.txt", newest.size), Sha256::digest(&altered).into());
    storage_of(&environment).await.put(&key.parse().unwrap(), altered, sha256).await.unwrap();
    let (code, stdout, _) = run(&environment, &verify).await;
    assert!(code == 1 && stdout.contains("invalid signature"), "{stdout}");
    // The same name on the portal's own server is the portal's own bucket.
    let (code, _, stderr) = run(&app.environment().to_vec(), &verify).await;
    assert!(code == 2 && stderr.contains("this is the storage of the portal"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_witness_has_credentials_of_its_own() {
    let (_app, _server, environment) = on_two_servers().await;
    let place = format!("s3://{BUCKET}/log");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("credentials");
    let profile = |secret: &str| {
        let keys = format!("aws_access_key_id = {}\naws_secret_access_key = {secret}\n", crate::support::ACCESS_KEY);
        std::fs::write(&file, format!("[witness]\n{keys}")).unwrap();
    };
    let with_profile = with_variables(
        environment.clone(),
        &[
            ("WITNESS_AWS_ACCESS_KEY_ID", ""),
            ("WITNESS_AWS_SECRET_ACCESS_KEY", ""),
            ("WITNESS_AWS_PROFILE", "witness"),
            ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
        ],
    );
    // The portal's own keys would be right.
    profile("not-the-one-that-belongs-here");
    let (code, _, stderr) = run(&with_profile, &["audit", "witness", &place]).await;
    assert!(code == 1 && stderr.contains("check WITNESS_AWS_PROFILE"), "{stderr}");
    profile(SECRET_KEY);
    let (code, stdout, stderr) = run(&with_profile, &["audit", "witness", &place]).await;
    assert!(code == 0 && stdout.contains("sent to"), "{stdout}{stderr}");
    for (changes, said) in [
        (&[("WITNESS_AWS_SECRET_ACCESS_KEY", "wrong")][..], "the secret doesn't belong to the access key"),
        (&[("WITNESS_AWS_ENDPOINT_URL", "http://127.0.0.1:9")], "check the network and WITNESS_AWS_ENDPOINT_URL"),
    ] {
        let (code, _, stderr) = run(&with_variables(environment.clone(), changes), &["audit", "witness", &place]).await;
        assert!(code == 1 && stderr.contains(said), "{said}: {stderr}");
    }
    let (code, _, stderr) = run(&environment, &["audit", "verify", "--witness", "s3://another-bucket/log"]).await;
    assert!(code == 1 && stderr.contains("create the bucket, best in an account of its own"), "{stderr}");
    let half = with_variables(environment, &[("WITNESS_AWS_SECRET_ACCESS_KEY", "")]);
    let (code, _, stderr) = run(&half, &["audit", "witness", &place]).await;
    assert!(code == 2 && stderr.contains("WITNESS_AWS_SECRET_ACCESS_KEY: not set"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_takes_checkpoints_by_post_and_returns_them() {
    let app = App::start().await;
    app.acme().await.get("/bols").await;
    app.sealed().await;
    app.published().await;
    let environment = app.environment().to_vec();
    let service = WitnessService::start(true).await;
    let place = format!("http://{}/log?token=a-secret", service.address);
    let (code, stdout, stderr) = run(&environment, &["audit", "witness", &place]).await;
    assert!(code == 0 && stdout.contains(" sent to http://") && !stdout.contains("a-secret"), "{stdout}{stderr}");
    let notes = service.notes();
    assert_eq!(notes.last(), Some(&app.newest_checkpoint().await.note));
    let (code, stdout, _) = run(&environment, &["audit", "witness", &place]).await;
    assert!(code == 0 && stdout.contains("nothing to send") && service.notes() == notes, "{stdout}");
    let (code, stdout, stderr) = run(&environment, &["audit", "verify", "--witness", &place]).await;
    assert!(code == 0 && stdout.contains("in the witness http://") && !stdout.contains("a-secret"), "{stdout}{stderr}");
    // A page of something in between.
    service.replace("<!DOCTYPE html><p>Accept the terms");
    let (code, stdout, _) = run(&environment, &["audit", "verify", "--witness", &place]).await;
    assert!(code == 1 && stdout.contains("checkpoint 1 in the witness is wrong"), "{stdout}");
    let (code, _, stderr) = run(&environment, &["audit", "witness", &place]).await;
    assert!(code == 1 && stderr.contains("Nothing was sent"), "{stderr}");
    service.refuse(507);
    let (code, _, stderr) = run(&environment, &["audit", "witness", &place]).await;
    assert!(code == 1 && stderr.contains("it answers GET with 507"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_listing_gets_the_newest_checkpoint_and_verifies_from_a_file() {
    let app = App::start().await;
    app.acme().await.get("/bols").await;
    app.sealed().await;
    let environment = app.environment().to_vec();
    let service = WitnessService::start(false).await;
    let place = format!("http://{}", service.address);
    let (code, stdout, stderr) = run(&environment, &["audit", "witness", &place]).await;
    assert!(code == 0 && stdout.contains("can't be listed, so only the newest"), "{stdout}{stderr}");
    assert_eq!(service.notes(), [app.newest_checkpoint().await.note]);
    let (code, _, stderr) = run(&environment, &["audit", "verify", "--witness", &place]).await;
    assert!(code == 1 && stderr.contains("it answers GET with 405") && stderr.contains("--witness FILE"), "{stderr}");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("saved.txt");
    std::fs::write(&file, service.notes().concat()).unwrap();
    let (code, stdout, _) = run(&environment, &["audit", "verify", "--witness", file.to_str().unwrap()]).await;
    assert!(code == 0 && stdout.contains("1 checkpoints in the witness"), "{stdout}");
}
