//! What is remembered of clients, and the numbers that say when it is old.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use keystile_authority::records::Client;
use keystile_protocol::ClientId;

use crate::meta::Marks;

/// Clients that are remembered.
const ROOM: usize = 10_000;

#[derive(Default)]
pub(crate) struct Memory {
    marks: RwLock<Marks>,
    clients: RwLock<Clients>,
}

#[derive(Default)]
struct Clients {
    /// Counts how often all were forgotten.
    round: u64,
    known: HashMap<ClientId, Arc<Client>>,
}

impl Memory {
    pub(crate) fn marks(&self) -> Marks {
        *self.marks.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client, if it is remembered.
    pub(crate) fn client(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).known.get(id).cloned()
    }

    /// To be asked before a row is read that is to be remembered.
    pub(crate) fn round(&self) -> u64 {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).round
    }

    /// Remembers a client, unless all were forgotten since `round`: the row may be older than the
    /// change.
    pub(crate) fn remember(&self, client: &Arc<Client>, round: u64) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        if clients.round != round {
            return;
        }
        if clients.known.len() >= ROOM {
            clients.known.clear();
        }
        clients.known.insert(client.id.clone(), client.clone());
    }

    /// Takes up what the store says now; whoever changed a client or a key, all are forgotten.
    pub(crate) fn learn(&self, marks: Marks) {
        let mut known = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        if known.changes != marks.changes {
            self.forget();
        }
        // Two looks may come in the wrong order, and what was refused once stays refused.
        let epoch = known.epoch.max(marks.epoch);
        *known = Marks { epoch, ..marks };
    }

    pub(crate) fn forget(&self) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        clients.round += 1;
        clients.known.clear();
    }
}
