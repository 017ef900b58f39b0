//! The system packages that HAPA needs, by their Debian names and with the reason for each.

/// A Debian package.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name in apt.
    pub(crate) name: &'static str,
    /// What HAPA needs it for, shown to users who must install it themselves.
    pub(crate) why: &'static str,
    /// How to detect on any system that it is installed.
    pub(crate) probe: Probe,
}

/// A check for a package that does not ask the package manager.
#[derive(Debug)]
pub(crate) enum Probe {
    /// A program of this name is on the PATH.
    Program(&'static str),
    /// pkg-config knows a library of this name.
    Library(&'static str),
    /// Only the package manager knows.
    None,
}

/// Compiling the sidecar.
pub(crate) const BUILD: &[Package] = &[
    Package { name: "build-essential", why: "to compile llama.cpp and SQLite", probe: Probe::Program("c++") },
    Package { name: "cmake", why: "to configure llama.cpp", probe: Probe::Program("cmake") },
    Package { name: "libclang-dev", why: "to read llama.cpp's headers", probe: Probe::None },
];

/// Compiling and running the window.
pub(crate) const WINDOW: &[Package] = &[
    Package { name: "pkg-config", why: "to find the window's libraries", probe: Probe::Program("pkg-config") },
    Package {
        name: "libwebkit2gtk-4.1-dev",
        why: "for the window and its web view",
        probe: Probe::Library("webkit2gtk-4.1"),
    },
    Package { name: "libdbus-1-dev", why: "for D-Bus, the desktop's message bus", probe: Probe::Library("dbus-1") },
    Package { name: "libayatana-appindicator3-1", why: "for the tray icon", probe: Probe::None },
    Package { name: "fonts-noto-cjk", why: "to display Korean", probe: Probe::None },
];

/// Testing the window without a display.
pub(crate) const TESTS: &[Package] = &[
    Package { name: "xvfb", why: "as the tests' display", probe: Probe::Program("Xvfb") },
    Package { name: "xauth", why: "by `xvfb-run`", probe: Probe::Program("xauth") },
    Package { name: "dbus-daemon", why: "as the tests' session bus", probe: Probe::Program("dbus-run-session") },
    Package { name: "chromium", why: "as the tests' browser", probe: Probe::Program("chromium") },
    Package { name: "gnome-keyring", why: "as the tests' keychain", probe: Probe::Program("gnome-keyring-daemon") },
    Package {
        name: "webkit2gtk-driver",
        why: "to type and click in the tests",
        probe: Probe::Program("WebKitWebDriver"),
    },
];

/// Building llama.cpp's Vulkan backend, and running a model on it without a GPU.
pub(crate) const VULKAN: &[Package] = &[
    Package { name: "pkgconf", why: "to find the version of Vulkan's headers", probe: Probe::Program("pkg-config") },
    Package { name: "glslc", why: "to compile the GPU's shaders", probe: Probe::Program("glslc") },
    Package { name: "libvulkan-dev", why: "to link to Vulkan's loader", probe: Probe::Library("vulkan") },
    Package { name: "spirv-headers", why: "to read the compiled shaders", probe: Probe::None },
    Package { name: "mesa-vulkan-drivers", why: "as a Vulkan device that runs on the processor", probe: Probe::None },
];
