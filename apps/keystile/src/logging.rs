//! The log, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How the log looks and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// JSON, a line for each event; text for people otherwise.
    pub json: bool,
    /// Which events, such as `info` or `warn,keystile=debug`.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { json: false, filter: "info".to_owned() }
    }
}

/// Whether `filter` is one.
pub fn check_filter(filter: &str) -> Result<(), ParseError> {
    filter.parse::<Targets>().map(drop)
}

/// Starts to log. A second call changes nothing.
pub fn start(settings: &LogSettings) {
    // Where standard error cannot be written to (a full disk), telling it there would panic.
    let layer =
        tracing_subscriber::fmt::layer().log_internal_errors(false).with_writer(std::io::stderr);
    let layer = if settings.json {
        layer.json().flatten_event(true).boxed()
    } else {
        layer.with_ansi(std::io::stderr().is_terminal()).boxed()
    };
    let filter: Targets = settings.filter.parse().unwrap_or_default();
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}
