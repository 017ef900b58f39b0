//! New versions of the app: told of, checked, put in the place of this one, and refused.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minisign::KeyPair;
use serde_json::json;
use tests::stranger::{Act, Stranger};
use tests::{eventually, hub, process};

use crate::desk::Desk;
use crate::window::Window;
use crate::{gone, processes, script, turn};

#[tokio::test]
async fn a_new_version_is_told_of_checked_put_in_the_place_of_this_one_and_started() {
    let _turn = turn().await;
    let mut desk = Desk::new(&script()).await;
    // The package is a small program that leaves a mark: it makes the files that it is given the names of.
    let (package, mark) = (fs::read("/usr/bin/touch").unwrap(), desk.data().join("the new version was here"));
    let publisher = Publisher::new();
    let release = publisher.release("9.0.0", package.clone(), "9.0.0");
    let server = announce([("stable", release)]).await;
    let installed = install(&mut desk, &server, &publisher);
    desk.give_argument(&mark);
    let window = Window::open(&desk).await;
    let sidecar = processes::sidecar(&desk).await.pid;
    window.click("open-settings").await;
    window.click("check-for-update").await;
    window.shows("update-notes", &["<b>Faster</b>"]).await;
    window.find("update-is-there").await;
    window.click("install-update").await;
    eventually("the new version is started", || async { mark.exists().then_some(()) }).await;
    assert!(fs::read(installed).unwrap() == package);
    gone(sidecar).await;
}

#[tokio::test]
async fn a_package_that_was_changed_or_signed_for_another_version_is_refused_and_this_one_goes_on() {
    let _turn = turn().await;
    let mut desk = Desk::new(&script()).await;
    let package = fs::read("/usr/bin/touch").unwrap();
    let publisher = Publisher::new();
    let mut changed = publisher.release("9.0.0", package.clone(), "9.0.0");
    *changed.package.last_mut().unwrap() ^= 1;
    let old = publisher.release("9.0.0", package, "0.1.0");
    let server = announce([("stable", changed), ("preview", old)]).await;
    let installed = install(&mut desk, &server, &publisher);
    let before = fs::read(&installed).unwrap();
    let window = Window::open(&desk).await;
    window.click("open-settings").await;
    window.click("check-for-update").await;
    refused(&window).await;
    window.choose("setting-updates", "preview").await;
    refused(&window).await;
    window.shows("update-detail", &["0.1.0"]).await;
    assert!(fs::read(installed).unwrap() == before);
    window.click("new-chat").await;
    window.ask("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

/// Has what was found installed, and waits until it is refused.
async fn refused(window: &Window) {
    window.click("install-update").await;
    window.shows("part-updates", &["signature of the download is invalid"]).await;
}

#[tokio::test]
async fn an_older_version_is_none_and_nobody_is_asked_once_that_is_off() {
    let _turn = turn().await;
    let mut desk = Desk::new(&script()).await;
    let publisher = Publisher::new();
    let old = publisher.release("0.1.0", vec![1, 2, 3], "0.1.0");
    let new = publisher.release("9.0.0", vec![1, 2, 3], "9.0.0");
    let server = announce([("stable", old), ("preview", new)]).await;
    listen(&mut desk, &server, &publisher);
    let window = Window::open(&desk).await;
    window.click("open-settings").await;
    window.click("check-for-update").await;
    window.shows("part-updates", &["HAPA is up to date."]).await;
    window.choose("setting-updates", "preview").await;
    // This program was built here, and knows no way to be replaced.
    window.shows("part-updates", &["9.0.0", "the way you installed it"]).await;
    assert!(!window.has("install-update").await);
    window.choose("setting-updates", "off").await;
    window.shows("part-updates", &["HAPA does not check for updates."]).await;
    let asked: Vec<String> = server.all().into_iter().map(|heard| heard.what).collect();
    assert_eq!(asked, ["GET /stable.json", "GET /preview.json"]);
}

/// Somebody who signs versions.
struct Publisher(KeyPair);

/// A version as it is announced, and its package.
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

    /// The public key, as Tauri writes it down.
    fn key(&self) -> String {
        STANDARD.encode(self.0.pk.to_box().expect("a key can be written down").into_string())
    }

    fn release(&self, version: &'static str, package: Vec<u8>, signed_for: &str) -> Release {
        let comment = format!("timestamp:1\tfile:HAPA.AppImage\tversion:{signed_for}");
        let signature = minisign::sign(Some(&self.0.pk), &self.0.sk, Cursor::new(&package), Some(&comment), None);
        let signature = STANDARD.encode(signature.expect("bytes can be signed").into_string());
        Release { version, signature, package }
    }
}

/// A server that announces a version in each of these channels.
async fn announce<const N: usize>(channels: [(&'static str, Release); N]) -> Stranger {
    Stranger::start(move |_, heard| {
        let host = heard.header("host").expect("clients name the host");
        let asked = |end: &str| channels.iter().find(|(name, _)| heard.what == format!("GET /{name}{end}"));
        if let Some((name, release)) = asked(".json") {
            let place = json!({"url": format!("http://{host}/{name}.AppImage"), "signature": release.signature});
            let platform = format!("linux-{}", std::env::consts::ARCH);
            let announced =
                json!({"version": release.version, "notes": "<b>Faster</b>", "platforms": {platform: place}});
            return Act::respond(200, "application/json", &announced.to_string());
        }
        match asked(".AppImage") {
            Some((_, release)) => Act::Say(hub::bytes(&release.package, 0, usize::MAX)),
            None => Act::respond(404, "text/plain", ""),
        }
    })
    .await
}

/// Has the app on a desk ask this server.
fn listen(desk: &mut Desk, server: &Stranger, publisher: &Publisher) {
    desk.set("HAPA_UPDATE_FEED", format!("{}/{{{{channel}}}}.json", server.address));
    desk.set("HAPA_UPDATE_KEY", publisher.key());
}

/// The same for an app that came as an AppImage, which is a file that brings a folder with the program when it is run. Returns the file.
fn install(desk: &mut Desk, server: &Stranger, publisher: &Publisher) -> PathBuf {
    listen(desk, server, publisher);
    let (image, folder) = (desk.data().join("HAPA.AppImage"), desk.data().join(".mount_HAPA"));
    fs::write(&image, b"\x7fELF the version that is here").expect("the desk has room");
    fs::set_permissions(&image, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::create_dir(&folder).expect("the desk has room");
    let program = folder.join("desktop");
    place(&process::program("desktop"), &program);
    desk.set("APPIMAGE", &image);
    // There the folder is looked for.
    desk.set("TMPDIR", desk.data().to_owned());
    desk.let_stand_in(process::program(handshake::BINARY));
    desk.let_run(program);
    image
}

/// A second name for a file, or a copy where it lies on another disk.
fn place(file: &Path, name: &Path) {
    if fs::hard_link(file, name).is_err() {
        fs::copy(file, name).expect("the desk has room");
    }
}
