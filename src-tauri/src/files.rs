//! Files that the user saves, and the folder with everything. The window's page names no path and is told none.

use std::path::Path;

use tauri::WebviewWindow;
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;

use crate::data_dir;

/// Asks the user where to save a text, and saves it. `false` if they did not say.
pub async fn save(window: &WebviewWindow, name: &str, content: String) -> Result<bool, String> {
    let (chosen, answer) = oneshot::channel();
    let dialog = window.dialog().file().set_parent(window).set_file_name(file_name(name));
    dialog.save_file(move |path| {
        // Nobody waits any more if the window is gone.
        let _ = chosen.send(path);
    });
    let Some(path) = answer.await.ok().flatten() else { return Ok(false) };
    let path = path.into_path().map_err(|error| error.to_string())?;
    match tokio::fs::write(&path, content).await {
        Ok(()) => Ok(true),
        Err(error) => {
            tracing::warn!("could not write `{}`: {error}", path.display());
            Err(error.to_string())
        }
    }
}

/// Shows the data folder in the file manager.
pub fn open_data_folder() -> Result<(), String> {
    let folder = data_dir::path().ok_or("this system has no home folder")?;
    tauri_plugin_opener::open_path(&folder, None::<&str>).map_err(|error| {
        tracing::warn!("could not open `{}`: {error}", folder.display());
        error.to_string()
    })
}

/// What a page calls a file, without any folder and without what some systems do not take.
fn file_name(name: &str) -> String {
    let last = Path::new(name).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let taken = |char: char| char.is_control() || r#"<>:"/\|?*"#.contains(char);
    last.chars().map(|char| if taken(char) { '_' } else { char }).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_folder_in_it() {
        assert_eq!(file_name("../../.ssh/authorized_keys"), "authorized_keys");
        assert_eq!(file_name("중복 제거: 첫 번째?.py"), "중복 제거_ 첫 번째_.py");
        assert_eq!(file_name(".."), "");
    }
}
