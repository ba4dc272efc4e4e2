//! What a token costs an API: `cargo bench --package keystile-resource`. Beside it
//! `jsonwebtoken`, which does less: it reads the claims, and compares issuer, audience and times.

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode};
use keystile_protocol::access_token::{Expectations, verify};
use keystile_protocol::dpop;
use keystile_protocol::jose::{JwkSet, KeySet, SigningKey};
use keystile_protocol::{Issuer, Timestamp};
use keystile_resource::{AccessTokenClaims, Algorithm, Guard, Introspection, Token, TrustedIssuer};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt};

const API: &str = "https://photos.example";

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_secs().try_into().expect("not that late")
}

fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "6f1c2a90-77aa-4d0c-a7c0-5a1f5b0c2f11", "aud": API,
        "client_id": "photo-printer", "jti": "kX4u0X2b5y1m", "iat": now(), "exp": now() + 86_400,
        "scope": "openid profile photos:read photos:order", "auth_time": now(), "acr": "1",
    })
}

fn new_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).expect("generated").key
}

/// The same token by both, in memory.
fn alone(criterion: &mut Criterion) {
    let issuer = "https://login.example";
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256] {
        let key = new_key(algorithm);
        let token = key.sign("at+jwt", &claims(issuer)).expect("signed");
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![key.public().clone()] });
        let believed = Issuer::try_from(issuer).expect("good");
        let expected = Expectations {
            issuer: &believed,
            audience: Some(API),
            algorithms: &[algorithm],
            leeway: Duration::from_secs(30),
        };
        criterion.bench_function(&format!("{algorithm}: ours"), |bencher| {
            bencher.iter(|| {
                let now = Timestamp::from_seconds(now());
                verify(black_box(&token), &keys, &expected, now).expect("good")
            });
        });

        let jwk: Jwk = serde_json::from_value(json!(key.public())).expect("a JWK");
        let decoding = DecodingKey::from_jwk(&jwk).expect("a key");
        let named = algorithm.as_str().parse().expect("known");
        let mut validation = Validation::new(named);
        validation.set_audience(&[API]);
        validation.set_issuer(&[issuer]);
        criterion.bench_function(&format!("{algorithm}: jsonwebtoken"), |bencher| {
            bencher.iter(|| {
                decode::<AccessTokenClaims>(black_box(&token), &decoding, &validation)
                    .expect("good")
            });
        });
    }
}

/// An issuer on a port of its own, with a key; it vouches for each token.
fn issuer(runtime: &Runtime) -> (String, SigningKey) {
    let key = new_key(Algorithm::ES256);
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let metadata = json!({
        "issuer": url, "jwks_uri": format!("{url}/jwks"),
        "introspection_endpoint": format!("{url}/introspect"),
    });
    let keys = JwkSet { keys: vec![key.public().clone()] };
    let mut answer = claims(&url);
    answer["active"] = json!(true);
    let routes = Router::new()
        .route("/.well-known/oauth-authorization-server", get(|| async { Json(metadata) }))
        .route("/jwks", get(|| async { Json(keys) }))
        .route("/introspect", axum::routing::post(|| async { Json(answer) }));
    runtime.spawn(async move { axum::serve(listener, routes).await });
    (url, key)
}

async fn call<S>(mut service: S, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = std::convert::Infallible>,
{
    let service = service.ready().await.expect("infallible");
    service.call(request).await.expect("infallible")
}

/// Whole requests through the layer to a handler that does nothing.
fn layer(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (url, key) = issuer(&runtime);
    let inner = tower::service_fn(|request: Request| async move {
        let known = request.extensions().get::<Token>().is_some();
        Ok::<_, std::convert::Infallible>(Response::new(Body::from(known.to_string())))
    });
    let plain = |token: &str| {
        let request = Request::get("/photos").header("authorization", format!("Bearer {token}"));
        request.body(Body::empty()).expect("a request")
    };
    let mut measure = |name: &str, guard: &Guard, make: &dyn Fn() -> Request| {
        let service = guard.layer(inner);
        let first = runtime.block_on(call(service.clone(), make()));
        assert_eq!(first.status(), 200, "{name}");
        criterion.bench_function(name, |bencher| {
            bencher.iter_batched(
                make,
                |request| runtime.block_on(call(service.clone(), request)),
                BatchSize::SmallInput,
            );
        });
    };
    let signed = key.sign("at+jwt", &claims(&url)).expect("signed");
    let guard = Guard::builder(&url, API).build().expect("good");
    measure("layer: a JWT, ES256", &guard, &|| plain(&signed));

    let holder = new_key(Algorithm::ES256);
    let mut bound = claims(&url);
    bound["cnf"] = json!({ "jkt": holder.public().thumbprint() });
    let bound = key.sign("at+jwt", &bound).expect("signed");
    let counter = std::cell::Cell::new(0_u64);
    measure("layer: a JWT and a DPoP proof, ES256", &guard, &|| {
        counter.set(counter.get() + 1);
        let proof = json!({
            "jti": counter.get().to_string(), "htm": "GET", "htu": format!("{API}/photos"),
            "iat": now(), "ath": dpop::token_hash(&bound),
        });
        let proof = holder.sign_with_jwk(dpop::TYPE, &proof).expect("signed");
        let request = Request::get("/photos").header("authorization", format!("DPoP {bound}"));
        request.header("dpop", proof).body(Body::empty()).expect("a request")
    });

    let asking = Introspection::with_secret("api", "secret").at_most_stale(Duration::from_mins(5));
    let trusted = TrustedIssuer::new(&url).introspection(asking);
    let guard = Guard::builder(trusted, API).build().expect("good");
    measure("layer: an opaque token whose answer is known", &guard, &|| plain("opaque"));
}

criterion_group!(benches, alone, layer);
criterion_main!(benches);
