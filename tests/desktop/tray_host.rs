//! A desktop's panel on the bus of a desk: it shows tray icons and notices, as a user would see them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tests::eventually;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, connection, fdo, interface, message::Header, object_server::SignalEmitter};

use crate::session::DesktopSession;

const NOTIFICATIONS_PATH: &str = "/org/freedesktop/Notifications";

/// What the panel shows.
#[derive(Debug, Default)]
struct Shown {
    /// The programs with an icon: their name on the bus, and the path of the icon there.
    icons: Vec<(String, String)>,
    /// Titles and texts, in the order in which they came.
    notifications: Vec<(String, String)>,
}

/// The panel. It goes when it is dropped.
pub struct TrayHost {
    bus: Connection,
    shown: Arc<Mutex<Shown>>,
}

/// An entry of a tray icon's menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuItem {
    id: i32,
    /// What it says.
    pub label: String,
    /// Whether it can be clicked.
    pub enabled: bool,
}

impl TrayHost {
    /// Puts a panel on a desk.
    pub async fn start(session: &DesktopSession) -> Self {
        let shown = Arc::<Mutex<Shown>>::default();
        let bus = async {
            connection::Builder::address(session.bus())?
                .serve_at("/StatusNotifierWatcher", Watcher(Arc::clone(&shown)))?
                .serve_at(NOTIFICATIONS_PATH, Notifications(Arc::clone(&shown)))?
                .name("org.kde.StatusNotifierWatcher")?
                .name("org.freedesktop.Notifications")?
                .build()
                .await
        };
        Self { bus: bus.await.expect("the bus takes a panel"), shown }
    }

    /// The entries of the icon's menu that say something, as soon as there is an icon.
    pub async fn menu(&self) -> Vec<MenuItem> {
        eventually("there is a tray icon with a menu", || async {
            let (_, items) = self.read_menu().await?;
            (!items.is_empty()).then_some(items)
        })
        .await
    }

    /// Waits until the menu has an entry that says this.
    pub async fn wait_for_item(&self, label: &str) -> MenuItem {
        eventually(&format!("the tray's menu says {label}"), || async {
            self.menu().await.into_iter().find(|item| item.label == label)
        })
        .await
    }

    /// Clicks an entry of the menu.
    pub async fn click(&self, label: &str) {
        let item = self.wait_for_item(label).await;
        assert!(entry.enabled, "{label} can be clicked");
        let ((name, path), _) = self.read_menu().await.expect("the menu was there a moment ago");
        let event = (entry.id, "clicked", Value::from(0), 0u32);
        let clicked = self.bus.call_method(Some(name), path, Some("com.canonical.dbusmenu"), "Event", &event).await;
        clicked.expect("the menu can be clicked");
    }

    /// The notices until now, as soon as there are `count`.
    pub async fn notifications(&self, count: usize) -> Vec<(String, String)> {
        eventually(&format!("there are {count} notices"), || async {
            let notices = self.shown.lock().expect("nobody panicked").notices.clone();
            (notifications.len() >= count).then_some(notifications)
        })
        .await
    }

    /// Clicks the notice of this number, the first being 1.
    pub async fn click_notification(&self, number: u32) {
        let clicked = self
            .bus
            .emit_signal(
                None::<&str>,
                NOTIFICATIONS_PATH,
                "org.freedesktop.Notifications",
                "ActionInvoked",
                &(number, "default"),
            )
            .await;
        clicked.expect("the bus takes signals");
    }

    /// Where the menu of the latest icon is, and what is in it.
    async fn read_menu(&self) -> Option<((String, OwnedObjectPath), Vec<MenuItem>)> {
        let (name, path) = self.shown.lock().expect("nobody panicked").icons.last()?.clone();
        let icon = zbus::Proxy::new(&self.bus, name.clone(), path, "org.kde.StatusNotifierItem").await.ok()?;
        let menu: OwnedObjectPath = icon.get_property("Menu").await.ok()?;
        let proxy = zbus::Proxy::new(&self.bus, name.clone(), menu.clone(), "com.canonical.dbusmenu").await.ok()?;
        let (_, root): (u32, Node) = proxy.call("GetLayout", &(0, -1, Vec::<&str>::new())).await.ok()?;
        let items = root.2.into_iter().filter_map(|child| item(Node::try_from(child).ok()?)).collect();
        Some(((name, menu), items))
    }
}

/// An entry of a menu on the bus: its id, its properties, its children.
type Node = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

fn item((id, properties, _): Node) -> Option<MenuItem> {
    let label = <&str>::try_from(properties.get("label")?).ok()?.replace('_', "");
    let enabled = properties.get("enabled").is_none_or(|enabled| bool::try_from(enabled).unwrap_or(true));
    Some(MenuItem { id, label, enabled })
}

struct Watcher(Arc<Mutex<Shown>>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: &str, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let item = if service.starts_with('/') {
            (sender, service.to_owned())
        } else {
            (service.to_owned(), "/StatusNotifierItem".to_owned())
        };
        self.0.lock().expect("nobody panicked").icons.push(item);
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.0.lock().expect("nobody panicked").icons.iter().map(|(name, path)| format!("{name}{path}")).collect()
    }
}

struct Notifications(Arc<Mutex<Shown>>);

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[expect(clippy::too_many_arguments, reason = "the specification has so many")]
    fn notify(
        &self,
        _program: &str,
        _replaces: u32,
        _icon: &str,
        title: &str,
        text: &str,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        let mut shown = self.0.lock().expect("nobody panicked");
        shown.notifications.push((title.to_owned(), text.to_owned()));
        u32::try_from(shown.notices.len()).expect("a test has few notices")
    }

    fn close_notification(&self, _id: u32) -> fdo::Result<()> {
        Ok(())
    }

    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body"].map(str::to_owned).into()
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ("panel".into(), "HAPA".into(), "1".into(), "1.2".into())
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action: &str) -> zbus::Result<()>;
}
