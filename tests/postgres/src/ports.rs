//! Ports for servers that a test kills and starts again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the system gives to outgoing connections: while a server is away no connection
/// of another test takes its port.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

/// A port that was free a moment ago, and that this process is not given again soon.
pub fn free_port() -> u16 {
    free_ports(1)
}

/// The first of several such ports in a row.
pub fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let wanted = u32::from(count);
    for _ in 0..COUNT {
        let next = NEXT.fetch_add(wanted, Ordering::Relaxed);
        // Test processes that run at once begin far from each other.
        let at = std::process::id().wrapping_mul(997).wrapping_add(next) % (COUNT - wanted);
        let first = u16::try_from(FIRST + at).unwrap();
        let bind = |port| TcpListener::bind(("localhost", port)).ok();
        if (first..first + count).map(bind).collect::<Option<Vec<_>>>().is_some() {
            return first;
        }
    }
    panic!("no {count} free ports in a row");
}
