//! The `Host` headers that the server accepts, against DNS rebinding: a web page can point its own domain at this machine, but
//! cannot add that domain to the accepted hosts.

use std::net::IpAddr;
use std::sync::Arc;

/// The accepted values of the `Host` header.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    bind_address: IpAddr,
    trusted: Arc<[String]>,
}

impl AllowedHosts {
    /// The hosts of a server that listens on `bind_address`, and the names in `trusted`, which the user configured.
    #[must_use]
    pub fn new(bind_address: IpAddr, trusted: &[String]) -> Self {
        Self { bind_address, trusted: trusted.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Whether a `Host` header is accepted: a loopback address, `localhost` or a subdomain of it, the bind address, or a trusted
    /// name. If the server listens on all addresses, every IP address is accepted: it is not resolved by DNS, so that it cannot
    /// be rebound.
    #[must_use]
    pub fn accepts(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.to_ascii_lowercase();
        match name.parse::<IpAddr>() {
            Ok(address) if address.is_loopback() => true,
            Ok(address) if self.bind_address.is_unspecified() => !address.is_unspecified(),
            Ok(address) => address == self.bind_address || self.trusted.contains(&name),
            Err(_) => name == "localhost" || name.ends_with(".localhost") || self.trusted.contains(&name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: [&str; 7] =
        ["127.0.0.1:8000", "127.0.0.1", "localhost:8000", "LocalHost", "app.localhost:1", "[::1]:8000", "[::1]"];
    const REJECTED: [&str; 8] = [
        "",
        "evil.example:8000",
        "localhost.evil.example",
        "evillocalhost",
        "0.0.0.0:8000",
        "127.0.0.1.evil",
        "[::]:1",
        "hapa.local",
    ];

    #[test]
    fn foreign_names_are_rejected_on_every_bind_address() {
        for bind_address in ["127.0.0.1", "::1", "0.0.0.0", "::", "192.168.0.7"] {
            for trusted in [&[][..], &["hapa.example".to_owned()]] {
                let hosts = AllowedHosts::new(bind_address.parse().unwrap(), trusted);
                for host in ACCEPTED {
                    assert!(hosts.accepts(host), "{host} on {bind_address}");
                }
                for host in REJECTED {
                    assert!(!hosts.accepts(host), "{host} on {bind_address}");
                }
                assert_eq!(hosts.accepts("HAPA.example:8000"), !trusted.is_empty());
            }
        }
    }

    #[test]
    fn an_ip_address_is_accepted_if_the_server_listens_on_it() {
        for (bind_address, host, accepted) in [
            ("127.0.0.1", "192.168.0.7:8000", false),
            ("192.168.0.7", "192.168.0.7:8000", true),
            ("192.168.0.7", "192.168.0.8:8000", false),
            ("0.0.0.0", "192.168.0.7:8000", true),
            ("::", "[2001:db8::1]:8000", true),
        ] {
            assert_eq!(
                AllowedHosts::new(bind_address.parse().unwrap(), &[]).accepts(host),
                accepted,
                "{host} on {bind_address}"
            );
        }
    }
}
