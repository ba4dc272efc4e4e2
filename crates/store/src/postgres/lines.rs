//! Connections that many share: the statements of all of them are on their way at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keystile_authority::ports::Stored;
use tokio::sync::RwLock;

use super::connection::Connection;
use super::connector::Connector;

pub(crate) struct Lines {
    connector: Arc<Connector>,
    open: Vec<RwLock<Option<Arc<Connection>>>>,
    next: AtomicUsize,
}

/// Which of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line(usize);

impl Lines {
    /// Each is opened when it is first needed.
    pub(crate) fn new(connector: Arc<Connector>, count: usize) -> Self {
        let open = (0..count.max(1)).map(|_| RwLock::default()).collect();
        Self { connector, open, next: AtomicUsize::new(0) }
    }

    /// Each has its turn.
    pub(crate) fn next(&self) -> Line {
        Line(self.next.fetch_add(1, Ordering::Relaxed) % self.open.len())
    }

    /// That one; opened again if it has broken.
    pub(crate) async fn take(&self, line: Line) -> Stored<Arc<Connection>> {
        let line = &self.open[line.0];
        if let Some(connection) = &*line.read().await
            && self.is_good(connection)
        {
            return Ok(connection.clone());
        }
        let mut line = line.write().await;
        match &*line {
            // Somebody else was here before.
            Some(connection) if self.is_good(connection) => Ok(connection.clone()),
            _ => {
                *line = None;
                let connection = Box::pin(self.connector.connect()).await?;
                let connection = Arc::new(connection);
                *line = Some(connection.clone());
                Ok(connection)
            }
        }
    }

    /// How often the connections that are open have waited for an answer.
    #[cfg(test)]
    pub(crate) async fn round_trips(&self) -> u64 {
        let mut all = 0;
        for line in &self.open {
            all += line.read().await.as_ref().map_or(0, |line| line.round_trips());
        }
        all
    }

    fn is_good(&self, connection: &Connection) -> bool {
        connection.is_usable() && Some(connection.identity()) == self.connector.identity()
    }
}
