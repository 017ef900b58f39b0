//! Tells the loader where `hapa` finds llama.cpp's libraries: in the `llama` folder beside it, in a build and when installed.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=migrations");
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // The old kind of entry also holds for the libraries that the libraries need.
        Ok("linux") => println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/llama,--disable-new-dtags"),
        Ok("macos") => println!("cargo:rustc-link-arg-bins=-Wl,-rpath,@executable_path/llama"),
        _ => {}
    }
}
