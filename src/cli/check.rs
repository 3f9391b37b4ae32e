//! `primetrade check`: the database's roles, migrations and rights, and what the access log depends on.

use diesel::dsl::{select, sql};
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::findings::{Findings, Verdict};
use super::{Failure, database_url};
use crate::accounts::sso::SingleSignOn;
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl, PublicUrl, StorageConfig};
use crate::db::guard::{self, Concern};
use crate::db::pooler::{REMEDY, loses_prepared_statements};
use crate::db::{Database, connect, migrations};

pub async fn run(config: &Config, json: bool) -> Result<(), Failure> {
    let mut findings = Findings::new(json);
    let url = database_url(config)?;
    match connect(url).await {
        Ok(connection) => {
            pooler(url, &mut findings).await?;
            database(connection, config, &mut findings).await?;
            replica(config, &mut findings).await?;
        }
        Err(error) => findings.say("database", Verdict::Fail, error, "check DATABASE_URL"),
    }
    configuration(config, &mut findings);
    keys(config, &mut findings);
    single_sign_on(config, &mut findings).await;
    match config.audit_retention {
        Some(years) => findings.ok("retention", format!("events are kept for {years} years")),
        None => findings.ok("retention", "events are kept forever"),
    }
    findings.finish()
}

/// Reports the connection, and a pooler that can't serve the portal.
async fn pooler(url: &DatabaseUrl, findings: &mut Findings) -> Result<(), Failure> {
    if loses_prepared_statements(url).await.map_err(Failure::problem)? {
        findings.say("database", Verdict::Fail, "prepared statements get lost between two queries", REMEDY);
    } else if url.is_local() || url.verifies_certificate() {
        findings.ok("database", "answers");
    } else {
        let detail = "answers, but the portal doesn't verify its certificate";
        findings.say("database", Verdict::Warn, detail, "use sslmode=verify-full, see docs/configuration.md#database");
    }
    Ok(())
}

/// Reports a replica that doesn't serve long reads.
async fn replica(config: &Config, findings: &mut Findings) -> Result<(), Failure> {
    if config.database_replica_url.is_none() {
        return Ok(());
    }
    let db = Database::new(database_url(config)?, 1).with_replica(config.database_replica_url.as_ref(), 1, None);
    match db.replica_trouble().await {
        None => findings.ok("replica", "has replayed what the primary has written"),
        Some(why) => findings.say("replica", Verdict::Warn, why, "check DATABASE_REPLICA_URL and the replication"),
    }
    Ok(())
}

async fn database(connection: AsyncPgConnection, config: &Config, findings: &mut Findings) -> Result<(), Failure> {
    let pending = migrations::pending(connection).await.map_err(Failure::problem)?;
    if !pending.is_empty() {
        let detail = format!("{} are missing: {}", pending.len(), pending.join(", "));
        findings.say("migrations", Verdict::Fail, detail, "run: primetrade migrate");
        return Ok(());
    }
    findings.ok("migrations", "all applied");
    let mut connection = connect(database_url(config)?).await.map_err(Failure::problem)?;
    roles(&mut connection, config, findings).await?;
    neighbors(&mut connection, findings).await?;
    let found = guard::differences(&mut connection).await?;
    for difference in &found {
        let verdict = if difference.concern == Concern::Service { Verdict::Warn } else { Verdict::Fail };
        findings.say("rights", verdict, &difference.what, "find out why, then run: primetrade migrate");
    }
    if found.is_empty() {
        findings.ok("rights", "grants, triggers, rules and policies are those of the migrations");
    }
    Ok(())
}

/// The role that serves should own nothing.
async fn roles(connection: &mut AsyncPgConnection, config: &Config, findings: &mut Findings) -> Result<(), Failure> {
    let role =
        select(sql::<(Text, Bool)>("current_user::text, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"));
    let (name, is_superuser): (String, bool) = role.get_result(connection).await?;
    let advice = "connect as a role that owns nothing: set MIGRATE_DATABASE_URL, see docs/deploy.md#database";
    if is_superuser {
        findings.say(
            "role",
            Verdict::Fail,
            format!("{name} is a superuser, whom no rule of the database binds"),
            advice,
        );
    } else if guard::is_owner(connection).await? {
        let detail = format!("{name} owns the tables, so it could drop the trigger that protects the access log");
        findings.say("role", Verdict::Warn, detail, advice);
    } else {
        findings.ok("role", format!("{name} serves and owns nothing"));
        if config.audit_retention.is_some() {
            findings.ok("purge", "only the owner removes events: run primetrade audit purge every night");
        }
    }
    Ok(())
}

/// Names the roles that serve other portals of the cluster, and could connect to this database.
async fn neighbors(connection: &mut AsyncPgConnection, findings: &mut Findings) -> Result<(), Failure> {
    let others = "coalesce(string_agg(r.rolname, ', ' ORDER BY r.rolname), '') \
        FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE m.roleid = 'portal_server'::regrole \
        AND r.rolcanlogin AND NOT r.rolsuper AND r.rolname <> current_user \
        AND has_database_privilege(r.oid, current_database(), 'CONNECT') \
        AND NOT pg_has_role(r.oid, (SELECT relowner FROM pg_class WHERE oid = 'audit_events'::regclass), 'MEMBER')";
    let others: String = select(sql::<Text>(others)).get_result(connection).await?;
    if !others.is_empty() {
        let detail = format!("other roles could serve this database: {others}");
        let advice = "if they serve other portals, run as the owner: REVOKE CONNECT ON DATABASE … FROM PUBLIC, and \
                      GRANT CONNECT ON DATABASE … to the roles of this portal";
        findings.say("neighbors", Verdict::Warn, detail, advice);
    }
    Ok(())
}

/// Names the settings that work, but not for a portal in production.
fn configuration(config: &Config, findings: &mut Findings) {
    match &config.public_url {
        None => findings.say("address", Verdict::Warn, "links begin with this machine's address", "set PUBLIC_URL"),
        Some(url) if !url.is_https() && !url.is_loopback() => {
            let detail = format!("{} sends passwords and cookies unencrypted", url.origin());
            findings.say("address", Verdict::Warn, detail, "put a TLS proxy in front, and set PUBLIC_URL to https://…");
        }
        Some(url) => findings.ok("address", url.origin()),
    }
    if config.trusted_proxies.networks.is_empty() && config.public_url.as_ref().is_some_and(PublicUrl::is_https) {
        let detail =
            "no proxy is trusted, so the access log shows the address of the TLS proxy instead of the client's";
        findings.say("proxies", Verdict::Warn, detail, "set TRUSTED_PROXIES to the addresses of the TLS proxy");
    }
    match &config.mail.smtp {
        Some(_) => findings.ok("mail", "SMTP_URL is set"),
        None => {
            let detail = format!("emails are written to {}", config.mail.folder.display());
            findings.say("mail", Verdict::Warn, detail, "set SMTP_URL");
        }
    }
    match &config.storage {
        StorageConfig::S3(s3) => findings.ok("storage", format!("bucket {}; see primetrade storage check", s3.bucket)),
        StorageConfig::Local { root } => {
            findings.ok("storage", format!("folder {}; see primetrade storage check", root.display()));
        }
    }
    match &config.clamd {
        Some(_) => findings.ok("virus scan", "CLAMD_ADDRESS is set"),
        None => findings.ok("virus scan", "off: CLAMD_ADDRESS is not set"),
    }
}

/// Asks the issuer of single sign-on for its addresses and its keys.
async fn single_sign_on(config: &Config, findings: &mut Findings) {
    const CHECK: &str = "single sign-on";
    let Some(oidc) = &config.oidc else { return };
    let sso = SingleSignOn::new(oidc.clone(), config.public_origin());
    match sso.probe(Clock::system().now()).await {
        Ok(place) => findings.ok(
            CHECK,
            format!("{} answers; logins lead to {place}, which must know {}", oidc.issuer, sso.redirect_uri()),
        ),
        Err(fault) => findings.say(CHECK, Verdict::Fail, fault, "check OIDC_ISSUER, and that this machine reaches it"),
    }
}

fn keys(config: &Config, findings: &mut Findings) {
    let keys = config.seal_keys(config.secret_key.as_ref());
    match (&keys.signs, &config.seal_key) {
        (Some(key), Some(_)) => findings.ok("keys", format!("SEAL_KEY signs the access log: {}", key.verifier())),
        (Some(key), None) => {
            findings.ok("keys", format!("a key derived from SECRET_KEY signs the access log: {}", key.verifier()))
        }
        (None, _) => findings.say("keys", Verdict::Fail, "no key signs the access log", "set SECRET_KEY or SEAL_KEY"),
    }
}
