//! Rows as the version of migration 17 wrote them. During an upgrade two versions work on one store
//! (docs/formats.md): this one reads those rows, and what it writes itself says the same in the
//! same columns. `samples/v17.sql` is never changed.

use std::collections::BTreeMap;

use keystile_authority::decisions::{Parked, Redeemed};
use keystile_authority::fixtures;
use keystile_authority::ids::ParkedId;
use keystile_authority::incident::{Incident, Reference};
use keystile_authority::pending::Opened;
use keystile_authority::ports::{
    Logos, Parking, PendingAuthorizations, Registrations, Registry, SessionHandle, Store,
};
use keystile_authority::records::{Client, GrantType, StoredDecryptionKey, StoredKey};
use keystile_authority::registered::{Admission, InitialAccessToken, Registered};
use keystile_authority::rules::asked_claims::{AskedClaim, AskedClaims};
use keystile_authority::sealed::Code;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::jose::encryption::KeyType;
use keystile_store::Database;
use keystile_store::sqlite::Options;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::contract::{NOW, later};
use crate::sqlite::Folder;

const WRITTEN: &str = include_str!("samples/v17.sql");
const SECRET_DIGEST: [u8; 32] = [7; 32];
const LOGO: &str = "https://app.example/logo.png";

fn client() -> Client {
    let mut client = fixtures::client();
    client.grant_types.push(GrantType::RefreshToken);
    client.about.logo_uri = Some(LOGO.to_owned());
    client.authorization_details_types = vec!["payment_initiation".into()];
    client
}

fn code() -> Code {
    let claim = AskedClaim { name: "name".into(), values: vec!["\"A User\"".into()] };
    Code {
        resources: vec!["https://photos.example".into()],
        claims: AskedClaims { userinfo: vec![claim], id_token: Vec::new() },
        details: fixtures::payments(),
        approval: Some([8; 16]),
        ..fixtures::code(NOW)
    }
}

fn incident() -> Incident {
    Incident {
        reference: Reference::from_random(*b"12345"),
        at: NOW,
        error: "invalid_request".into(),
        summary: "The redirect URI is not registered.".into(),
        section: "RFC 6749 section 3.1.2.4".into(),
        client_id: Some("app".into()),
        received: Some("https://evil.example/cb".into()),
        expected: vec!["https://app.example/cb".into()],
        hint: "Register it.".into(),
    }
}

fn signing_key() -> StoredKey {
    let (kid, sealed) = ("key".to_owned(), vec![1, 2, 3]);
    let (algorithm, created_at, used_from) = (Algorithm::ES256, NOW, NOW);
    StoredKey { kid, algorithm, sealed, created_at, used_from, unused_since: None }
}

fn decryption_key() -> StoredDecryptionKey {
    let (kid, sealed) = ("decrypting".to_owned(), vec![4, 5, 6]);
    StoredDecryptionKey { kid, key_type: KeyType::Ec, sealed, created_at: NOW, used_from: NOW }
}

fn initial_access_token() -> InitialAccessToken {
    let name = "0a0b0c0d".to_owned();
    InitialAccessToken { name, created_at: NOW, expires_at: later(60), uses_left: 2 }
}

fn admission() -> Admission {
    let network = "10.0.0.0/24".to_owned();
    Admission::Open { network, since: NOW, per_network: 9, unused_at_most: 9 }
}

/// Something of every kind, always the same.
pub(crate) async fn write_everything(store: &Database) {
    let client = client();
    store.put_client(&client).await.expect("put");
    store.keep_logo(&client.id, LOGO, fixtures::logo(1)).await.expect("kept");
    let mut account = fixtures::account(1);
    let claims = serde_json::json!({ "name": "A User", "address": { "country": "CH" } });
    account.claims = serde_json::from_value(claims).expect("claims");
    store.add_account(&account, Some("$argon2id$hash")).await.expect("added");
    let session = fixtures::signed_in(NOW).session;
    store.open_session(fixtures::session_opened(session, SECRET_DIGEST)).await.expect("opened");
    let consent = fixtures::consent_given(account.id, "app", "openid photos:read", NOW);
    store.remember_consent(consent).await.expect("remembered");
    let redemption = fixtures::redemption(&code(), &client, 1);
    assert_eq!(store.redeem_code(redemption).await, Ok(Redeemed::Done));
    store.revoke_token("a jti", later(600)).await.expect("revoked");
    store.add_key(signing_key()).await.expect("added");
    store.add_decryption_key(decryption_key()).await.expect("added");
    store.record_incident(&incident()).await.expect("recorded");
    let device = fixtures::pending(NOW, 1);
    assert_eq!(store.open_pending(device.clone()).await, Ok(Opened::Done));
    let answer = fixtures::pending_answered(&device.pending, true, NOW);
    assert_eq!(store.answer_pending(answer).await, Ok(true));
    let asked = fixtures::asked_pending(NOW, 2);
    assert_eq!(store.open_pending(asked).await, Ok(Opened::Done));
    let parked = fixtures::park(ParkedId::from_bytes([9; 16]), "app", "content", NOW, (9, 9));
    assert_eq!(store.park(parked).await, Ok(Parked::Done));
    store.add_initial_access_token([9; 32], &initial_access_token()).await.expect("added");
    let new = fixtures::new_registration("dynamic", admission(), NOW);
    assert_eq!(store.register(new).await, Ok(Registered::Done));
    let approved = fixtures::approved_client("https://client.example/", NOW);
    store.keep_approved_client(approved).await.expect("kept");
}

/// The store of migration 17, opened by this version.
fn sample(folder: &Folder) -> Database {
    let path = folder.database();
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let file = Connection::open(&path).expect("a file");
    file.execute_batch(WRITTEN).expect("the sample");
    drop(file);
    Database::open_sqlite(&path, Options::default()).expect("it opens")
}

#[tokio::test]
async fn finding_30_rows_of_the_version_before_are_read_as_what_they_were() {
    let folder = Folder::new();
    let store = sample(&folder);
    must_have_everything(&store).await;
    let device = fixtures::pending(NOW, 1).pending;
    let found = store.pending(&device.grant).await.expect("there").expect("it waits");
    let redemption = fixtures::pending_redemption(&found, &client(), 3);
    assert_eq!(store.redeem_pending(redemption).await, Ok(Redeemed::Done), "its approval is read");
    let asked = fixtures::asked_pending(NOW, 2).pending;
    assert_eq!(store.pending(&asked.grant).await, Ok(Some(asked)));
}

/// Whether what [`write_everything`] wrote is read as what it was.
pub(crate) async fn must_have_everything(store: &Database) {
    let mut expected = client();
    expected.about.logo = Some(fixtures::logo(1).name);
    let found = store.client(&expected.id, true).await.expect("there");
    assert_eq!(found.as_deref(), Some(&expected));
    assert_eq!(store.logo("logo1").await, Ok(Some(fixtures::logo(1))));
    let account = store.accounts().await.expect("there").remove(0);
    assert_eq!(account.claims["address"]["country"], "CH");
    let session = fixtures::signed_in(NOW).session;
    let handle = SessionHandle { id: session.id, secret_digest: SECRET_DIGEST };
    let situation = store.situation(&handle, Some(&expected.id), NOW).await.expect("there");
    let signed_in = situation.signed_in.expect("signed in");
    assert_eq!(signed_in.session, session);
    assert_eq!(signed_in.consent.granted.as_str(), "openid offline_access");
    assert!(signed_in.client_is_listed);
    let now = store.grant(&code().grant, Some("a jti"), NOW).await.expect("there").expect("it is");
    assert!(now.alive && now.token_revoked);
    let code = code();
    assert_eq!(
        (&now.grant.resources, &now.grant.claims, &now.grant.details, &now.grant.methods),
        (&code.resources, &code.claims, &code.details, &code.methods)
    );
    assert_eq!(store.keys().await.expect("there"), [signing_key()]);
    assert_eq!(store.decryption_keys().await.expect("there"), [decryption_key()]);
    let reference = incident().reference.to_string();
    assert_eq!(store.incident(&reference).await, Ok(Some(incident())));
    let parked = store.parked(&ParkedId::from_bytes([9; 16]), NOW).await;
    assert_eq!(parked, Ok(Some("content".to_owned())));
    let tokens = store.initial_access_tokens(NOW).await.expect("there");
    assert_eq!(tokens, [initial_access_token()]);
    let new = fixtures::new_registration("dynamic", admission(), NOW);
    assert_eq!(store.registration(&new.client.id).await, Ok(Some(new.registration)));
    let found = store.client(&new.client.id, true).await.expect("there");
    assert_eq!(found.as_deref(), Some(&new.client));
}

/// What stands in the columns that the sample has, table by table.
fn rows(sample: &Connection, of: &Connection) -> BTreeMap<String, Vec<Vec<Value>>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'refinery%'
               AND name NOT LIKE 'sqlite%' AND name <> 'meta'";
    let all = |sql: &str, of: &Connection| -> Vec<Vec<Value>> {
        let mut statement = of.prepare(sql).expect("a statement");
        let width = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| (0..width).map(|column| row.get(column)).collect();
        statement.query_map([], read).expect("rows").map(|row| row.expect("a row")).collect()
    };
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let tables = all(sql, sample).iter().map(|row| text(&row[0])).collect::<Vec<_>>();
    let of_table = |table: String| {
        // How often something had changed is no form.
        let names = "name <> 'registration'";
        let columns =
            all(&format!("SELECT name FROM pragma_table_info('{table}') WHERE {names}"), sample);
        let columns = columns.iter().map(|row| text(&row[0])).collect::<Vec<_>>().join(", ");
        let rows = all(&format!("SELECT {columns} FROM {table} ORDER BY 1, 2"), of);
        (table, rows)
    };
    tables.into_iter().map(of_table).collect()
}

#[tokio::test]
async fn finding_30_rows_are_written_as_the_version_before_reads_them() {
    let folder = Folder::new();
    let store = folder.open();
    write_everything(&store).await;
    let sample = Connection::open_in_memory().expect("memory");
    sample.execute_batch(WRITTEN).expect("the sample");
    let written = Connection::open(folder.database()).expect("the file");
    let (before, now) = (rows(&sample, &sample), rows(&sample, &written));
    for (table, rows) in &before {
        assert_eq!(rows, &now[table], "{table}");
        let empty = ["logout_messages", "pings", "used_once"];
        assert!(!rows.is_empty() || empty.contains(&table.as_str()), "{table} has no sample");
    }
    assert_eq!(store.grant(&code().grant, None, NOW).await.map(|_| ()), Ok(()));
}
