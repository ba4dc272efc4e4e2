//! Watches what happens between the parties, per browser: for the flow inspector and the proof.

mod browsers;
mod capture;
mod lanes;
mod mask;
mod message;
mod observer;
mod record;
mod search;
mod sent;

use std::sync::Arc;

pub(crate) use browsers::Browsers;
pub(crate) use capture::{cookie, watch};
pub(crate) use lanes::lay_out;
pub(crate) use mask::Masker;
pub(crate) use message::{Lane, Message, Parameter};
pub(crate) use observer::Recorder;
pub(crate) use record::{Proof, Record};

tokio::task_local! {
    /// The browser whose request is being answered.
    static CURRENT: Watched;
}

/// A request that is being answered.
#[derive(Clone)]
struct Watched {
    record: Arc<Record>,
    /// It is for a picture: there are many of them, and their messages are drawn as one.
    picture: bool,
}
