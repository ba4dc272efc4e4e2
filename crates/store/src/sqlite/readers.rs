//! Connections that read. A read is short and happens where it is asked for; it is never held
//! across an await.

use std::sync::{Mutex, MutexGuard, PoisonError};

use keystile_authority::ports::Stored;
use rusqlite::Connection;

use super::db::{Db, at_once};

pub(crate) struct Readers {
    connections: Vec<Mutex<Connection>>,
}

impl Readers {
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        Self { connections: connections.into_iter().map(Mutex::new).collect() }
    }

    pub(crate) fn ask<T>(&self, ask: impl AsyncFnOnce(&mut Db<'_>) -> Stored<T>) -> Stored<T> {
        let mut connection = self.free();
        at_once(ask(&mut Db::new(&mut connection)))
    }

    /// The first that nobody uses; if all are in use, whichever the first has done.
    fn free(&self) -> MutexGuard<'_, Connection> {
        let free = self.connections.iter().find_map(|connection| connection.try_lock().ok());
        free.unwrap_or_else(|| lock(&self.connections[0]))
    }
}

/// A connection is as good after a panic as before it: statements reset themselves.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
