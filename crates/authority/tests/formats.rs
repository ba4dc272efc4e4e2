//! Samples of every form that leaves this server and comes back to it. During an upgrade two
//! versions serve one store, so that each has to read what the other writes (docs/formats.md).
//!
//! `formats/1.txt` has what the first version wrote. A line there is never changed: a new form gets
//! a number and a file of its own, is read by one version, and written by the next.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;

use keystile_authority::ids::{AccountId, GrantId, ParkedId, SessionId};
use std::sync::Arc;

use keystile_authority::at_rest::AtRest;
use keystile_authority::keys::Keys;
use keystile_authority::opaque_token;
use keystile_authority::pending::PresentedCode;
use keystile_authority::ping::PingCall;
use keystile_authority::policy::Policy;
use keystile_authority::ports::SessionHandle;
use keystile_authority::records::{StoredDecryptionKey, StoredKey};
use keystile_authority::refresh_token::{self, Binding, PresentedRefreshToken};
use keystile_authority::rules::asked_claims::{AskedClaim, AskedClaims};
use keystile_authority::rules::subject;
use keystile_authority::sealed::{
    Code, ConsentPage, Destination, DpopNonce, FORMAT, FormKind, FormToken, Interaction,
    KnownBrowser, Origin, ParamsAt, ParkedCode, PushedRequest,
};
use keystile_protocol::access_token::AccessTokenClaims;
use keystile_protocol::encoding::{base64url, from_base64url, sha256};
use keystile_protocol::jose::encryption::KeyType;
use keystile_protocol::jose::{Algorithm, Thumbprint};
use keystile_protocol::seal::{MasterKey, Sealable, Sealed, Seals};
use keystile_protocol::{ClientId, CodeVerifier, Issuer, Nonce, Scope, Secret, Timestamp};

const WRITTEN: &str = include_str!("formats/1.txt");
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_123);
const EPOCH: u64 = 1_790_000_000_000;
const ISSUER: &str = "https://login.example";

fn seals() -> Seals {
    Seals::new(ISSUER, vec![MasterKey { id: 1, secret: [0x5a; 32] }])
}

/// What the first version wrote.
fn sample(name: &str) -> &'static str {
    let mut lines = WRITTEN.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

/// What this version writes has to be what the version before reads.
#[track_caller]
fn must_be_the_sample(name: &str, text: &str) {
    assert_eq!(
        sample(name),
        text,
        "'{name}' is written in another form than before. The version before this one would not \
         read it: let this version read both and write the old one, and the next write the new \
         one.\nsample: {name} {text}"
    );
}

#[track_caller]
fn check<T: Sealable + PartialEq + Debug>(value: &T) {
    let name = T::PURPOSE;
    let read = seals().open(&Sealed::from_text(sample(name)), EPOCH);
    assert_eq!(read.as_ref(), Ok(value), "'{name}' as it was is not read as what it was");
    must_be_the_sample(name, seals().seal(value, EPOCH, NOW, [9; 12]).as_str());
    let plain = seals().open_bytes(name, &from_base64url(sample(name)).unwrap(), EPOCH).unwrap();
    assert_eq!(plain[0], FORMAT, "'{name}' begins with the number of its format");
}

fn client() -> ClientId {
    ClientId::new("app").unwrap()
}

fn account() -> AccountId {
    AccountId::from_bytes([1; 16])
}

fn session() -> SessionId {
    SessionId::from_bytes([2; 16])
}

fn grant() -> GrantId {
    GrantId::from_bytes([3; 16])
}

fn interaction() -> Interaction {
    let origin = Origin::Pushed { grant: grant(), expires_at: NOW };
    let params = ParamsAt::Here("client_id=app&state=a+b".to_owned());
    let destination = Destination::Client(params, origin);
    Interaction { format: FORMAT, destination, requested_at: NOW, browser: [4; 16] }
}

#[test]
fn finding_30_codes_of_the_version_before_are_read_and_its_form_is_written() {
    let claim = |name: &str, values: &[&str]| AskedClaim {
        name: name.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let details = r#"[{"type":"payment_initiation","creditorName":"Merchant A"}]"#;
    check(&Code {
        format: FORMAT,
        grant: grant(),
        client: client(),
        account: account(),
        session: session(),
        sid: [5; 16],
        redirect_uri: sha256("https://app.example/cb"),
        challenge: Some(CodeVerifier::from_random([4; 32]).challenge()),
        scope: Scope::try_from("openid photos:read").unwrap(),
        resources: vec!["https://photos.example".to_owned()],
        nonce: Some(Nonce::try_from("the nonce").unwrap()),
        auth_time: NOW,
        methods: vec!["pwd".to_owned()],
        approved_at: NOW,
        first_in_session: true,
        claims: AskedClaims {
            userinfo: vec![claim("email", &[])],
            id_token: vec![claim("acr", &["1", "2"])],
        },
        dpop_key: Some(Thumbprint::from_bytes([6; 32])),
        approval: Some([7; 16]),
        details: serde_json::from_str(details).unwrap(),
    });
    check(&ParkedCode { format: FORMAT, id: ParkedId::from_bytes([8; 16]) });
}

#[test]
fn finding_30_what_waits_for_a_page_is_read_and_written_as_before() {
    check(&interaction());
    check(&ConsentPage {
        interaction: interaction(),
        session: session(),
        account: account(),
        client: client(),
        shown: [9; 16],
    });
    check(&FormToken {
        format: FORMAT,
        form: FormKind::UserCode,
        session: Some(session()),
        browser: [4; 16],
        made_at: NOW,
        params: "user_code=WDJB-MJHT".to_owned(),
    });
    check(&KnownBrowser { format: FORMAT, browser: [4; 16], accounts: vec![account()] });
    let (cookie, handle) = SessionHandle::to_cookie(session(), [6; 32]);
    assert_eq!(SessionHandle::from_cookie(sample("session-cookie")), Some(handle));
    must_be_the_sample("session-cookie", cookie.expose());
}

#[test]
fn finding_30_destinations_and_origins_keep_their_numbers() {
    let parked = ParamsAt::Parked(ParkedId::from_bytes([8; 16]));
    let here = || ParamsAt::Here(String::new());
    let kinds = [
        Destination::Client(parked, Origin::Plain),
        Destination::Client(here(), Origin::RequestObject(Some(NOW))),
        Destination::Account,
        Destination::Device(grant()),
        Destination::Requests(Some(grant())),
        Destination::Requests(None),
    ];
    for (number, destination) in kinds.into_iter().enumerate() {
        let value = Interaction { destination, ..interaction() };
        let name = format!("interaction-{number}");
        let read = seals().open(&Sealed::from_text(sample(&name)), EPOCH);
        assert_eq!(read.as_ref(), Ok(&value), "{name}");
        must_be_the_sample(&name, seals().seal(&value, EPOCH, NOW, [9; 12]).as_str());
    }
    for (number, form) in [FormKind::SignOut, FormKind::Account].into_iter().enumerate() {
        let params = String::new();
        let value = FormToken {
            format: FORMAT,
            form,
            session: None,
            browser: [4; 16],
            made_at: NOW,
            params,
        };
        let name = format!("csrf-{number}");
        must_be_the_sample(&name, seals().seal(&value, EPOCH, NOW, [9; 12]).as_str());
    }
}

#[test]
fn finding_30_what_clients_bring_back_is_read_and_written_as_before() {
    check(&PushedRequest {
        format: FORMAT,
        client: client(),
        params: ParamsAt::Here("scope=openid".to_owned()),
        grant: grant(),
        expires_at: NOW,
    });
    check(&DpopNonce { format: FORMAT, made_at: NOW });
    check(&PingCall {
        format: FORMAT,
        auth_req_id: Secret::new("an auth_req_id"),
        token: Secret::new("a notification token"),
    });
    let (code, presented) = PresentedCode::new(grant(), [6; 32]);
    assert_eq!(PresentedCode::parse(sample("device-code")), Some(presented));
    must_be_the_sample("device-code", code.expose());
}

#[test]
fn finding_30_refresh_tokens_of_the_version_before_are_authentic_and_its_form_is_written() {
    let (issuer, client) = (Issuer::try_from(ISSUER).unwrap(), client());
    let binding = Binding { issuer: &issuer, client: &client, salt: &[7; 16] };
    let read = PresentedRefreshToken::parse(sample("refresh-token")).expect("its form");
    assert_eq!((read.grant, read.generation), (grant(), 3));
    assert!(read.is_authentic(&seals(), binding));
    let written = refresh_token::issue(&seals(), &grant(), 3, binding, NOW).expect("issued");
    must_be_the_sample("refresh-token", written.expose());
}

#[test]
fn finding_30_opaque_access_tokens_are_read_and_written_as_before() {
    let claims = serde_json::json!({
        "iss": ISSUER, "sub": "alice", "aud": "https://photos.example", "exp": 1_800_000_600,
        "iat": 1_800_000_000, "jti": "j", "client_id": "app", "scope": "photos:read",
        "auth_time": 1_800_000_000, "acr": "1", "gid": "a grant", "cnf": { "jkt": "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg" },
    });
    let claims: AccessTokenClaims = serde_json::from_value(claims).unwrap();
    let written = opaque_token::seal(&claims, &seals(), NOW, [9; 12]);
    must_be_the_sample("opaque-access-token", &written);
    let read = opaque_token::open(sample("opaque-access-token"), &seals());
    assert_eq!(read.as_ref(), Some(&claims));
    // A grant's id is sealed in tokens whose subjects are pairwise.
    let plain = grant().as_bytes().to_vec();
    let written = seals().seal_bytes("grant-id", plain, 0, NOW, [9; 12]);
    must_be_the_sample("grant-id", &base64url(written));
    let read = seals().open_bytes("grant-id", &from_base64url(sample("grant-id")).unwrap(), 0);
    assert_eq!(read.as_deref(), Ok(grant().as_bytes().as_slice()));
}

#[test]
fn finding_30_keys_at_rest_of_the_version_before_are_opened() {
    let bytes = |name| from_base64url(sample(name)).unwrap();
    let signing = StoredKey {
        kid: sample("signing-key-id").to_owned(),
        algorithm: Algorithm::EdDSA,
        sealed: bytes("signing-key"),
        created_at: NOW,
        used_from: NOW,
        unused_since: None,
    };
    let decrypting = StoredDecryptionKey {
        kid: sample("decryption-key-id").to_owned(),
        key_type: KeyType::Ec,
        sealed: bytes("decryption-key"),
        created_at: NOW,
        used_from: NOW,
    };
    let issuer = Issuer::try_from(ISSUER).unwrap();
    let at_rest = AtRest::new(issuer.as_str(), Arc::clone(seals().masters()));
    let policy = Policy::new(issuer);
    let keys = Keys::open(vec![signing], vec![decrypting], &at_rest, &policy, NOW);
    let keys = keys.expect("readable");
    let kids: Vec<_> = keys.published().keys.iter().map(|key| key.kid.clone()).collect();
    let expected =
        ["signing-key-id", "decryption-key-id"].map(|name| Some(sample(name).to_owned()));
    assert_eq!(kids, expected);
}

#[test]
fn pairwise_subjects_stay_what_they_are() {
    let key = seals().mac_key(subject::PURPOSE, 1, 0).expect("there is one");
    let subject = subject::pairwise(&account(), "app.example", &key);
    must_be_the_sample("pairwise-subject", &subject);
}

#[test]
fn finding_5_what_is_kept_about_master_keys_stays_readable() {
    let at_rest = AtRest::new(ISSUER, Arc::clone(seals().masters()));
    let key: Vec<u8> = (0..32).collect();
    let written = seals().seal_bytes("pairwise-key", key.clone(), 0, NOW, [9; 12]);
    must_be_the_sample("pairwise-key", &base64url(written));
    let read = at_rest.open_pairwise(&from_base64url(sample("pairwise-key")).unwrap());
    assert_eq!(read.map(Vec::from), Ok(key));
    let proof = seals().masters().proof(1).expect("it is there");
    must_be_the_sample("master-key-proof", &base64url(proof));
}
