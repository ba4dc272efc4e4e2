//! Login, session and API calls of a server-side web app, right by default.
