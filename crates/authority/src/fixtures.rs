//! Facts for tests: of the rules here, and of every store (behind the feature `fixtures`, which
//! only dev-dependencies name).

#![allow(clippy::missing_panics_doc, clippy::expect_used, missing_docs, reason = "for tests")]

use keystile_protocol::access_token::AccessTokenClaims;
use keystile_protocol::encoding::{base64url, sha256};
use keystile_protocol::jose::{Algorithm, JwkSet, KeySet, SigningKey};
use keystile_protocol::messages::{Audience, IdTokenClaims};
use keystile_protocol::redirect_uri::UriPolicy;
use keystile_protocol::{
    AuthorizationDetails, ClientId, CodeVerifier, Issuer, Params, RedirectUri, Scope, Secret,
    Timestamp,
};

use crate::decisions::{
    ConsentGiven, OnceKind, Park, Redemption, Rotation, SessionOpened, SignedUp, UsedOnce,
};
use crate::ids::{AccountId, GrantId, ParkedId, SessionId};
use crate::pending::{
    Pace, Pending, PendingAnswer, PendingAnswered, PendingOpened, Polled, PresentedCode,
};
use crate::policy::{Api, Lifetimes, Policy, ScopeDefinition, TokenForm};
use crate::records::{
    About, Account, Client, ClientKind, ClientOrigin, ClientSecret, Consent, Grant, GrantType,
    KeySource, OpenIdOptions, SecretMethod, Session, SignedIn, UserClaims,
};
use crate::registered::{
    Admission, ApprovedClient, ChangedRegistration, NewRegistration, Registration,
};
use crate::rules;
use crate::rules::asked_claims::{AskedClaims, Wishes};
use crate::rules::ciba;
use crate::rules::code::{self, RedemptionRandom};
use crate::rules::details_types::{DetailsType, Field, Kind, TextRule};
use crate::rules::details_words::Sentence;
use crate::rules::device::{self, DeviceRequest};
use crate::rules::logo::{Logo, PictureKind};
use crate::rules::request::{Prompt, ValidRequest};
use crate::rules::sign_up::{self, SignUpFields};
use crate::sealed::{Code, ConsentPage, Destination, FORMAT, Interaction, Origin, ParamsAt};
use crate::user_code::UserCode;

pub const SECRET: &str = "a client secret of forty-three characters ok";

pub fn client_id(text: &str) -> ClientId {
    ClientId::new(text).expect("good")
}

pub fn redirect_uri(text: &str) -> RedirectUri {
    RedirectUri::register(text, UriPolicy::Native).expect("good")
}

fn scope(text: &str) -> Scope {
    Scope::try_from(text).expect("tokens")
}

/// A confidential client for the code grant.
pub fn client() -> Client {
    Client {
        id: client_id("app"),
        name: "App".into(),
        kind: ClientKind::Confidential {
            method: SecretMethod::ClientSecretBasic,
            secrets: vec![ClientSecret::of(&Secret::new(SECRET), None)],
            require_pkce: true,
        },
        enabled: true,
        redirect_uris: vec![redirect_uri("https://app.example/cb")],
        post_logout_redirect_uris: vec!["https://app.example/bye".into()],
        grant_types: vec![GrantType::AuthorizationCode],
        scope: scope("openid profile photos:read photos:order offline_access"),
        id_token_algorithm: Algorithm::ES256,
        trusted: false,
        allow_embedded_browser: false,
        several_audiences: false,
        openid: OpenIdOptions::default(),
        apis: Vec::new(),
        introspection_algorithm: None,
        dpop_bound_access_tokens: false,
        certificate_bound_access_tokens: false,
        profile: None,
        about: About::default(),
        defaults: crate::records::RequestDefaults::default(),
        origin: ClientOrigin::Operator,
        pkce_waived: false,
        keys: None,
        request_uris: Vec::new(),
        request_object_algorithm: None,
        authorization_response_algorithm: None,
        require_signed_request_object: false,
        require_pushed_requests: false,
        logout: crate::records::LogoutChannels::default(),
        encryption: crate::records::ClientEncryption::default(),
        ciba: crate::records::CibaOptions::default(),
        token_exchange: crate::records::ExchangePolicy::default(),
        authorization_details_types: Vec::new(),
    }
}

/// Two APIs with scopes of their own, one without, and two types of authorization details.
pub fn policy() -> Policy {
    let mut policy = Policy::new(Issuer::try_from("https://login.example").expect("good"));
    let own = |name: &str, optional| ScopeDefinition {
        name: name.into(),
        title: Some(format!("do {name}")),
        detail: None,
        optional,
        identity: false,
    };
    policy.scopes.extend([
        own("photos:read", false),
        own("photos:order", true),
        own("mail:read", false),
    ]);
    policy.apis = vec![
        Api {
            audience: "https://photos.example".into(),
            scopes: scope("photos:read photos:order"),
            tokens: TokenForm::Jwt,
        },
        Api {
            audience: "https://mail.example".into(),
            scopes: scope("mail:read"),
            tokens: TokenForm::Jwt,
        },
        Api {
            audience: "https://pay.example".into(),
            scopes: Scope::empty(),
            tokens: TokenForm::Jwt,
        },
    ];
    let mailbox = DetailsType {
        name: "mailbox".into(),
        title: "Look into a mailbox".into(),
        sentence: None,
        locations: Vec::new(),
        client_credentials: true,
        fields: Vec::new(),
    };
    policy.details_types = vec![payment_type(), mailbox];
    policy
}

/// A type with every kind of field.
pub fn payment_type() -> DetailsType {
    let any = |at_most| TextRule { at_most, values: Vec::new() };
    let field =
        |name: &str, required, kind| Field { name: name.into(), label: None, required, kind };
    let labelled = |label: &str, field| Field { label: Some(label.into()), ..field };
    let amount = Kind::Object(vec![
        field("currency", true, Kind::Text(any(3))),
        field("amount", true, Kind::Text(any(20))),
    ]);
    let account = vec![labelled("IBAN", field("iban", true, Kind::Text(any(34))))];
    let actions = TextRule { values: vec!["initiate".into(), "status".into()], ..any(20) };
    let document =
        vec![field("hash", true, Kind::Text(any(64))), field("label", false, Kind::Text(any(100)))];
    let fields = vec![
        field("instructedAmount", true, amount),
        field("creditorName", true, Kind::Text(any(70))),
        labelled("Account of the payee", field("creditorAccount", false, Kind::Object(account))),
        field("actions", false, Kind::Texts(actions)),
        labelled("Right away", field("urgent", false, Kind::Boolean)),
        field("copies", false, Kind::Number),
        field("documents", false, Kind::Objects(document)),
    ];
    let sentence = "Pay {instructedAmount.amount} {instructedAmount.currency} to {creditorName}.";
    DetailsType {
        name: "payment_initiation".into(),
        title: "Make a payment".into(),
        sentence: Some(Sentence::parse(sentence, &fields).expect("good")),
        locations: vec!["https://pay.example".into()],
        client_credentials: false,
        fields,
    }
}

/// A detail of [`payment_type`].
pub fn payment() -> serde_json::Value {
    serde_json::json!({
        "type": "payment_initiation",
        "instructedAmount": { "currency": "EUR", "amount": "123.50" },
        "creditorName": "Merchant A",
    })
}

/// A list of one such detail.
pub fn payments() -> AuthorizationDetails {
    serde_json::from_value(serde_json::json!([payment()])).expect("details")
}

pub fn valid_request(text: &str) -> ValidRequest {
    ValidRequest {
        scope: scope(text),
        resources: Vec::new(),
        details: AuthorizationDetails::default(),
        nonce: None,
        challenge: Some(verifier().challenge()),
        dpop_key: None,
        prompt: Prompt::default(),
        max_age: None,
        login_hint: None,
        ui_locales: None,
        wishes: Wishes::default(),
    }
}

pub fn account(byte: u8) -> Account {
    Account {
        id: AccountId::from_bytes([byte; 16]),
        username: format!("user{byte}"),
        enabled: true,
        valid_from: Timestamp::default(),
        claims: UserClaims::new(),
    }
}

/// A session that began at `auth_time` and lives for two weeks.
pub fn signed_in(auth_time: Timestamp) -> SignedIn {
    SignedIn {
        session: Session {
            id: SessionId::from_bytes([2; 16]),
            sid: [3; 16],
            account: AccountId::from_bytes([1; 16]),
            auth_time,
            methods: vec!["pwd".into()],
            created_at: auth_time,
            last_used: auth_time,
            expires_at: auth_time.plus(Lifetimes::default().session),
            user_agent: "a browser".into(),
        },
        username: "user1".into(),
        consent: Consent::default(),
        client_is_listed: false,
    }
}

pub fn session_opened(session: Session, secret_digest: [u8; 32]) -> SessionOpened {
    SessionOpened::new(session, secret_digest, None)
}

/// What the rule makes of a person who signs up.
pub fn signed_up(username: &str, byte: u8, now: Timestamp) -> SignedUp {
    let fields = SignUpFields { username: username.into(), ..SignUpFields::default() };
    let new = sign_up::check(&fields, &Secret::new("long enough")).expect("good");
    new.with(format!("hash of {byte}"), [byte; 10], now)
}

pub fn consent_page(signed_in: &SignedIn, client: &Client, shown: [u8; 16]) -> ConsentPage {
    ConsentPage {
        interaction: Interaction {
            format: FORMAT,
            destination: Destination::Client(ParamsAt::Here(String::new()), Origin::Plain),
            requested_at: Timestamp::default(),
            browser: [0; 16],
        },
        session: signed_in.session.id,
        account: signed_in.session.account,
        client: client.id.clone(),
        shown,
    }
}

pub fn verifier() -> CodeVerifier {
    CodeVerifier::from_random([4; 32])
}

/// A code of [`client`] in the session of [`signed_in`], approved at that moment.
pub fn code(approved_at: Timestamp) -> Code {
    Code {
        format: FORMAT,
        grant: GrantId::new(approved_at, [5; 10]),
        client: client_id("app"),
        account: AccountId::from_bytes([1; 16]),
        session: SessionId::from_bytes([2; 16]),
        sid: [3; 16],
        redirect_uri: sha256("https://app.example/cb"),
        challenge: Some(verifier().challenge()),
        scope: scope("openid photos:read"),
        resources: Vec::new(),
        nonce: None,
        auth_time: approved_at,
        methods: vec!["pwd".into()],
        approved_at,
        first_in_session: true,
        claims: AskedClaims::default(),
        dpop_key: None,
        approval: None,
        details: AuthorizationDetails::default(),
    }
}

/// What the rule makes of a code that is redeemed at once by `client`.
pub fn redemption(code: &Code, client: &Client, random: u8) -> Redemption {
    let random = RedemptionRandom { redemption: [random; 16], salt: [random; 16] };
    code::redeem(
        code,
        client,
        Some("https://app.example/cb"),
        Some(&verifier()),
        &Lifetimes::default(),
        random,
        code.approved_at,
    )
    .expect("everything is right")
}

/// The same of a code that was opened in this epoch.
pub fn redemption_in(epoch: u64, code: &Code, client: &Client, random: u8) -> Redemption {
    redemption(code, client, random).in_epoch(epoch)
}

/// The one key of a client.
pub fn keys_of(key: &SigningKey) -> KeySource {
    KeySource::Inline(JwkSet { keys: vec![key.public().clone()] })
}

/// What the keys registered with a client verify.
pub fn key_set(client: &Client) -> KeySet {
    match &client.keys {
        Some(KeySource::Inline(set)) => KeySet::from_jwks(set),
        _ => KeySet::default(),
    }
}

/// The code of [`pending`].
pub fn presented_code(now: Timestamp, byte: u8) -> PresentedCode {
    PresentedCode::new(GrantId::new(now, [byte; 10]), [byte; 32]).1
}

/// A device's request of [`client`], with codes made of that byte.
pub fn pending(now: Timestamp, byte: u8) -> PendingOpened {
    let mut client = client();
    client.grant_types.push(GrantType::DeviceCode);
    let request = DeviceRequest {
        scope: scope("openid offline_access"),
        resources: Vec::new(),
        details: AuthorizationDetails::default(),
    };
    let user_code = UserCode::from_random([byte; 16]);
    let codes = (&presented_code(now, byte), user_code);
    device::wait(request, &client, codes, "192.0.2.0", &policy(), now)
}

/// A request of [`client`] to the user of [`signed_in`], with a code made of that byte.
pub fn asked_pending(now: Timestamp, byte: u8) -> PendingOpened {
    let mut client = client();
    client.grant_types.push(GrantType::Ciba);
    let params = "scope=openid+offline_access&login_hint=user1&binding_message=W4SCT";
    let params = Params::parse(params.as_bytes()).expect("few");
    let request = ciba::check(&params, &client, &policy()).expect("good");
    let (account, code) = (AccountId::from_bytes([1; 16]), presented_code(now, byte));
    ciba::wait(request, account, &client, &code, "192.0.2.0", &policy(), now)
}

/// What the user of [`signed_in`] says to it.
pub fn pending_answered(pending: &Pending, allow: bool, at: Timestamp) -> PendingAnswered {
    let allowed = allow.then(|| pending.scope.clone());
    rules::pending::answer(pending, &signed_in(at), &client(), allowed, at)
}

/// What the rule makes of a poll after that.
pub fn pending_redemption(pending: &Pending, client: &Client, random: u8) -> Redemption {
    let Some(PendingAnswer::Allowed(approval)) = pending.answer.clone() else {
        panic!("nobody allowed it");
    };
    let at = approval.approved_at;
    let random = RedemptionRandom { redemption: [random; 16], salt: [random; 16] };
    rules::pending::redeem(pending, approval, client, &Lifetimes::default(), random, at)
        .expect("everything is right")
}

pub fn polled(grant: GrantId, before: Pace, after: Pace) -> Polled {
    Polled::new(grant, before, after)
}

/// A client that signs assertions with this key.
pub fn signing_client(key: &SigningKey) -> Client {
    let kind = ClientKind::PrivateKeyJwt { algorithm: None, require_pkce: true };
    Client { kind, keys: Some(keys_of(key)), ..client() }
}

pub fn used_once(kind: OnceKind, jti: &str, expires_at: Timestamp) -> UsedOnce {
    UsedOnce::new(kind, b"signer", jti, expires_at)
}

/// Something to keep for a minute, in a room of so many for its owner and in all.
pub fn park(id: ParkedId, owner: &str, content: &str, at: Timestamp, room: (u32, u32)) -> Park {
    let (per_owner, in_all) = room;
    let expires_at = at.plus(std::time::Duration::from_secs(60));
    Park { id, owner: owner.into(), content: content.into(), expires_at, at, per_owner, in_all }
}

/// A picture's first bytes.
pub fn logo(byte: u8) -> Logo {
    let picture = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\0\0\0\x01\0\0\0\x01".to_vec();
    Logo { name: format!("logo{byte}"), kind: PictureKind::Png, picture }
}

/// A client that registers itself; its registration access token's digest is of these bytes.
pub fn new_registration(id: &str, admission: Admission, at: Timestamp) -> NewRegistration {
    let client = Client { id: client_id(id), origin: admission.origin(), ..client() };
    let registration = Registration {
        client: client.id.clone(),
        token_digest: [7; 32],
        metadata: serde_json::Map::from_iter([("client_name".to_owned(), id.into())]),
        created_at: at,
    };
    NewRegistration::new(client, registration, admission, None)
}

/// A client of a document, which a person has let in.
pub fn approved_client(id: &str, at: Timestamp) -> ApprovedClient {
    let client = Client { id: client_id(id), origin: ClientOrigin::Document, ..client() };
    ApprovedClient::new(client, at)
}

/// The same client with another name.
pub fn changed_registration(new: &NewRegistration, name: &str) -> ChangedRegistration {
    let client = Client { name: name.to_owned(), ..new.client.clone() };
    let metadata = serde_json::Map::from_iter([("client_name".to_owned(), name.into())]);
    ChangedRegistration::new(client, new.registration.token_digest, metadata, None)
}

pub fn rotation(grant: GrantId, from: u32, to: u32, at: Timestamp) -> Rotation {
    Rotation { to, ..Rotation::after(from, from, grant, at) }
}

pub fn consent_given(
    account: AccountId,
    client: &str,
    granted: &str,
    at: Timestamp,
) -> ConsentGiven {
    ConsentGiven::new(account, client_id(client), scope(granted), Scope::empty(), at)
}

pub fn grant(now: Timestamp) -> Grant {
    Grant {
        id: GrantId::new(now, [5; 10]),
        account: AccountId::from_bytes([1; 16]),
        client: client_id("app"),
        session: None,
        sid: [3; 16],
        scope: scope("openid photos:read"),
        resources: Vec::new(),
        claims: AskedClaims::default(),
        details: AuthorizationDetails::default(),
        auth_time: now,
        methods: vec!["pwd".into()],
        expires_at: now.plus(Lifetimes::default().refresh),
        generation: 0,
        predecessor: None,
        rotated_at: now,
        last_used: now,
        salt: [6; 16],
        bound_to: None,
    }
}

pub fn access_token_claims() -> AccessTokenClaims {
    AccessTokenClaims {
        iss: policy().issuer,
        sub: "alice".into(),
        aud: Audience::One("https://photos.example".into()),
        exp: 1_800_000_600,
        iat: 1_800_000_000,
        nbf: None,
        jti: "j".into(),
        client_id: client_id("app"),
        scope: scope("photos:read"),
        auth_time: None,
        acr: None,
        gid: None,
        cnf: None,
        authorization_details: AuthorizationDetails::default(),
        act: None,
        may_act: None,
    }
}

pub fn id_token_claims(client: &Client) -> IdTokenClaims {
    let session = signed_in(Timestamp::default()).session;
    IdTokenClaims {
        iss: policy().issuer,
        sub: session.account.to_string(),
        aud: Audience::One(client.id.to_string()),
        exp: 0,
        iat: 0,
        auth_time: None,
        nonce: None,
        acr: None,
        amr: None,
        azp: None,
        at_hash: None,
        sid: Some(base64url(session.sid)),
        user: serde_json::Map::new(),
    }
}
