use std::time::Duration;

use keystile_protocol::jose::Thumbprint;

use super::*;
use crate::fixtures;
use crate::records::{ClientKind, ExchangePolicy};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const PHOTOS: &str = "https://photos.example";
const MAIL: &str = "https://mail.example";

fn scope(text: &str) -> Scope {
    Scope::try_from(text).expect("tokens")
}

/// The photo API, which may get tokens for mail.
fn api() -> Client {
    Client {
        id: fixtures::client_id("api"),
        grant_types: vec![GrantType::TokenExchange],
        apis: vec![PHOTOS.into()],
        scope: scope("openid photos:read mail:read"),
        token_exchange: ExchangePolicy {
            audiences: vec![MAIL.into()],
            ..ExchangePolicy::default()
        },
        ..fixtures::client()
    }
}

fn app() -> Client {
    Client { grant_types: vec![GrantType::TokenExchange], ..fixtures::client() }
}

/// The app's token for the photo API.
fn subject() -> ShownToken {
    ShownToken {
        grant: Some("gid".into()),
        scope: Some(scope("openid photos:read photos:order")),
        ..ShownToken::from(&fixtures::access_token_claims())
    }
}

fn id_token() -> ShownToken {
    let mut claims = fixtures::id_token_claims(&fixtures::client());
    claims.user.insert("gid".to_owned(), "gid".into());
    ShownToken::of_id_token(&claims).expect("of a grant")
}

fn granted() -> Grant {
    Grant { scope: scope("openid photos:read photos:order mail:read"), ..fixtures::grant(NOW) }
}

fn asked<'a>(targets: &[&str], asked: Option<&str>) -> ExchangeRequest<'a> {
    ExchangeRequest {
        subject: ("", TokenType::AccessToken),
        actor: None,
        wanted: TokenType::AccessToken,
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        scope: asked.map(scope),
    }
}

fn by(
    client: &Client,
    subject: &ShownToken,
    request: &ExchangeRequest<'_>,
) -> Result<Exchanged, ErrorCode> {
    subject_is_for(subject, client).map_err(|e| e.error)?;
    let (policy, later) = (fixtures::policy(), NOW.plus(Duration::from_secs(300)));
    let grant = subject.grant.as_ref().map(|_| granted());
    decide(request, (subject, grant.as_ref()), None, (client, None), &policy, later)
        .map_err(|e| e.error)
}

#[test]
fn a_request_is_read_rfc_8693_2_1() {
    use ErrorCode::{InvalidRequest, InvalidTarget, UnauthorizedClient};
    let good = "subject_token=t&subject_token_type=urn:ietf:params:oauth:token-type:access_token";
    let read = |more: &str, client: &Client| {
        let params = Params::parse(format!("{good}{more}").as_bytes()).expect("few");
        request(&params, None, client, &fixtures::policy())
            .map(|read| (read.actor.is_some(), read.wanted, read.targets.len()))
            .map_err(|error| error.error)
    };
    let kind = "urn:ietf:params:oauth:token-type:";
    assert_eq!(read("", &api()), Ok((false, TokenType::AccessToken, 0)));
    let all = format!(
        "&actor_token=a&actor_token_type={kind}id_token&requested_token_type={kind}jwt\
         &audience={MAIL}&resource={PHOTOS}&resource={MAIL}"
    );
    assert_eq!(read(&all, &api()), Ok((true, TokenType::Jwt, 2)));
    for (more, expected) in [
        ("&subject_token=t".to_owned(), InvalidRequest),
        ("&actor_token=a".to_owned(), InvalidRequest),
        (format!("&actor_token_type={kind}jwt"), InvalidRequest),
        (format!("&actor_token=a&actor_token_type={kind}saml2"), InvalidRequest),
        (format!("&requested_token_type={kind}refresh_token"), InvalidRequest),
        (format!("&requested_token_type={kind}id_token"), InvalidRequest),
        ("&requested_token_type=access_token".to_owned(), InvalidRequest),
        ("&audience=https://nowhere.example".to_owned(), InvalidTarget),
        ("&resource=photos".to_owned(), InvalidTarget),
        (format!("&audience={MAIL}").repeat(21), InvalidTarget),
    ] {
        assert_eq!(read(&more, &api()), Err(expected), "{more}");
    }
    let public = Client { kind: ClientKind::Public { native: false }, ..api() };
    for client in [fixtures::client(), public] {
        assert_eq!(read("", &client), Err(UnauthorizedClient));
    }
    for params in ["", "subject_token=t", "subject_token_type=x&subject_token=t"] {
        let params = Params::parse(params.as_bytes()).expect("few");
        let error = request(&params, None, &api(), &fixtures::policy()).expect_err("bad");
        assert_eq!(error.error, InvalidRequest);
    }
}

#[test]
fn a_client_shows_its_own_tokens_those_for_it_and_those_of_clients_that_it_may() {
    let named = |client: Client| Client {
        apis: Vec::new(),
        token_exchange: ExchangePolicy {
            subject_clients: vec![fixtures::client_id("app")],
            ..ExchangePolicy::default()
        },
        ..client
    };
    let stranger = Client { apis: vec![MAIL.into()], ..api() };
    for (client, token, good) in [
        (&app(), subject(), true),
        (&api(), subject(), true),
        (&stranger, subject(), false),
        (&named(api()), subject(), true),
        (&app(), id_token(), true),
        (&api(), id_token(), false),
        (&named(api()), id_token(), true),
    ] {
        assert_eq!(subject_is_for(&token, client).is_ok(), good, "{} {token:?}", client.id);
    }
}

#[test]
fn an_id_token_that_names_no_grant_or_many_audiences_is_none_to_exchange() {
    let claims = fixtures::id_token_claims(&fixtures::client());
    assert_eq!(ShownToken::of_id_token(&claims), None);
    let mut claims = claims;
    claims.user.insert("gid".to_owned(), "gid".into());
    claims.aud = vec!["app".to_owned(), "other".to_owned()].into();
    assert_eq!(ShownToken::of_id_token(&claims), None);
}

#[test]
fn scope_and_target_are_never_wider_than_token_grant_and_registration() {
    use ErrorCode::{InvalidScope, InvalidTarget};
    let reach = |client: &Client, token: &ShownToken, targets: &[&str], scope| {
        by(client, token, &asked(targets, scope))
            .map(|got| (got.audience.join(" "), got.scope.to_string()))
    };
    let ok = |audience: &str, scope: &str| Ok((audience.to_owned(), scope.to_owned()));
    let api = api();
    // Downstream: what the user allowed there, and the operator lets the client have.
    assert_eq!(reach(&api, &subject(), &[MAIL], None), ok(MAIL, "openid mail:read"));
    assert_eq!(reach(&api, &subject(), &[], Some("mail:read")), ok(MAIL, "mail:read"));
    // Narrower, at the same place.
    assert_eq!(reach(&api, &subject(), &[], None), ok(PHOTOS, "openid photos:read"));
    assert_eq!(reach(&api, &subject(), &[PHOTOS], Some("openid")), ok(PHOTOS, "openid"));
    // The app had left this out of its token.
    let narrow = ShownToken { scope: Some(scope("openid")), ..subject() };
    assert_eq!(reach(&api, &narrow, &[PHOTOS], Some("photos:read")), Err(InvalidScope));
    assert_eq!(reach(&api, &subject(), &[], Some("photos:order")), Err(InvalidScope), "client");
    assert_eq!(reach(&api, &subject(), &[], Some("nonsense")), Err(InvalidScope));
    assert_eq!(reach(&api, &subject(), &[PHOTOS, MAIL], None), Err(InvalidTarget), "several");
    assert_eq!(reach(&api, &subject(), &[PHOTOS], Some("mail:read")), Err(InvalidScope));
    let several = Client { several_audiences: true, ..api.clone() };
    let both = format!("{PHOTOS} {MAIL}");
    assert_eq!(
        reach(&several, &subject(), &[PHOTOS, MAIL], None),
        ok(&both, "openid photos:read mail:read")
    );
    // Without the operator's word it stays where it is.
    let plain = Client { token_exchange: ExchangePolicy::default(), ..api.clone() };
    assert_eq!(reach(&plain, &subject(), &[MAIL], None), Err(InvalidTarget));
    assert_eq!(reach(&plain, &subject(), &[], Some("openid")), Err(InvalidTarget), "the issuer");
    // A client's own token has no grant that could allow more.
    let own = ShownToken { grant: None, ..subject() };
    assert_eq!(reach(&api, &own, &[MAIL], Some("mail:read")), Err(InvalidScope));
    // An ID token stands for the grant.
    let app = Client { scope: scope("photos:read offline_access"), ..app() };
    let app = Client {
        token_exchange: ExchangePolicy {
            audiences: vec![PHOTOS.into()],
            ..ExchangePolicy::default()
        },
        ..app
    };
    assert_eq!(reach(&app, &id_token(), &[], None), ok(PHOTOS, "photos:read"));
    assert_eq!(
        reach(&app, &id_token(), &[PHOTOS], Some("offline_access")),
        Err(InvalidScope),
        "never a refresh token"
    );
}

#[test]
fn who_acts_is_said_unless_the_client_may_impersonate_rfc_8693_1_1_and_4_1() {
    use ExchangeMode::{Both, Delegation, Impersonation};
    let of = |mode, subject: &ShownToken, actor: Option<&ShownToken>| {
        let mut client = api();
        client.token_exchange.mode = mode;
        acting(subject, actor, &client)
            .map(|act| act.map(|act| serde_json::to_string(&act).expect("plain")))
            .map_err(|error| error.error)
    };
    let bob =
        ShownToken { subject: "bob".into(), client: fixtures::client_id("api"), ..id_token() };
    let chained = ShownToken { act: Some(Actor::new("gateway")), ..subject() };
    let own = ShownToken { client: fixtures::client_id("api"), ..subject() };
    let json = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(of(Delegation, &subject(), None), json(r#"{"sub":"api"}"#));
    assert_eq!(of(Delegation, &subject(), Some(&bob)), json(r#"{"sub":"bob"}"#));
    let nested = r#"{"sub":"api","act":{"sub":"gateway"}}"#;
    assert_eq!(of(Delegation, &chained, None), json(nested));
    assert_eq!(of(Delegation, &own, None), Ok(None), "nobody else comes to act");
    assert_eq!(of(Both, &subject(), None), Ok(None));
    assert_eq!(of(Both, &subject(), Some(&bob)), json(r#"{"sub":"bob"}"#));
    assert_eq!(of(Impersonation, &subject(), None), Ok(None));
    assert_eq!(of(Impersonation, &chained, None), json(r#"{"sub":"gateway"}"#), "it stays");
    assert_eq!(of(Impersonation, &subject(), Some(&bob)), Err(ErrorCode::InvalidRequest));
    let mut deep = Actor::new("0");
    for _ in 1..ACTORS_AT_MOST {
        deep = Actor { sub: "n".into(), act: Some(Box::new(deep)) };
    }
    let deep = ShownToken { act: Some(deep), ..subject() };
    assert_eq!(of(Delegation, &deep, None), Err(ErrorCode::InvalidRequest));
}

#[test]
fn may_act_names_the_one_who_may_rfc_8693_4_4() {
    let allowing = |who| ShownToken { may_act: Some(Actor::new(who)), ..subject() };
    let bob = ShownToken { subject: "bob".into(), ..id_token() };
    assert!(acting(&allowing("api"), None, &api()).is_ok());
    assert!(acting(&allowing("other"), None, &api()).is_err());
    assert!(acting(&allowing("bob"), Some(&bob), &api()).is_ok());
    assert!(acting(&allowing("api"), Some(&bob), &api()).is_err());
    let mut impersonates = api();
    impersonates.token_exchange.mode = ExchangeMode::Impersonation;
    assert!(acting(&allowing("other"), None, &impersonates).is_err());
    assert!(acting(&allowing("other"), None, &app()).is_ok(), "the token's own client");
}

#[test]
fn the_actor_token_is_the_clients_own_and_acts_for_nobody() {
    let own = ShownToken { client: fixtures::client_id("api"), ..subject() };
    assert!(actor_is_for(&own, &api()).is_ok());
    assert!(actor_is_for(&subject(), &api()).is_err(), "only meant for it");
    let acts = ShownToken { act: Some(Actor::new("x")), ..own };
    assert!(actor_is_for(&acts, &api()).is_err());
}

#[test]
fn a_bound_token_is_exchanged_by_its_holder_or_its_api_and_stays_bound_rfc_9449() {
    let key = |byte| Confirmation {
        jkt: Some(Thumbprint::from_bytes([byte; 32])),
        ..Confirmation::default()
    };
    let bound = ShownToken { cnf: Some(key(1)), ..subject() };
    let mut named = Client { apis: Vec::new(), ..api() };
    named.token_exchange.subject_clients = vec![fixtures::client_id("app")];
    for (client, proved, good) in [
        (&app(), Some(key(1)), true),
        (&app(), Some(key(2)), false),
        (&app(), None, false),
        (&api(), Some(key(2)), true),
        (&api(), None, false),
        (&named, Some(key(2)), false),
        (&named, Some(key(1)), true),
    ] {
        let got = possession(&bound, client, proved.as_ref());
        assert_eq!(got.is_ok(), good, "{} {proved:?}", client.id);
        assert!(possession(&subject(), client, proved.as_ref()).is_ok());
    }
}

#[test]
fn what_comes_of_it_never_lives_longer_finding_10() {
    let end = |subject_seconds: u64, actor_seconds: Option<u64>| {
        let later = |seconds| NOW.plus(Duration::from_secs(seconds));
        let subject = ShownToken { expires_at: later(subject_seconds), ..subject() };
        let actor = actor_seconds.map(|seconds| ShownToken {
            expires_at: later(seconds),
            client: fixtures::client_id("api"),
            ..id_token()
        });
        let (request, grant) = (asked(&[], None), granted());
        let got = decide(
            &request,
            (&subject, Some(&grant)),
            actor.as_ref(),
            (&api(), None),
            &fixtures::policy(),
            later(300),
        );
        got.expect("good").expires_at.since(NOW).as_secs()
    };
    assert_eq!(end(600, None), 300);
    assert_eq!(end(200, None), 200);
    assert_eq!(end(600, Some(100)), 100);
}
