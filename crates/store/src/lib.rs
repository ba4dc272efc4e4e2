//! The authorization server's memory: authority's Store on SQLite.
