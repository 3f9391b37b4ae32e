//! TLS to Postgres, with the meanings libpq gives to `sslmode`.

use std::sync::Arc;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::DatabaseUrl;

/// A parsed database URL.
pub(super) struct Target {
    config: tokio_postgres::Config,
    /// `verify-ca` and `verify-full` (both check the name here, which is the stricter): against the system's roots.
    verify: bool,
}

impl Target {
    pub(super) fn from_url(url: &DatabaseUrl) -> Result<Self, String> {
        let (base, query) = url.as_str().split_once('?').unwrap_or((url.as_str(), ""));
        let mut verify = false;
        // tokio-postgres knows disable, prefer and require only.
        let known = |parameter| match parameter {
            "sslmode=verify-ca" | "sslmode=verify-full" => {
                verify = true;
                "sslmode=require"
            }
            "sslmode=allow" => "sslmode=prefer",
            other => other,
        };
        let query: Vec<&str> = query.split('&').filter(|parameter| !parameter.is_empty()).map(known).collect();
        let mut config: tokio_postgres::Config =
            format!("{base}?{}", query.join("&")).parse().map_err(|error: tokio_postgres::Error| {
                // The source names the option; neither quotes the password.
                match std::error::Error::source(&error) {
                    Some(source) => format!("found a URL with {source}"),
                    None => "found a URL that can't be read".into(),
                }
            })?;
        if config.get_hosts().is_empty() {
            return Err("found a URL without a host".into());
        }
        config.application_name("primetrade");
        Ok(Self { config, verify })
    }

    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let bad = |error: tokio_postgres::Error| {
            // The Display of a failed connect says only "error connecting to server"; the cause says why.
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            ConnectionError::BadConnection(format!("{error}{cause}"))
        };
        if self.config.get_ssl_mode() == SslMode::Disable || is_local(&self.config) {
            let (client, connection) = self.config.connect(tokio_postgres::NoTls).await.map_err(bad)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        } else {
            let tls = MakeRustlsConnect::new(self.client_config());
            let (client, connection) = self.config.connect(tls).await.map_err(bad)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
    }

    fn client_config(&self) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let Ok(builder) = builder else { unreachable!("aws-lc-rs supports TLS 1.2 and 1.3") };
        if self.verify {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            builder.with_root_certificates(roots).with_no_client_auth()
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider))).with_no_client_auth()
        }
    }
}

/// A Unix socket needs no TLS, and Postgres offers none on it.
fn is_local(config: &tokio_postgres::Config) -> bool {
    config.get_hosts().iter().all(|host| matches!(host, tokio_postgres::config::Host::Unix(_)))
}

/// `sslmode=require` encrypts without asking who the server is, as libpq does: managed databases present
/// certificates of their own authorities. `verify-full` is there for those who want more.
#[derive(Debug)]
struct Unverified(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
