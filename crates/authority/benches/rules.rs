//! What the rules cost: `cargo bench --package keystile-authority --features fixtures`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use keystile_authority::fixtures;
use keystile_authority::records::Situation;
use keystile_authority::rules::client_assertion::Recipient;
use keystile_authority::rules::code::{self, RedemptionRandom};
use keystile_authority::rules::next_step::ConsentAnswer;
use keystile_authority::rules::{client_assertion, dpop, next_step, request};
use keystile_protocol::dpop::Expected;
use keystile_protocol::jose::{Algorithm, JwkSet, KeySet, SigningKey};
use keystile_protocol::{Params, Timestamp};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A typical authorization request of a server-side app.
fn authorization_request() -> Params {
    [
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", "https://app.example/cb"),
        ("scope", "openid photos:read"),
        ("state", "fRz1fZ4mR7yEJ2nJ3q1xSw"),
        ("nonce", "nN9cCq3aR0mVb8kq2y7pUg"),
        ("code_challenge", &fixtures::verifier().challenge().to_string()),
        ("code_challenge_method", "S256"),
    ]
    .into_iter()
    .collect()
}

fn authorization(criterion: &mut Criterion) {
    let (params, policy) = (authorization_request(), fixtures::policy());
    let client = Arc::new(fixtures::client());
    criterion.bench_function("check an authorization request", |bencher| {
        bencher.iter(|| request::check(black_box(&params), &client, &policy).expect("good"));
    });

    let request = request::check(&params, &client, &policy).expect("good");
    let mut signed_in = fixtures::signed_in(NOW);
    signed_in.consent.granted = request.scope.clone();
    let situation = Situation { signed_in: Some(signed_in) };
    criterion.bench_function("decide on the next step", |bencher| {
        bencher.iter(|| {
            let situation = situation.clone();
            let answer = ConsentAnswer::None;
            next_step::decide(black_box(&request), &client, situation, NOW, &answer, NOW)
        });
    });

    let code = fixtures::code(NOW);
    let (verifier, lifetimes) = (fixtures::verifier(), policy.lifetimes.clone());
    criterion.bench_function("redeem a code", |bencher| {
        bencher.iter(|| {
            let random = RedemptionRandom { redemption: [1; 16], salt: [2; 16] };
            let (code, uri) = (black_box(&code), Some("https://app.example/cb"));
            code::redeem(code, &client, uri, Some(&verifier), &lifetimes, random, NOW)
                .expect("good")
        });
    });
}

/// Each is one signature verification and little more: the third shows how much that is.
fn signed(criterion: &mut Criterion) {
    let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
    let url = "https://login.example/token";
    let claims = json!({ "jti": "j", "htm": "POST", "htu": url, "iat": NOW.seconds() });
    let proof = key.sign_with_jwk(keystile_protocol::dpop::TYPE, &claims).expect("signed");
    let urls = [url.to_owned()];
    let expected = Expected { method: "POST", urls: &urls, access_token: None };
    criterion.bench_function("verify a DPoP proof, ES256", |bencher| {
        bencher.iter(|| {
            dpop::proved(&[black_box(proof.as_bytes())], &expected, None, NOW).expect("good")
        });
    });

    let client = fixtures::signing_client(&key);
    let issuer = fixtures::policy().issuer;
    let claims = json!({
        "iss": "app", "sub": "app", "aud": issuer, "jti": "j", "iat": NOW.seconds(),
        "exp": NOW.seconds() + 60,
    });
    let assertion = key.sign("JWT", &claims).expect("signed");
    let keys = KeySet::from_jwks(&JwkSet { keys: vec![key.public().clone()] });
    let endpoints = [issuer.endpoint("/token")];
    let recipient = Recipient { issuer: &issuer, endpoints: &endpoints };
    criterion.bench_function("verify a client assertion, ES256", |bencher| {
        bencher.iter(|| {
            client_assertion::verify(black_box(&assertion), &client, &keys, &recipient, NOW)
                .expect("good")
        });
    });

    let token = keystile_protocol::jose::SignedToken::parse(&assertion).expect("a token");
    criterion.bench_function("verify an ES256 signature alone", |bencher| {
        bencher.iter(|| {
            token.verify::<serde_json::Value>(black_box(&keys), &[Algorithm::ES256]).expect("good")
        });
    });
}

criterion_group!(benches, authorization, signed);
criterion_main!(benches);
