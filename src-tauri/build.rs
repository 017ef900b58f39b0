//! Embeds the front end, and makes the commands of `src/commands.rs` the only ones that the window may be allowed.

use tauri_build::{AppManifest, Attributes, CodegenContext};

fn main() {
    let commands = &["sidecar_status", "restart_sidecar", "window_ready"];
    let attributes =
        Attributes::new().app_manifest(AppManifest::new().commands(commands)).codegen(CodegenContext::new());
    tauri_build::try_build(attributes).expect("the front end is built into ui/dist before the desktop app");
}
