//! Which attacks there are.

use serde::Serialize;

/// A button of the panel.
#[derive(Debug, Serialize)]
pub(crate) struct Attack {
    pub(crate) id: &'static str,
    /// The row of the mission.
    pub(crate) row: &'static str,
    pub(crate) title: &'static str,
    pub(crate) pitch: &'static str,
    /// Whether the browser goes by way of the authorization server.
    pub(crate) by_redirect: bool,
}

const fn direct(
    id: &'static str,
    row: &'static str,
    title: &'static str,
    pitch: &'static str,
) -> Attack {
    Attack { id, row, title, pitch, by_redirect: false }
}

const fn by_redirect(
    id: &'static str,
    row: &'static str,
    title: &'static str,
    pitch: &'static str,
) -> Attack {
    Attack { id, row, title, pitch, by_redirect: true }
}

/// All of them, in the order of the panel.
pub(crate) const ATTACKS: [Attack; 14] = [
    by_redirect(
        "stolen-code",
        "1.5",
        "Use a stolen code",
        "Somebody saw the code in your address bar and tries it without the secret, then with a \
         guessed one.",
    ),
    by_redirect(
        "replayed-code",
        "1.4",
        "Use a code twice",
        "The app redeems a code, and somebody who copied the whole request sends it again.",
    ),
    by_redirect(
        "wrong-verifier",
        "1.7",
        "Swap the code verifier",
        "A code that was asked for by one login is slipped into another.",
    ),
    direct(
        "wrong-state",
        "3.10",
        "Forge the way back",
        "A link brings your browser to the app with a code and a state that it never asked for.",
    ),
    direct(
        "wrong-redirect",
        "3.1",
        "Send the code elsewhere",
        "The request names a redirect address that is not registered.",
    ),
    direct(
        "unknown-client",
        "3.2",
        "Be an unknown app",
        "The request comes from a client that nobody registered.",
    ),
    by_redirect(
        "denied",
        "3.3",
        "Say no",
        "The consent page comes again. Press Deny there and see what the app learns.",
    ),
    by_redirect(
        "missing-pkce",
        "3.4",
        "Leave out the code challenge",
        "A request without PKCE, which this server demands of every client.",
    ),
    by_redirect(
        "unauthorized-client",
        "3.5",
        "Be another program",
        "The nightly archive is a registered client too, but not one that may send people to sign \
         in. It tries.",
    ),
    by_redirect(
        "response-type",
        "3.6",
        "Ask for a token in the browser",
        "The old implicit flow: response_type=token would put the token into the address bar.",
    ),
    by_redirect("unknown-scope", "3.7", "Ask for too much", "A scope that does not exist."),
    direct(
        "no-token",
        "0.2",
        "Call the API without a token",
        "The photos are on the network. Just ask for them.",
    ),
    by_redirect(
        "query-token",
        "0.1",
        "Put the token into the address",
        "A good token, but in the query, where logs and histories keep it.",
    ),
    by_redirect(
        "id-token",
        "0.2",
        "Show the wrong kind of token",
        "The ID token says who you are. Does it open the API too?",
    ),
];

impl Attack {
    pub(crate) fn named(id: &str) -> Option<&'static Self> {
        ATTACKS.iter().find(|attack| attack.id == id)
    }
}
