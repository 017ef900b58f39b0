//! X11 client for the tests: finds, moves and closes windows, simulates key presses, reads the clipboard.

use tests::eventually;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, CLIENT_MESSAGE_EVENT, ClientMessageEvent, ConfigureWindowAux, ConnectionExt, CreateWindowAux, EventMask,
    GrabMode, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, MapState, ModMask, Window, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

/// Window titles.
pub(crate) const MAIN: &str = "HAPA";
pub(crate) const QUICK: &str = "HAPA quick question";

/// Keysyms of keys that are not letters.
pub(crate) const ENTER: u32 = 0xff0d;
pub(crate) const ESCAPE: u32 = 0xff1b;
pub(crate) const CONTROL: u32 = 0xffe3;
pub(crate) const SHIFT: u32 = 0xffe1;
pub(crate) const SPACE: u32 = 0x20;

/// A connection to a session's X display.
pub(crate) struct X11Display {
    server: RustConnection,
    root: Window,
}

impl X11Display {
    /// Connects to a display, named as in `DISPLAY`.
    pub(crate) fn connect(display: &str) -> Self {
        let (server, number) = RustConnection::connect(Some(display)).expect("the display answers");
        let root = server.setup().roots[number].root;
        Self { server, root }
    }

    /// Waits for the main window to be mapped. Panics if there are two.
    pub(crate) async fn window(&self) -> Window {
        eventually("the window is shown", || async {
            let shown = self.shown(MAIN);
            assert!(shown.len() < 2, "there are {} windows", shown.len());
            shown.first().copied()
        })
        .await
    }

    /// Waits for the quick window to be mapped.
    pub(crate) async fn quick_window(&self) -> Window {
        eventually("the quick window is shown", || async { self.shown(QUICK).first().copied() }).await
    }

    /// Waits until no window with this title is mapped.
    pub(crate) async fn wait_until_hidden(&self, name: &str) {
        eventually(&format!("{name} is hidden"), || async { self.shown(name).is_empty().then_some(()) }).await;
    }

    /// Whether a window with this title is mapped.
    pub(crate) fn is_visible(&self, name: &str) -> bool {
        !self.shown(name).is_empty()
    }

    /// Geometry of a window in pixels: x, y, width, height.
    pub(crate) fn geometry(&self, window: Window) -> (i16, i16, u16, u16) {
        let geometry =
            self.server.get_geometry(window).expect("the display answers").reply().expect("the window is there");
        (geometry.x, geometry.y, geometry.width, geometry.height)
    }

    /// Moves and resizes a window, as a window manager does.
    pub(crate) fn move_window(&self, window: Window, (x, y, width, height): (i16, i16, u16, u16)) {
        let geometry =
            ConfigureWindowAux::new().x(i32::from(x)).y(i32::from(y)).width(u32::from(width)).height(u32::from(height));
        self.server.configure_window(window, &geometry).expect("the display answers");
        self.server.flush().expect("the display answers");
    }

    /// Presses keys in order and releases them in reverse order.
    pub(crate) fn press(&self, keys: &[u32]) {
        let codes: Vec<u8> = keys.iter().map(|key| self.keycode(*key)).collect();
        let down = codes.iter().map(|code| (KEY_PRESS_EVENT, *code));
        let up = codes.iter().rev().map(|code| (KEY_RELEASE_EVENT, *code));
        for (kind, code) in down.chain(up) {
            self.server.xtest_fake_input(kind, code, 0, self.root, 0, 0, 0).expect("the display answers");
        }
        self.server.flush().expect("the display answers");
    }

    /// Grabs a shortcut, as another program would, until the connection is dropped.
    pub(crate) fn grab(&self, keys: &[u32]) {
        let (key, held) = keys.split_last().expect("there are keys");
        let bit = |key: &u32| if *key == CONTROL { ModMask::CONTROL } else { ModMask::SHIFT };
        let held = held.iter().map(bit).fold(ModMask::default(), |all, one| all | one);
        let grab = self.server.grab_key(false, self.root, held, self.keycode(*key), GrabMode::ASYNC, GrabMode::ASYNC);
        grab.expect("the display answers").check().expect("no other client has grabbed the keys");
    }

    /// Waits for a file dialog: the only titled window that is not one of HAPA's.
    pub(crate) async fn file_dialog(&self) {
        eventually("a file dialog is shown", || async {
            let tree = self.server.query_tree(self.root).ok()?.reply().ok()?;
            let mut shown = tree.children.into_iter().filter(|window| self.is_file_dialog(*window).unwrap_or_default());
            shown.next()
        })
        .await;
    }

    /// Whether a window is mapped and has a title that is not one of HAPA's.
    fn is_file_dialog(&self, window: Window) -> Option<bool> {
        let attributes = self.server.get_window_attributes(window).ok()?.reply().ok()?;
        let name =
            self.server.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64).ok()?.reply().ok()?.value;
        let ours = [MAIN, QUICK].iter().any(|ours| name == ours.as_bytes());
        Some(attributes.map_state == MapState::VIEWABLE && !name.is_empty() && !ours)
    }

    /// Types a path; the keysyms are its characters.
    pub(crate) fn type_path(&self, path: &str) {
        for char in path.chars() {
            match char {
                'A'..='Z' => self.press(&[SHIFT, u32::from(char.to_ascii_lowercase())]),
                '_' => self.press(&[SHIFT, u32::from('-')]),
                _ => self.press(&[u32::from(char)]),
            }
        }
    }

    /// Types lower-case letters and spaces; the keysyms are their characters.
    pub(crate) fn type_text(&self, text: &str) {
        text.bytes().for_each(|letter| self.press(&[u32::from(letter)]));
    }

    /// Creates an invisible window that receives the selection for [`X11Display::clipboard`].
    pub(crate) fn clipboard_window(&self) -> Window {
        let (window, attributes) = (self.server.generate_id().expect("there are ids left"), CreateWindowAux::new());
        let created =
            self.server.create_window(0, window, self.root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &attributes);
        created.expect("the display answers");
        window
    }

    /// The clipboard text if the owner has delivered it since the last call; also requests it again.
    pub(crate) fn clipboard(&self, reader: Window) -> Option<String> {
        let [clipboard, text, target] = ["CLIPBOARD", "UTF8_STRING", "HAPA_TEST"].map(|name| self.atom(name));
        let property = self.server.get_property(true, reader, target, AtomEnum::ANY, 0, 1 << 16).ok()?.reply().ok()?;
        self.server.convert_selection(reader, clipboard, text, target, x11rb::CURRENT_TIME).ok()?;
        self.server.flush().ok()?;
        (!property.value.is_empty()).then(|| String::from_utf8_lossy(&property.value).into_owned())
    }

    /// The keycode whose unshifted keysym is `symbol`.
    fn keycode(&self, symbol: u32) -> u8 {
        let setup = self.server.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let map = self.server.get_keyboard_mapping(first, last - first + 1).expect("the display answers");
        let map = map.reply().expect("there is a keyboard");
        let mut keys = map.keysyms.chunks(usize::from(map.keysyms_per_keycode));
        let index = keys.position(|key| key[0] == symbol).expect("the keyboard has the key");
        first + u8::try_from(index).expect("a keyboard has few keys")
    }

    fn atom(&self, name: &str) -> u32 {
        let atom = self.server.intern_atom(false, name.as_bytes()).expect("the display answers");
        atom.reply().expect("the display answers").atom
    }

    /// Unmaps a window without the app's involvement.
    pub(crate) async fn unmap(&self, window: Window) {
        self.server.unmap_window(window).expect("the display answers");
        self.server.flush().expect("the display answers");
        eventually("the window is hidden", || async { self.shown(MAIN).is_empty().then_some(()) }).await;
    }

    /// Sends WM_DELETE_WINDOW, as the close button does.
    pub(crate) fn close(&self, window: Window) {
        let [protocols, delete] = ["WM_PROTOCOLS", "WM_DELETE_WINDOW"].map(|name| self.atom(name));
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

    /// The mapped windows with this title.
    fn shown(&self, name: &str) -> Vec<Window> {
        let tree = self.server.query_tree(self.root).expect("the display answers").reply().expect("there is a root");
        tree.children.into_iter().filter(|window| self.is_shown(*window, name).unwrap_or_default()).collect()
    }

    /// `None` if the window was destroyed meanwhile.
    fn is_shown(&self, window: Window, title: &str) -> Option<bool> {
        let attributes = self.server.get_window_attributes(window).ok()?.reply().ok()?;
        let name =
            self.server.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64).ok()?.reply().ok()?;
        Some(attributes.map_state == MapState::VIEWABLE && name.value == title.as_bytes())
    }
}
