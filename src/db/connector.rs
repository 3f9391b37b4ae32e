//! Opens connections: to the server that takes writes, among several. Closes them when their server takes none any more.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::TryRngCore as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket};

use super::tls::tls;
use crate::config::DatabaseUrl;

/// How long the next server waits for one that is silent. One that refuses is not waited for.
const HEAD_START: Duration = Duration::from_millis(500);
/// The settings by which a server reports that it takes no writes. Postgres 14 and newer report every change.
const READ_ONLY: [&str; 2] = ["in_hot_standby", "default_transaction_read_only"];
/// The source file of Postgres from which the warning comes that a commit didn't wait for its standby. Its text depends
/// on the server's language.
const SYNCHRONOUS_REPLICATION: &str = "syncrep.c";

/// Opens a connection for diesel.
pub(super) async fn connect(url: &DatabaseUrl) -> ConnectionResult<AsyncPgConnection> {
    AsyncPgConnection::try_from(client(url).await?).await
}

/// Opens a plain client, for what diesel-async can't do.
pub(super) async fn client(url: &DatabaseUrl) -> ConnectionResult<Client> {
    let client = match url.servers() {
        [only] => open(url, only).await,
        several => first_of(url, several).await,
    };
    client.map_err(ConnectionError::BadConnection)
}

/// Tries the servers in their order, and returns the first connection that fits `target_session_attrs`.
///
/// The attempts overlap, so that a server that swallows every packet doesn't use up the time of the others.
async fn first_of(url: &DatabaseUrl, servers: &[Config]) -> Result<Client, String> {
    let first = if url.is_balanced() { random_index(servers.len()) } else { 0 };
    let mut waiting = servers.iter().cycle().skip(first).take(servers.len());
    let mut attempts = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        let has_begun = waiting.next().map(|server| attempts.push(attempt(url, server))).is_some();
        let ended = if has_begun { timeout(HEAD_START, attempts.next()).await } else { Ok(attempts.next().await) };
        match ended {
            Err(_) => {}
            Ok(Some(Ok(client))) => return Ok(client),
            Ok(Some(Err(failure))) => failures.push(failure),
            Ok(None) => return Err(failures.join("; ")),
        }
    }
}

/// Any index below `count`.
fn random_index(count: usize) -> usize {
    rand::rngs::OsRng.try_next_u32().map_or(0, |random| random as usize % count.max(1))
}

/// Tries one of several servers. The time is for the whole attempt: a server may accept a connection and then be silent.
async fn attempt(url: &DatabaseUrl, server: &Config) -> Result<Client, String> {
    let opened = match server.get_connect_timeout() {
        Some(limit) => timeout(*limit, open(url, server)).await,
        None => Ok(open(url, server).await),
    };
    opened.unwrap_or_else(|_| Err("no answer in time".into())).map_err(|failure| format!("{}: {failure}", name(server)))
}

fn name(server: &Config) -> String {
    let port = server.get_ports().first().copied().unwrap_or(5432);
    match server.get_hosts().first() {
        Some(Host::Tcp(name)) => format!("{name}:{port}"),
        Some(Host::Unix(folder)) => format!("{}:{port}", folder.display()),
        None => String::new(),
    }
}

async fn open(url: &DatabaseUrl, server: &Config) -> Result<Client, String> {
    let failed = |error: tokio_postgres::Error| {
        // The Display of a failed connect says only "error connecting to server". The reason is in the source.
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    };
    match tls(url, server) {
        None => {
            let (client, connection) = server.connect(NoTls).await.map_err(failed)?;
            tokio::spawn(drive(connection));
            Ok(client)
        }
        Some(tls) => {
            let (client, connection) = server.connect(tls).await.map_err(failed)?;
            tokio::spawn(drive(connection));
            Ok(client)
        }
    }
}

/// Drives a connection until its client is dropped, until its server takes no writes any more, or until a commit didn't
/// wait for the standby.
///
/// The client then finds the connection closed, as if the server were gone, and the pool opens another one. That costs
/// no round trip: a server reports such a change before it says that the statement is done.
async fn drive<T: AsyncRead + AsyncWrite + Unpin>(mut connection: Connection<Socket, T>) {
    let mut took_writes = false;
    poll_fn(|cx: &mut Context<'_>| {
        while let Poll::Ready(message) = connection.poll_message(cx) {
            match message {
                Some(Ok(AsyncMessage::Notice(notice))) if notice.file() == Some(SYNCHRONOUS_REPLICATION) => {
                    tracing::warn!(%notice, "a commit is not on the standby: its outcome counts as unknown");
                    return Poll::Ready(());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::info!(%error, "a database connection broke");
                    return Poll::Ready(());
                }
                None => return Poll::Ready(()),
            }
        }
        let takes_writes = !READ_ONLY.iter().any(|setting| connection.parameter(setting) == Some("on"));
        if took_writes && !takes_writes {
            tracing::warn!("the database server takes no writes any more: closing a connection to it");
            return Poll::Ready(());
        }
        took_writes = takes_writes;
        Poll::Pending
    })
    .await;
}
