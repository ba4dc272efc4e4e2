//! The user's session: kept on the server, known to the browser by an opaque handle alone.

mod handle;
mod manager;
mod memory;
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;

pub use handle::{Session, SessionError};
pub(crate) use manager::{Begun, Lifetimes, Loaded, Sessions};
pub use memory::MemorySessions;
pub(crate) use record::{SessionRecord, Tokens};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteSessions;
pub use store::{SessionKey, SessionStore, StoreError, StoredSession, Whose};
