//! What a configuration file may say, and what each mistake in one is answered with.

use std::time::Duration;

use super::Settings;
use super::testing::Folder;

const ISSUER: &str = "issuer = \"http://localhost:4000\"\n";
const CLIENT: &str = "[[clients]]\nclient_id = \"app\"\n\
                      client_secret = \"0123456789abcdef0123456789abcdef\"\n\
                      redirect_uris = [\"http://localhost:4001/cb\"]\n";

fn good(text: &str) -> Settings {
    let folder = Folder::new();
    folder.settings(&format!("{ISSUER}{text}")).unwrap_or_else(|error| panic!("{error}"))
}

/// Line and column after the issuer's line, and what is said there.
fn wrong(text: &str) -> (String, String) {
    let folder = Folder::new();
    let error = folder.settings(&format!("{ISSUER}{text}")).map(drop).expect_err(text);
    let place = error.at.rsplit("keystile.toml:").next().expect("a place").to_owned();
    (place, error.problem)
}

/// A text, its mistake's place, and words of what is said about it.
type Case<'a> = (&'a str, &'a str, &'a [&'a str]);

fn each_is_named(cases: &[Case<'_>]) {
    for (text, place, words) in cases {
        let (at, problem) = wrong(text);
        assert_eq!(&at, place, "{text}\n{problem}");
        for word in *words {
            assert!(problem.contains(word), "{text}\n{problem}\nlacks {word}");
        }
        assert!(!problem.contains("12345"), "{problem}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases is as long as it is")]
fn each_mistake_is_named_with_its_place_and_what_would_be_right() {
    let cases: &[Case<'_>] = &[
        // Unknown keys, with the nearest known one.
        ("lisen = \"127.0.0.1:1\"", "2:1", &["'lisen'", "nearest known key is 'listen'"]),
        ("[stor]\nurl = \"x\"", "2:2", &["'stor'", "'store'"]),
        ("[store]\nuri = \"x\"", "3:1", &["'uri'", "'url'"]),
        ("[[clients]]\nredirect_uri = []", "3:1", &["'redirect_uri'", "'redirect_uris'"]),
        ("[[users]]\nuser_name = \"a\"", "3:1", &["'user_name'", "'username'"]),
        ("[[users]]\naddress = { city = \"a\" }", "3:13", &["'city'"]),
        ("[limits]\naccount = { bursts = 1 }", "3:13", &["'bursts'", "'burst'"]),
        ("[lifetimes]\nacces_token = 1", "3:1", &["'access_token'"]),
        ("[tls]\ncert = \"a\"", "3:1", &["'cert'", "'certificate'"]),
        // Not TOML, or not of the right type; a secret is not repeated.
        ("[store", "2:7", &["TOML", "expected"]),
        ("listen = 4000", "2:10", &["listen: text in quotes is expected"]),
        ("[limits]\nbody_bytes = -1", "3:14", &["body_bytes: a whole number"]),
        ("[[clients]]\nclient_secret = 12345", "3:17", &["client_secret: text"]),
        ("clients = 1", "2:11", &["clients: a list"]),
        ("[[apis]]\naudience = \"https://a\"\nscopes = 1", "4:10", &["scopes: a list of scopes"]),
        // Addresses.
        ("listen = \"4000\"", "2:1", &["'4000'", "127.0.0.1:4000"]),
        ("[store]\nurl = \"postgres://h/d\"", "3:1", &["it names no user"]),
        ("[store]\nurl = \"postgres://u:pw@h/d?sslmode=prefer\"", "3:1", &["verify-full"]),
        ("[store]\nurl = \"mysql://u:pw@h/d\"", "3:1", &["sqlite://", "postgres://"]),
        ("[store]\nurl = \"data.db\"", "3:1", &["sqlite://PATH"]),
        ("[store]\nurl = \"sqlite://\"", "3:1", &["sqlite://PATH"]),
        ("[tls]\ncertificate = \"c.pem\"", "2:2", &["key:", "private key"]),
        ("[tls]\nkey = \"k.pem\"", "2:2", &["certificate:", "chain"]),
        ("[tls]\ncertificate = \"c\"\nkey = \"k\"", "2:2", &["https"]),
        ("[tls]\nclient_certificates = \"optional\"", "2:2", &["certificate:", "chain"]),
        ("[tls]\nclient_certificates = \"yes\"", "3:1", &["'yes'", "none"]),
        ("[mtls]\nlisten = \"127.0.0.1:1\"", "3:1", &["listen", "[tls]"]),
        ("[mtls]\nca = \"ca.pem\"", "2:2", &["nobody asks", "'listen'", "client_certificates"]),
        (
            "[proxy]\nclient_certificate_header = \"Client-Cert\"",
            "3:1",
            &["client_certificate_header", "nobody is trusted"],
        ),
        ("[proxy]\ntrusted = [\"::1\", \"10.0.0.0/33\"]", "3:19", &["'10.0.0.0/33'"]),
        ("[proxy]\ntrusted = [\"::1\"]", "2:2", &["forwarded_header", "missing"]),
        ("[proxy]\nforwarded_header = \"Forwarded\"", "3:1", &["nobody is trusted"]),
        (
            "[proxy]\ntrusted = [\"::1\"]\nforwarded_header = \"X-Real-IP\"",
            "4:1",
            &["'X-Real-IP'", "X-Forwarded-For"],
        ),
        // Clients.
        ("[[clients]]\nclient_name = \"A\"", "2:1", &["client_id: it is missing"]),
        ("[[clients]]\nclient_id = \"a\"", "2:1", &["client_secret", "needs one"]),
        (
            "[[clients]]\nclient_id = \"a\"\nclient_secret = \"short\"",
            "4:1",
            &["client_secret", "5 bytes", "keystile client"],
        ),
        (
            "[[clients]]\nclient_id = \"a\"\ntoken_endpoint_auth_method = \"none\"\n\
             redirect_uris = [\"http://app.example/\"]",
            "5:1",
            &["redirect_uris", "'http://app.example/'"],
        ),
        // Scopes and APIs.
        ("[[scopes]]\nname = \"a b\"", "3:1", &["'a b' is not one scope"]),
        ("[[scopes]]\ntitle = \"x\"", "2:1", &["name:", "is not one scope"]),
        ("[[scopes]]\nname = \"a\"\n[[scopes]]\nname = \"a\"", "5:1", &["two scopes 'a'"]),
        ("[[apis]]\naudience = \"photos\"", "3:1", &["'photos'", "absolute URI"]),
        ("[[apis]]\naudience = \"https://a/#f\"", "3:1", &["fragment"]),
        (
            "[[apis]]\naudience = \"https://a\"\nscopes = [\"photos\"]",
            "4:1",
            &["no scope 'photos'", "[[scopes]]"],
        ),
        (
            "[[apis]]\naudience = \"https://a\"\nscopes = \"email\"",
            "4:1",
            &["'email' is a standard scope"],
        ),
        // Users.
        ("[[users]]\npassword = \"x\"", "2:1", &["username", "1 to 256"]),
        ("[[users]]\nusername = \"a\"", "2:1", &["password: a user needs"]),
        ("[[users]]\nusername = \"a\"\npassword = \"\"", "4:1", &["1 to 1024"]),
        ("[[users]]\nusername = \"a\"\npassword_hash = \"$2b$x\"", "4:1", &["PHC", "$argon2id$"]),
        (
            "[[users]]\nusername = \"a\"\npassword = \"x\"\npassword_hash = \"y\"",
            "5:1",
            &["not both"],
        ),
        (
            "[[users]]\nusername = \"A\"\npassword = \"x\"\n[[users]]\nusername = \"a\"\n\
             password = \"x\"",
            "6:1",
            &["two users 'a'"],
        ),
        // Numbers.
        ("[lifetimes]\ncode = 61", "3:1", &["code: it is from 1 to 60"]),
        ("[lifetimes]\ndevice_code = 1801", "3:1", &["device_code: it is from 1 to 1800"]),
        ("[limits]\nwaiting_from_network = 0", "3:1", &["waiting_from_network: at least 1"]),
        ("[lifetimes]\nbackchannel_request = 1801", "3:1", &["it is from 1 to 1800"]),
        ("[limits]\nwaiting_to_user = 0", "3:1", &["waiting_to_user: at least 1"]),
        (
            "[[clients]]\nclient_id = \"c\"\ntoken_endpoint_auth_method = \"none\"\n\
             grant_types = [\"urn:openid:params:grant-type:ciba\"]",
            "5:1",
            &["grant_types", "proves who it is"],
        ),
        ("[lifetimes]\nsession = 0", "3:1", &["session: it is from 1"]),
        ("[limits]\nnetwork = { burst = 0 }", "3:13", &["burst"]),
        ("[limits]\nnetwork = { every_seconds = 0 }", "3:13", &["0.001"]),
        ("[limits]\nconnections = 0", "3:1", &["at least 1"]),
        ("[password_hash]\nmemory_kib = 4", "2:2", &["8 to 1048576"]),
        // Keys.
        ("[keys]\npublish_seconds = 604801", "3:1", &["publish_seconds: it is from 0 to 604800"]),
        ("[keys]\nrotate_after_days = 4000", "3:1", &["rotate_after_days", "0 for never"]),
        (
            "[keys]\nrotate_after_days = 1\npublish_seconds = 86400",
            "3:1",
            &["rotate_after_days", "longer than its successor"],
        ),
        // The log.
        ("[log]\nformat = \"xml\"", "3:1", &["'xml'", "text nor json"]),
        ("[log]\nfilter = \"keystile=loud\"", "3:1", &["such as info"]),
    ];
    each_is_named(cases);
}

#[test]
fn mistakes_about_whom_to_believe_are_named_too() {
    each_is_named(&[
        // Trusted issuers.
        ("[[trusted_issuers]]\njwk = 1", "3:1", &["'jwk'", "'jwks'"]),
        ("[[trusted_issuers]]\njwks = { keys = [] }", "2:1", &["issuer: it is missing"]),
        ("[[trusted_issuers]]\nissuer = \"http://localhost:4000\"", "3:1", &["this server itself"]),
        ("[[trusted_issuers]]\nissuer = \"x\"", "2:1", &["clients", "may bring"]),
        ("[[trusted_issuers]]\nissuer = \"x\"\nclients = [\"a\"]", "2:1", &["jwks_file"]),
        (
            "[[trusted_issuers]]\nissuer = \"x\"\nclients = [\"a\"]\njwks = { keys = [] }",
            "5:1",
            &["jwks", "1 to 20 keys"],
        ),
        (
            "[[trusted_issuers]]\nissuer = \"x\"\nclients = [\"a\"]\njwks_file = \"none.json\"",
            "5:1",
            &["none.json"],
        ),
        ("[[apis]]\naudience = \"https://a\"\ntokens = \"saml\"", "4:1", &["'saml'", "opaque"]),
        // Token exchange.
        (
            "[[clients]]\nclient_id = \"a\"\n[clients.token_exchange]\naudience = []",
            "5:1",
            &["'audience'", "'audiences'"],
        ),
    ]);
}

#[test]
fn the_room_for_what_is_parked_is_bounded() {
    let (at, problem) = wrong("[limits]\nparked = 100001");
    assert_eq!(at, "3:1");
    assert!(problem.contains("at most 100000"), "{problem}");
    let room = good("[limits]\nparked_per_client = 0").policy.parking;
    assert_eq!((room.per_client, room.in_all), (0, 10_000));
}

#[test]
fn types_of_authorization_details_are_checked() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("[[authorization_details]]\ntitle = \"A\"", "2:1", &["type: it is missing"]),
        ("[[authorization_details]]\ntype = \"a\"", "2:1", &["title: it is missing"]),
        ("[[authorization_details]]\ntype = \"a\"\ntitel = \"A\"", "4:1", &["'title'"]),
        (
            "[[authorization_details]]\ntype = \"a\"\ntitle = \"A\"\nlocations = [\"https://a\"]",
            "5:1",
            &["no API 'https://a'", "[[apis]]"],
        ),
        (
            "[[authorization_details]]\ntype = \"a\"\ntitle = \"A\"\nwords = \"Pay {b}\"",
            "5:1",
            &["'b' leads to no field"],
        ),
        (
            "[[authorization_details]]\ntype = \"a\"\ntitle = \"A\"\n\
             [[authorization_details]]\ntype = \"a\"\ntitle = \"B\"",
            "6:1",
            &["two types 'a'"],
        ),
    ];
    for (text, place, words) in cases {
        let (at, problem) = wrong(text);
        assert_eq!(&at, place, "{text}\n{problem}");
        assert!(words.iter().all(|word| problem.contains(word)), "{text}\n{problem}");
    }
}

#[test]
fn what_a_client_names_to_be_fetched_has_an_https_address() {
    for (member, value, word) in [
        ("jwks_uri", "\"http://app.example/keys\"", "'http://app.example/keys'"),
        ("request_uris", "[\"urn:r\"]", "'urn:r'"),
        ("sector_identifier_uri", "\"sector\"", "'sector'"),
    ] {
        let (at, problem) = wrong(&format!("{CLIENT}{member} = {value}"));
        assert_eq!(at, "6:1", "{problem}");
        assert!(problem.starts_with(member) && problem.contains(word), "{problem}");
    }
}

#[test]
fn fields_of_authorization_details_are_checked() {
    let cases: &[(&str, &[&str])] = &[
        ("{ kind = \"text\" }", &["name: a field has a name"]),
        ("{ name = \"a.b\" }", &["without ."]),
        ("{ name = \"type\" }", &["stands in every type"]),
        ("{ name = \"locations\" }", &["stands in every type"]),
        ("{ name = \"a\" }, { name = \"a\" }", &["two fields 'a'"]),
        ("{ name = \"a\", kind = \"date\" }", &["'date' is none of text, texts"]),
        ("{ name = \"a\", kind = \"number\", max_length = 3 }", &["only text has a length"]),
        ("{ name = \"a\", kind = \"boolean\", values = [\"x\"] }", &["values to choose from"]),
        ("{ name = \"a\", max_length = 2001 }", &["1 to 2000"]),
        ("{ name = \"a\", max_length = 0 }", &["1 to 2000"]),
        ("{ name = \"a\", kind = \"object\" }", &["an object has fields"]),
        ("{ name = \"a\", fields = [{ name = \"b\" }] }", &["nothing else has"]),
        ("{ name = \"actions\" }", &["'actions' is of the kind texts"]),
        ("{ name = \"identifier\", kind = \"texts\" }", &["'identifier' is of the kind text "]),
        ("{ name = \"a\", lable = \"A\" }", &["'lable'", "'label'"]),
    ];
    for (fields, words) in cases {
        let text =
            format!("[[authorization_details]]\ntype = \"a\"\ntitle = \"A\"\nfields = [{fields}]");
        let (at, problem) = wrong(&text);
        assert!(at.starts_with("5:"), "{text}\n{at}: {problem}");
        for word in *words {
            assert!(problem.contains(word), "{text}\n{problem}\nlacks {word}");
        }
    }
    let nested = |levels: usize| {
        let open = "{ name = \"a\", kind = \"object\", fields = [".repeat(levels);
        let close = "] }".repeat(levels);
        format!(
            "[[authorization_details]]\ntype = \"a\"\ntitle = \"A\"\n\
             fields = [{open}{{ name = \"b\" }}{close}]"
        )
    };
    assert_eq!(good(&nested(3)).policy.details_types.len(), 1);
    assert!(wrong(&nested(4)).1.contains("within each other"));
}

#[test]
fn mistakes_about_clients_that_register_themselves() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("[registration]\nmode = \"on\"", "3:1", &["'on'", "off, token and open"]),
        ("[registration]\nscopes = \"photos\"", "3:1", &["no scope 'photos'", "[[scopes]]"]),
        ("[registration]\ngrant_types = [\"implicit\"]", "3:16", &["'implicit'"]),
        ("[registration]\nredirect_hosts = [\"https://a.example\"]", "3:19", &["a host, such"]),
        ("[registration]\nredirect_schemes = [\"https://\"]", "3:21", &["a scheme, such"]),
    ];
    for (text, place, words) in cases {
        let (at, problem) = wrong(text);
        assert_eq!(&at, place, "{text}\n{problem}");
        assert!(words.iter().all(|word| problem.contains(word)), "{text}\n{problem}");
    }
}

#[test]
fn mistakes_about_what_the_server_signs_with() {
    let cases: &[Case<'_>] = &[
        ("[keys]\nalgorithms = \"ES256\"", "3:14", &["algorithms: a list"]),
        ("[keys]\nalgorithms = []", "3:1", &["ES256 is missing", "access tokens"]),
        ("[keys]\nalgorithms = [\"ES256\"]", "3:1", &["RS256 is missing", "Discovery"]),
        ("[keys]\nalgorithms = [\"ES256\", \"HS256\"]", "3:1", &["'HS256' is none of ES256"]),
        ("[keys]\nalgorithm = [\"ES256\"]", "3:1", &["nearest known key is 'algorithms'"]),
    ];
    each_is_named(cases);
    let on = "[keys]\nalgorithms = [\"RS256\", \"ES256\", \"ES256\"]\n";
    let (at, problem) = wrong(&format!("{on}{CLIENT}id_token_signed_response_alg = \"EdDSA\""));
    assert_eq!(at, "8:1");
    assert!(
        problem.contains("EdDSA is switched off at this server; use ES256, RS256"),
        "{problem}"
    );
    assert_eq!(good(&format!("{on}{CLIENT}")).policy.signing_algorithms.len(), 2);
    assert_eq!(good("").policy.signing_algorithms.len(), 4, "all, where nothing is said");
}

#[test]
fn names_that_point_nowhere_are_found() {
    let (at, problem) = wrong(&format!("{CLIENT}scope = \"openid phtos:read\""));
    assert_eq!(at, "6:1");
    assert!(problem.contains("no scope 'phtos:read'"), "{problem}");
    let (at, problem) = wrong(&format!("{CLIENT}apis = [\"https://photos.example\"]"));
    assert_eq!(at, "6:1");
    assert!(problem.contains("no API 'https://photos.example'"), "{problem}");
    let types = "authorization_details_types = [\"payment\"]";
    let (at, problem) = wrong(&format!("{CLIENT}{types}"));
    assert_eq!(at, "6:1");
    assert!(problem.contains("no type 'payment'"), "{problem}");
    let exchange = "grant_types = [\"urn:ietf:params:oauth:grant-type:token-exchange\"]\n\
                    [clients.token_exchange]\naudiences = [\"https://photos.example\"]";
    let (at, problem) = wrong(&format!("{CLIENT}{exchange}"));
    assert_eq!(at, "7:10");
    assert!(problem.contains("no API 'https://photos.example'"), "{problem}");
    let (at, problem) = wrong(&format!("{CLIENT}{CLIENT}"));
    assert_eq!(at, "7:1");
    assert!(problem.contains("two clients 'app'"), "{problem}");
}

#[test]
fn the_issuer_is_needed_and_checked() {
    let folder = Folder::new();
    let missing = folder.settings("listen = \"127.0.0.1:1\"").expect_err("missing");
    assert!(missing.problem.contains("issuer is missing"), "{missing}");
    let plain = folder.settings("issuer = \"http://login.example\"").expect_err("http");
    assert!(plain.to_string().contains("keystile.toml:1:1: issuer:"), "{plain}");
    let none = Settings::load(Some(&folder.join("other.toml"))).expect_err("no file");
    assert!(none.to_string().contains("other.toml"), "{none}");
}

#[test]
fn without_a_file_it_is_a_development_server_in_this_folder() {
    let settings = Settings::load(None).expect("good");
    assert_eq!(settings.policy.issuer.as_str(), "http://localhost:4000");
    assert_eq!(settings.store.to_string(), "keystile-data/keystile.db");
    assert_eq!(settings.data_folder.to_str(), Some("keystile-data"));
    let addresses: Vec<_> = settings.listen.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["127.0.0.1:4000", "[::1]:4000"]);
}

#[test]
fn a_full_file_is_understood() {
    let folder = Folder::new();
    let text = format!(
        r#"issuer = "https://login.example"
        listen = "0.0.0.0:8443"
        [store]
        url = "sqlite://data/own.db"
        [tls]
        certificate = "cert.pem"
        key = "/etc/key.pem"
        client_certificates = "none"
        [proxy]
        trusted = ["10.0.0.0/8", "::1"]
        forwarded_header = "X-Forwarded-For"
        [outbound]
        allow_loopback = true
        extra_ca = "ca.pem"
        [limits]
        guessing = true
        account = {{ burst = 3, every_seconds = 0.5 }}
        body_bytes = 1000
        [registration]
        mode = "token"
        scopes = ["photos:read"]
        redirect_hosts = ["App.example", "*.corp.example", "[::1]"]
        require_pkce = false
        [lifetimes]
        access_token = 300
        [pages]
        overrides = "pages"
        name = "Example"
        [[scopes]]
        name = "photos:read"
        description = "All of them."
        [[scopes]]
        name = "email"
        optional = true
        [[apis]]
        audience = "https://photos.example"
        scopes = ["photos:read"]
        {}"#,
        CLIENT.replace("http://localhost:4001", "https://app.example")
    );
    let settings = folder.settings(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(settings.store.to_string(), folder.join("data/own.db").display().to_string());
    assert_eq!(settings.listen[0].to_string(), "0.0.0.0:8443");
    let tls = settings.tls.expect("it is there");
    assert_eq!((tls.certificate, tls.key), (folder.join("cert.pem"), "/etc/key.pem".into()));
    assert_eq!(settings.face.proxy.trusted.len(), 2);
    assert_eq!((settings.face.brand.as_str(), settings.face.limits.body_bytes), ("Example", 1000));
    assert!(settings.outbound.allow_loopback);
    let guessing = settings.policy.guessing.as_ref().expect("on");
    assert_eq!((guessing.account.burst, guessing.account.every), (3, Duration::from_millis(500)));
    assert_eq!(guessing.network.burst, 60, "what is not said stays");
    assert_eq!(settings.policy.lifetimes.access_token, Duration::from_secs(300));
    let registration = &settings.policy.registration;
    assert_eq!((registration.scopes.as_str(), registration.per_network), ("photos:read", 20));
    assert_eq!(registration.redirect_hosts, ["app.example", "*.corp.example", "[::1]"]);
    assert!(!registration.require_pkce && registration.grant_types.len() == 2);
    let scope = settings.policy.scope("photos:read").expect("made");
    assert_eq!(scope.detail.as_deref(), Some("All of them."));
    let email = settings.policy.scope("email").expect("standard");
    assert!(email.optional && email.identity, "other words, the same meaning");
    assert_eq!(settings.policy.apis[0].scopes.as_str(), "photos:read");
    assert_eq!(settings.clients[0].id.as_str(), "app");
}

#[test]
fn guessing_can_be_turned_off_for_a_test_bench() {
    assert!(good("[limits]\nguessing = false").policy.guessing.is_none());
    assert!(good("").policy.guessing.is_some());
}

#[test]
fn a_user_has_the_standards_claims() {
    let settings = good(
        "[[users]]\nusername = \" Alice \"\npassword = \"x\"\nname = \"Alice\"\n\
         birthdate = 1990-04-01\nemail_verified = true\nupdated_at = 5\n\
         address = { locality = \"Zurich\" }",
    );
    let user = &settings.users[0];
    assert_eq!(user.username, "alice");
    let claims = serde_json::Value::Object(user.claims.clone());
    let expected = serde_json::json!({
        "name": "Alice", "birthdate": "1990-04-01", "email_verified": true, "updated_at": 5,
        "address": { "locality": "Zurich" },
    });
    assert_eq!(claims, expected);
}

#[test]
fn a_development_issuer_says_itself_where_to_listen() {
    for (issuer, address) in [
        ("http://127.0.0.1:4711", "127.0.0.1:4711"),
        ("http://[::1]:4711/path", "[::1]:4711"),
        ("http://localhost:4711", "127.0.0.1:4711"),
        ("https://login.example", "127.0.0.1:4000"),
    ] {
        let settings = Folder::new().settings(&format!("issuer = \"{issuer}\"")).expect("good");
        assert_eq!(settings.listen[0].to_string(), address, "{issuer}");
    }
}
