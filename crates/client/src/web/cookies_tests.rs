use keystile_protocol::messages::Metadata;
use keystile_protocol::seal::MasterKey;
use keystile_protocol::{ClientId, Scope};
use serde_json::json;

use super::*;
use crate::flow::{AuthorizationRequest, ReturnTo};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn seals() -> Seals {
    Seals::new("x", vec![MasterKey { id: 1, secret: [7; 32] }])
}

/// A login that began that many seconds before now.
fn login(number: u8, age: u64, return_to: &str) -> PendingLogin {
    let metadata: Metadata = serde_json::from_value(json!({
        "issuer": "https://login.example",
        "authorization_endpoint": "https://login.example/authorize",
        "token_endpoint": "https://login.example/token",
    }))
    .expect("metadata");
    let (client_id, scope) = (ClientId::new("a").expect("valid"), Scope::empty());
    let request = AuthorizationRequest::new(&client_id, "https://app.example/callback", &scope);
    let started_at = NOW.minus(Duration::from_secs(age));
    let return_to = ReturnTo::or_root(return_to);
    request.begin(&metadata, return_to, 0, started_at, [number; 96]).expect("valid").pending
}

fn headers(logins: &[PendingLogin]) -> HeaderMap {
    let pairs: Vec<String> = logins
        .iter()
        .map(|login| {
            let sealed = seals().seal(login, 0, NOW, [0; 12]);
            format!("app.login.{}={}", login.id(), sealed.as_str())
        })
        .collect();
    let value = HeaderValue::from_str(&pairs.join("; ")).expect("a header");
    HeaderMap::from_iter([(header::COOKIE, value)])
}

fn removed(headers: &HeaderMap) -> Vec<String> {
    let cookies = Cookies::new("app", false).expect("a name");
    let removed = cookies.make_room(headers, &seals(), NOW);
    let name = |value: &HeaderValue| {
        let text = value.to_str().expect("ASCII");
        assert!(text.contains("=; Path=/; Max-Age=0;"), "{text}");
        text.split('=').next().expect("a name").to_owned()
    };
    removed.iter().map(name).collect()
}

#[test]
fn on_https_cookies_have_the_host_prefix_and_are_secure() {
    let cookies = Cookies::new("app", true).expect("a name");
    let set = cookies.set_session("handle", Duration::from_mins(1));
    let expected = "__Host-app=handle; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure";
    assert_eq!(set, expected);
    let plain = Cookies::new("app", false).expect("a name").remove_session();
    assert_eq!(plain, "app=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
}

#[test]
fn parallel_logins_each_have_a_cookie_of_their_own() {
    let logins = [login(1, 10, "/a"), login(2, 20, "/b")];
    let headers = headers(&logins);
    let cookies = Cookies::new("app", false).expect("a name");
    for login in logins {
        assert_eq!(cookies.login(&headers, &login.id(), &seals()), Some(login));
    }
    assert_eq!(cookies.login(&headers, "other", &seals()), None);
}

#[test]
fn the_oldest_of_too_many_logins_is_given_up() {
    let logins: Vec<_> = (1..=9).map(|n| login(n, u64::from(n), "/")).collect();
    let expected: Vec<String> =
        logins[7..].iter().map(|login| format!("app.login.{}", login.id())).collect();
    assert_eq!(removed(&headers(&logins)), expected, "seven stay, and the new one");
    assert!(removed(&headers(&logins[..7])).is_empty());
}

#[test]
fn long_ones_leave_room_for_fewer() {
    let long = format!("/{}", "a".repeat(500));
    let logins: Vec<_> = (1..=6).map(|n| login(n, u64::from(n), &long)).collect();
    assert!(!removed(&headers(&logins)).is_empty());
}

#[test]
fn what_is_over_or_unreadable_goes_first() {
    let over = login(1, 16 * 60, "/");
    let mut headers = headers(&[over.clone(), login(2, 1, "/")]);
    headers.append(header::COOKIE, HeaderValue::from_static("app.login.x=garbage; other=1"));
    let mut names = removed(&headers);
    names.sort();
    let mut expected = vec![format!("app.login.{}", over.id()), "app.login.x".to_owned()];
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn names_that_are_none() {
    for name in ["", "a=b", "a;b", "a b", "a.b", "\u{e9}", &"a".repeat(41)] {
        assert!(Cookies::new(name, false).is_err(), "{name:?}");
    }
}
