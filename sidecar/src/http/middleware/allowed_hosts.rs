//! The names that this machine answers to. A web page elsewhere can make its own name lead here; it cannot make that name ours.

use std::net::IpAddr;
use std::sync::Arc;

/// The hosts that a request may name.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    listening: IpAddr,
    trusted: Arc<[String]>,
}

impl AllowedHosts {
    /// For a server that listens on `listening`, and that the user lets answer to the names in `trusted`.
    #[must_use]
    pub fn new(listening: IpAddr, trusted: &[String]) -> Self {
        Self { listening, trusted: trusted.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Whether a `Host` header names this machine: a loopback address, `localhost` or a name below it, the address that is
    /// listened on, or a name that the user trusts. Where every address is listened on, any literal address will do: it is
    /// no name, so nobody can make it lead elsewhere.
    #[must_use]
    pub fn accepts(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.to_ascii_lowercase();
        match name.parse::<IpAddr>() {
            Ok(address) if address.is_loopback() => true,
            Ok(address) if self.listening.is_unspecified() => !address.is_unspecified(),
            Ok(address) => address == self.listening || self.trusted.contains(&name),
            Err(_) => name == "localhost" || name.ends_with(".localhost") || self.trusted.contains(&name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [&str; 7] =
        ["127.0.0.1:8000", "127.0.0.1", "localhost:8000", "LocalHost", "app.localhost:1", "[::1]:8000", "[::1]"];
    const FOREIGN: [&str; 8] = [
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
    fn foreign_names_are_refused_on_whatever_address_is_listened() {
        for listening in ["127.0.0.1", "::1", "0.0.0.0", "::", "192.168.0.7"] {
            for trusted in [&[][..], &["hapa.example".to_owned()]] {
                let hosts = AllowedHosts::new(listening.parse().unwrap(), trusted);
                for host in OURS {
                    assert!(hosts.accepts(host), "{host} on {listening}");
                }
                for host in FOREIGN {
                    assert!(!hosts.accepts(host), "{host} on {listening}");
                }
                assert_eq!(hosts.accepts("HAPA.example:8000"), !trusted.is_empty());
            }
        }
    }

    #[test]
    fn literal_addresses_are_those_that_are_listened_on() {
        for (listening, host, accepted) in [
            ("127.0.0.1", "192.168.0.7:8000", false),
            ("192.168.0.7", "192.168.0.7:8000", true),
            ("192.168.0.7", "192.168.0.8:8000", false),
            ("0.0.0.0", "192.168.0.7:8000", true),
            ("::", "[2001:db8::1]:8000", true),
        ] {
            assert_eq!(
                AllowedHosts::new(listening.parse().unwrap(), &[]).accepts(host),
                accepted,
                "{host} on {listening}"
            );
        }
    }
}
