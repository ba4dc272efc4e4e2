//! Flows over real HTTP, in parallel and in a real browser.
