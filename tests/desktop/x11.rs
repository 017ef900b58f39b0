//! The display as a window manager sees it: which windows there are, and what it may do to them.

use tests::eventually;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, CLIENT_MESSAGE_EVENT, ClientMessageEvent, ConfigureWindowAux, ConnectionExt, CreateWindowAux, EventMask,
    GrabMode, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, MapState, ModMask, Window, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

/// What the windows are title.
pub const MAIN: &str = "HAPA";
pub const QUICK: &str = "HAPA quick question";

/// Symbols of keys that are no letters.
pub const ENTER: u32 = 0xff0d;
pub const ESCAPE: u32 = 0xff1b;
pub const CONTROL: u32 = 0xffe3;
pub const SHIFT: u32 = 0xffe1;
pub const SPACE: u32 = 0x20;

/// A connection to the display of a desk.
pub struct X11Display {
    server: RustConnection,
    root: Window,
}

impl X11Display {
    /// Connects to a display, named as in `DISPLAY`.
    pub fn connect(display: &str) -> Self {
        let (server, number) = RustConnection::connect(Some(display)).expect("the display answers");
        let root = server.setup().roots[number].root;
        Self { server, root }
    }

    /// HAPA's window, as soon as it is shown; there must be just one.
    pub async fn window(&self) -> Window {
        eventually("the window is shown", || async {
            let shown = self.shown(MAIN);
            assert!(shown.len() < 2, "there are {} windows", shown.len());
            shown.first().copied()
        })
        .await
    }

    /// The quick window, as soon as it is shown.
    pub async fn quick_window(&self) -> Window {
        eventually("the quick window is shown", || async { self.shown(QUICK).first().copied() }).await
    }

    /// Waits until no window of this name is shown.
    pub async fn wait_until_hidden(&self, name: &str) {
        eventually(&format!("{name} is hidden"), || async { self.shown(name).is_empty().then_some(()) }).await;
    }

    /// Whether a window of this name is shown now.
    pub fn is_visible(&self, name: &str) -> bool {
        !self.shown(name).is_empty()
    }

    /// Where a window is and how large: x, y, width, height.
    pub fn geometry(&self, window: Window) -> (i16, i16, u16, u16) {
        let geometry =
            self.server.get_geometry(window).expect("the display answers").reply().expect("the window is there");
        (geometry.x, geometry.y, geometry.width, geometry.height)
    }

    /// Moves a window, as its user would.
    pub fn move_window(&self, window: Window, (x, y, width, height): (i16, i16, u16, u16)) {
        let geometry =
            ConfigureWindowAux::new().x(i32::from(x)).y(i32::from(y)).width(u32::from(width)).height(u32::from(height));
        self.server.configure_window(window, &geometry).expect("the display answers");
        self.server.flush().expect("the display answers");
    }

    /// Presses keys together, the last one last, and lets them go.
    pub fn press(&self, keys: &[u32]) {
        let codes: Vec<u8> = keys.iter().map(|key| self.keycode(*key)).collect();
        let down = codes.iter().map(|code| (KEY_PRESS_EVENT, *code));
        let up = codes.iter().rev().map(|code| (KEY_RELEASE_EVENT, *code));
        for (kind, code) in down.chain(up) {
            self.server.xtest_fake_input(kind, code, 0, self.root, 0, 0, 0).expect("the display answers");
        }
        self.server.flush().expect("the display answers");
    }

    /// Takes keys for itself, as another program would, until the screen is gone.
    pub fn grab(&self, keys: &[u32]) {
        let (key, held) = keys.split_last().expect("there are keys");
        let bit = |key: &u32| if *key == CONTROL { ModMask::CONTROL } else { ModMask::SHIFT };
        let held = held.iter().map(bit).fold(ModMask::default(), |all, one| all | one);
        let grab = self.server.grab_key(false, self.root, held, self.keycode(*key), GrabMode::ASYNC, GrabMode::ASYNC);
        grab.expect("the display answers").check().expect("nobody else has the keys");
    }

    /// A dialog for a file, as soon as it is shown: the one window that is neither of ours.
    pub async fn file_dialog(&self) {
        eventually("a dialog is shown", || async {
            let tree = self.server.query_tree(self.root).ok()?.reply().ok()?;
            let mut shown = tree.children.into_iter().filter(|window| self.is_file_dialog(*window).unwrap_or_default());
            shown.next()
        })
        .await;
    }

    /// Whether a window is shown that has a title other than ours.
    fn is_file_dialog(&self, window: Window) -> Option<bool> {
        let attributes = self.server.get_window_attributes(window).ok()?.reply().ok()?;
        let name =
            self.server.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64).ok()?.reply().ok()?.value;
        let ours = [MAIN, QUICK].iter().any(|ours| name == ours.as_bytes());
        Some(attributes.map_state == MapState::VIEWABLE && !name.is_empty() && !ours)
    }

    /// Types a path, whose key symbols are its characters.
    pub fn type_path(&self, path: &str) {
        for char in path.chars() {
            match char {
                'A'..='Z' => self.press(&[SHIFT, u32::from(char.to_ascii_lowercase())]),
                '_' => self.press(&[SHIFT, u32::from('-')]),
                _ => self.press(&[u32::from(char)]),
            }
        }
    }

    /// Types small letters and spaces, whose key symbols are their characters.
    pub fn type_text(&self, text: &str) {
        text.bytes().for_each(|letter| self.press(&[u32::from(letter)]));
    }

    /// A window that nobody sees, for [`X11Display::clipboard`] to read by.
    pub fn clipboard_window(&self) -> Window {
        let (window, attributes) = (self.server.generate_id().expect("there are ids left"), CreateWindowAux::new());
        let created =
            self.server.create_window(0, window, self.root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &attributes);
        created.expect("the display answers");
        window
    }

    /// The text in the clipboard, if it has arrived since this reader last asked; and asks for it again.
    pub fn clipboard(&self, reader: Window) -> Option<String> {
        let [clipboard, text, target] = ["CLIPBOARD", "UTF8_STRING", "HAPA_TEST"].map(|name| self.atom(name));
        let property = self.server.get_property(true, reader, target, AtomEnum::ANY, 0, 1 << 16).ok()?.reply().ok()?;
        self.server.convert_selection(reader, clipboard, text, target, x11rb::CURRENT_TIME).ok()?;
        self.server.flush().ok()?;
        (!property.value.is_empty()).then(|| String::from_utf8_lossy(&property.value).into_owned())
    }

    /// The code of the key that has this symbol without others being held.
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

    /// Takes a window off the screen without telling the program behind it.
    pub async fn unmap(&self, window: Window) {
        self.server.unmap_window(window).expect("the display answers");
        self.server.flush().expect("the display answers");
        eventually("the window is hidden", || async { self.shown(MAIN).is_empty().then_some(()) }).await;
    }

    /// Does what a window's close button does.
    pub fn close(&self, window: Window) {
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

    /// The windows of this name that are shown now.
    fn shown(&self, name: &str) -> Vec<Window> {
        let tree = self.server.query_tree(self.root).expect("the display answers").reply().expect("there is a root");
        tree.children.into_iter().filter(|window| self.is_shown(*window, name).unwrap_or_default()).collect()
    }

    /// `None` if the window has just gone.
    fn is_shown(&self, window: Window, title: &str) -> Option<bool> {
        let attributes = self.server.get_window_attributes(window).ok()?.reply().ok()?;
        let name =
            self.server.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64).ok()?.reply().ok()?;
        Some(attributes.map_state == MapState::VIEWABLE && name.value == title.as_bytes())
    }
}
