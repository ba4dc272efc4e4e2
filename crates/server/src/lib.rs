//! The authorization server's face: HTTP, cookies and pages.
