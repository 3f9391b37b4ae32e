//! The links of the check, followed like a browser, without credentials.

use std::time::Duration;

use tokio::time::sleep;
use url::Url;
use uuid::Uuid;

use crate::cli::findings::{Findings, Verdict};
use crate::clock::Clock;
use crate::storage::{Cause, ObjectKey, Presentation, S3Store, Storage, StorageError, StorageFailure};

/// The lifetime of the link that must expire during the check.
const SHORT_LINK_LIFE: Duration = Duration::from_secs(2);
/// The timeout of a request without the SDK.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks that a link works without credentials, expires, and is the only access.
pub(super) async fn check(storage: &Storage, store: &S3Store, key: &ObjectKey, bytes: &[u8], findings: &mut Findings) {
    // As the portal makes links, with a name that needs encoding, and the parameter that names the request.
    let presentation = Presentation {
        file_name: "Prüfung, 1.pdf".into(),
        request: Uuid::now_v7().simple().to_string(),
        ..Presentation::default()
    };
    let link =
        async |life: u64| storage.link(key, &presentation, Clock::system().now(), Duration::from_secs(life)).await;
    match link(60).await {
        Ok((url, _)) => match get(&url).await {
            Ok(answer) if answer.status == 200 && answer.body == bytes => {
                findings.ok("link", "a presigned link returns the same bytes without credentials");
                named(&answer, &presentation, findings);
            }
            Ok(answer) => {
                let failure = answer.failure();
                let advice = match failure.cause {
                    Cause::AccessDenied => "the IAM policy lacks s3:GetObject, or the bucket policy denies it",
                    cause => cause.advice(),
                };
                findings.say("link", Verdict::Fail, &failure, advice);
            }
            Err(error) => {
                let failure = StorageFailure { cause: Cause::Unreachable, detail: error };
                findings.failure("link", &failure);
            }
        },
        Err(error) => findings.error("link", &error),
    }
    expired(link(SHORT_LINK_LIFE.as_secs()).await, findings).await;
    let unsigned = store.unsigned(key.as_str());
    match unsigned.map_err(|error| error.to_string()) {
        Ok(url) => match get(&url).await.map(|answer| answer.status) {
            // An emulator on this machine grants access to everyone.
            Ok(200) if is_local(&url) => findings.say(
                "without a link",
                Verdict::Warn,
                "anyone on this machine can read the object",
                "use this server for testing only",
            ),
            Ok(200) => findings.say(
                "without a link",
                Verdict::Fail,
                "anyone can read the object",
                "block public access now; run: primetrade storage setup",
            ),
            Ok(_) => findings.ok("without a link", "rejected, as it should be"),
            Err(error) => findings.say("without a link", Verdict::Warn, error, ""),
        },
        Err(error) => findings.say("without a link", Verdict::Warn, error, ""),
    }
}

/// Checks that the response has the name and the type that the link asks for.
fn named(answer: &Answer, presentation: &Presentation, findings: &mut Findings) {
    const CHECK: &str = "link's name";
    let has_name = answer.disposition.as_deref() == Some(presentation.content_disposition().as_str());
    match (has_name, answer.content_type.as_deref()) {
        (true, Some("application/pdf")) => findings.ok(CHECK, "the download has its name, and is shown as a PDF"),
        (true, other) => {
            let found = format!("the download has its name, but the type {}", other.unwrap_or("is missing"));
            findings.say(CHECK, Verdict::Warn, found, "the server ignores response-content-type");
        }
        (false, _) => findings.say(
            CHECK,
            Verdict::Warn,
            "the download doesn't have its name",
            "the server ignores response-content-disposition: browsers save documents under the name of their object",
        ),
    }
}

/// Checks that a link works before its expiry, and fails after it.
async fn expired(link: Result<(Url, Duration), StorageError>, findings: &mut Findings) {
    const CHECK: &str = "expired link";
    let Ok((url, _)) = link else { return };
    match get(&url).await.map(|answer| answer.status) {
        Ok(200) => {}
        _ => return findings.say(CHECK, Verdict::Warn, "not checked: a fresh link doesn't work either", ""),
    }
    sleep(SHORT_LINK_LIFE + Duration::from_millis(1500)).await;
    match get(&url).await {
        Ok(answer) if answer.status == 200 => {
            findings.say(
                CHECK,
                Verdict::Fail,
                "the link still works",
                "the server ignores the expiry of links; use another server",
            );
        }
        Ok(answer) => findings.ok(CHECK, format!("rejected, as it should be ({})", answer.failure())),
        Err(error) => findings.say(CHECK, Verdict::Warn, error, ""),
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The response to a request without credentials.
pub(super) struct Answer {
    status: u16,
    pub(super) date: Option<String>,
    disposition: Option<String>,
    content_type: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    /// Returns the code and the message of an S3 error in XML.
    fn failure(&self) -> StorageFailure {
        let text = String::from_utf8_lossy(&self.body);
        let part = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside.to_owned())
        };
        let (code, message) = (part("Code"), part("Message").unwrap_or_default());
        let cause = Cause::of(code.as_deref(), &message, Some(self.status));
        StorageFailure { cause, detail: format!("{} {} {message}", self.status, code.unwrap_or_default()) }
    }
}

pub(super) async fn get(url: &Url) -> Result<Answer, String> {
    let client = reqwest::Client::builder().timeout(HTTP_TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    // The error's text contains the URL, which is a link.
    let text = |error: reqwest::Error| error.without_url().to_string();
    let answer = client.map_err(text)?.get(url.clone()).send().await.map_err(text)?;
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (date, disposition, content_type) = (header("date"), header("content-disposition"), header("content-type"));
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(text)?.to_vec();
    Ok(Answer { status, date, disposition, content_type, body })
}
