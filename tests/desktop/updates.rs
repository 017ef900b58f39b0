//! Tests of the updater: updates are reported, verified, installed and rejected.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minisign::KeyPair;
use serde_json::json;
use tests::fake_remote::{FakeRemote, Reply};
use tests::{eventually, fake_hub, process};

use crate::session::DesktopSession;
use crate::window::Window;
use crate::{process_tree, script, wait_for_exit, window_lock};

#[tokio::test]
async fn an_update_is_reported_verified_installed_and_started() {
    let _lock = window_lock().await;
    let mut session = DesktopSession::new(&script()).await;
    // The package is `touch`, which creates the file named by its argument: proof that the new version was started.
    let (package, marker) = (fs::read("/usr/bin/touch").unwrap(), session.data_dir().join("the new version was here"));
    let publisher = Publisher::new();
    let release = publisher.release("9.0.0", package.clone(), "9.0.0");
    let server = update_server([("stable", release)]).await;
    let installed = install_as_appimage(&mut session, &server, &publisher);
    session.add_argument(&marker);
    let window = Window::open(&session).await;
    let sidecar = process_tree::sidecar(&session).await.pid;
    window.click("open-settings").await;
    window.click("check-for-update").await;
    window.shows("update-notes", &["<b>Faster</b>"]).await;
    window.find("update-is-there").await;
    window.click("install-update").await;
    eventually("the new version is started", || async { marker.exists().then_some(()) }).await;
    assert!(fs::read(installed).unwrap() == package);
    wait_for_exit(sidecar).await;
}

#[tokio::test]
async fn a_modified_package_or_one_signed_for_another_version_is_rejected_and_the_app_keeps_running() {
    let _lock = window_lock().await;
    let mut session = DesktopSession::new(&script()).await;
    let package = fs::read("/usr/bin/touch").unwrap();
    let publisher = Publisher::new();
    let mut changed = publisher.release("9.0.0", package.clone(), "9.0.0");
    *changed.package.last_mut().unwrap() ^= 1;
    let old = publisher.release("9.0.0", package, "0.1.0");
    let server = update_server([("stable", changed), ("preview", old)]).await;
    let installed = install_as_appimage(&mut session, &server, &publisher);
    let before = fs::read(&installed).unwrap();
    let window = Window::open(&session).await;
    window.click("open-settings").await;
    window.click("check-for-update").await;
    install_is_rejected(&window).await;
    window.choose("setting-updates", "preview").await;
    install_is_rejected(&window).await;
    window.shows("update-detail", &["0.1.0"]).await;
    assert!(fs::read(installed).unwrap() == before);
    window.click("new-chat").await;
    window.send_question("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

/// Installs the available update and waits for the signature error.
async fn install_is_rejected(window: &Window) {
    window.click("install-update").await;
    window.shows("part-updates", &["signature of the download is invalid"]).await;
}

#[tokio::test]
async fn an_older_version_is_ignored_and_off_disables_checks() {
    let _lock = window_lock().await;
    let mut session = DesktopSession::new(&script()).await;
    let publisher = Publisher::new();
    let old = publisher.release("0.1.0", vec![1, 2, 3], "0.1.0");
    let new = publisher.release("9.0.0", vec![1, 2, 3], "9.0.0");
    let server = update_server([("stable", old), ("preview", new)]).await;
    configure_endpoint(&mut session, &server, &publisher);
    let window = Window::open(&session).await;
    window.click("open-settings").await;
    window.click("check-for-update").await;
    window.shows("part-updates", &["HAPA is up to date."]).await;
    window.choose("setting-updates", "preview").await;
    // A build from source has no bundle type and cannot update itself.
    window.shows("part-updates", &["9.0.0", "the way you installed it"]).await;
    assert!(!window.has("install-update").await);
    window.choose("setting-updates", "off").await;
    window.shows("part-updates", &["HAPA does not check for updates."]).await;
    let requests: Vec<String> = server.requests().into_iter().map(|request| request.request_line).collect();
    assert_eq!(requests, ["GET /stable.json", "GET /preview.json"]);
}

/// A publisher with a signing key.
struct Publisher(KeyPair);

/// A published version with its signed package.
#[derive(Clone)]
struct Release {
    version: &'static str,
    signature: String,
    package: Vec<u8>,
}

impl Publisher {
    fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().expect("there is randomness"))
    }

    /// The public key in Tauri's encoding.
    fn key(&self) -> String {
        STANDARD.encode(self.0.pk.to_box().expect("a key can be encoded").into_string())
    }

    fn release(&self, version: &'static str, package: Vec<u8>, signed_for: &str) -> Release {
        let comment = format!("timestamp:1\tfile:HAPA.AppImage\tversion:{signed_for}");
        let signature = minisign::sign(Some(&self.0.pk), &self.0.sk, Cursor::new(&package), Some(&comment), None);
        let signature = STANDARD.encode(signature.expect("bytes can be signed").into_string());
        Release { version, signature, package }
    }
}

/// Starts an update server with one release for each channel.
async fn update_server<const N: usize>(channels: [(&'static str, Release); N]) -> FakeRemote {
    FakeRemote::start(move |_, request| {
        let host = request.header("host").expect("clients name the host");
        let requested =
            |end: &str| channels.iter().find(|(name, _)| request.request_line == format!("GET /{name}{end}"));
        if let Some((name, release)) = requested(".json") {
            let package = json!({"url": format!("http://{host}/{name}.AppImage"), "signature": release.signature});
            let platform = format!("linux-{}", std::env::consts::ARCH);
            let manifest =
                json!({"version": release.version, "notes": "<b>Faster</b>", "platforms": {platform: package}});
            return Reply::response(200, "application/json", &manifest.to_string());
        }
        match requested(".AppImage") {
            Some((_, release)) => Reply::Send(fake_hub::file_response(&release.package, 0, usize::MAX)),
            None => Reply::response(404, "text/plain", ""),
        }
    })
    .await
}

/// Configures the app of a session to use this update server.
fn configure_endpoint(session: &mut DesktopSession, server: &FakeRemote, publisher: &Publisher) {
    session.set_env("HAPA_UPDATE_FEED", format!("{}/{{{{channel}}}}.json", server.address));
    session.set_env("HAPA_UPDATE_KEY", publisher.key());
}

/// Configures the update server for an app that is installed as an AppImage: a file and its mount folder.
/// Returns the path of the AppImage.
fn install_as_appimage(session: &mut DesktopSession, server: &FakeRemote, publisher: &Publisher) -> PathBuf {
    configure_endpoint(session, server, publisher);
    let (image, folder) = (session.data_dir().join("HAPA.AppImage"), session.data_dir().join(".mount_HAPA"));
    fs::write(&image, b"\x7fELF the version that is here").expect("the file can be written");
    fs::set_permissions(&image, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    fs::create_dir(&folder).expect("the file can be written");
    let program = folder.join("desktop");
    link_or_copy(&process::program("desktop"), &program);
    session.set_env("APPIMAGE", &image);
    // Tauri accepts APPIMAGE only if the executable is in a `.mount_` folder of the temporary folder.
    session.set_env("TMPDIR", session.data_dir().to_owned());
    session.set_sidecar(process::program(handshake::BINARY));
    session.set_app(program);
    image
}

/// Hard-links a file, or copies it to another file system.
fn link_or_copy(file: &Path, name: &Path) {
    if fs::hard_link(file, name).is_err() {
        fs::copy(file, name).expect("the file can be written");
    }
}
