//! TLS: loads the certificate of the API.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;

/// Why the API cannot be served over TLS: names the variable, the file and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is `{}`, which cannot be used: {reason}", .file.display())]
pub struct Error {
    variable: &'static str,
    file: PathBuf,
    reason: String,
}

/// Loads the certificate and its key.
///
/// # Errors
/// When a file cannot be read, is no PEM file, or the two do not belong together.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, Error> {
    let problem = |variable, file: &Path, reason: &dyn Display| Error {
        variable,
        file: file.to_owned(),
        reason: reason.to_string(),
    };
    let unusable = |error: &dyn Display| problem("SSL_CERT_PATH", &files.certificate, error);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(&error))?;
    if chain.is_empty() {
        return Err(unusable(&"it contains no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| problem("SSL_KEY_PATH", &files.key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions of TLS")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| problem("SSL_KEY_PATH", &files.key, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
