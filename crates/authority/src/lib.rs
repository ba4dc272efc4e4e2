//! What an authorization server may and must do; pure decisions and the ports they need.
