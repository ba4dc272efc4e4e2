//! The demo, walked as a person would.
