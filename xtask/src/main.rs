//! Project tasks: `cargo xtask test` runs every test, `cargo xtask check` formatting, lints and docs, and
//! `cargo xtask previous` builds what the upgrade test needs.

#![allow(clippy::print_stdout, reason = "what a task does is what it prints")]

mod previous;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let result = match task.as_str() {
        "test" => test(),
        "check" => check(),
        "previous" => previous::build(),
        _ => Err("usage: cargo xtask test | check | previous".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Build, unit, contract, flow and browser tests.
fn test() -> Result<(), String> {
    install_browser()?;
    install_postgres()?;
    // Without it one test fails, in words, and the others are worth running.
    if let Err(problem) = previous::build() {
        println!("xtask: {problem}");
    }
    // The flows start the program itself, as a user would.
    run("cargo", &["build", "--package", "keystile"])?;
    run("cargo", &["test", "--workspace", "--no-fail-fast"])
}

/// Formatting, lints and documentation, with warnings refused.
fn check() -> Result<(), String> {
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // What documentation is read most, with every feature that is documented.
    let features = "keystile-client/leak-proof,keystile-client/native,keystile-client/postgres,keystile-client/qr";
    let mut doc = Command::new("cargo");
    doc.args(["doc", "--workspace", "--no-deps", "--features", features]);
    told(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// The browser tests need Debian's chromium and chromium-driver.
fn install_browser() -> Result<(), String> {
    let there = |path: &str| Path::new(path).exists();
    if there("/usr/bin/chromium") && there("/usr/bin/chromedriver") {
        return Ok(());
    }
    if !there("/usr/bin/apt-get") {
        return Err("the browser tests need chromium and chromedriver in /usr/bin; install them \
                    with your system's package manager"
            .to_owned());
    }
    install(&["chromium", "chromium-driver", "fonts-dejavu-core"])
}

/// The tests of the store and of several nodes start servers of Debian's postgresql themselves.
fn install_postgres() -> Result<(), String> {
    let releases = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = releases.map(|release| release.path().join("bin"));
    let debian = folders.any(|folder| folder.join("postgres").exists());
    if debian || std::env::split_paths(&path).any(|folder| folder.join("postgres").exists()) {
        return Ok(());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err("the tests need PostgreSQL 15 or later, its programs on the path".to_owned());
    }
    install(&["postgresql"])
}

/// Installs Debian's packages.
fn install(packages: &[&str]) -> Result<(), String> {
    let packages = packages.join(" ");
    println!("xtask: installing Debian's {packages} for the tests");
    let install = format!(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
         --no-install-recommends {packages}"
    );
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if root { run("sh", &["-c", &install]) } else { run("sudo", &["sh", "-c", &install]) }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    told(Command::new(program).args(arguments))
}

/// Runs it, and says so.
fn told(command: &mut Command) -> Result<(), String> {
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let line = format!("{} {}", command.get_program().to_string_lossy(), arguments.join(" "));
    println!("xtask: {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("'{line}' failed: {status}")),
        Err(error) => Err(format!("'{line}' cannot be started: {error}")),
    }
}
