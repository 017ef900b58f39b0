//! The display as a window manager sees it: which windows there are, and what it may do to them.

use tests::eventually;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, CLIENT_MESSAGE_EVENT, ClientMessageEvent, ConnectionExt, EventMask, MapState, Window,
};
use x11rb::rust_connection::RustConnection;

/// A connection to the display of a desk.
pub struct Screen {
    server: RustConnection,
    root: Window,
}

impl Screen {
    /// Connects to a display, named as in `DISPLAY`.
    pub fn of(display: &str) -> Self {
        let (server, number) = RustConnection::connect(Some(display)).expect("the display answers");
        let root = server.setup().roots[number].root;
        Self { server, root }
    }

    /// HAPA's window, as soon as it is shown; there must be just one.
    pub async fn window(&self) -> Window {
        eventually("the window is shown", || async {
            let shown = self.windows();
            assert!(shown.len() < 2, "there are {} windows", shown.len());
            shown.first().copied()
        })
        .await
    }

    /// Takes a window off the screen without telling the program behind it.
    pub async fn hide(&self, window: Window) {
        self.server.unmap_window(window).expect("the display answers");
        self.server.flush().expect("the display answers");
        eventually("the window is hidden", || async { self.windows().is_empty().then_some(()) }).await;
    }

    /// Does what a window's close button does.
    pub fn close(&self, window: Window) {
        let [protocols, delete] = ["WM_PROTOCOLS", "WM_DELETE_WINDOW"].map(|name| {
            let atom = self.server.intern_atom(false, name.as_bytes()).expect("the display answers");
            atom.reply().expect("the display answers").atom
        });
        let data = [delete, x11rb::CURRENT_TIME, 0, 0, 0].into();
        let event = ClientMessageEvent {
            response_type: CLIENT_MESSAGE_EVENT,
            format: 32,
            sequence: 0,
            window,
            type_: protocols,
            data,
        };
        self.server.send_event(false, window, EventMask::NO_EVENT, event).expect("the display answers");
        self.server.flush().expect("the display answers");
    }

    /// HAPA's windows that are shown now.
    fn windows(&self) -> Vec<Window> {
        let tree = self.server.query_tree(self.root).expect("the display answers").reply().expect("there is a root");
        tree.children.into_iter().filter(|window| self.is_ours_and_shown(*window).unwrap_or_default()).collect()
    }

    /// `None` if the window has just gone.
    fn is_ours_and_shown(&self, window: Window) -> Option<bool> {
        let attributes = self.server.get_window_attributes(window).ok()?.reply().ok()?;
        let name =
            self.server.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64).ok()?.reply().ok()?;
        Some(attributes.map_state == MapState::VIEWABLE && name.value == b"HAPA")
    }
}
