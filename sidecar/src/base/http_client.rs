//! HTTP clients: one for loopback addresses, and one for external servers.
//!
//! TLS is rustls with ring. Neither follows redirects, so that a key is sent to no other server.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use url::{Host, Url};

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The client for loopback addresses: no proxy, no TLS.
///
/// # Panics
/// Never: a client without TLS can always be built.
#[must_use]
pub fn loopback() -> Client {
    loopback_builder().build().expect("a client without TLS can always be made")
}

/// The builder of that client, for further options.
pub fn loopback_builder() -> ClientBuilder {
    client(tls().with_root_certificates(RootCertStore::empty())).no_proxy()
}

/// The client for external servers: TLS only, with the system's trusted certificates, through the proxy of the environment.
///
/// # Errors
/// When the system has no trusted certificates.
pub fn external() -> Result<Client, String> {
    let tls = tls().with_platform_verifier().map_err(|error| error.to_string())?;
    client(tls).https_only(true).build().map_err(|error| error.to_string())
}

/// Both clients. Each is built on its first use.
#[derive(Debug, Default)]
pub struct Clients {
    loopback: OnceLock<Client>,
    external: OnceLock<Option<Client>>,
}

impl Clients {
    /// The client for plain HTTP on this machine, or the one for all other servers; `None` when the system has no
    /// trusted certificates.
    #[must_use]
    pub fn for_scheme(&self, is_plain: bool) -> Option<&Client> {
        if is_plain {
            return Some(self.loopback.get_or_init(loopback));
        }
        let made = || {
            external()
                .inspect_err(|error| {
                    tracing::error!(
                        "the system has no trusted certificates, so no external server can be used: {error}"
                    )
                })
                .ok()
        };
        self.external.get_or_init(made).as_ref()
    }
}

/// Whether an address is a loopback address, for which plain HTTP is allowed.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn tls() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions of TLS")
}

fn client(tls: ConfigBuilder<ClientConfig, WantsClientCert>) -> ClientBuilder {
    let tls = tls.with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
}
