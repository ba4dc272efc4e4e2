//! Attacks that need no browser.

use super::Outcome;
use super::table::Attack;
use super::wire::{Ask, Play, Silent};
use crate::app::random::{challenge, handle};
use crate::app::watch::Lane;

/// Plays one.
pub(super) async fn play(attack: &Attack, play: &mut Play<'_>) -> Result<Outcome, Silent> {
    match attack.id {
        "wrong-redirect" => wrong_redirect(attack, play).await,
        "unknown-client" => unknown_client(attack, play).await,
        "wrong-state" => wrong_state(attack, play).await,
        _ => no_token(attack, play).await,
    }
}

async fn wrong_redirect(attack: &Attack, play: &mut Play<'_>) -> Result<Outcome, Silent> {
    let client_id = play.app.settings.client_id.clone();
    let evil = "https://evil.example/callback";
    no_way_back(attack, play, &client_id, evil, "A request with a foreign redirect address").await
}

async fn unknown_client(attack: &Attack, play: &mut Play<'_>) -> Result<Outcome, Silent> {
    let callback = format!("{}/break/callback", play.app.settings.base_url);
    no_way_back(attack, play, "nobody-registered-this", &callback, "A request of an unknown client")
        .await
}

/// Errors for which there is no safe address to redirect to: the server has to say it itself.
async fn no_way_back(
    attack: &Attack,
    play: &mut Play<'_>,
    client_id: &str,
    redirect_uri: &str,
    title: &str,
) -> Result<Outcome, Silent> {
    let app = play.app;
    let url = app.wire.endpoints(&app.settings.issuer).await?.authorization.clone();
    let (state, challenge) = (handle(), challenge(&handle()));
    let parameters = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("scope", "openid photos:read"),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let note = "An authorization request, sent by this app the way an attacker's link would.";
    let ask = Ask {
        from: Lane::Attacker,
        to: Lane::Server,
        title,
        note,
        url: &url,
        parameters: &parameters,
        authorization: None,
        post: false,
    };
    let answer = play.ask(ask).await?;
    let held = answer.status >= 400 && answer.location.is_none();
    let verdict = if held {
        "Refused on a page of the server's own. Nothing was redirected, so nobody got anything."
    } else {
        "The server redirected, or accepted it. That should not be."
    };
    let said = format!("status {} and a page that says why, no redirect", answer.status);
    let mut outcome = Outcome::new(attack.id, held, verdict)
        .says(Lane::Server, said)
        .says(Lane::App, "nothing: it never heard of this")
        .says(Lane::Api, "nothing: it never heard of this");
    outcome.look = url::Url::parse_with_params(&url, parameters).ok().map(String::from);
    Ok(outcome)
}

async fn wrong_state(attack: &Attack, play: &mut Play<'_>) -> Result<Outcome, Silent> {
    let settings = &play.app.settings;
    let (url, code, state) = (format!("{}/callback", settings.base_url), handle(), handle());
    let issuer = settings.issuer.clone();
    let parameters = [("code", code.as_str()), ("state", &state), ("iss", &issuer)];
    let ask = Ask {
        from: Lane::Attacker,
        to: Lane::App,
        title: "A way back that nobody asked for",
        note: "The attacker's own code, so that you would be signed in as the attacker and give \
               them your photos. The state belongs to no login of this browser.",
        url: &url,
        parameters: &parameters,
        authorization: None,
        post: false,
    };
    let answer = play.ask(ask).await?;
    let leads_on = answer.location.as_deref().is_some_and(|to| !to.starts_with("/photos"));
    let held = answer.status >= 400 || leads_on;
    let verdict = if held {
        "The app refused it: the code was not even sent to the server."
    } else {
        "The app took a state that it never made. That should not be."
    };
    let said = if answer.status >= 400 {
        format!("status {}, on a page that leads on", answer.status)
    } else {
        format!("status {}: begin a login of your own", answer.status)
    };
    Ok(Outcome::new(attack.id, held, verdict)
        .says(Lane::App, said)
        .says(Lane::Server, "nothing: the code never reached it")
        .says(Lane::Api, "nothing"))
}

async fn no_token(attack: &Attack, play: &mut Play<'_>) -> Result<Outcome, Silent> {
    let url = format!("{}/photos", play.app.settings.api_url);
    let ask = Ask {
        from: Lane::Attacker,
        to: Lane::Api,
        title: "Photos, please",
        note: "No credentials at all.",
        url: &url,
        parameters: &[],
        authorization: None,
        post: false,
    };
    let answer = play.ask(ask).await?;
    let held = answer.status == 401;
    let verdict =
        if held { "The API gives nothing away." } else { "The API gave it. That should not be." };
    Ok(Outcome::new(attack.id, held, verdict)
        .says(Lane::Api, answer.in_words())
        .says(Lane::App, "nothing: it was not asked")
        .says(Lane::Server, "nothing: the API decides by itself"))
}
