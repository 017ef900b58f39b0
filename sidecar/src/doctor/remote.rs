//! Check of the remote server.

use super::{Finding, Severity};
use crate::base::i18n::LocalizedText;
use crate::remote::State;
use crate::settings::Settings;

/// The finding on the remote server; `None` where none is configured and none is used.
pub(crate) fn finding(settings: &Settings, state: &State) -> Option<Finding> {
    let server = settings.remote_endpoint.as_ref().and_then(|endpoint| endpoint.read().ok());
    let server = server.map(|address| address.origin()).unwrap_or_default();
    Some(match state {
        State::Off if server.is_empty() => return None,
        State::Off => {
            let message = LocalizedText::new(
                format!(
                    "원격 서버 `{server}`이(가) 설정되어 있지만 사용하지 않습니다 (설정 remote_policy가 local_only)"
                ),
                format!("the remote server `{server}` is configured, but not used while remote_policy is local_only"),
            );
            found(Severity::Info, message)
        }
        State::Unknown => {
            let message = LocalizedText::new(
                format!("원격 서버 `{server}`을(를) 아직 확인하지 않았습니다"),
                format!("the remote server `{server}` was not checked yet"),
            );
            found(Severity::Info, message)
        }
        State::Up(models) => up(settings, &server, models),
        State::Down(failure) => found(Severity::Error, failure.message()).help(LocalizedText::new(
            "설정 remote_endpoint와 키를 확인하거나 remote_policy를 local_only로 바꾸세요",
            "check remote_endpoint and the key, or set remote_policy to local_only",
        )),
    })
}

fn up(settings: &Settings, server: &str, models: &[String]) -> Finding {
    let wanted = settings.remote_model.as_ref().map(|model| &model.0);
    if let Some(wanted) = wanted.filter(|wanted| !models.is_empty() && !models.contains(wanted)) {
        let message = LocalizedText::new(
            format!("원격 서버 `{server}`의 모델 목록에 `{wanted}`이(가) 없습니다"),
            format!("the remote server `{server}` does not list `{wanted}`"),
        );
        return found(Severity::Warning, message).help(LocalizedText::new(
            "설정 remote_model을 서버에 있는 모델 이름으로 바꾸세요",
            "set remote_model to a model of that server",
        ));
    }
    let message = LocalizedText::new(
        format!("질문이 원격 서버 `{server}`(으)로 전송될 수 있으며, 서버가 응답합니다"),
        format!("questions may be sent to the remote server `{server}`, which is reachable"),
    );
    found(Severity::Ok, message)
}

fn found(severity: Severity, message: LocalizedText) -> Finding {
    Finding::new("remote", severity, message)
}
