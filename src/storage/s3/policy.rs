//! Two policies as JSON: the bucket policy, which denies some requests to everyone, and the IAM policy of the program.

use serde_json::{Value, json};

use super::desired::{DesiredSettings, LOCK_SETTING};

/// The prefix of our statements in a bucket policy. All others belong to someone else and stay.
const OURS: &str = "PrimeTrade";
/// The folders that the program writes: documents, the inbox, and the checkpoints of the log.
const FOLDERS: [&str; 3] = ["bols", "inbox", "audit"];

/// Returns statements that deny plain HTTP, and links above an age, whatever their own expiry.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html>
fn statements(bucket: &str, wanted: &DesiredSettings) -> Vec<Value> {
    let (whole, objects) = (arn(bucket), format!("{}/*", arn(bucket)));
    let https_only = wanted.https_only.then(|| {
        json!({
            "Sid": "PrimeTradeHttpsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [whole, objects],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        })
    });
    let short_links = json!({
        "Sid": "PrimeTradeShortLinks",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": objects,
        // Milliseconds since the link was signed.
        "Condition": {
            "StringEquals": {"s3:authType": "REST-QUERY-STRING"},
            "NumericGreaterThan": {"s3:signatureAge": wanted.link_life.as_millis().to_string()},
        },
    });
    https_only.into_iter().chain([short_links]).collect()
}

/// Returns the bucket's policy with our statements replaced and all others unchanged.
pub(super) fn of_bucket(bucket: &str, wanted: &DesiredSettings, present: Option<&Value>) -> Value {
    let others = present.map(present_statements).unwrap_or_default().into_iter();
    let others = others.filter(|statement| !is_ours(statement)).cloned();
    let statements: Vec<Value> = statements(bucket, wanted).into_iter().chain(others).collect();
    // The version decides how variables in the other statements are read, so it stays.
    let mut policy = present.cloned().unwrap_or_else(|| json!({"Version": "2012-10-17"}));
    policy["Statement"] = statements.into();
    policy
}

/// Returns the statements. A policy may hold a single one without a list.
fn present_statements(policy: &Value) -> Vec<&Value> {
    match &policy["Statement"] {
        Value::Array(statements) => statements.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// Returns whether the policy has exactly the statements of [`of_bucket`].
pub(super) fn has_ours(bucket: &str, wanted: &DesiredSettings, present: &Value) -> bool {
    let found: Vec<&Value> = present_statements(present).into_iter().filter(|statement| is_ours(statement)).collect();
    let ours = statements(bucket, wanted);
    found.len() == ours.len() && ours.iter().all(|statement| found.contains(&statement))
}

/// Returns the age in milliseconds above which our statement denies links, if the policy has it.
pub(super) fn link_age(present: &Value) -> Option<u64> {
    let statements = present_statements(present);
    let ours = statements.into_iter().find(|statement| statement["Sid"] == "PrimeTradeShortLinks")?;
    let age = &ours["Condition"]["NumericGreaterThan"]["s3:signatureAge"];
    age.as_u64().or_else(|| age.as_str()?.parse().ok())
}

fn is_ours(statement: &Value) -> bool {
    statement["Sid"].as_str().is_some_and(|sid| sid.starts_with(OURS))
}

fn arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

/// Returns the least-privilege policy for the program: exactly the requests it makes. It can't delete a document.
pub fn for_iam(bucket: &str) -> Value {
    let within = |folder: &str| format!("{}/{folder}/*", arn(bucket));
    let checks = within("storage-check");
    let objects: Vec<String> = FOLDERS.into_iter().map(within).chain([checks.clone()]).collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "PrimeTradeBucket",
                "Effect": "Allow",
                "Action": [
                    "s3:ListBucket",
                    "s3:ListBucketVersions",
                    "s3:GetBucketObjectLockConfiguration",
                    "s3:GetBucketOwnershipControls",
                    "s3:GetBucketPolicy",
                    "s3:GetBucketPublicAccessBlock",
                    "s3:GetBucketVersioning",
                    "s3:GetEncryptionConfiguration",
                    "s3:GetLifecycleConfiguration",
                ],
                "Resource": arn(bucket),
            },
            {
                "Sid": "PrimeTradeDocuments",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:RestoreObject"],
                "Resource": objects,
            },
            {
                "Sid": "PrimeTradeCheckpoints",
                "Effect": "Allow",
                "Action": "s3:PutObjectRetention",
                "Resource": within("audit/checkpoints"),
            },
            {
                "Sid": "PrimeTradeStorageCheck",
                "Effect": "Allow",
                "Action": "s3:DeleteObject",
                "Resource": checks,
            },
        ],
    })
}

/// Returns what `storage setup` needs in addition. It is for the administrator who runs it, not for the program.
pub fn for_setup(bucket: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "PrimeTradeSetup",
            "Effect": "Allow",
            "Action": [
                "s3:CreateBucket",
                "s3:ListBucket",
                "s3:GetBucketObjectLockConfiguration",
                "s3:GetBucketOwnershipControls",
                "s3:GetBucketPolicy",
                "s3:GetBucketPublicAccessBlock",
                "s3:GetBucketVersioning",
                "s3:GetEncryptionConfiguration",
                "s3:GetLifecycleConfiguration",
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
            ],
            "Resource": arn(bucket),
        }, {
            "Sid": "PrimeTradeSetupLock",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": format!("{}/{LOCK_SETTING}", arn(bucket)),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(seconds: u64) -> DesiredSettings {
        DesiredSettings {
            link_life: std::time::Duration::from_secs(seconds),
            archive: None,
            https_only: true,
            lock_years: None,
        }
    }

    #[test]
    fn what_others_have_written_into_a_bucket_policy_stays() {
        let theirs = json!({"Sid": "Backup", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "s3:GetObject",
                            "Resource": "arn:aws:s3:::b/*"});
        let old = json!({"Sid": "PrimeTradeOld", "Effect": "Deny"});
        let present = json!({"Version": "2012-10-17", "Id": "x", "Statement": [theirs, old]});
        let policy = of_bucket("b", &wanted(300), Some(&present));
        assert_eq!(policy["Id"], "x");
        let statements = policy["Statement"].as_array().expect("statements");
        assert_eq!((statements.len(), &statements[2]), (3, &theirs));
        assert!(has_ours("b", &wanted(300), &policy));
        assert!(!has_ours("b", &wanted(300), &present));
        assert!(!has_ours("b", &wanted(301), &policy) && !has_ours("another", &wanted(300), &policy));
        assert_eq!(link_age(&policy), Some(300_000));
        assert_eq!(of_bucket("b", &wanted(300), Some(&policy)), policy);
        // One statement that isn't in a list, of another time.
        let alone = of_bucket("b", &wanted(300), Some(&json!({"Version": "2008-10-17", "Statement": theirs})));
        assert_eq!((&alone["Version"], &alone["Statement"][2]), (&json!("2008-10-17"), &theirs));
    }

    /// Both set the same bucket up, and neither finds anything to change after the other.
    #[test]
    fn terraform_says_the_same() {
        let terraform = include_str!("../../../deploy/terraform/main.tf");
        let between = |start: &str, end: &str| {
            let (_, rest) = terraform.split_once(start).expect(start);
            rest.split_once(end).expect(end).0
        };
        fn actions(text: &str) -> std::collections::BTreeSet<&str> {
            text.split('"').filter(|part| part.starts_with("s3:")).collect()
        }
        let portal = between("\"aws_iam_user_policy\" \"portal\"", "The access key is not made here");
        let ours = for_iam("b").to_string();
        assert_eq!(actions(portal), actions(&ours));
        for folder in FOLDERS.into_iter().chain(["storage-check"]) {
            assert!(portal.contains(folder), "{folder}");
        }
        let bucket = between("\"aws_s3_bucket_policy\" \"documents\"", "depends_on");
        let statements = Value::from(statements("b", &wanted(300))).to_string();
        assert_eq!(actions(bucket), actions(&statements));
        for sid in ["PrimeTradeHttpsOnly", "PrimeTradeShortLinks"] {
            assert!(bucket.contains(sid) && statements.contains(sid), "{sid}");
        }
    }

    #[test]
    fn the_program_can_delete_nothing_but_what_a_check_has_put() {
        let policy = for_iam("b").to_string();
        assert_eq!(policy.matches("Delete").count(), 1);
        assert!(!policy.contains("s3:*") && !policy.contains("\"*\""));
    }
}
