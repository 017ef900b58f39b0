//! Checks of where HAPA keeps things: the data folder, its disk, the database.

use std::path::Path;
use std::time::Duration;

use super::{Capacity, Finding, Severity, size};
use crate::base::i18n::LocalizedText;
use crate::config::Config;
use crate::store::{DbHealth, inspect};

/// Bytes without which the database cannot grow.
const FEWEST_FREE: u64 = 50_000_000;

/// Bytes with which nothing will be missing for a while.
const FEW_FREE: u64 = 1_000_000_000;

/// Looks at all of them; reads the database through for `patience` at most.
pub async fn findings(config: &Config, room: &Capacity, patience: Duration) -> Vec<Finding> {
    let mut findings = vec![folder(&config.data)];
    findings.extend(permissions(&config.data));
    findings.push(disk(room));
    findings.push(database(&config.database, inspect(&config.database, patience).await));
    findings.extend(quarantine(&config.database));
    findings
}

fn folder(data: &Path) -> Finding {
    let shown = data.display();
    let finding = |severity, ko: &str, en: &str| {
        let message =
            LocalizedText::new(format!("데이터 폴더 `{shown}`: {ko}"), format!("the data folder `{shown}` {en}"));
        Finding::new("data_folder", severity, message)
    };
    let help = LocalizedText::new(
        "쓸 수 있게 권한을 바꾸거나 HAPA_DATA_DIR로 다른 폴더를 정하세요",
        "make it writable for you, or name another folder with HAPA_DATA_DIR",
    );
    match data.metadata() {
        Ok(meta) if !meta.is_dir() => finding(Severity::Critical, "폴더가 아닙니다", "is not a folder").help(help),
        Ok(_) if !writable(data) => finding(Severity::Critical, "쓸 수 없습니다", "cannot be written to").help(help),
        Ok(_) => finding(Severity::Ok, "쓸 수 있습니다", "is there and can be written to"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            match data.ancestors().skip(1).find(|above| above.exists()) {
                Some(above) if !writable(above) => {
                    finding(Severity::Critical, "만들 수 없습니다", "cannot be made").help(help)
                }
                _ => finding(Severity::Info, "처음 시작할 때 만들어집니다", "will be made at the first start"),
            }
        }
        Err(error) => {
            finding(Severity::Critical, &error.to_string(), &format!("cannot be looked at: {error}")).help(help)
        }
    }
}

#[cfg(unix)]
fn writable(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    // An empty path is the folder that we are in.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn writable(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|meta| !meta.permissions().readonly())
}

/// Whether others on this machine can look into the folder.
#[cfg(unix)]
fn permissions(data: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let meta = data.metadata().ok().filter(std::fs::Metadata::is_dir)?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        let message =
            LocalizedText::new("데이터 폴더는 소유자만 볼 수 있습니다", "only its owner can look into the data folder");
        return Some(Finding::new("permissions", Severity::Ok, message));
    }
    let message = LocalizedText::new(
        format!("다른 사용자가 데이터 폴더를 볼 수 있습니다 (권한 {mode:o})"),
        format!("other users of this machine can look into the data folder (its mode is {mode:o})"),
    );
    let command = format!("chmod 700 '{}'", data.display());
    let help = LocalizedText::new(format!("`{command}`를 실행하세요"), format!("run `{command}`"));
    Some(Finding::new("permissions", Severity::Warning, message).help(help))
}

#[cfg(not(unix))]
fn permissions(_: &Path) -> Option<Finding> {
    None
}

fn disk(room: &Capacity) -> Finding {
    let Some(free) = room.disk else {
        let message = LocalizedText::new(
            "디스크에 남은 공간을 알 수 없습니다",
            "this system does not tell how much of the disk is free",
        );
        return Finding::new("disk", Severity::Info, message);
    };
    let severity = match free {
        0..FEWEST_FREE => Severity::Critical,
        FEWEST_FREE..FEW_FREE => Severity::Warning,
        FEW_FREE.. => Severity::Ok,
    };
    let shown = size(free);
    let message = LocalizedText::new(
        format!("데이터 폴더의 디스크에 {shown} 남았습니다"),
        format!("{shown} of the data folder's disk are free"),
    );
    let finding = Finding::new("disk", severity, message);
    if severity == Severity::Ok {
        return finding;
    }
    finding.help(LocalizedText::new(
        "쓰지 않는 파일이나 모델을 지우세요",
        "remove files or models that you do not use any more",
    ))
}

fn database(file: &Path, condition: DbHealth) -> Finding {
    let shown = file.display();
    let finding = |severity, ko: &str, en: &str| {
        let message =
            LocalizedText::new(format!("데이터베이스 `{shown}`: {ko}"), format!("the database `{shown}` {en}"));
        Finding::new("database", severity, message)
    };
    match condition {
        DbHealth::Absent => finding(Severity::Info, "처음 시작할 때 만들어집니다", "will be made at the first start"),
        DbHealth::Ok { complete: true } => finding(Severity::Ok, "이상이 없습니다", "is in order"),
        DbHealth::Ok { complete: false } => {
            finding(Severity::Ok, "열리며, 전체를 읽지는 않았습니다", "opens; not all of it was read")
        }
        DbHealth::TooNew => {
            finding(Severity::Critical, "더 새로운 HAPA가 썼습니다", "was written by a newer version of HAPA").help(
                LocalizedText::new(
                    "HAPA를 새 버전으로 올리거나 DATABASE_URL로 다른 파일을 정하세요",
                    "update HAPA, or name another file with DATABASE_URL",
                ),
            )
        }
        DbHealth::Damaged(words) => {
            finding(Severity::Critical, &format!("손상되었습니다 ({words})"), &format!("is damaged: {words}")).help(
                LocalizedText::new(
                    "백업이 있으면 HAPA를 끝내고 되돌리세요. 없으면 다음 시작 때 이 파일을 옆으로 옮기고 새로 만듭니다",
                    "if you have a copy, end HAPA and put it back; otherwise the next start keeps this file aside and makes a new one",
                ),
            )
        }
        DbHealth::Unreadable(words) => {
            finding(Severity::Critical, &format!("열 수 없습니다 ({words})"), &format!("cannot be opened: {words}"))
                .help(LocalizedText::new(
                    "파일의 소유자와 권한을 확인하거나 DATABASE_URL로 다른 파일을 정하세요",
                    "look at its owner and permissions, or name another file with DATABASE_URL",
                ))
        }
    }
}

/// The damaged database that an earlier start kept beside the one in use, the newest if there are more.
fn quarantine(database: &Path) -> Option<Finding> {
    let beginning = format!("{}.corrupt-", database.file_name()?.to_string_lossy());
    let names =
        database.parent()?.read_dir().ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    // Its `-wal` and `-shm` lie there too.
    let name = names.filter(|name| name.starts_with(&beginning) && name.ends_with('Z')).max()?;
    let message = LocalizedText::new(
        format!("손상된 데이터베이스를 `{name}`(으)로 옮기고 새로 시작했습니다"),
        format!("the database was damaged; it is kept as `{name}`, and a new one took its place"),
    );
    let help = LocalizedText::new(
        "필요한 것을 되살렸거나 필요 없으면 그 파일을 지우세요",
        "remove that file once you have rescued what you need from it",
    );
    Some(Finding::new("quarantine", Severity::Warning, message).help(help))
}
