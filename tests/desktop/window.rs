//! The main window driven by WebDriver: finds elements, types, clicks and runs scripts.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::process::Stdio;

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};
use tests::eventually;
use tokio::process::Child;

use crate::session::DesktopSession;

/// A WebDriver session with the app's window.
pub(crate) struct Window {
    page: Client,
    _driver: Driver,
}

impl Window {
    /// Starts the app in a session and waits for the question field.
    pub(crate) async fn open(session: &DesktopSession) -> Self {
        let [port, native] = free_ports();
        let mut driver = session.command("tauri-driver");
        driver.args(["--port", &port.to_string(), "--native-port", &native.to_string()]).stdout(Stdio::null());
        driver.kill_on_drop(false);
        let driver = Driver(driver.spawn().expect("tauri-driver is on the PATH: `cargo xtask test` installs it"));
        for port in [native, port] {
            let address = ("127.0.0.1", port);
            eventually("the driver accepts connections", || async {
                tokio::net::TcpStream::connect(address).await.ok()
            })
            .await;
        }
        let arguments: Vec<_> = session.arguments().iter().map(|argument| OsStr::to_string_lossy(argument)).collect();
        let app = json!({"tauri:options": {"application": session.app(), "args": arguments}, "browserName": "wry"});
        let app: Map<String, Value> = serde_json::from_value(app).expect("capabilities are an object");
        let driver_url = format!("http://127.0.0.1:{port}");
        let page = ClientBuilder::new(HttpConnector::new()).capabilities(app).connect(&driver_url).await;
        let window = Self { page: page.expect("the window opens"), _driver: driver };
        window.find("question").await;
        window
    }

    /// Waits for the first visible element with this `data-testid`.
    pub(crate) async fn find(&self, name: &str) -> Element {
        self.select(&test_id(name)).await
    }

    /// Waits for the first visible element that matches a CSS selector.
    pub(crate) async fn select(&self, selector: &str) -> Element {
        eventually(&format!("`{selector}` is visible"), || async {
            let element = self.page.find(Locator::Css(selector)).await.ok()?;
            element.is_displayed().await.ok()?.then_some(element)
        })
        .await
    }

    /// Types a question and sends it.
    pub(crate) async fn send_question(&self, question: &str) {
        eventually(&format!("`{question}` is sent"), || async {
            let field = self.find("question").await;
            field.clear().await.ok()?;
            field.send_keys(question).await.ok()?;
            self.page.find(Locator::Css(&test_id("send"))).await.ok()?.click().await.ok()
        })
        .await;
    }

    /// Waits until the newest answer is in this state and returns its element.
    pub(crate) async fn latest_answer(&self, state: &str) -> Element {
        eventually(&format!("the newest answer is {state}"), || async {
            let latest = self.page.find_all(Locator::Css(&test_id("answer"))).await.ok()?.pop()?;
            (latest.attr("data-state").await.ok()??.as_str() == state).then_some(latest)
        })
        .await
    }

    /// Waits until an element can be clicked and clicks it.
    pub(crate) async fn click(&self, name: &str) {
        eventually(&format!("`{name}` can be clicked"), || async {
            self.page.find(Locator::Css(&test_id(name))).await.ok()?.click().await.ok()
        })
        .await;
    }

    /// Waits until an element's text contains all of these words.
    pub(crate) async fn shows(&self, name: &str, words: &[&str]) {
        eventually(&format!("`{name}` shows {words:?}"), || async {
            let text = self.page.find(Locator::Css(&test_id(name))).await.ok()?.text().await.ok()?;
            words.iter().all(|word| text.contains(word)).then_some(())
        })
        .await;
    }

    /// Selects an option of a `select` element by its value.
    pub(crate) async fn choose(&self, name: &str, value: &str) {
        let list = self.find(name).await;
        list.select_by_value(value).await.expect("the option exists");
    }

    /// Types into the question field without sending.
    pub(crate) async fn type_text(&self, text: &str) {
        let field = self.find("question").await;
        field.send_keys(text).await.expect("the field accepts input");
    }

    /// The text in the question field.
    pub(crate) async fn draft(&self) -> String {
        let field = self.find("question").await;
        field.prop("value").await.expect("the window is open").unwrap_or_default()
    }

    /// Invokes a Tauri command and returns its result, or `{"refused": message}`.
    pub(crate) async fn invoke(&self, command: &str, arguments: Value) -> Value {
        let script = "const [command, given, done] = arguments;
            window.__TAURI_INTERNALS__.invoke(command, given).then(done, (error) => done({ refused: String(error) }));";
        self.page.execute_async(script, vec![command.into(), arguments]).await.expect("the script answers")
    }

    /// Whether the page contains an element now.
    pub(crate) async fn has(&self, name: &str) -> bool {
        self.page.find(Locator::Css(&test_id(name))).await.is_ok()
    }

    /// Invokes a Tauri command and returns `allowed` or the error message.
    pub(crate) async fn call(&self, command: &str) -> String {
        let script = "const [command, done] = arguments;
            window.__TAURI_INTERNALS__.invoke(command).then(() => done('allowed'), (error) => done(String(error)));";
        self.execute_async(script, command).await
    }

    /// Fetches a URL from the page and returns `allowed` or the CSP directive that blocks it.
    pub(crate) async fn fetch(&self, address: &str) -> String {
        let script = "const [address, done] = arguments;
            document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective), { once: true });
            fetch(address).then(() => done('allowed'), () => {});";
        self.execute_async(script, address).await
    }

    /// Runs a script in the page and returns its result.
    pub(crate) async fn evaluate(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.expect("the script runs")
    }

    /// Installs a mutation observer that records when an element appears, however briefly.
    pub(crate) async fn watch_for(&self, name: &str) {
        let script = "const [selector] = arguments;
            window.lookOut = new MutationObserver(() => {
                const found = document.querySelector(selector);
                if (found) window.seen = found.textContent;
            });
            window.lookOut.observe(document, { childList: true, subtree: true, characterData: true });";
        self.page.execute(script, vec![test_id(name).into()]).await.expect("the script runs");
    }

    /// Waits until the element of [`Window::watch_for`] has appeared and returns its text.
    pub(crate) async fn appeared(&self) -> String {
        eventually("the element appears", || async {
            let seen = self.page.execute("return window.seen ?? null;", Vec::new()).await.ok()?;
            seen.as_str().map(str::to_owned)
        })
        .await
    }

    /// Runs an asynchronous script with one argument and returns the string it passes to its callback.
    async fn execute_async(&self, script: &str, argument: &str) -> String {
        let answer = self.page.execute_async(script, vec![argument.into()]).await;
        answer.expect("the script completes").as_str().expect("the result is a string").to_owned()
    }
}

/// The `tauri-driver` process. SIGTERM makes it stop WebKit's driver too; the window closes with the session's display.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let pid = self.0.id().and_then(|pid| i32::try_from(pid).ok());
        // An error means that the process has exited already.
        let _ = pid.map(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM));
    }
}

fn test_id(name: &str) -> String {
    format!("[data-testid=\"{name}\"]")
}

/// Two free ports.
fn free_ports() -> [u16; 2] {
    // Bound at the same time, so that they differ.
    let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports"));
    listeners.map(|listener| listener.local_addr().expect("the socket is bound").port())
}
