//! What a run's record says about the program that made it: the target, the compiler, and the version of Candle.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    println!("cargo::rustc-env=HGNNC_TARGET={}", variable("TARGET"));
    let compiler = Command::new(variable("RUSTC")).arg("--version").output().ok();
    let compiler = compiler.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    println!("cargo::rustc-env=HGNNC_RUSTC={}", compiler.trim());
    let locked = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    println!("cargo::rustc-env=HGNNC_CANDLE={}", version(&locked, "candle-core").unwrap_or_default());
}

/// The version of a package in `Cargo.lock`.
fn version<'a>(locked: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = locked.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split_once('"').map(|(version, _)| version)
}
