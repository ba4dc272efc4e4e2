//! The version before this one and this one serve one store at once, as in a rolling upgrade: what
//! one of them writes or seals, the other reads, in either direction.

mod flows;
mod store;
