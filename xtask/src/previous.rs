//! The program of the version before this one, for the upgrade test: built from this repository's
//! own history.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names its commit.
const NAMED_IN: &str = "tests/previous-version";

/// Builds it, unless that was done before.
///
/// It is built in the folder of this version's own build, so that both share what they depend on.
/// Cargo would put both programs into the same place: this one's has to be built after it.
pub(crate) fn build() -> Result<(), String> {
    let commit = commit()?;
    let target = target();
    let place = target.join("previous").join(&commit);
    let program = place.join("keystile");
    if program.exists() {
        return Ok(());
    }
    let source = place.join("source");
    extract(&commit, &source)?;
    println!("xtask: building the previous version, {commit}");
    let mut build = Command::new("cargo");
    build.args(["build", "--package", "keystile"]).current_dir(&source);
    build.env("CARGO_TARGET_DIR", &target);
    match build.status() {
        Ok(status) if status.success() => {}
        other => return Err(format!("the previous version does not build: {other:?}")),
    }
    // Under its name when it is whole.
    let copied = fs::copy(target.join("debug/keystile"), place.join("keystile.new"));
    let named = copied.and_then(|_| fs::rename(place.join("keystile.new"), &program));
    named.map_err(|error| format!("cannot keep {}: {error}", program.display()))?;
    fs::remove_dir_all(&source).map_err(|error| format!("{}: {error}", source.display()))
}

fn commit() -> Result<String, String> {
    let text = fs::read_to_string(NAMED_IN).map_err(|error| format!("{NAMED_IN}: {error}"))?;
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default().trim();
    let hexadecimal = line.len() == 40 && line.chars().all(|digit| digit.is_ascii_hexdigit());
    hexadecimal.then(|| line.to_owned()).ok_or_else(|| format!("{NAMED_IN} names no commit"))
}

/// Where Cargo builds.
fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    std::path::absolute(&named).unwrap_or(named)
}

fn is_here(commit: &str) -> bool {
    let mut look = Command::new("git");
    look.args(["cat-file", "-e", &format!("{commit}^{{commit}}")]).stderr(Stdio::null());
    look.status().is_ok_and(|status| status.success())
}

/// The files of a commit, without a worktree that the repository would have to remember.
fn extract(commit: &str, to: &Path) -> Result<(), String> {
    if !is_here(commit) {
        // A clone without its history can get it from where it came.
        drop(Command::new("git").args(["fetch", "--quiet", "--unshallow"]).status());
    }
    if !is_here(commit) {
        return Err(format!(
            "the upgrade test needs the commit {commit} of the version before this one, which \
             this clone does not have: git fetch --unshallow"
        ));
    }
    // What a build left that did not end.
    drop(fs::remove_dir_all(to));
    fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    let archive = Command::new("git").args(["archive", commit]).stdout(Stdio::piped()).spawn();
    let mut archive = archive.map_err(|error| format!("git: {error}"))?;
    let tar = archive.stdout.take().ok_or("git says nothing")?;
    let unpacked = Command::new("tar").arg("-x").arg("-C").arg(to).stdin(tar).status();
    let written = archive.wait();
    match (unpacked, written) {
        (Ok(unpacked), Ok(written)) if unpacked.success() && written.success() => Ok(()),
        other => Err(format!("the commit {commit} cannot be taken out: {other:?}")),
    }
}
