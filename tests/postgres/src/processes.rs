//! Signals to all processes of one server. Each of them carries the server's name in its command
//! line: the first one by its directory, the others by `cluster_name`.

use std::process::Command;
use std::time::{Duration, Instant};

/// The processes of the server with this name.
fn of(name: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(name)
        })
        .collect()
}

/// Sends all of them a signal; says how many there were.
pub(crate) fn signal(name: &str, signal: &str) -> usize {
    let processes = of(name);
    for pid in &processes {
        // One that has just ended is no failure.
        let _ = Command::new("kill").args(["-s", signal, &pid.to_string()]).output().unwrap();
    }
    processes.len()
}

/// Whether none is left after a while.
pub(crate) fn gone(name: &str, within: Duration) -> bool {
    let start = Instant::now();
    while !of(name).is_empty() {
        if start.elapsed() > within {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
