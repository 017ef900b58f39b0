//! The save dialog, and opening the data folder. The page neither passes nor receives a path.

use std::path::Path;

use tauri::WebviewWindow;
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;

use crate::data_dir;

/// Saves a text to the path that the user chooses in a dialog; `false` if they cancelled it.
///
/// # Errors
/// The system's message, when the file cannot be written.
pub(crate) async fn save(window: &WebviewWindow, name: &str, content: String) -> Result<bool, String> {
    let (sender, receiver) = oneshot::channel();
    let dialog = window.dialog().file().set_parent(window).set_file_name(file_name(name));
    dialog.save_file(move |path| {
        // The receiver is dropped if the window was closed.
        let _ = sender.send(path);
    });
    let Some(path) = receiver.await.ok().flatten() else { return Ok(false) };
    let path = path.into_path().map_err(|error| error.to_string())?;
    match tokio::fs::write(&path, content).await {
        Ok(()) => Ok(true),
        Err(error) => {
            tracing::warn!("could not write `{}`: {error}", path.display());
            Err(error.to_string())
        }
    }
}

/// Opens the data folder in the file manager.
///
/// # Errors
/// The system's message, when there is no data folder or no file manager.
pub(crate) fn open_data_folder() -> Result<(), String> {
    let folder = data_dir::path().ok_or("this system has no home folder")?;
    tauri_plugin_opener::open_path(&folder, None::<&str>).map_err(|error| {
        tracing::warn!("could not open `{}`: {error}", folder.display());
        error.to_string()
    })
}

/// The proposed file name without folders and without characters that some systems do not allow.
fn file_name(name: &str) -> String {
    let last = Path::new(name).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_reserved = |char: char| char.is_control() || r#"<>:"/\|?*"#.contains(char);
    last.chars().map(|char| if is_reserved(char) { '_' } else { char }).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_contains_no_folder() {
        assert_eq!(file_name("../../.ssh/authorized_keys"), "authorized_keys");
        assert_eq!(file_name("중복 제거: 첫 번째?.py"), "중복 제거_ 첫 번째_.py");
        assert_eq!(file_name(".."), "");
    }
}
