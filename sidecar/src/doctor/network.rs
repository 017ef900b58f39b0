//! Checks of the network: ports, exposure and TLS.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener};

use handshake::DEFAULT_PORT;

use super::{Finding, Severity};
use crate::base::i18n::LocalizedText;
use crate::config::Config;
use crate::instance::find_running;
use crate::tls;

/// Checks whether the ports are free, or used by HAPA itself.
pub(crate) fn ports(config: &Config) -> Vec<Finding> {
    if let Some(found) = find_running(&config.data) {
        let (version, port) = (found.version, found.port);
        let message = LocalizedText::new(
            format!("HAPA {version}이(가) 이 컴퓨터의 {port} 포트에서 실행 중입니다"),
            format!("HAPA {version} is running on port {port} of this machine"),
        );
        return vec![Finding::new("port", Severity::Ok, message)];
    }
    let api = match config.port {
        Some(port) => configured_port(config.host, port, "PORT"),
        None => default_port(config.host),
    };
    let metrics = config.metrics_port.map(|port| configured_port(config.host, port, "METRICS_PORT"));
    [api].into_iter().chain(metrics).collect()
}

fn configured_port(host: IpAddr, port: u16, variable: &str) -> Finding {
    let Err(error) = TcpListener::bind((host, port)) else { return free(port) };
    let taken = error.kind() == ErrorKind::AddrInUse;
    let message = if taken {
        LocalizedText::new(
            format!("다른 프로그램이 {port} 포트를 사용하고 있습니다"),
            format!("port {port} of {variable} is used by another program"),
        )
    } else {
        LocalizedText::new(
            format!("{host}의 {port} 포트를 열 수 없습니다 ({error})"),
            format!("port {port} of {variable} cannot be opened on {host}: {error}"),
        )
    };
    Finding::new("port", Severity::Error, message).help(LocalizedText::new(
        format!("{variable}(으)로 다른 포트를 지정하거나 그 프로그램을 종료하세요"),
        format!("choose another with {variable}, or stop the program that uses it"),
    ))
}

fn default_port(host: IpAddr) -> Finding {
    match TcpListener::bind((host, DEFAULT_PORT)) {
        Ok(_) => free(DEFAULT_PORT),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let message = LocalizedText::new(
                format!("다른 프로그램이 {DEFAULT_PORT} 포트를 사용하고 있어 그다음 빈 포트를 사용합니다"),
                format!("port {DEFAULT_PORT} is used by another program; the next free port will be used"),
            );
            Finding::new("port", Severity::Info, message)
        }
        Err(error) => {
            let message = LocalizedText::new(
                format!("{host}의 포트를 열 수 없습니다 ({error})"),
                format!("no port of {host} can be opened: {error}"),
            );
            let help = LocalizedText::new(
                "HOST를 이 컴퓨터의 주소로 지정하거나 삭제하세요",
                "set HOST to an address of this machine, or remove it",
            );
            Finding::new("port", Severity::Error, message).help(help)
        }
    }
}

fn free(port: u16) -> Finding {
    let message = LocalizedText::new(format!("{port} 포트가 비어 있습니다"), format!("port {port} is free"));
    Finding::new("port", Severity::Ok, message)
}

/// Findings on serving other machines, and on TLS.
pub(crate) fn exposure_findings(config: &Config) -> Vec<Finding> {
    [host(config), certificate(config)].into_iter().flatten().collect()
}

fn host(config: &Config) -> Option<Finding> {
    let host = config.host;
    let message = LocalizedText::new(
        format!("다른 컴퓨터도 {host}(으)로 HAPA에 접속할 수 있습니다"),
        format!("other machines can reach HAPA on {host}"),
    );
    let help = match config.tls {
        Some(_) => LocalizedText::new(
            "의도한 것이 아니면 HOST를 삭제하세요. 키에는 필요한 권한만 주세요",
            "remove HOST if this is not intended; give keys only the permissions that they need",
        ),
        None => LocalizedText::new(
            "의도한 것이 아니면 HOST를 삭제하세요. 암호화하려면 SSL_ENABLED를 켜세요",
            "remove HOST if this is not intended; the connection is not encrypted unless SSL_ENABLED is set",
        ),
    };
    (!host.is_loopback()).then(|| Finding::new("host", Severity::Warning, message).help(help))
}

fn certificate(config: &Config) -> Option<Finding> {
    let files = config.tls.as_ref()?;
    Some(match tls::acceptor(files) {
        Ok(_) => {
            let message = LocalizedText::new(
                "TLS 인증서와 키를 사용할 수 있습니다",
                "the TLS certificate and its key can be used",
            );
            Finding::new("tls", Severity::Ok, message)
        }
        Err(problem) => {
            let message =
                LocalizedText::new(format!("TLS 인증서를 사용할 수 없습니다: {problem}"), problem.to_string());
            Finding::new("tls", Severity::Error, message).help(LocalizedText::new(
                "SSL_CERT_PATH와 SSL_KEY_PATH에 서로 맞는 PEM 파일을 지정하세요",
                "set SSL_CERT_PATH and SSL_KEY_PATH to a certificate and its key, both PEM files",
            ))
        }
    })
}
