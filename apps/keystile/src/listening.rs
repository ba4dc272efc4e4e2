//! Ports: taken before anything else, served until the end.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::refusal::{Outcome, refuse};

/// Takes all the addresses. A `localhost` of two addresses may lack one of them: a machine without
/// IPv6. One that another program holds is an error, since browsers would get there.
pub async fn bind(addresses: &[SocketAddr], use_instead: &str) -> Outcome<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() != ErrorKind::AddrInUse && !listeners.is_empty() => {
                tracing::debug!(%address, %error, "not listening");
            }
            Err(error) => return refuse(cannot_listen(*address, &error, use_instead)),
        }
    }
    Ok(listeners)
}

fn cannot_listen(address: SocketAddr, error: &io::Error, use_instead: &str) -> String {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} is taken by another program (on {}). Stop that one, or {use_instead}.",
            address.ip()
        ),
        ErrorKind::PermissionDenied => {
            format!("port {port} is for privileged programs alone. To use another, {use_instead}.")
        }
        _ => format!("cannot listen on {address}: {error}"),
    }
}

/// What is kept of the files that may be open, for everything that is no connection.
const OTHER_FILES: usize = 128;

/// How many connections each of the listeners may have, so that all of them together do not take
/// the files that this process may open: past those, nothing could be accepted or refused.
pub fn within_open_files(connections: usize, listeners: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let Some(files) = open_files(&limits) else { return connections };
    let room = (files.saturating_sub(OTHER_FILES) / listeners.max(1)).max(1);
    if room < connections {
        tracing::info!(
            files,
            connections = room,
            "fewer connections than [limits] allows: raise the number of open files (ulimit -n)"
        );
    }
    connections.min(room)
}

/// The soft limit in the text of `/proc/self/limits`; nothing where there is none.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Everything that is being served, until it is told to stop.
#[derive(Debug)]
pub struct Serving {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    connections: usize,
}

impl Serving {
    /// Nothing yet; at most so many connections on each listener.
    pub fn new(connections: usize) -> Self {
        Self { tasks: JoinSet::new(), stop: watch::Sender::new(false), connections }
    }

    /// Serves on these listeners from now on.
    pub fn add(
        &mut self,
        listeners: Vec<TcpListener>,
        router: Router,
        tls: Option<&Arc<ServerConfig>>,
    ) {
        for listener in listeners {
            let (router, tls) = (router.clone(), tls.cloned());
            let (connections, mut stop) = (self.connections, self.stop.subscribe());
            self.tasks.spawn(async move {
                let stopped = async move {
                    let _ = stop.wait_for(|stop| *stop).await;
                };
                keystile_server::listen::serve(listener, router, tls, connections, stopped).await;
            });
        }
    }

    /// Serves until SIGINT or SIGTERM, then lets what is under way finish (`listen::serve` knows
    /// how long).
    pub async fn until_signal(mut self) -> Outcome {
        let signal = signal().await?;
        tracing::info!(signal, "stopping");
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        Ok(())
    }
}

async fn signal() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = taken.local_addr().expect("bound");
        let refusal = bind(&[address], "use --port-base").await.expect_err("taken");
        let words = refusal.words();
        let port = address.port().to_string();
        assert!(words.contains(&port) && words.contains("use --port-base"), "{words}");
    }

    #[test]
    fn the_limit_of_open_files_is_read_and_none_is_none() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max processes             93771                93771                processes\n\
            Max open files            1024                 1048576              files\n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files(&limits.replace("1024 ", "unlimited ")), None);
        assert_eq!(open_files(""), None);
        assert!(within_open_files(1, 3) == 1 && within_open_files(usize::MAX, 1) > 0);
    }
}
