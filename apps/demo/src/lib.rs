//! A photo-printing web app and a photo API that use Keystile's crates as any user would.
