//! The system packages, by Debian's names, each with the reason why it is here.

/// A Debian package, and how to tell that what we want of it is there in another way.
#[derive(Debug)]
pub struct Package {
    /// Its name for apt.
    pub name: &'static str,
    /// What HAPA wants it for, to follow "needed".
    pub why: &'static str,
    /// What shows, on any system, that it is there.
    pub proof: Proof,
}

/// How a package shows itself without asking the package system.
#[derive(Debug)]
pub enum Proof {
    /// A program of this name on the PATH.
    Program(&'static str),
    /// A library that pkg-config knows.
    Library(&'static str),
    /// Nothing simple: only the package system can tell.
    None,
}

/// Compiling the sidecar.
pub const BUILD: &[Package] = &[
    Package { name: "build-essential", why: "to compile llama.cpp and SQLite", proof: Proof::Program("c++") },
    Package { name: "cmake", why: "to configure llama.cpp", proof: Proof::Program("cmake") },
    Package { name: "libclang-dev", why: "to read llama.cpp's headers", proof: Proof::None },
];

/// Compiling and showing the window.
pub const WINDOW: &[Package] = &[
    Package { name: "pkg-config", why: "to find the window's libraries", proof: Proof::Program("pkg-config") },
    Package {
        name: "libwebkit2gtk-4.1-dev",
        why: "for the window and the web view in it",
        proof: Proof::Library("webkit2gtk-4.1"),
    },
    Package { name: "libdbus-1-dev", why: "to talk to the desktop", proof: Proof::Library("dbus-1") },
    Package { name: "libayatana-appindicator3-1", why: "for the icon in the tray", proof: Proof::None },
    Package { name: "fonts-noto-cjk", why: "to show Korean", proof: Proof::None },
];

/// Testing the window where there is no display.
pub const TESTS: &[Package] = &[
    Package { name: "xvfb", why: "as the tests' display", proof: Proof::Program("Xvfb") },
    Package { name: "xauth", why: "by `xvfb-run`", proof: Proof::Program("xauth") },
    Package { name: "dbus-daemon", why: "as the tests' session bus", proof: Proof::Program("dbus-run-session") },
    Package { name: "chromium", why: "as the tests' browser", proof: Proof::Program("chromium") },
    Package { name: "gnome-keyring", why: "as the tests' keychain", proof: Proof::Program("gnome-keyring-daemon") },
    Package {
        name: "webkit2gtk-driver",
        why: "to type and click in the tests",
        proof: Proof::Program("WebKitWebDriver"),
    },
];

/// Building llama.cpp's Vulkan backend, and running a model on it where there is no GPU.
pub const VULKAN: &[Package] = &[
    Package { name: "pkgconf", why: "to ask how new Vulkan's headers are", proof: Proof::Program("pkg-config") },
    Package { name: "glslc", why: "to compile the programs that a GPU runs", proof: Proof::Program("glslc") },
    Package { name: "libvulkan-dev", why: "to link to Vulkan's loader", proof: Proof::Library("vulkan") },
    Package { name: "spirv-headers", why: "to read what those programs become", proof: Proof::None },
    Package { name: "mesa-vulkan-drivers", why: "as a GPU that every machine has", proof: Proof::None },
];
