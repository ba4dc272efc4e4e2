//! The user's session: kept on the server, known to the browser by an opaque handle alone.

mod handle;
mod manager;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;

pub use handle::{Session, SessionError};
pub(crate) use manager::{Begun, Lifetimes, Loaded, Sessions};
pub use memory::MemorySessions;
#[cfg(feature = "postgres")]
pub use postgres::PostgresSessions;
pub(crate) use record::{
    SessionRecord, Tokens, login_digest, logout_digest, sid_digest, subject_digest,
};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteSessions;
pub use store::{SessionKey, SessionStore, StoreError, StoredSession, Whose};
