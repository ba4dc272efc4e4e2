-- What the version of migration 17 wrote; see formats.rs.
BEGIN TRANSACTION;
CREATE TABLE accounts (
    id            BLOB NOT NULL PRIMARY KEY,
    username      TEXT NOT NULL UNIQUE,
    enabled       INTEGER NOT NULL,
    valid_from    INTEGER NOT NULL,
    password_hash TEXT,
    claims        TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "accounts" VALUES(X'01010101010101010101010101010101','user1',1,0,'$argon2id$hash','{"address":{"country":"CH"},"name":"A User"}');
CREATE TABLE approved_clients (
    client      TEXT NOT NULL PRIMARY KEY,
    approved_at INTEGER NOT NULL,
    used_at     INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "approved_clients" VALUES('https://client.example/',1800000000000,NULL);
CREATE TABLE clients (
    id           TEXT NOT NULL PRIMARY KEY,
    enabled      INTEGER NOT NULL,
    registration INTEGER NOT NULL,
    format       INTEGER NOT NULL,
    record       TEXT NOT NULL
, told_of_logout INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
INSERT INTO "clients" VALUES('app',1,1,1,'{"id":"app","name":"App","kind":{"confidential":{"method":"client_secret_basic","secrets":[{"digest":[202,131,129,222,59,164,130,131,83,92,21,51,103,75,238,137,56,198,132,17,231,123,124,217,102,195,194,185,147,191,59,195],"expires_at":null}],"require_pkce":true}},"enabled":true,"redirect_uris":["https://app.example/cb"],"post_logout_redirect_uris":["https://app.example/bye"],"grant_types":["authorization_code","refresh_token"],"scope":"openid profile photos:read photos:order offline_access","id_token_algorithm":"ES256","trusted":false,"allow_embedded_browser":false,"several_audiences":false,"openid":{"sector":null,"sector_identifier_uri":null,"userinfo_algorithm":null},"apis":[],"introspection_algorithm":null,"dpop_bound_access_tokens":false,"certificate_bound_access_tokens":false,"profile":null,"about":{"client_uri":null,"logo_uri":"https://app.example/logo.png","logo":"logo1","policy_uri":null,"tos_uri":null,"operator":null},"defaults":{"max_age":null,"acr_values":[]},"origin":"operator","pkce_waived":false,"keys":null,"request_uris":[],"request_object_algorithm":null,"authorization_response_algorithm":null,"require_signed_request_object":false,"require_pushed_requests":false,"logout":{"backchannel_uri":null,"backchannel_session_required":false,"frontchannel_uri":null,"frontchannel_session_required":false},"authorization_details_types":["payment_initiation"],"encryption":{"id_token":null,"userinfo":null,"authorization_response":null,"request_object":null},"ciba":{"delivery":"poll","request_algorithm":null},"token_exchange":{"audiences":[],"subject_clients":[],"mode":"delegation","may_act":null}}',0);
INSERT INTO "clients" VALUES('dynamic',1,5,1,'{"id":"dynamic","name":"App","kind":{"confidential":{"method":"client_secret_basic","secrets":[{"digest":[202,131,129,222,59,164,130,131,83,92,21,51,103,75,238,137,56,198,132,17,231,123,124,217,102,195,194,185,147,191,59,195],"expires_at":null}],"require_pkce":true}},"enabled":true,"redirect_uris":["https://app.example/cb"],"post_logout_redirect_uris":["https://app.example/bye"],"grant_types":["authorization_code"],"scope":"openid profile photos:read photos:order offline_access","id_token_algorithm":"ES256","trusted":false,"allow_embedded_browser":false,"several_audiences":false,"openid":{"sector":null,"sector_identifier_uri":null,"userinfo_algorithm":null},"apis":[],"introspection_algorithm":null,"dpop_bound_access_tokens":false,"certificate_bound_access_tokens":false,"profile":null,"about":{"client_uri":null,"logo_uri":null,"logo":null,"policy_uri":null,"tos_uri":null,"operator":null},"defaults":{"max_age":null,"acr_values":[]},"origin":"open","pkce_waived":false,"keys":null,"request_uris":[],"request_object_algorithm":null,"authorization_response_algorithm":null,"require_signed_request_object":false,"require_pushed_requests":false,"logout":{"backchannel_uri":null,"backchannel_session_required":false,"frontchannel_uri":null,"frontchannel_session_required":false},"authorization_details_types":[],"encryption":{"id_token":null,"userinfo":null,"authorization_response":null,"request_object":null},"ciba":{"delivery":"poll","request_algorithm":null},"token_exchange":{"audiences":[],"subject_clients":[],"mode":"delegation","may_act":null}}',0);
INSERT INTO "clients" VALUES('https://client.example/',1,6,1,'{"id":"https://client.example/","name":"App","kind":{"confidential":{"method":"client_secret_basic","secrets":[{"digest":[202,131,129,222,59,164,130,131,83,92,21,51,103,75,238,137,56,198,132,17,231,123,124,217,102,195,194,185,147,191,59,195],"expires_at":null}],"require_pkce":true}},"enabled":true,"redirect_uris":["https://app.example/cb"],"post_logout_redirect_uris":["https://app.example/bye"],"grant_types":["authorization_code"],"scope":"openid profile photos:read photos:order offline_access","id_token_algorithm":"ES256","trusted":false,"allow_embedded_browser":false,"several_audiences":false,"openid":{"sector":null,"sector_identifier_uri":null,"userinfo_algorithm":null},"apis":[],"introspection_algorithm":null,"dpop_bound_access_tokens":false,"certificate_bound_access_tokens":false,"profile":null,"about":{"client_uri":null,"logo_uri":null,"logo":null,"policy_uri":null,"tos_uri":null,"operator":null},"defaults":{"max_age":null,"acr_values":[]},"origin":"document","pkce_waived":false,"keys":null,"request_uris":[],"request_object_algorithm":null,"authorization_response_algorithm":null,"require_signed_request_object":false,"require_pushed_requests":false,"logout":{"backchannel_uri":null,"backchannel_session_required":false,"frontchannel_uri":null,"frontchannel_session_required":false},"authorization_details_types":[],"encryption":{"id_token":null,"userinfo":null,"authorization_response":null,"request_object":null},"ciba":{"delivery":"poll","request_algorithm":null},"token_exchange":{"audiences":[],"subject_clients":[],"mode":"delegation","may_act":null}}',0);
CREATE TABLE consents (
    account    BLOB NOT NULL,
    client     TEXT NOT NULL,
    granted    TEXT NOT NULL,
    refused    TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (account, client)
) STRICT, WITHOUT ROWID;
INSERT INTO "consents" VALUES(X'01010101010101010101010101010101','app','openid offline_access','',0,1800000000000);
CREATE TABLE decryption_keys (
    kid        TEXT NOT NULL PRIMARY KEY,
    key_type   TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "decryption_keys" VALUES('decrypting','EC',X'040506',1800000000000);
CREATE TABLE grants (
    id           BLOB NOT NULL PRIMARY KEY,
    redemption   BLOB NOT NULL,
    account      BLOB NOT NULL,
    client       TEXT NOT NULL,
    registration INTEGER NOT NULL,
    session      BLOB NOT NULL,
    sid          BLOB NOT NULL,
    offline      INTEGER NOT NULL,
    scope        TEXT NOT NULL,
    resources    TEXT NOT NULL,
    auth_time    INTEGER NOT NULL,
    methods      TEXT NOT NULL,
    approved_at  INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    keep_until   INTEGER NOT NULL,
    revoked_at   INTEGER,
    generation   INTEGER NOT NULL,
    rotated_at   INTEGER NOT NULL,
    last_used    INTEGER NOT NULL,
    salt         BLOB NOT NULL
, claims TEXT, dpop_key BLOB, approval BLOB, certificate BLOB, authorization_details TEXT) STRICT, WITHOUT ROWID;
INSERT INTO "grants" VALUES(X'01A3185C500005050505050505050505',X'01010101010101010101010101010101',X'01010101010101010101010101010101','app',1,X'02020202020202020202020202020202',X'03030303030303030303030303030303',0,'openid photos:read','["https://photos.example"]',1800000000000,'["pwd"]',1800000000000,1800000000000,1800000600000,1800001260000,NULL,0,1800000000000,1800000000000,X'01010101010101010101010101010101','{"userinfo":[{"name":"name","values":["\"A User\""]}],"id_token":[]}',NULL,X'08080808080808080808080808080808',NULL,'[{"creditorName":"Merchant A","instructedAmount":{"amount":"123.50","currency":"EUR"},"type":"payment_initiation"}]');
CREATE TABLE incidents (
    slot      INTEGER NOT NULL PRIMARY KEY,
    reference TEXT NOT NULL,
    record    TEXT NOT NULL
) STRICT;
INSERT INTO "incidents" VALUES(3860,'64S3-6D1N','{"reference":"64S3-6D1N","at":1800000000000,"error":"invalid_request","summary":"The redirect URI is not registered.","section":"RFC 6749 section 3.1.2.4","client_id":"app","received":"https://evil.example/cb","expected":["https://app.example/cb"],"hint":"Register it."}');
CREATE TABLE initial_access_tokens (
    digest     BLOB NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "initial_access_tokens" VALUES(X'0909090909090909090909090909090909090909090909090909090909090909','0a0b0c0d',1800000000000,1800000060000,2);
CREATE TABLE logos (
    client     TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    picture    BLOB NOT NULL
) STRICT;
INSERT INTO "logos" VALUES('app','logo1','image/png',X'89504E470D0A1A0A0000000D494844520000000100000001');
CREATE TABLE logout_messages (
    id          INTEGER NOT NULL PRIMARY KEY,
    client      TEXT NOT NULL,
    account     BLOB NOT NULL,
    sid         BLOB NOT NULL,
    tries       INTEGER NOT NULL,
    next_try_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    give_up_at  INTEGER,
    settled_at  INTEGER,
    outcome     TEXT
) STRICT;
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('changes',6);
INSERT INTO "meta" VALUES('epoch',0);
INSERT INTO "meta" VALUES('readable_by',1);
CREATE TABLE parked (
    id         BLOB NOT NULL PRIMARY KEY,
    owner      TEXT NOT NULL,
    content    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
INSERT INTO "parked" VALUES(X'09090909090909090909090909090909','app','content',1800000060000);
CREATE TABLE pending_authorizations (
    id            BLOB NOT NULL PRIMARY KEY,
    secret_digest BLOB NOT NULL,
    user_code     TEXT UNIQUE,
    client        TEXT NOT NULL,
    network       TEXT NOT NULL,
    scope         TEXT NOT NULL,
    resources     TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    poll_every    INTEGER NOT NULL,
    polled_at     INTEGER,
    answered_by   BLOB,
    approval      TEXT,
    redeemed_at   INTEGER
, authorization_details TEXT, account BLOB, binding_message TEXT, wants_acr INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
INSERT INTO "pending_authorizations" VALUES(X'01A3185C500001010101010101010101',X'72CD6E8422C407FB6D098690F1130B7DED7EC2F7F5E1D30BD9D521F015363793','CQHCWDKF','app','192.0.2.0','openid offline_access','[]',1800000600000,5000,NULL,X'01010101010101010101010101010101','{"account":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"session":[2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2],"sid":[3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3],"scope":"openid offline_access","auth_time":1800000000000,"methods":["pwd"],"approved_at":1800000000000,"first_in_session":true}',NULL,NULL,NULL,NULL,0);
INSERT INTO "pending_authorizations" VALUES(X'01A3185C500002020202020202020202',X'75877BB41D393B5FB8455CE60ECD8DDA001D06316496B14DFA7F895656EECA4A',NULL,'app','192.0.2.0','openid offline_access','[]',1800000300000,5000,NULL,NULL,NULL,NULL,NULL,X'01010101010101010101010101010101','W4SCT',0);
CREATE TABLE pings (
    request     BLOB NOT NULL PRIMARY KEY,
    client      TEXT NOT NULL,
    sealed      TEXT NOT NULL,
    tries       INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE refinery_schema_history(
             version int4 PRIMARY KEY,
             name VARCHAR(255),
             applied_on VARCHAR(255),
             checksum VARCHAR(255));
INSERT INTO "refinery_schema_history" VALUES(1,'first','2026-11-22T22:11:24.283230011Z','11056469919530822339');
INSERT INTO "refinery_schema_history" VALUES(2,'claims','2026-11-22T22:11:24.28326726Z','9706186196989850866');
INSERT INTO "refinery_schema_history" VALUES(3,'jti','2026-11-22T22:11:24.283269578Z','15400591888690766156');
INSERT INTO "refinery_schema_history" VALUES(4,'logout','2026-11-22T22:11:24.283272186Z','9748858401885764519');
INSERT INTO "refinery_schema_history" VALUES(5,'par','2026-11-22T22:11:24.283273791Z','11057934422764233032');
INSERT INTO "refinery_schema_history" VALUES(6,'registrations','2026-11-22T22:11:24.283276085Z','15581199997133437168');
INSERT INTO "refinery_schema_history" VALUES(7,'logos','2026-11-22T22:11:24.283278444Z','617973169945804698');
INSERT INTO "refinery_schema_history" VALUES(8,'mtls','2026-11-22T22:11:24.28328013Z','3850279817609834213');
INSERT INTO "refinery_schema_history" VALUES(9,'pending','2026-11-22T22:11:24.283281462Z','15213228850307426993');
INSERT INTO "refinery_schema_history" VALUES(12,'decryption_keys','2026-11-22T22:11:24.283283272Z','14697375130423329640');
INSERT INTO "refinery_schema_history" VALUES(14,'authorization_details','2026-11-22T22:11:24.283284631Z','5013499402490329698');
INSERT INTO "refinery_schema_history" VALUES(15,'ciba','2026-11-22T22:11:24.283286579Z','16593393587056576395');
INSERT INTO "refinery_schema_history" VALUES(17,'approved_clients','2026-11-22T22:11:24.28328855Z','221621065015715961');
CREATE TABLE registrations (
    client       TEXT NOT NULL PRIMARY KEY,
    token_digest BLOB NOT NULL,
    metadata     TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    network      TEXT,
    used_at      INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "registrations" VALUES('dynamic',X'0707070707070707070707070707070707070707070707070707070707070707','{"client_name":"dynamic"}',1800000000000,'10.0.0.0/24',NULL);
CREATE TABLE revoked_tokens (
    jti        TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "revoked_tokens" VALUES('a jti',1800000600000);
CREATE TABLE session_clients (
    session BLOB NOT NULL,
    client  TEXT NOT NULL,
    PRIMARY KEY (session, client)
) STRICT, WITHOUT ROWID;
INSERT INTO "session_clients" VALUES(X'02020202020202020202020202020202','app');
CREATE TABLE sessions (
    id            BLOB NOT NULL PRIMARY KEY,
    secret_digest BLOB NOT NULL,
    sid           BLOB NOT NULL,
    account       BLOB NOT NULL,
    auth_time     INTEGER NOT NULL,
    methods       TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    last_used     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    user_agent    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "sessions" VALUES(X'02020202020202020202020202020202',X'0707070707070707070707070707070707070707070707070707070707070707',X'03030303030303030303030303030303',X'01010101010101010101010101010101',1800000000000,'["pwd"]',1800000000000,1800000000000,1801209600000,NULL,'a browser');
CREATE TABLE signing_keys (
    kid        TEXT NOT NULL PRIMARY KEY,
    algorithm  TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "signing_keys" VALUES('key','ES256',X'010203',1800000000000);
CREATE TABLE used_once (
    key        BLOB NOT NULL PRIMARY KEY,
    used_by    BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);
CREATE INDEX used_once_by_end ON used_once (expires_at);
CREATE INDEX logout_messages_due ON logout_messages (next_try_at) WHERE settled_at IS NULL;
CREATE INDEX logout_messages_settled ON logout_messages (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX registrations_by_network ON registrations (network, created_at)
    WHERE network IS NOT NULL;
CREATE INDEX registrations_unused ON registrations (created_at)
    WHERE network IS NOT NULL AND used_at IS NULL;
CREATE INDEX logos_by_name ON logos (name);
CREATE INDEX pending_authorizations_by_network
    ON pending_authorizations (network, expires_at) WHERE answered_by IS NULL;
CREATE INDEX pending_authorizations_by_end ON pending_authorizations (expires_at);
CREATE INDEX parked_by_owner ON parked (owner, expires_at);
CREATE INDEX parked_by_end ON parked (expires_at);
CREATE INDEX pending_authorizations_by_account
    ON pending_authorizations (account, expires_at) WHERE account IS NOT NULL;
CREATE INDEX pending_authorizations_by_client
    ON pending_authorizations (client, expires_at)
    WHERE account IS NOT NULL AND answered_by IS NULL;
CREATE INDEX pings_due ON pings (due_at);
CREATE INDEX approved_clients_unused ON approved_clients (approved_at) WHERE used_at IS NULL;
COMMIT;
