//! The program `keystile`: settings, command line and wiring.
//!
//! Nothing is decided here. The [`settings`] become a policy, clients and users; [`node`] puts
//! store, clock, randomness and password hashing behind the authority's ports; [`serve`] gives it
//! a face and listens. The [`command_line`] works on the same store.

pub mod apply;
pub mod clock;
pub mod command_line;
#[cfg(feature = "demo")]
pub mod demo;
pub mod entropy;
pub mod listening;
pub mod logging;
pub mod logos;
pub mod logout_worker;
pub mod master_key;
pub mod node;
pub mod outbound;
pub mod output;
pub mod passwords;
pub mod ping_worker;
pub mod private_file;
pub mod refusal;
pub mod sector_check;
pub mod serve;
pub mod server_keys;
pub mod settings;
