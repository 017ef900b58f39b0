//! Checks of what answers questions: the model file, and the libraries that run it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use engine::State;

use super::{Capacity, Finding, Severity, size};
use crate::base::i18n::LocalizedText;
use crate::config::Config;
use crate::models;

/// Looks at the model file that would be run. Where a server elsewhere may be asked, none need be there.
pub fn file(config: &Config, room: &Capacity, remote: bool) -> Finding {
    if config.script.is_some() {
        let message = LocalizedText::new("모델 대신 대본을 씁니다", "a script is followed instead of a model");
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
            "GGUF 파일을 그 폴더에 넣으세요; 켜져 있는 HAPA는 곧바로 찾습니다",
            "put a GGUF file into that folder; a running HAPA finds it at once",
        ));
    };
    match look(&path) {
        Ok(Look { gguf: true, bytes }) => weigh(&path, bytes, room),
        Ok(Look { gguf: false, .. }) => {
            finding(Severity::Error, about(&path, "GGUF 파일이 아닙니다", "is not a GGUF file")).help(
                LocalizedText::new("다시 내려받거나 다른 파일을 고르세요", "download it again, or choose another file"),
            )
        }
        Err(error) => {
            let (ko, en) = (format!("열 수 없습니다 ({error})"), format!("cannot be opened: {error}"));
            finding(Severity::Error, about(&path, &ko, &en))
                .help(LocalizedText::new("경로와 권한을 확인하세요", "look at its path and its permissions"))
        }
    }
}

/// The same, where an engine is at work that may know better.
pub fn file_of(state: &State, config: &Config, room: &Capacity, remote: bool) -> Finding {
    let file = file(config, room, remote);
    match state {
        State::Failed { message } if file.severity != Severity::Error => {
            let told = LocalizedText::new(format!("모델을 쓸 수 없습니다: {message}"), message.clone());
            let help = LocalizedText::new("다른 모델을 고르세요", "choose another model");
            finding(Severity::Error, told).help(help)
        }
        _ => file,
    }
}

/// Looks for the libraries that run models.
pub fn backends() -> Finding {
    let folder = engine::default_backends();
    let files = fs::read_dir(&folder).into_iter().flatten().flatten();
    let found = files.filter(|entry| is_backend(&entry.file_name().to_string_lossy())).count();
    if found > 0 {
        let message = LocalizedText::new(
            format!("모델을 돌리는 라이브러리가 {found}개 있습니다"),
            format!("there are {found} libraries to run models with"),
        );
        return Finding::new("backends", Severity::Ok, message);
    }
    let shown = folder.display();
    let message = LocalizedText::new(
        format!("`{shown}`에 모델을 돌리는 라이브러리가 없습니다"),
        format!("there are no libraries to run models with in `{shown}`"),
    );
    Finding::new("backends", Severity::Error, message)
        .help(LocalizedText::new("HAPA를 다시 설치하세요", "install HAPA again"))
}

/// Whether a file is one of llama.cpp's backends, such as `libggml-cpu-haswell.so`: not what all of them have in common.
fn is_backend(name: &str) -> bool {
    let name = name.strip_prefix("lib").unwrap_or(name);
    name.starts_with("ggml-") && !name.starts_with("ggml-base")
}

struct Look {
    gguf: bool,
    bytes: u64,
}

fn look(path: &Path) -> io::Result<Look> {
    let mut file = File::open(path)?;
    let mut magic = [0; 4];
    let gguf = match file.read_exact(&mut magic) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        read => read.is_ok() && magic == *b"GGUF",
    };
    Ok(Look { gguf, bytes: file.metadata()?.len() })
}

/// Compares the model's size with the machine's memory. Context and system need room beside it.
fn weigh(path: &Path, bytes: u64, room: &Capacity) -> Finding {
    let shown = size(bytes);
    let help = LocalizedText::new("더 작은 모델을 고르세요", "choose a smaller model");
    match room.memory {
        Some(memory) if bytes > memory => {
            let all = size(memory);
            let (ko, en) = (
                format!("크기가 {shown}이고 메모리는 {all}입니다"),
                format!("has {shown}, and this machine has {all} of memory"),
            );
            finding(Severity::Error, about(path, &ko, &en)).help(help)
        }
        Some(memory) if bytes > memory / 10 * 8 => {
            let all = size(memory);
            let (ko, en) = (
                format!("크기가 {shown}라서 메모리 {all}을 거의 다 씁니다"),
                format!("has {shown}, which leaves little of this machine's {all} of memory"),
            );
            finding(Severity::Warning, about(path, &ko, &en)).help(help)
        }
        _ => {
            finding(Severity::Ok, about(path, &format!("쓸 수 있습니다 ({shown})"), &format!("can be used ({shown})")))
        }
    }
}

fn about(path: &Path, ko: &str, en: &str) -> LocalizedText {
    LocalizedText::new(format!("모델 `{}`: {ko}", path.display()), format!("the model `{}` {en}", path.display()))
}

fn finding(severity: Severity, message: LocalizedText) -> Finding {
    Finding::new("model", severity, message)
}
