//! One running authority: the store opened, the configuration applied, the keys loaded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keystile_authority::Authority;
use keystile_authority::endpoints::Ports;
use keystile_authority::ports::{Entropy, Store};
use keystile_protocol::seal::{MasterKey, MasterKeys, Seals};
use keystile_store::{Database, Sweeping, postgres, sqlite};

use crate::apply::{Applied, apply};
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::logos;
use crate::logout_worker;
use crate::master_key::{self, Origin};
use crate::outbound::{HttpOutbound, KeptDocuments};
use crate::passwords::PasswordPool;
use crate::ping_worker;
use crate::refusal::{Outcome, Refusal, refuse};
use crate::sector_check;
use crate::server_keys;
use crate::settings::{Settings, StorePlace};

const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// An authority over its store.
#[derive(Debug)]
pub struct Node {
    /// The authority.
    pub authority: Arc<Authority>,
    /// What it remembers with.
    pub store: Database,
}

impl Node {
    /// Opens everything. When it returns, requests can be answered; RSA keys may still be in the
    /// making.
    pub async fn start(settings: &Settings) -> Outcome<Self> {
        let store = open_store(settings).await?;
        let masters = master_keys(settings, &store).await?;
        let passwords = Arc::new(PasswordPool::start(settings.hashing)?);
        let Applied { clients, accounts, claims } =
            apply(settings, &store, &*passwords, &SystemClock).await?;
        tracing::info!(clients, accounts, claims, "the configuration is applied");
        let outbound = Arc::new(HttpOutbound::new(settings)?);
        let limits = settings.face.limits;
        let ports = Ports {
            store: Arc::new(store.clone()),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            passwords,
            documents: Arc::new(KeptDocuments::new(outbound.clone(), limits.concurrent_requests)),
            outbound,
        };
        let seals = Seals::sharing(settings.policy.issuer.as_str(), masters);
        let authority = Arc::new(Authority::new(settings.policy.clone(), seals, ports));
        if settings.policy.registration.public_without_pkce {
            tracing::warn!(
                "public clients may register without PKCE: this is for a test bench alone"
            );
        }
        let seen = server_keys::load(&authority, &store).await?;
        server_keys::keep_up(&authority, &store, seen);
        logout_worker::start(&authority);
        ping_worker::start(&authority);
        sector_check::start(&authority, &settings.clients);
        logos::start(&authority, &settings.clients);
        let _until_the_store_is_gone = store.start_sweeper(sweeping(settings));
        Ok(Self { authority, store })
    }
}

fn sweeping(settings: &Settings) -> Sweeping {
    let mut node = [0; 16];
    SystemEntropy.fill(&mut node);
    let lifetimes = settings.policy.lifetimes.clone();
    Sweeping { clock: Arc::new(SystemClock), every: SWEEP_EVERY, lifetimes, node }
}

/// Opens the database, and makes it if there is none.
pub async fn open_store(settings: &Settings) -> Outcome<Database> {
    let opened = match &settings.store {
        StorePlace::File(path) => {
            Database::open_sqlite(path, sqlite::Options::default()).map_err(|e| e.to_string())
        }
        StorePlace::Postgres(address) => {
            let opening = Database::open_postgres(address, postgres::Options::default());
            opening.await.map_err(|error| error.to_string())
        }
    };
    opened.map_err(|error| {
        Refusal::new(format!("the store {} does not open: {error}", settings.store))
    })
}

/// The master keys; made, where there are none and nothing was sealed with others yet.
pub async fn master_keys(settings: &Settings, store: &Database) -> Outcome<Arc<MasterKeys>> {
    let origin = Origin::of(settings);
    let keys = match (origin.read()?, origin.path()) {
        (Some(keys), _) => keys,
        (None, Some(path)) => make_master_key(path, settings, store).await?,
        (None, None) => return refuse(format!("{} is empty", master_key::VARIABLE)),
    };
    Ok(origin.masters(keys))
}

/// A new master key beside a database that has signing keys would only hide what is missing.
async fn make_master_key(
    path: &Path,
    settings: &Settings,
    store: &Database,
) -> Outcome<Vec<MasterKey>> {
    if let StorePlace::Postgres(_) = settings.store {
        return refuse(format!(
            "there is no master key. All servers on {} need the same one, so none makes it by \
             itself: give it in {}, or in a file of mode 0600 that master_key_file in [keys] \
             names. It is a line 1:KEY; `openssl rand -hex 32` makes a KEY.",
            settings.store,
            master_key::VARIABLE,
        ));
    }
    if store.keys().await?.is_empty() {
        return master_key::make_file(path);
    }
    refuse(format!(
        "the master key of the store {} is missing: put it back as {} (or give it in {}). Without \
         it the signing keys in the store cannot be read.",
        settings.store,
        path.display(),
        master_key::VARIABLE,
    ))
}
