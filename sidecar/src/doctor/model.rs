//! Checks of the inference: the model file, and the inference backends.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use engine::State;

use super::{Capacity, Finding, Severity, size};
use crate::base::i18n::LocalizedText;
use crate::config::Config;
use crate::models;

/// Checks the model file that would be loaded. With a remote server, none is required.
pub(crate) fn file(config: &Config, capacity: &Capacity, remote: bool) -> Finding {
    if config.script.is_some() {
        let message =
            LocalizedText::new("모델 대신 테스트 스크립트를 사용합니다", "a test script is used instead of a model");
        return finding(Severity::Ok, message);
    }
    let Some(path) = models::configured(config) else {
        let folder = config.models();
        let message = LocalizedText::new(
            format!("`{}`에 모델이 없습니다", folder.display()),
            format!("there is no model in `{}`", folder.display()),
        );
        if remote {
            return finding(Severity::Info, message);
        }
        return finding(Severity::Error, message).help(LocalizedText::new(
            "GGUF 파일을 이 폴더에 넣으세요. 실행 중인 HAPA는 다시 시작하지 않아도 파일을 찾습니다",
            "put a GGUF file into that folder; a running HAPA finds it without a restart",
        ));
    };
    match inspect(&path) {
        Ok(ModelFile { gguf: true, bytes }) => memory_finding(&path, bytes, capacity),
        Ok(ModelFile { gguf: false, .. }) => {
            finding(Severity::Error, about(&path, "GGUF 파일이 아닙니다", "is not a GGUF file")).help(
                LocalizedText::new(
                    "다시 내려받거나 다른 파일을 선택하세요",
                    "download it again, or choose another file",
                ),
            )
        }
        Err(error) => {
            let (ko, en) = (format!("열 수 없습니다 ({error})"), format!("cannot be opened: {error}"));
            finding(Severity::Error, about(&path, &ko, &en))
                .help(LocalizedText::new("경로와 권한을 확인하세요", "check its path and permissions"))
        }
    }
}

/// The same check, with the state of a running engine.
pub(crate) fn file_of(state: &State, config: &Config, capacity: &Capacity, remote: bool) -> Finding {
    let file = file(config, capacity, remote);
    match state {
        State::Failed { message } if file.severity != Severity::Error => {
            let message_text = LocalizedText::new(format!("모델을 사용할 수 없습니다: {message}"), message.clone());
            let help = LocalizedText::new("다른 모델을 선택하세요", "choose another model");
            finding(Severity::Error, message_text).help(help)
        }
        _ => file,
    }
}

/// Checks whether llama.cpp's backend libraries are installed.
pub(crate) fn backends() -> Finding {
    let folder = engine::default_backends();
    let files = fs::read_dir(&folder).into_iter().flatten().flatten();
    let found = files.filter(|entry| is_backend(&entry.file_name().to_string_lossy())).count();
    if found > 0 {
        let message = LocalizedText::new(
            format!("추론 백엔드가 {found}개 있습니다"),
            format!("{found} inference backends are installed"),
        );
        return Finding::new("backends", Severity::Ok, message);
    }
    let shown = folder.display();
    let message = LocalizedText::new(
        format!("`{shown}`에 추론 백엔드가 없습니다"),
        format!("there are no inference backends in `{shown}`"),
    );
    Finding::new("backends", Severity::Error, message)
        .help(LocalizedText::new("HAPA를 다시 설치하세요", "reinstall HAPA"))
}

/// Whether a file is one of llama.cpp's backends, such as `libggml-cpu-haswell.so`, and not the library that they
/// share.
fn is_backend(name: &str) -> bool {
    let name = name.strip_prefix("lib").unwrap_or(name);
    name.starts_with("ggml-") && !name.starts_with("ggml-base")
}

struct ModelFile {
    gguf: bool,
    bytes: u64,
}

fn inspect(path: &Path) -> io::Result<ModelFile> {
    let mut file = File::open(path)?;
    let mut magic = [0; 4];
    let gguf = match file.read_exact(&mut magic) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        read => read.is_ok() && magic == *b"GGUF",
    };
    Ok(ModelFile { gguf, bytes: file.metadata()?.len() })
}

/// Compares the model's size with the machine's memory, which the KV cache and the system need too.
fn memory_finding(path: &Path, bytes: u64, capacity: &Capacity) -> Finding {
    let shown = size(bytes);
    let help = LocalizedText::new("더 작은 모델을 선택하세요", "choose a smaller model");
    match capacity.memory {
        Some(memory) if bytes > memory => {
            let all = size(memory);
            let (ko, en) = (
                format!("크기({shown})가 메모리({all})보다 큽니다"),
                format!("needs {shown}, but this machine has {all} of memory"),
            );
            finding(Severity::Error, about(path, &ko, &en)).help(help)
        }
        Some(memory) if bytes > memory / 10 * 8 => {
            let all = size(memory);
            let (ko, en) = (
                format!("메모리 {all} 중 {shown}를 차지합니다"),
                format!("needs {shown} of this machine's {all} of memory, which leaves little for the rest"),
            );
            finding(Severity::Warning, about(path, &ko, &en)).help(help)
        }
        _ => finding(
            Severity::Ok,
            about(path, &format!("사용할 수 있습니다 ({shown})"), &format!("can be used ({shown})")),
        ),
    }
}

fn about(path: &Path, ko: &str, en: &str) -> LocalizedText {
    LocalizedText::new(format!("모델 `{}`: {ko}", path.display()), format!("the model `{}` {en}", path.display()))
}

fn finding(severity: Severity, message: LocalizedText) -> Finding {
    Finding::new("model", severity, message)
}
