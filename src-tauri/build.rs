//! Build script: embeds the front end, and declares the commands of `src/commands.rs` for `capabilities/` to allow.

use tauri_build::{AppManifest, Attributes, CodegenContext};

fn main() {
    let commands = &[
        "sidecar_status",
        "restart_sidecar",
        "window_ready",
        "window_painted",
        "stored_items",
        "set_item",
        "save_file",
        "open_data_folder",
        "notify",
        "abilities",
        "preferences",
        "update_preferences",
        "starts_at_login",
        "set_start_at_login",
        "set_language",
        "set_engine_state",
        "update_status",
        "check_for_update",
        "install_update",
        "cancel_update",
        "hide_quick_window",
        "resize_quick_window",
        "open_in_main_window",
    ];
    let attributes =
        Attributes::new().app_manifest(AppManifest::new().commands(commands)).codegen(CodegenContext::new());
    tauri_build::try_build(attributes).expect("the front end is built into ui/dist before the desktop app");
}
