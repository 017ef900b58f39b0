//! Checks of the storage: the data folder, its disk and the database.

use std::path::Path;
use std::time::Duration;

use super::{Capacity, Finding, Severity, size};
use crate::base::i18n::LocalizedText;
use crate::config::Config;
use crate::store::{DbHealth, inspect};

/// Minimum free space, in bytes: with less, the database cannot grow.
const MIN_FREE: u64 = 50_000_000;

/// Free space, in bytes, below which a warning is due.
const LOW_FREE: u64 = 1_000_000_000;

/// All storage findings; the database check takes `database_timeout` at most.
pub(crate) async fn findings(config: &Config, capacity: &Capacity, database_timeout: Duration) -> Vec<Finding> {
    let mut findings = vec![folder(&config.data)];
    findings.extend(permissions(&config.data));
    findings.push(disk(capacity));
    findings.push(database(&config.database, inspect(&config.database, database_timeout).await));
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
        "쓰기 권한을 주거나 HAPA_DATA_DIR로 다른 폴더를 지정하세요",
        "make it writable, or set HAPA_DATA_DIR to another folder",
    );
    match data.metadata() {
        Ok(meta) if !meta.is_dir() => finding(Severity::Critical, "폴더가 아닙니다", "is not a folder").help(help),
        Ok(_) if !writable(data) => finding(Severity::Critical, "쓰기 권한이 없습니다", "is not writable").help(help),
        Ok(_) => finding(Severity::Ok, "사용할 수 있습니다", "exists and is writable"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            match data.ancestors().skip(1).find(|above| above.exists()) {
                Some(above) if !writable(above) => {
                    finding(Severity::Critical, "만들 수 없습니다", "cannot be created").help(help)
                }
                _ => finding(Severity::Info, "처음 시작할 때 만들어집니다", "will be created at the first start"),
            }
        }
        Err(error) => finding(Severity::Critical, &error.to_string(), &format!("cannot be read: {error}")).help(help),
    }
}

#[cfg(unix)]
fn writable(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    // An empty path is the current folder.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn writable(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|meta| !meta.permissions().readonly())
}

/// Whether other users of this machine can read the folder.
#[cfg(unix)]
fn permissions(data: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let meta = data.metadata().ok().filter(std::fs::Metadata::is_dir)?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        let message =
            LocalizedText::new("데이터 폴더는 소유자만 볼 수 있습니다", "only its owner can read the data folder");
        return Some(Finding::new("permissions", Severity::Ok, message));
    }
    let message = LocalizedText::new(
        format!("다른 사용자가 데이터 폴더를 볼 수 있습니다 (권한 {mode:o})"),
        format!("other users of this machine can read the data folder (mode {mode:o})"),
    );
    let command = format!("chmod 700 '{}'", data.display());
    let help = LocalizedText::new(format!("`{command}`를 실행하세요"), format!("run `{command}`"));
    Some(Finding::new("permissions", Severity::Warning, message).help(help))
}

#[cfg(not(unix))]
fn permissions(_: &Path) -> Option<Finding> {
    None
}

fn disk(capacity: &Capacity) -> Finding {
    let Some(free) = capacity.disk else {
        let message =
            LocalizedText::new("디스크의 남은 공간을 알 수 없습니다", "the free space of the disk is unknown");
        return Finding::new("disk", Severity::Info, message);
    };
    let severity = match free {
        0..MIN_FREE => Severity::Critical,
        MIN_FREE..LOW_FREE => Severity::Warning,
        LOW_FREE.. => Severity::Ok,
    };
    let shown = size(free);
    let message = LocalizedText::new(
        format!("데이터 폴더의 디스크에 {shown} 남아 있습니다"),
        format!("the disk of the data folder has {shown} of free space"),
    );
    let finding = Finding::new("disk", severity, message);
    if severity == Severity::Ok {
        return finding;
    }
    finding.help(LocalizedText::new(
        "사용하지 않는 파일이나 모델을 삭제하세요",
        "delete files or models that you do not use",
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
        DbHealth::Absent => finding(Severity::Info, "처음 시작할 때 만들어집니다", "will be created at the first start"),
        DbHealth::Ok { complete: true } => finding(Severity::Ok, "문제가 없습니다", "has no problems"),
        DbHealth::Ok { complete: false } => {
            finding(Severity::Ok, "열 수 있습니다. 전체를 검사하지는 않았습니다", "can be opened; it was not checked completely")
        }
        DbHealth::TooNew => {
            finding(Severity::Critical, "더 새로운 버전의 HAPA에서 만들어졌습니다", "was written by a newer version of HAPA").help(
                LocalizedText::new(
                    "HAPA를 업데이트하거나 DATABASE_URL로 다른 파일을 지정하세요",
                    "update HAPA, or set DATABASE_URL to another file",
                ),
            )
        }
        DbHealth::Damaged(words) => {
            finding(Severity::Critical, &format!("손상되었습니다 ({words})"), &format!("is damaged: {words}")).help(
                LocalizedText::new(
                    "백업이 있으면 HAPA를 종료하고 복원하세요. 없으면 다음 시작 때 이 파일의 이름을 바꿔 보관하고 새로 만듭니다",
                    "if you have a backup, stop HAPA and restore it; otherwise the next start renames this file and creates a new one",
                ),
            )
        }
        DbHealth::Unreadable(words) => {
            finding(Severity::Critical, &format!("열 수 없습니다 ({words})"), &format!("cannot be opened: {words}"))
                .help(LocalizedText::new(
                    "파일의 소유자와 권한을 확인하거나 DATABASE_URL로 다른 파일을 지정하세요",
                    "check its owner and permissions, or set DATABASE_URL to another file",
                ))
        }
    }
}

/// The newest quarantined database: damaged ones are renamed at startup.
fn quarantine(database: &Path) -> Option<Finding> {
    let beginning = format!("{}.corrupt-", database.file_name()?.to_string_lossy());
    let names =
        database.parent()?.read_dir().ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    // Its `-wal` and `-shm` files have the same prefix.
    let name = names.filter(|name| name.starts_with(&beginning) && name.ends_with('Z')).max()?;
    let message = LocalizedText::new(
        format!("손상된 데이터베이스를 `{name}`(으)로 보관하고 새로 만들었습니다"),
        format!("the database was damaged; it was renamed to `{name}`, and a new one was created"),
    );
    let help = LocalizedText::new(
        "필요한 데이터를 복구했거나 필요 없으면 그 파일을 삭제하세요",
        "delete that file once you have recovered what you need from it",
    );
    Some(Finding::new("set_aside", Severity::Warning, message).help(help))
}
