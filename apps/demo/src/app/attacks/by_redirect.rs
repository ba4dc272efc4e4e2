//! Attacks for which the browser goes to the authorization server and comes back.

use url::Url;

use super::table::Attack;
use super::wire::{Answer, Ask, Endpoints, Play, Silent, basic};
use super::{Attempt, Outcome};
use crate::app::App;
use crate::app::random::{challenge, handle};
use crate::app::watch::{Lane, Message, Record};

/// Where the browser is sent, and what is remembered until it comes back.
pub(super) fn begin(
    attack: &Attack,
    app: &App,
    record: &Record,
    endpoints: &Endpoints,
) -> Option<(Url, Attempt)> {
    let (state, verifier) = (handle(), handle());
    let callback = format!("{}/break/callback", app.settings.base_url);
    let challenge = challenge(&verifier);
    let mut parameters = vec![
        ("response_type", if attack.id == "response-type" { "token" } else { "code" }),
        ("client_id", client_for(attack.id, &app.settings.client_id)),
        ("redirect_uri", &callback),
        ("scope", scope_for(attack.id)),
        ("state", &state),
    ];
    if attack.id != "missing-pkce" {
        parameters
            .extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
    }
    if attack.id == "denied" {
        parameters.push(("prompt", "consent"));
    }
    record.learn("code verifier", &verifier);
    let mut sent = Message::new(Lane::Browser, Lane::Server, "An authorization request")
        .note("Your browser was sent there by the button that you pressed.")
        .line(format!("GET {}", endpoints.authorization));
    sent.parameters = parameters.iter().map(|(n, v)| record.shown(&app.masker, n, v)).collect();
    let url = Url::parse_with_params(&endpoints.authorization, &parameters).ok()?;
    Some((url, Attempt { id: attack.id, state, verifier, sent }))
}

/// The demo's second client is registered for the client credentials grant alone.
fn client_for<'a>(id: &str, own: &'a str) -> &'a str {
    if id == "unauthorized-client" { "photo-archive" } else { own }
}

fn scope_for(id: &str) -> &'static str {
    match id {
        "unknown-scope" => "openid photos:read photos:delete-everything",
        _ => "openid photos:read",
    }
}

/// What came back in the query of the redirect.
pub(super) struct Returned<'a>(pub(super) &'a [(String, String)]);

impl Returned<'_> {
    fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// Goes on after the browser came back.
pub(super) async fn finish(
    attempt: &Attempt,
    returned: &Returned<'_>,
    play: &mut Play<'_>,
) -> Result<Outcome, Silent> {
    play.messages.push(attempt.sent.clone());
    play.came_back(returned.0);
    let expected_error = match attempt.id {
        "unknown-scope" => Some("invalid_scope"),
        "denied" => Some("access_denied"),
        "response-type" => Some("unsupported_response_type"),
        "missing-pkce" => Some("invalid_request"),
        "unauthorized-client" => Some("unauthorized_client"),
        _ => None,
    };
    if let Some(expected) = expected_error {
        return Ok(error_came_back(attempt, returned, expected, &play.app.settings.issuer));
    }
    if returned.get("code").is_empty() {
        let told = returned.get("error");
        let verdict = format!("The server sent no code this time ({told}). Play it again.");
        return Ok(Outcome::open(attempt.id, verdict));
    }
    let mut redeeming = Redeeming::new(attempt, returned.get("code"), play).await?;
    match attempt.id {
        "replayed-code" => redeeming.replayed().await,
        "stolen-code" => redeeming.stolen().await,
        "wrong-verifier" => redeeming.wrong_verifier().await,
        "query-token" => redeeming.token_in_query().await,
        _ => redeeming.id_token_at_the_api().await,
    }
}

fn error_came_back(
    attempt: &Attempt,
    returned: &Returned<'_>,
    expected: &str,
    issuer: &str,
) -> Outcome {
    let error = returned.get("error");
    if error.is_empty() {
        let verdict = "You allowed it this time. Play it again and press Deny.";
        return Outcome::open(attempt.id, verdict);
    }
    let held = error == expected && returned.get("iss") == issuer;
    let verdict = if held {
        format!("It came back as {expected}, with the state and the issuer's name, and no code.")
    } else {
        format!("{expected} was expected, and {error} came.")
    };
    let description: String = returned.get("error_description").chars().take(300).collect();
    Outcome::new(attempt.id, held, verdict)
        .says(Lane::Server, format!("{error}: {description}"))
        .says(Lane::App, "knows by the state that this is the answer to its own question")
        .says(Lane::Api, "nothing: there is no token to come with")
}

/// A fresh code in the hands of an attacker, or of the app.
struct Redeeming<'p, 'a> {
    attempt: &'p Attempt,
    code: &'p str,
    callback: String,
    endpoints: Endpoints,
    credential: String,
    play: &'p mut Play<'a>,
}

impl<'p, 'a> Redeeming<'p, 'a> {
    async fn new(
        attempt: &'p Attempt,
        code: &'p str,
        play: &'p mut Play<'a>,
    ) -> Result<Self, Silent> {
        let settings = &play.app.settings;
        let endpoints = play.app.wire.endpoints(&settings.issuer).await?.clone();
        let callback = format!("{}/break/callback", settings.base_url);
        let credential = basic(&settings.client_id, &settings.client_secret);
        Ok(Self { attempt, code, callback, endpoints, credential, play })
    }

    /// A token request, with or without what makes it good.
    async fn redeem(
        &mut self,
        (from, title, note): (Lane, &str, &str),
        verifier: Option<&str>,
        authorization: Option<String>,
    ) -> Result<Answer, Silent> {
        let client_id = self.play.app.settings.client_id.clone();
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", self.code),
            ("redirect_uri", &self.callback),
        ];
        parameters.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        if authorization.is_none() {
            parameters.push(("client_id", &client_id));
        }
        let url = &self.endpoints.token;
        let (to, parameters) = (Lane::Server, parameters.as_slice());
        self.play
            .ask(Ask { from, to, title, note, url, parameters, authorization, post: true })
            .await
    }

    /// As the app itself does it.
    async fn redeem_honestly(&mut self, title: &str, note: &str) -> Result<Answer, Silent> {
        let (verifier, credential) = (&self.attempt.verifier, self.credential.clone());
        self.redeem((Lane::App, title, note), Some(verifier), Some(credential)).await
    }

    async fn call(
        &mut self,
        (to, title, note): (Lane, &str, &str),
        token: &str,
        in_query: bool,
    ) -> Result<Answer, Silent> {
        let url = match to {
            Lane::Server => self.endpoints.userinfo.clone(),
            _ => format!("{}/photos", self.play.app.settings.api_url),
        };
        let query = [("access_token", token)];
        let parameters: &[_] = if in_query { &query } else { &[] };
        let authorization = (!in_query).then(|| format!("Bearer {token}"));
        let from = Lane::App;
        let ask = Ask { from, to, title, note, url: &url, parameters, authorization, post: false };
        self.play.ask(ask).await
    }

    async fn replayed(&mut self) -> Result<Outcome, Silent> {
        let first = self.redeem_honestly("The code, for tokens", "As it should be.").await?;
        let token = first.text("access_token").to_owned();
        let before = ("Who is it?", "The access token works.");
        let before = self.call((Lane::Server, before.0, before.1), &token, false).await?;
        let note = "The very same request, with the right secret and verifier.";
        let second = self.redeem_honestly("The same code again", note).await?;
        let after = ("Who is it?", "The access token of the first use, once more.");
        let after = self.call((Lane::Server, after.0, after.1), &token, false).await?;
        let held = (first.status, before.status) == (200, 200)
            && second.text("error") == "invalid_grant"
            && after.status == 401;
        let verdict = if held {
            "The second use was refused, and what the first one got was taken back: nobody can \
             tell which of the two was the thief."
        } else {
            "The code was good twice, or its first token still is. That should not be."
        };
        Ok(Outcome::new(self.attempt.id, held, verdict)
            .says(Lane::Server, format!("to the second use: {}", second.in_words()))
            .says(Lane::Server, format!("to the first token, afterwards: {}", after.in_words()))
            .says(Lane::App, "has to ask you again, by a new login")
            .says(Lane::Api, "was not asked"))
    }

    async fn stolen(&mut self) -> Result<Outcome, Silent> {
        let thief = (Lane::Attacker, "The stolen code, without the secret", "All a thief has.");
        let without = self.redeem(thief, None, None).await?;
        let id = self.play.app.settings.client_id.clone();
        let guessed = Some(basic(&id, &handle()));
        let guess = (
            Lane::Attacker,
            "The stolen code, with a guessed secret",
            "Of 2\u{b2}\u{2075}\u{2076}.",
        );
        let guessed = self.redeem(guess, None, guessed).await?;
        let note = "The attempts of the thief have not spoiled it.";
        let honest = self.redeem_honestly("The code, by its owner", note).await?;
        let refused = |answer: &Answer| answer.text("error") == "invalid_client";
        let held = refused(&without) && refused(&guessed) && honest.status == 200;
        let verdict = if held {
            "The code alone bought nothing, and its owner could still use it."
        } else {
            "A code was good without the secret, or was spoiled for its owner. That should not be."
        };
        Ok(Outcome::new(self.attempt.id, held, verdict)
            .says(Lane::Server, format!("without the secret: {}", without.in_words()))
            .says(Lane::Server, format!("with a guessed one: {}", guessed.in_words()))
            .says(Lane::App, format!("redeemed it a moment later: {}", honest.status))
            .says(Lane::Api, "nothing: the thief has no token to come with"))
    }

    async fn wrong_verifier(&mut self) -> Result<Outcome, Silent> {
        let other = handle();
        let credential = Some(self.credential.clone());
        let swapped = (Lane::App, "The code, with another verifier", "The secret is right.");
        let wrong = self.redeem(swapped, Some(&other), credential).await?;
        let note = "The wrong one has not spoiled it.";
        let right = self.redeem_honestly("The code, with its own verifier", note).await?;
        let held = wrong.text("error") == "invalid_grant" && right.status == 200;
        let verdict = if held {
            "A code fits the login that asked for it and no other."
        } else {
            "The verifier did not matter. That should not be."
        };
        Ok(Outcome::new(self.attempt.id, held, verdict)
            .says(Lane::Server, wrong.in_words())
            .says(Lane::App, "would never send it: it keeps one verifier for each login")
            .says(Lane::Api, "nothing: there is no token to come with"))
    }

    async fn token_in_query(&mut self) -> Result<Outcome, Silent> {
        let tokens = self.redeem_honestly("The code, for tokens", "As it should be.").await?;
        let token = tokens.text("access_token").to_owned();
        let note = "A good token, in the address.";
        let query =
            self.call((Lane::Api, "Photos, with ?access_token=", note), &token, true).await?;
        let note = "The same token, in the header.";
        let header = self
            .call((Lane::Api, "Photos, as they should be asked for", note), &token, false)
            .await?;
        let held = query.status == 400 && header.status == 200;
        let verdict = if held {
            "The API takes a token in the Authorization header and nowhere else."
        } else {
            "The place of the token did not matter. That should not be."
        };
        Ok(Outcome::new(self.attempt.id, held, verdict)
            .says(Lane::Api, query.in_words())
            .says(Lane::App, "would never send it: its client has no way to put a token there")
            .says(Lane::Server, "nothing: the API decides by itself"))
    }

    async fn id_token_at_the_api(&mut self) -> Result<Outcome, Silent> {
        let tokens = self.redeem_honestly("The code, for tokens", "As it should be.").await?;
        let token = tokens.text("id_token").to_owned();
        let note = "Signed by the right issuer, about the right person, and still no access token.";
        let api = self.call((Lane::Api, "Photos, with the ID token", note), &token, false).await?;
        let held = api.status == 401 && api.text("error") == "invalid_token";
        let verdict = if held {
            "Who you are does not say what may be done for you."
        } else {
            "The API took an ID token. That should not be."
        };
        Ok(Outcome::new(self.attempt.id, held, verdict)
            .says(Lane::Api, api.in_words())
            .says(Lane::App, "keeps the two apart by type")
            .says(Lane::Server, "signed both, each with its own typ"))
    }
}
