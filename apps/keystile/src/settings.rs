//! The configuration file: read, checked, and made into a policy, clients and users.
//!
//! Every error names file, line and column, what is wrong, and what would be right. A key that is
//! not known is an error that names the nearest one that is. The keys themselves and what they
//! mean are in [`mod@file`].

mod addresses;
mod bounds;
mod clients;
mod details;
pub mod file;
mod keys;
mod mtls;
mod registration;
mod scopes;
mod source;
mod storage;
#[cfg(test)]
mod table_of_errors;
#[cfg(test)]
pub(crate) mod testing;
mod trusted_issuers;
mod users;

use std::path::{Path, PathBuf};

use keystile_authority::policy::Policy;
use keystile_authority::records::Client;
use keystile_authority::rules::signing;
use keystile_protocol::Issuer;
use keystile_server::FaceSettings;

pub use addresses::TlsFiles;
pub(crate) use clients::unknown_api;
pub(crate) use details::unknown_type;
pub use file::Outbound;
pub(crate) use scopes::unknown_scope;
pub use source::SettingsError;
pub use storage::StorePlace;
pub use users::{ConfiguredUser, Credential};

use crate::logging::LogSettings;
use crate::passwords::HashSettings;
use addresses::{listen, proxy, tls};
use file::File;
use source::{Place, Source};

/// Where a server is that nobody told where to be.
pub const DEFAULT_ISSUER: &str = "http://localhost:4000";
/// Its folder, below the working directory or the configuration file's.
const DEFAULT_STORE: &str = "keystile-data/keystile.db";

/// All that the operator decided.
#[derive(Debug)]
pub struct Settings {
    /// The file that says so; nothing for the defaults.
    pub file: Option<PathBuf>,
    /// For the rules.
    pub policy: Policy,
    /// To be in the store.
    pub clients: Vec<Client>,
    /// To be in the store.
    pub users: Vec<ConfiguredUser>,
    /// The database.
    pub store: StorePlace,
    /// The folder for what lies beside the database.
    pub data_folder: PathBuf,
    /// The operator's own file of master keys.
    pub master_key_file: Option<PathBuf>,
    /// Where to listen.
    pub listen: Vec<std::net::SocketAddr>,
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// Where to listen for clients with certificates.
    pub mtls_listen: Vec<std::net::SocketAddr>,
    /// Pages, proxies and bounds on what comes in.
    pub face: FaceSettings,
    /// For requests of our own.
    pub outbound: Outbound,
    /// How passwords are hashed.
    pub hashing: HashSettings,
    /// The log.
    pub log: LogSettings,
}

impl Settings {
    /// Reads the file; without one it is all defaults, and a development issuer.
    pub fn load(path: Option<&Path>) -> Result<Self, SettingsError> {
        let Some(path) = path else {
            let source = Source::new(PathBuf::new(), format!("issuer = \"{DEFAULT_ISSUER}\""));
            return Ok(Self { file: None, ..Self::from_source(&source)? });
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::unreadable(path, &error))?;
        Self::from_source(&Source::new(path.to_owned(), text))
    }

    fn from_source(source: &Source) -> Result<Self, SettingsError> {
        let file: File = source.parse()?;
        let root = source.root();
        let issuer = issuer(file.issuer.as_deref(), &root)?;
        let tls = tls(file.tls.as_ref(), &issuer, source)?;
        let listen = listen(file.listen.as_deref(), &issuer, &root)?;
        let mtls_listen = mtls::listen(file.mtls.as_ref(), tls.as_ref(), &root)?;
        let proxy = proxy(&file.proxy, &root.key("proxy"))?;
        let store = storage::database(&file.store, source)?;
        let mut policy = policy(&file, issuer, source)?;
        policy.mutual_tls =
            mtls::mutual_tls(file.mtls.as_ref(), tls.as_ref(), &proxy, &policy.issuer, source)?;
        Ok(Self {
            file: Some(source.path().to_owned()),
            clients: clients::clients(&file.clients, &policy, &root)?,
            users: users::users(file.users, &root)?,
            data_folder: storage::data_folder(&store, source),
            store,
            master_key_file: file.keys.master_key_file.map(|path| source.beside(path)),
            face: FaceSettings {
                overrides: file.pages.overrides.map(|folder| source.beside(folder)),
                brand: file.pages.name.unwrap_or_else(|| FaceSettings::default().brand),
                proxy,
                limits: bounds::face(&file.limits, &root.key("limits"))?,
            },
            outbound: Outbound {
                extra_ca: file.outbound.extra_ca.map(|path| source.beside(path)),
                ..file.outbound
            },
            hashing: bounds::hashing(file.password_hash, &file.limits, &root)?,
            log: bounds::log(file.log, &root.key("log"))?,
            policy,
            listen,
            tls,
            mtls_listen,
        })
    }

    /// Whether a client is the file's to say.
    pub fn configures_client(&self, id: &str) -> bool {
        self.clients.iter().any(|client| client.id.as_str() == id)
    }

    /// Whether a user is in the file.
    pub fn configures_user(&self, username: &str) -> bool {
        self.users.iter().any(|user| user.username == username)
    }
}

fn issuer(text: Option<&str>, root: &Place<'_>) -> Result<Issuer, SettingsError> {
    let Some(text) = text else {
        return root.wrong(
            "issuer is missing: the URL of this server, such as \
                           issuer = \"https://login.example\"",
        );
    };
    Issuer::try_from(text).or_else(|problem| root.key("issuer").wrong(problem))
}

fn policy(file: &File, issuer: Issuer, source: &Source) -> Result<Policy, SettingsError> {
    let root = &source.root();
    let mut policy = Policy::new(issuer);
    scopes::add_scopes(&mut policy, &file.scopes, root)?;
    scopes::add_apis(&mut policy, &file.apis, root)?;
    details::add_types(&mut policy, &file.authorization_details, root)?;
    trusted_issuers::add(&mut policy, &file.trusted_issuers, source)?;
    policy.lifetimes = bounds::lifetimes(&file.lifetimes, &root.key("lifetimes"))?;
    policy.keys = keys::rotation(&file.keys, &policy.issuer, &root.key("keys"))?;
    policy.guessing = bounds::guessing(&file.limits, &root.key("limits"))?;
    policy.dpop_nonces = file.dpop.nonces;
    policy.sign_up = file.accounts.sign_up;
    if let Some(names) = &file.keys.algorithms {
        let place = root.key("keys").key("algorithms");
        policy.signing_algorithms =
            signing::algorithms(names).or_else(|problem| place.wrong(problem))?;
    }
    policy.waiting = bounds::waiting(&file.limits, &root.key("limits"))?;
    policy.parking = bounds::parking(&file.limits, &root.key("limits"))?;
    policy.require_pushed_requests = file.require_pushed_authorization_requests;
    policy.registration =
        registration::policy(&file.registration, &policy, &root.key("registration"))?;
    Ok(policy)
}
