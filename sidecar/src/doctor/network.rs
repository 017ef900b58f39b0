//! Checks of where HAPA can be reached.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener};

use handshake::DEFAULT_PORT;

use super::{Finding, Severity};
use crate::base::i18n::LocalizedText;
use crate::config::Config;
use crate::instance::find_running;
use crate::tls;

/// Looks whether the ports are free, or HAPA's own already.
pub fn ports(config: &Config) -> Vec<Finding> {
    if let Some(found) = find_running(&config.data) {
        let (version, port) = (found.version, found.port);
        let message = LocalizedText::new(
            format!("HAPA {version}이(가) 실행 중이며 이 컴퓨터의 {port} 포트에 있습니다"),
            format!("HAPA {version} runs, and is on port {port} of this machine"),
        );
        return vec![Finding::new("port", Severity::Ok, message)];
    }
    let api = match config.port {
        Some(port) => asked_for(config.host, port, "PORT"),
        None => usual(config.host),
    };
    let metrics = config.metrics_port.map(|port| asked_for(config.host, port, "METRICS_PORT"));
    [api].into_iter().chain(metrics).collect()
}

fn asked_for(host: IpAddr, port: u16, variable: &str) -> Finding {
    let Err(error) = TcpListener::bind((host, port)) else { return free(port) };
    let taken = error.kind() == ErrorKind::AddrInUse;
    let message = if taken {
        LocalizedText::new(
            format!("다른 프로그램이 {port} 포트를 쓰고 있습니다"),
            format!("another program has port {port}, which {variable} asks for"),
        )
    } else {
        LocalizedText::new(
            format!("{host}의 {port} 포트를 열 수 없습니다 ({error})"),
            format!("port {port} of {host}, which {variable} asks for, cannot be opened: {error}"),
        )
    };
    Finding::new("port", Severity::Error, message).help(LocalizedText::new(
        format!("{variable}(으)로 다른 포트를 정하거나 그 프로그램을 끝내세요"),
        format!("choose another with {variable}, or end the program that has it"),
    ))
}

fn usual(host: IpAddr) -> Finding {
    match TcpListener::bind((host, DEFAULT_PORT)) {
        Ok(_) => free(DEFAULT_PORT),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let message = LocalizedText::new(
                format!("다른 프로그램이 {DEFAULT_PORT} 포트를 쓰고 있어 그다음 빈 포트를 씁니다"),
                format!("another program has port {DEFAULT_PORT}; the next free one will be used"),
            );
            Finding::new("port", Severity::Info, message)
        }
        Err(error) => {
            let message = LocalizedText::new(
                format!("{host}의 포트를 열 수 없습니다 ({error})"),
                format!("no port of {host} can be opened: {error}"),
            );
            let help = LocalizedText::new(
                "HOST에 이 컴퓨터의 주소를 적거나 HOST를 지우세요",
                "set HOST to an address of this machine, or leave it out",
            );
            Finding::new("port", Severity::Error, message).help(help)
        }
    }
}

fn free(port: u16) -> Finding {
    let message = LocalizedText::new(format!("{port} 포트가 비어 있습니다"), format!("port {port} is free"));
    Finding::new("port", Severity::Ok, message)
}

/// Looks at what was asked for beyond serving this machine.
pub fn exposure_findings(config: &Config) -> Vec<Finding> {
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
            "그럴 생각이 아니면 HOST를 지우세요. 키는 필요한 권한만 주어 만드세요",
            "leave HOST out if you do not mean that; give keys no more permissions than they need",
        ),
        None => LocalizedText::new(
            "그럴 생각이 아니면 HOST를 지우세요. 암호화하려면 SSL_ENABLED를 켜세요",
            "leave HOST out if you do not mean that; what is sent is not encrypted unless SSL_ENABLED is set",
        ),
    };
    (!host.is_loopback()).then(|| Finding::new("host", Severity::Warning, message).help(help))
}

fn certificate(config: &Config) -> Option<Finding> {
    let files = config.tls.as_ref()?;
    Some(match tls::acceptor(files) {
        Ok(_) => {
            let message =
                LocalizedText::new("TLS 인증서와 키를 쓸 수 있습니다", "the certificate and its key can be used");
            Finding::new("tls", Severity::Ok, message)
        }
        Err(problem) => {
            let message = LocalizedText::new(format!("TLS 인증서를 쓸 수 없습니다: {problem}"), problem.to_string());
            Finding::new("tls", Severity::Error, message).help(LocalizedText::new(
                "SSL_CERT_PATH와 SSL_KEY_PATH에 서로 맞는 PEM 파일을 정하세요",
                "name a certificate and the key that belongs to it, both PEM files, with SSL_CERT_PATH and SSL_KEY_PATH",
            ))
        }
    })
}
