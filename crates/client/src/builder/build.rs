//! From settings to a client.

use std::sync::Arc;

use http::HeaderName;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::redirect_uri::is_loopback;
use keystile_protocol::seal::{MasterKey, MasterKeys, Seals};
use keystile_protocol::{AuthorizationDetails, ClientId, Issuer, Scope};
use serde_json::Value;
use url::Url;

use super::{BuildError, ClientBuilder, Key};
use crate::client::{App, Client, Inner, Paths};
use crate::discovery::Provider;
use crate::entropy::random;
use crate::flow::{ClientKey, Credential, EncryptionKey, Features, ReturnTo, pem};
use crate::outbound::Http;
use crate::sealing_keys;
use crate::session::{Lifetimes, MemorySessions, SessionStore, Sessions};
use crate::taint::Private;
use crate::web::Cookies;

pub(super) fn build(builder: ClientBuilder) -> Result<Client, BuildError> {
    let issuer = Issuer::try_from(builder.issuer.as_str())
        .map_err(|problem| BuildError::new("issuer", problem))?;
    let client_id = ClientId::new(builder.client_id.as_str())
        .map_err(|problem| BuildError::new("client_id", problem))?;
    let credential = builder.credential.clone().ok_or_else(|| {
        BuildError::new("secret", "call .secret(..), or .public() for a client that has none")
    })?;
    let features = features(&builder, &credential)?;
    let details = details(builder.details.as_ref())?;
    let scope = Scope::try_from(builder.scope.as_str())
        .map_err(|problem| BuildError::new("scope", problem))?;
    let origin = app_origin(&builder)?;
    let paths = paths(&builder)?;
    let apis = apis(&builder)?;
    let cookies = Cookies::new(&builder.cookie_name, origin.starts_with("https:"))
        .map_err(|problem| BuildError::new("cookie_name", problem))?;
    let certificate = builder.certificate.as_deref();
    let http = Http::new(&builder.root_certificates, certificate, issuer.is_development())
        .map_err(|problem| BuildError::new("root_certificates or certificate", problem))?;
    let sessions = sessions(&builder, &issuer, &client_id)?;
    taint(&builder, &credential, &origin);
    Ok(Client::new(Inner {
        provider: Provider::new(issuer.clone(), http.clone()),
        app: App {
            redirect_uri: format!("{origin}{}", paths.callback),
            origin,
            issuer,
            client_id,
            credential,
            scope,
            resources: builder.resources,
            extra: builder.extra,
            prompt: builder.prompt,
            max_age: builder.max_age,
            id_token_hint: builder.id_token_hint,
            userinfo: builder.userinfo,
            userinfo_algorithms: builder.userinfo_algorithms,
            algorithms: id_token_algorithms(builder.algorithms, &features),
            trusted_audiences: builder.trusted_audiences,
            leeway: builder.leeway,
            apis,
            features,
            signing_key: builder.signing_key,
            encryption_key: builder.decryption,
            has_certificate: builder.certificate.is_some(),
            acr_values: builder.acr_values,
            acr_required: builder.acr_required,
            claims: builder.claims.map(|claims| claims.to_string()),
            details,
            anti_forgery: anti_forgery(&builder.anti_forgery_header)?,
        },
        paths,
        cookies,
        http,
        sessions,
        giving_back: crate::retire::GivingBack::default(),
        nonces: crate::dpop::Nonces::default(),
        left_alone: crate::call::LeftAlone::default(),
        taints: builder.taints,
        observer: builder.observer,
        on_failure: builder.on_failure,
        clock: builder.clock,
    }))
}

fn features(builder: &ClientBuilder, credential: &Credential) -> Result<Features, BuildError> {
    let features = builder.features.clone();
    let features = match builder.profile {
        Some(profile) => features.with_profile(profile),
        None => features,
    };
    let by_certificate = matches!(credential, Credential::Certificate { .. });
    if (by_certificate || features.certificate_bound) && builder.certificate.is_none() {
        return Err(BuildError::new("certificate", "there is none to show: call .certificate(..)"));
    }
    if features.dpop && features.certificate_bound {
        let problem = "tokens are bound to a key or to the certificate: choose one";
        return Err(BuildError::new("dpop", problem));
    }
    if builder.acr_required && !builder.scope.split(' ').any(|scope| scope == "openid") {
        return Err(BuildError::new("required_acr", "acr stands in the ID token: ask for openid"));
    }
    let values = &builder.acr_values;
    if values.iter().any(|it| it.is_empty() || it.bytes().any(|b| !matches!(b, b'!'..=b'~'))) {
        return Err(BuildError::new("acr_values", "a value has no spaces and is not empty"));
    }
    let signing = builder.signing_key.as_ref().map(ClientKey::algorithm);
    features
        .check(credential, signing, &builder.algorithms)
        .map_err(|problem| BuildError::new("profile", problem))?;
    Ok(features)
}

/// Under a profile, none but its algorithms are believed.
fn id_token_algorithms(named: Vec<Algorithm>, features: &Features) -> Vec<Algorithm> {
    match features.profile {
        Some(_) if named.is_empty() => features.algorithms().to_vec(),
        _ => named,
    }
}

fn details(json: Option<&Value>) -> Result<Option<AuthorizationDetails>, BuildError> {
    let parsed = json.map(|json| AuthorizationDetails::parse(&json.to_string()));
    parsed.transpose().map_err(|problem| BuildError::new("authorization_details", problem))
}

fn app_origin(builder: &ClientBuilder) -> Result<String, BuildError> {
    let wrong = |problem: &str| BuildError::new("app_url", problem);
    if builder.without_routes && builder.app_url.is_none() {
        return Ok("http://127.0.0.1".to_owned());
    }
    let text = builder.app_url.as_deref().ok_or_else(|| {
        wrong(
            "say where browsers find the app: .app_url(\"https://app.example\"), or \
               .without_routes() where none looks for it",
        )
    })?;
    let url = Url::parse(text).map_err(|_| wrong("it is not a URL"))?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it is an origin, such as https://app.example, without a path"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err(wrong("it is https, or http on localhost for development")),
    }
    Ok(url.origin().ascii_serialization())
}

fn paths(builder: &ClientBuilder) -> Result<Paths, BuildError> {
    let checked = |setting, path: &str| {
        let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/".contains(&b));
        if ReturnTo::or_root(path).as_str() == path && plain {
            Ok(path.to_owned())
        } else {
            Err(BuildError::new(setting, "it is a path of the app that begins with one '/'"))
        }
    };
    let paths = Paths {
        login: checked("login_path", &builder.login_path)?,
        callback: checked("callback_path", &builder.callback_path)?,
        logout: checked("logout_path", &builder.logout_path)?,
        backchannel: checked("backchannel_logout_path", &builder.backchannel_logout_path)?,
        frontchannel: checked("frontchannel_logout_path", &builder.frontchannel_logout_path)?,
        post_logout: checked("post_logout", &builder.post_logout)?,
        jwks: builder.jwks_path.as_ref().map(|it| checked("jwks_path", it)).transpose()?,
        requests: builder
            .requests_path
            .as_ref()
            .map(|it| checked("requests_by_reference", it))
            .transpose()?,
    };
    if builder.without_routes && paths.requests.is_some() {
        let problem = "the server fetches them from the app, which has no routes";
        return Err(BuildError::new("requests_by_reference", problem));
    }
    let Paths { login, callback, logout, backchannel, frontchannel, .. } = &paths;
    let all = [login, callback, logout, backchannel, frontchannel];
    let all: Vec<_> = all.into_iter().chain(&paths.jwks).chain(&paths.requests).collect();
    if all.iter().enumerate().any(|(at, path)| all[..at].contains(path)) {
        return Err(BuildError::new(
            "callback_path",
            "login, callback, logout, back-channel and front-channel logout, keys and requests need \
             a path each",
        ));
    }
    Ok(paths)
}

/// Any header that a script can add and a form cannot will do.
fn anti_forgery(name: &str) -> Result<HeaderName, BuildError> {
    let wrong = |problem| BuildError::new("anti_forgery_header", problem);
    let parsed = HeaderName::try_from(name).map_err(|_| wrong("it is no name of a header"))?;
    if !parsed.as_str().starts_with("x-") {
        return Err(wrong(
            "choose a name that begins with 'x-': others mean something to browsers",
        ));
    }
    Ok(parsed)
}

fn apis(builder: &ClientBuilder) -> Result<Vec<Url>, BuildError> {
    let wrong = |problem: String| BuildError::new("api", problem);
    let mut origins = Vec::new();
    for (text, plain_http_is_fine) in &builder.apis {
        let url = Url::parse(text).map_err(|_| wrong(format!("'{text}' is not a URL")))?;
        let safe = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&url) || *plain_http_is_fine,
            _ => false,
        };
        if !safe {
            return Err(wrong(format!(
                "'{text}' is not https: whoever listens would have the token. If nobody can, say \
                 so with .api_over_plain_http(..)"
            )));
        }
        origins.push(url);
    }
    Ok(origins)
}

fn sessions(
    builder: &ClientBuilder,
    issuer: &Issuer,
    client_id: &ClientId,
) -> Result<Sessions, BuildError> {
    let store = builder.sessions.clone().unwrap_or_else(|| Arc::new(MemorySessions::default()));
    let keys = match &builder.key {
        Key::Given(key) => sealing_keys::only(*key),
        Key::Several(text) => MasterKey::read_all(text.expose())
            .map(MasterKeys::fixed)
            .map_err(|problem| BuildError::new("encryption_keys", problem))?,
        Key::File(path) => sealing_keys::of_file(path)
            .map_err(|e| BuildError::new("key_file", format!("{}: {e}", path.display())))?,
        Key::Random if SessionStore::is_durable(store.as_ref()) => {
            let problem = "sessions outlive the process, and so must the key: call .key_file(..) or \
                           .encryption_key(..)";
            return Err(BuildError::new("encryption_key", problem));
        }
        Key::Random => sealing_keys::only(random()),
    };
    if builder.idle.is_zero() || builder.lifetime.is_zero() {
        return Err(BuildError::new("session_lifetime", "a session lives longer than no time"));
    }
    let seals = Seals::sharing(format!("{issuer} {client_id}"), Arc::new(keys));
    let lifetimes = Lifetimes { idle: builder.idle, absolute: builder.lifetime };
    Ok(Sessions::new(store, seals, lifetimes, builder.taints.clone()))
}

/// Tells what is secret from the beginning, and what the client says in public.
fn taint(builder: &ClientBuilder, credential: &Credential, origin: &str) {
    let taints = &builder.taints;
    taints.credential(credential);
    let own = [
        builder.signing_key.as_ref().map(ClientKey::private),
        builder.decryption.as_ref().map(EncryptionKey::private),
    ];
    own.into_iter().flatten().for_each(|key| taints.private("a key of the app", key));
    if let Some(pem) = &builder.certificate {
        let der = pem::read(&String::from_utf8_lossy(pem)).unwrap_or_default();
        taints.private("the certificate's key", &Private::of(&der));
    }
    let said = [&builder.issuer, &builder.client_id, &builder.scope, &builder.callback_path];
    let extra = builder.extra.iter().map(|(_, value)| value);
    for text in said.into_iter().chain(&builder.resources).chain(extra) {
        taints.public(text);
    }
    taints.public(&format!("{origin}{}", builder.callback_path));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flow::Profile;

    fn builder() -> ClientBuilder {
        Client::builder("https://login.example", "app").secret("s").app_url("https://app.example")
    }

    fn refused(builder: ClientBuilder) -> &'static str {
        builder.build().expect_err("refused").setting
    }

    #[test]
    fn good_settings_build_and_debug_shows_no_secret() {
        let client = builder().secret("the secret").build().expect("good");
        assert_eq!(client.redirect_uri(), "https://app.example/callback");
        assert!(!format!("{client:?}").contains("the secret"));
        assert!(builder().app_url("http://localhost:4001/").build().is_ok());
    }

    #[test]
    fn each_wrong_setting_is_named() {
        let new = Client::builder;
        assert_eq!(refused(new("http://login.example", "app")), "issuer");
        assert_eq!(refused(new("https://login.example", "")), "client_id");
        assert_eq!(refused(new("https://login.example", "app")), "secret");
        assert_eq!(refused(new("https://login.example", "app").public()), "app_url");
        assert!(new("https://login.example", "app").public().without_routes().build().is_ok());
        for url in ["http://app.example", "https://app.example/sub", "app.example", "ftp://a"] {
            assert_eq!(refused(builder().app_url(url)), "app_url", "{url}");
        }
        assert_eq!(refused(builder().scope("a\"b")), "scope");
        assert_eq!(refused(builder().callback_path("callback")), "callback_path");
        assert_eq!(refused(builder().callback_path("/{a}")), "callback_path");
        assert_eq!(refused(builder().callback_path("/login")), "callback_path");
        assert_eq!(refused(builder().backchannel_logout_path("/logout")), "callback_path");
        assert_eq!(refused(builder().frontchannel_logout_path("/callback")), "callback_path");
        for name in ["", "a b", "accept", "cookie"] {
            assert_eq!(refused(builder().anti_forgery_header(name)), "anti_forgery_header");
        }
        assert_eq!(refused(builder().post_logout("//evil.example")), "post_logout");
        assert_eq!(refused(builder().cookie_name("a=b")), "cookie_name");
        assert_eq!(refused(builder().api("http://api.example")), "api");
        assert!(builder().api_over_plain_http("http://api.example").build().is_ok());
        assert_eq!(refused(builder().jwks_path("/login")), "callback_path");
        assert_eq!(refused(builder().jwks_path("keys")), "jwks_path");
        assert_eq!(refused(builder().requests_by_reference("/login")), "callback_path");
        let tool = builder().requests_by_reference("/requests").without_routes();
        assert_eq!(refused(tool), "requests_by_reference");
        let both = builder().requests_by_reference("/requests").pushed_requests();
        assert_eq!(refused(both), "profile");
        assert_eq!(refused(builder().tls_client_auth()), "certificate");
        assert_eq!(refused(builder().certificate_bound_tokens()), "certificate");
        assert_eq!(refused(builder().certificate("no PEM")), "root_certificates or certificate");
        assert_eq!(refused(builder().signed_requests()), "profile", "without a key");
        assert_eq!(refused(builder().profile(Profile::Fapi2)), "profile", "with a secret");
        assert_eq!(refused(builder().acr_values(["a b"])), "acr_values");
        assert_eq!(refused(builder().scope("photos").required_acr(["a"])), "required_acr");
        assert_eq!(refused(builder().authorization_details(json!([]))), "authorization_details");
        let both = builder().certificate("x").dpop().certificate_bound_tokens();
        assert_eq!(refused(both), "dpop");
        for keys in ["", "1:short", "no number"] {
            assert_eq!(refused(builder().encryption_keys(keys)), "encryption_keys", "{keys}");
        }
        assert_eq!(refused(builder().idle_lifetime(std::time::Duration::ZERO)), "session_lifetime");
    }
}
