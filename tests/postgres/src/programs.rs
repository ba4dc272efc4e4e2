//! Where PostgreSQL's programs are, and as whom they run.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The oldest release that Keystile works with.
const OLDEST: u32 = 15;

/// One of PostgreSQL's programs.
pub(crate) fn program(name: &str) -> PathBuf {
    folder().join(name)
}

/// A program that refuses to be root, or that writes what a server reads.
pub(crate) fn server_command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    // Its messages are read here, and a folder that it may not enter disturbs it.
    command.env("LC_ALL", "C.UTF-8").current_dir("/").stdin(Stdio::null());
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

/// Gives a file to whoever runs the servers.
pub(crate) fn give(path: &Path) {
    if let Some((user, group)) = other_user() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// Runs a command to its end, which has to be a good one, and says what it printed.
pub(crate) fn finish(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{printed}{complaint}");
    printed
}

/// The newest release that is installed as Debian does it, or else the one on the path.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let releases = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let number = |name: &std::ffi::OsStr| name.to_str()?.parse::<u32>().ok();
        let newest = releases
            .filter_map(Result::ok)
            .filter(|release| release.path().join("bin/postgres").exists())
            .filter_map(|release| Some((number(&release.file_name())?, release.path())))
            .max();
        if let Some((release, folder)) = newest {
            assert!(
                release >= OLDEST,
                "PostgreSQL {release} is too old: install {OLDEST} or later"
            );
            return folder.join("bin");
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).find(|folder| folder.join("postgres").exists());
        found.expect("no PostgreSQL: install Debian's 'postgresql', as 'cargo xtask test' does")
    })
}

/// PostgreSQL does not run as root; Debian's package makes a user for it.
fn other_user() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *USER.get_or_init(|| {
        let me = std::fs::metadata("/proc/self").unwrap().uid();
        let id = |which| finish(Command::new("id").args([which, "postgres"])).trim().parse();
        (me == 0).then(|| (id("-u").unwrap(), id("-g").unwrap()))
    })
}
