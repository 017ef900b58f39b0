//! A fake tray host and notification daemon on the session bus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tests::eventually;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, connection, fdo, interface, message::Header, object_server::SignalEmitter};

use crate::session::DesktopSession;

const NOTIFICATIONS_PATH: &str = "/org/freedesktop/Notifications";

/// The registered tray icons and the notifications so far.
#[derive(Debug, Default)]
struct Shown {
    /// The tray icons: bus name and object path.
    icons: Vec<(String, String)>,
    /// Title and body of each notification, in order of arrival.
    notifications: Vec<(String, String)>,
}

/// The tray host. It leaves the bus on drop.
pub(crate) struct TrayHost {
    bus: Connection,
    shown: Arc<Mutex<Shown>>,
}

/// A menu item of a tray icon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MenuItem {
    id: i32,
    /// Label without mnemonics.
    pub label: String,
    /// Whether it can be clicked.
    pub enabled: bool,
}

impl TrayHost {
    /// Starts a tray host in a session.
    pub(crate) async fn start(session: &DesktopSession) -> Self {
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
        Self { bus: bus.await.expect("the bus accepts the tray host"), shown }
    }

    /// Waits for a tray icon and returns the menu items that have a label.
    pub(crate) async fn menu(&self) -> Vec<MenuItem> {
        eventually("there is a tray icon with a menu", || async {
            let (_, items) = self.read_menu().await?;
            (!items.is_empty()).then_some(items)
        })
        .await
    }

    /// Waits for a menu item with this label.
    pub(crate) async fn wait_for_item(&self, label: &str) -> MenuItem {
        eventually(&format!("the tray menu contains {label}"), || async {
            self.menu().await.into_iter().find(|item| item.label == label)
        })
        .await
    }

    /// Clicks a menu item.
    pub(crate) async fn click(&self, label: &str) {
        let item = self.wait_for_item(label).await;
        assert!(item.enabled, "{label} is enabled");
        let ((name, path), _) = self.read_menu().await.expect("the menu was read a moment ago");
        let event = (item.id, "clicked", Value::from(0), 0u32);
        let clicked = self.bus.call_method(Some(name), path, Some("com.canonical.dbusmenu"), "Event", &event).await;
        clicked.expect("the menu accepts events");
    }

    /// Waits for at least `count` notifications and returns all of them.
    pub(crate) async fn notifications(&self, count: usize) -> Vec<(String, String)> {
        eventually(&format!("there are {count} notifications"), || async {
            let notifications = self.shown.lock().expect("the lock is not poisoned").notifications.clone();
            (notifications.len() >= count).then_some(notifications)
        })
        .await
    }

    /// Clicks the notification with this id; the first is 1.
    pub(crate) async fn click_notification(&self, number: u32) {
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
        clicked.expect("the bus accepts signals");
    }

    /// Bus name and path of the newest icon's menu, and its items.
    async fn read_menu(&self) -> Option<((String, OwnedObjectPath), Vec<MenuItem>)> {
        let (name, path) = self.shown.lock().expect("the lock is not poisoned").icons.last()?.clone();
        let icon = zbus::Proxy::new(&self.bus, name.clone(), path, "org.kde.StatusNotifierItem").await.ok()?;
        let menu: OwnedObjectPath = icon.get_property("Menu").await.ok()?;
        let proxy = zbus::Proxy::new(&self.bus, name.clone(), menu.clone(), "com.canonical.dbusmenu").await.ok()?;
        let (_, root): (u32, Node) = proxy.call("GetLayout", &(0, -1, Vec::<&str>::new())).await.ok()?;
        let items = root.2.into_iter().filter_map(|child| item(Node::try_from(child).ok()?)).collect();
        Some(((name, menu), items))
    }
}

/// A menu node in the DBusMenu protocol: id, properties, children.
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
        self.0.lock().expect("the lock is not poisoned").icons.push(item);
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
        self.0
            .lock()
            .expect("the lock is not poisoned")
            .icons
            .iter()
            .map(|(name, path)| format!("{name}{path}"))
            .collect()
    }
}

struct Notifications(Arc<Mutex<Shown>>);

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[expect(clippy::too_many_arguments, reason = "the notification specification defines them")]
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
        let mut shown = self.0.lock().expect("the lock is not poisoned");
        shown.notifications.push((title.to_owned(), text.to_owned()));
        u32::try_from(shown.notifications.len()).expect("a test has few notifications")
    }

    fn close_notification(&self, _id: u32) -> fdo::Result<()> {
        Ok(())
    }

    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body"].map(str::to_owned).into()
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ("tray-host".into(), "HAPA".into(), "1".into(), "1.2".into())
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action: &str) -> zbus::Result<()>;
}
