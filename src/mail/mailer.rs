//! Sends the outbox to an SMTP server, or, without one, to `.eml` files in a folder.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use diesel_async::AsyncPgConnection;
use futures_util::future::join_all;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tokio::time::{sleep, timeout};

use super::email_template::{Office, Sender};
use super::outbox::{self, Mail};
use super::{EmailTemplate, LinkKey};
use crate::clock::Clock;
use crate::config::MailConfig;
use crate::db::{Database, DbResult};

/// How often the outbox is checked.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Emails sent at once.
const MAX_AT_ONCE: i64 = 4;
/// The timeout of one email, well below the lease of the outbox.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
const SMTP_TIMEOUT: Duration = Duration::from_secs(30);

pub struct Mailer {
    db: Database,
    clock: Clock,
    from: Mailbox,
    /// The origin of links.
    origin: String,
    key: LinkKey,
    way: Way,
}

enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

/// The result of an attempt.
enum Outcome {
    Taken,
    Later(String),
    Never(String),
}

/// RFC 3834: asks machines not to reply.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

/// RFC 2369: how the recipient stops emails of this kind.
#[derive(Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.trim_matches(['<', '>']).into()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), format!("<{}>", self.0))
    }
}

impl Mailer {
    /// Fails if `SMTP_URL` can't be used. The error doesn't quote it.
    pub fn new(db: Database, clock: Clock, config: &MailConfig, origin: String, key: LinkKey) -> Result<Self, String> {
        let way = match &config.smtp {
            Some(url) => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url.0)
                    .map_err(|_| "SMTP_URL: the server's address or its TLS settings are invalid".to_owned())?;
                let pool = PoolConfig::new().min_idle(0).max_size(MAX_AT_ONCE.unsigned_abs() as u32);
                Way::Smtp(builder.timeout(Some(SMTP_TIMEOUT)).pool_config(pool).build())
            }
            None => Way::Folder(config.folder.clone()),
        };
        Ok(Self { db, clock, from: config.from.clone(), origin, key, way })
    }

    /// Sends due emails until it is dropped. Several processes may run it at once.
    pub async fn run(self) {
        let mut database_is_away = false;
        loop {
            match self.round().await {
                // There may be more.
                Ok(FULL_ROUND) => database_is_away = false,
                Ok(_) => {
                    database_is_away = false;
                    sleep(POLL_INTERVAL).await;
                }
                Err(error) => {
                    if !database_is_away {
                        tracing::warn!(%error, "can't read the outbox");
                    }
                    database_is_away = true;
                    sleep(POLL_INTERVAL * 5).await;
                }
            }
        }
    }

    /// Sends some of the due emails. Returns how many it took.
    pub async fn round(&self) -> DbResult<usize> {
        let mut connection = self.db.get().await?;
        let due = outbox::take(&mut connection, self.clock.now(), MAX_AT_ONCE).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let office = outbox::office(&mut connection).await?;
        let mut ready = Vec::new();
        for mail in &due {
            match self.still_to_say(&mut connection, mail).await? {
                Ok(Some(template)) => ready.push((mail, template)),
                Ok(None) => outbox::forget(&mut connection, mail.id).await?,
                Err(why) => outbox::give_up(&mut connection, mail.id, self.clock.now(), &why).await?,
            }
        }
        // A slow mail server must not hold a connection.
        drop(connection);
        let outcomes = join_all(ready.iter().map(|(mail, template)| self.attempt(mail, template, &office))).await;
        // Notes every result, even if another one fails: an email without a noted result is sent again.
        let mut first_error = None;
        for ((mail, _), outcome) in ready.iter().zip(outcomes) {
            if let Err(error) = self.note(mail, outcome).await {
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(due.len()), Err)
    }

    async fn note(&self, mail: &Mail, outcome: Outcome) -> DbResult<()> {
        let mut connection = self.db.get().await?;
        let (id, now) = (mail.id, self.clock.now());
        match outcome {
            Outcome::Taken => outbox::sent(&mut connection, id, now).await?,
            Outcome::Later(why) => {
                tracing::warn!(mail = id, %why, attempt = mail.attempts, "an email was not sent; retrying later");
                outbox::try_again(&mut connection, id, now + pause(mail.attempts), &why).await?;
            }
            Outcome::Never(why) => {
                tracing::warn!(mail = id, %why, "an email was not sent; giving up");
                outbox::give_up(&mut connection, id, now, &why).await?;
            }
        }
        Ok(())
    }

    /// Removes what an email may no longer say, such as BOLs of a company that the user has left. Fails if this version
    /// can't read the email.
    async fn still_to_say(
        &self,
        connection: &mut AsyncPgConnection,
        mail: &Mail,
    ) -> DbResult<Result<Option<EmailTemplate>, String>> {
        let template = match serde_json::from_value::<EmailTemplate>(mail.letter.clone()) {
            Ok(template) => template,
            Err(error) => return Ok(Err(format!("the email can't be read: {error}"))),
        };
        let named = template.named();
        if named.is_empty() {
            return Ok(Ok(Some(template)));
        }
        let theirs = outbox::still_theirs(connection, mail, &named).await?;
        Ok(Ok(template.only_about(&theirs)))
    }

    async fn attempt(&self, mail: &Mail, template: &EmailTemplate, office: &Office) -> Outcome {
        let message = match self.message(mail, template, office) {
            Ok(message) => message,
            Err(why) => return Outcome::Never(why),
        };
        let late = self.clock.now() >= template.worth_until(mail.created_at);
        let outcome = match &self.way {
            Way::Smtp(_) if late => Outcome::Later("it expired before a server accepted it".into()),
            Way::Smtp(server) => match timeout(SEND_TIMEOUT, server.send(message)).await {
                Ok(Ok(_)) => Outcome::Taken,
                Ok(Err(error)) if refuses_the_recipient(error.status().map(u16::from), &said(&error)) => {
                    Outcome::Never(said(&error))
                }
                Ok(Err(error)) => Outcome::Later(said(&error)),
                Err(_) => Outcome::Later("the mail server took too long".into()),
            },
            Way::Folder(folder) => {
                let (folder, name) = (folder.clone(), format!("{:08}-{}.eml", mail.id, template.purpose()));
                let bytes = message.formatted();
                match tokio::task::spawn_blocking(move || write(&folder, &name, &bytes)).await {
                    Ok(Ok(path)) => {
                        tracing::info!(file = %path.display(), "wrote an email to this file, because SMTP_URL is not set");
                        Outcome::Taken
                    }
                    Ok(Err(error)) => Outcome::Later(error.to_string()),
                    Err(error) => Outcome::Later(error.to_string()),
                }
            }
        };
        match outcome {
            Outcome::Later(why) if late => Outcome::Never(why),
            outcome => outcome,
        }
    }

    fn message(&self, mail: &Mail, template: &EmailTemplate, office: &Office) -> Result<Message, String> {
        let address = mail.to_address.parse().map_err(|_| "email can't be sent to this address".to_owned())?;
        let name = Some(template.name()).filter(|name| !name.is_empty()).map(Into::into);
        let sender = Sender { origin: &self.origin, key: &self.key, office };
        let rendered = template.render(&sender).map_err(|error| error.to_string())?;
        let host = url::Url::parse(&self.origin).ok().and_then(|url| url.host_str().map(Into::into));
        let host: String = host.unwrap_or_else(|| "localhost".into());
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(name, address))
            .subject(rendered.subject)
            .date(mail.created_at.into())
            // The same in every attempt, so that clients recognize a duplicate.
            .message_id(Some(format!("<mail-{}-{}@{host}>", mail.id, mail.created_at.timestamp())))
            .header(AutoSubmitted);
        if let Some(url) = rendered.unsubscribe {
            message = message.header(ListUnsubscribe(url));
        }
        let body = MultiPart::alternative_plain_html(rendered.text, rendered.html);
        message.multipart(body).map_err(|error| error.to_string())
    }
}

/// The number of emails taken at once.
const FULL_ROUND: usize = MAX_AT_ONCE as usize;

/// The delay before the next attempt, which grows.
fn pause(attempts: i32) -> TimeDelta {
    TimeDelta::minutes(match attempts {
        ..=1 => 1,
        2 => 5,
        3 => 15,
        4..=8 => 60,
        _ => 240,
    })
}

/// Returns whether the server permanently rejects this one address, as opposed to every email (an expired password, a
/// sender that isn't allowed, a closed relay). RFC 5321, 4.2.3, and the enhanced codes of RFC 3463, 3.2 (addressing),
/// 3.3 (mailbox) and 3.5 (routing).
fn refuses_the_recipient(code: Option<u16>, said: &str) -> bool {
    let enhanced = said.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut parts = word.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("5"), Some(subject), Some(detail), None) if !detail.is_empty() => Some(subject),
            _ => None,
        }
    });
    match (code, enhanced) {
        (Some(550..=553), Some(subject)) => matches!(subject, "1" | "2" | "4"),
        (Some(550 | 551 | 553), None) => true,
        _ => false,
    }
}

/// Returns the server's reply in one line of limited length.
fn said(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        let source = source.to_string();
        if !text.contains(&source) {
            text = format!("{text}: {source}");
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

/// Writes the file completely or not at all, readable only by its owner because it contains a link.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let (path, unfinished) = (folder.join(name), folder.join(format!(".{name}.part")));
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_recipient_ends_a_mail() {
        for (code, said) in [
            (550, "permanent error (550): 5.1.1 No such mailbox here"),
            (552, "permanent error (552): 5.2.2 Mailbox full"),
            (550, "permanent error (550): No such user"),
            (553, "permanent error (553): mailbox name not allowed"),
        ] {
            assert!(refuses_the_recipient(Some(code), said), "{said}");
        }
        for (code, said) in [
            (Some(535), "permanent error (535): 5.7.8 Authentication failed"),
            (Some(530), "permanent error (530): 5.7.0 Must issue a STARTTLS command first"),
            (Some(550), "permanent error (550): 5.7.1 Sender not allowed"),
            (Some(554), "permanent error (554): No SMTP service here"),
            (Some(451), "transient error (451): 4.3.0 Try again later"),
            (None, "Connection error: Connection refused (os error 111)"),
        ] {
            assert!(!refuses_the_recipient(code, said), "{said}");
        }
    }

    #[test]
    fn pauses_grow() {
        let pauses: Vec<i64> = (0..10).map(|attempts| pause(attempts).num_minutes()).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!((pauses[1], pauses[9]), (1, 240));
    }
}
