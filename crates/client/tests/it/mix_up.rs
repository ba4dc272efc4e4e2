//! Several issuers in one app (RFC 9700 section 4.4): what one of them sends counts for it alone.

use axum::Router;
use axum::routing::get;
use keystile_client::{Client, User};

use crate::bench::{APP, Browser, Server, query_of};

/// An honest issuer and one that attacks, and an app that has users of both.
struct Both {
    honest: Server,
    evil: Server,
    app: Router,
}

fn client(server: &Server, name: &str) -> Client {
    Client::builder(&server.url, "photo-printer")
        .secret("the client's secret")
        .app_url(APP)
        .login_path(format!("/{name}/login"))
        .callback_path(format!("/{name}/callback"))
        .logout_path(format!("/{name}/logout"))
        .backchannel_logout_path(format!("/{name}/backchannel-logout"))
        .frontchannel_logout_path(format!("/{name}/frontchannel-logout"))
        .cookie_name(name)
        .build()
        .expect("good settings")
}

async fn who(user: Option<User>) -> String {
    user.map_or_else(|| "nobody".to_owned(), |user| user.issuer().to_owned())
}

impl Both {
    async fn new(iss_promised: bool) -> Self {
        let (honest, evil) = (Server::start().await, Server::start().await);
        honest.facts().iss_promised = iss_promised;
        evil.facts().iss_promised = iss_promised;
        let clients = [client(&honest, "honest"), client(&evil, "evil")];
        let mut app =
            Router::new().route("/", get(who)).route("/me", get(|_: User| async { "me" }));
        for client in &clients {
            app = app.merge(client.routes());
        }
        for client in &clients {
            app = app.layer(client.layer());
        }
        Self { honest, evil, app }
    }

    /// The address at which a login begins, and the state that goes with it.
    async fn begin(&self, browser: &mut Browser, name: &str) -> (String, String) {
        let address = browser.get(&format!("/{name}/login")).await.location().to_owned();
        let state = query_of(&address)["state"].clone();
        (address, state)
    }

    fn tokens_asked_for(&self) -> (usize, usize) {
        (self.honest.hits("token"), self.evil.hits("token"))
    }
}

#[tokio::test]
async fn users_of_each_issuer_are_signed_in_side_by_side() {
    let both = Both::new(true).await;
    let mut browser = Browser::new(both.app.clone());
    assert_eq!(browser.get("/").await.body, "nobody");
    let login = browser.get("/me").await;
    let expected = "/honest/login?return_to=%2Fme";
    assert_eq!(login.location(), expected, "axum's first layer is the innermost");
    for (name, server) in [("honest", &both.honest), ("evil", &both.evil)] {
        let mut browser = Browser::new(both.app.clone());
        let (address, _) = both.begin(&mut browser, name).await;
        assert_eq!(browser.get(&server.approve(&address)).await.location(), "/");
        assert_eq!(browser.get("/").await.body, server.url);
    }
    assert_eq!(both.tokens_asked_for(), (1, 1));
}

/// The attacker sends the browser, which began a login with him, on to the honest issuer, whose
/// code then is to go to the attacker (section 4.4.1).
#[tokio::test]
async fn a_code_of_the_honest_issuer_never_reaches_the_attackers_token_endpoint() {
    for promised in [true, false] {
        let both = Both::new(promised).await;
        let mut browser = Browser::new(both.app.clone());
        let (_, state) = both.begin(&mut browser, "evil").await;
        // A code of the honest issuer for the state that the attacker knows.
        let forged = format!(
            "{}/authorize?state={state}&redirect_uri={APP}/honest/callback&client_id=photo-printer\
             &nonce=x&code_challenge=x",
            both.honest.url
        );
        let back = both.honest.approve(&forged);
        let answer = browser.get(&back).await;
        assert_ne!(browser.get("/").await.body, both.evil.url);
        assert!(answer.headers.get("location").is_none_or(|to| to != "/"), "nobody is signed in");
        // The same at the attacker's own callback, with the honest issuer's name and without one.
        let at_evil = back.replace("/honest/callback", "/evil/callback");
        let answer = browser.get(&at_evil).await;
        assert!(answer.status.is_client_error(), "{}", answer.body);
        assert_eq!(both.tokens_asked_for(), (0, 0), "promised: {promised}");
    }
}

#[tokio::test]
async fn where_iss_is_promised_a_response_without_it_or_with_anothers_is_refused_rfc_9207() {
    let both = Both::new(true).await;
    for iss in [String::new(), format!("&iss={}", both.evil.url), "&iss=x&iss=y".to_owned()] {
        let mut browser = Browser::new(both.app.clone());
        let (_, state) = both.begin(&mut browser, "honest").await;
        let answer = browser.get(&format!("/honest/callback?code=abc&state={state}{iss}")).await;
        assert!(answer.status.is_client_error(), "{iss}: {}", answer.body);
    }
    assert_eq!(both.tokens_asked_for(), (0, 0));
}

#[tokio::test]
async fn a_login_of_one_client_is_none_of_the_other() {
    let both = Both::new(false).await;
    let mut browser = Browser::new(both.app.clone());
    let (address, _) = both.begin(&mut browser, "evil").await;
    // A response for the login with one, at the callback of the other, in a browser that has both.
    both.begin(&mut browser, "honest").await;
    let crossed = both.evil.approve(&address).replace("/evil/callback", "/honest/callback");
    let plain = crossed.split("&iss=").next().expect("a query").to_owned();
    for back in [crossed, plain] {
        browser.get(&back).await;
    }
    assert_eq!(both.tokens_asked_for(), (0, 0));
    assert_eq!(browser.get("/").await.body, "nobody");
}
