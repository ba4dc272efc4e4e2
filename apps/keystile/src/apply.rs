//! What the configuration file says of clients and users, brought into the store.
//!
//! Applying it twice changes nothing. The file is the truth about the clients in it; one that is
//! taken out of the file stays in the store until `keystile client remove`. About users it says
//! how an account begins: its password is hashed only when the account is new, so that one which
//! the user changed stays changed. Claims follow the file.

use keystile_authority::ids::AccountId;
use keystile_authority::ports::{Clock, HashBusy, Passwords, Registry, Store, StoreError, Stored};
use keystile_authority::records::{Account, Client};
use keystile_protocol::Timestamp;

use crate::entropy::random;
use crate::settings::{ConfiguredUser, Credential, Settings};

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Clients added or changed.
    pub clients: usize,
    /// Accounts made.
    pub accounts: usize,
    /// Accounts whose claims were changed.
    pub claims: usize,
}

/// Why the file could not be applied.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApplyError {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A password could not be hashed.
    #[error(transparent)]
    Busy(#[from] HashBusy),
}

/// Brings clients and users into the store.
pub async fn apply<S: Store + Registry>(
    settings: &Settings,
    store: &S,
    passwords: &dyn Passwords,
    clock: &dyn Clock,
) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    for client in &settings.clients {
        applied.clients += usize::from(put_client(client, store).await?);
    }
    for user in &settings.users {
        match account_of(user, store).await? {
            None => {
                add_account(user, store, passwords, clock.now()).await?;
                applied.accounts += 1;
            }
            Some(account) if account.claims != user.claims => {
                store.set_claims(&account.id, &user.claims).await?;
                applied.claims += 1;
            }
            Some(_) => {}
        }
    }
    Ok(applied)
}

async fn put_client<S: Store + Registry>(client: &Client, store: &S) -> Stored<bool> {
    let known = store.client(&client.id, true).await?;
    let mut client = client.clone();
    if let Some(known) = known {
        // The file names a logo; that there is a copy of it is the store's to know.
        if known.about.logo_uri == client.about.logo_uri {
            client.about.logo = known.about.logo.clone();
        }
        if *known == client {
            return Ok(false);
        }
    }
    store.put_client(&client).await?;
    Ok(true)
}

async fn account_of(user: &ConfiguredUser, store: &impl Store) -> Stored<Option<Account>> {
    Ok(store.credentials(&user.username).await?.map(|found| found.account))
}

async fn add_account(
    user: &ConfiguredUser,
    store: &impl Registry,
    passwords: &dyn Passwords,
    now: Timestamp,
) -> Result<(), ApplyError> {
    let hash = match &user.credential {
        Credential::Password(password) => passwords.hash(password.clone()).await?,
        Credential::Hash(hash) => hash.clone(),
    };
    let account = new_account(user.username.clone(), user.claims.clone(), now);
    match store.add_account(&account, Some(&hash)).await {
        // Another process that starts with the same file was first.
        Err(StoreError::Conflict(_)) => Ok(()),
        added => Ok(added?),
    }
}

/// An account that begins now.
pub fn new_account(
    username: String,
    claims: keystile_authority::records::UserClaims,
    now: Timestamp,
) -> Account {
    let id = AccountId::new(now, random());
    Account { id, username, enabled: true, valid_from: now, claims }
}

#[cfg(test)]
mod tests {
    use keystile_store::Database;
    use keystile_store::sqlite::Options;

    use super::*;
    use crate::clock::SystemClock;
    use crate::passwords::{Cost, HashSettings, PasswordPool};
    use crate::settings::testing::Folder;

    const CONFIG: &str = r#"
        issuer = "http://localhost:4000"
        [[clients]]
        client_id = "app"
        client_secret = "0123456789abcdef0123456789abcdef"
        redirect_uris = ["http://localhost:4001/callback"]
        [[users]]
        username = "Alice"
        password = "correct horse battery staple"
        name = "Alice Adams"
        [[users]]
        username = "bob"
        password_hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$uOe8wiFpGIGTJyOZJ6zJ5QpLcRDdyZ1EgW0gIPDLGWA"
    "#;

    struct Bench {
        folder: Folder,
        store: Database,
        passwords: PasswordPool,
    }

    impl Bench {
        fn new() -> Self {
            let folder = Folder::new();
            let store = Database::open_sqlite(&folder.join("keystile.db"), Options::default());
            let cost = Cost { memory_kib: 64, iterations: 1 };
            let passwords = PasswordPool::start(HashSettings { cost, workers: 1, queue: 4 });
            let (store, passwords) = (store.expect("opened"), passwords.expect("started"));
            Self { folder, store, passwords }
        }

        async fn apply(&self, config: &str) -> Applied {
            let settings = self.folder.settings(config).expect("good settings");
            let applied = apply(&settings, &self.store, &self.passwords, &SystemClock).await;
            applied.expect("applied")
        }

        async fn hash_of(&self, username: &str) -> String {
            let found = self.store.credentials(username).await.expect("the store answers");
            found.expect("there is an account").password_hash.expect("it has a password")
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn applying_twice_changes_nothing() {
        let bench = Bench::new();
        let first = bench.apply(CONFIG).await;
        assert_eq!(first, Applied { clients: 1, accounts: 2, claims: 0 });
        let hash = bench.hash_of("alice").await;
        assert_eq!(bench.apply(CONFIG).await, Applied::default());
        assert_eq!(bench.hash_of("alice").await, hash);
        assert!(bench.hash_of("bob").await.contains("c29tZXNhbHQ"), "taken as it is");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_changed_password_stays_changed_and_claims_follow_the_file() {
        let bench = Bench::new();
        bench.apply(CONFIG).await;
        let account = bench.store.credentials("alice").await.expect("answers").expect("there");
        let now = SystemClock.now();
        bench.store.change_password(&account.account.id, "$own", now).await.expect("changed");
        let config = CONFIG.replace("Alice Adams", "Alice Baker").replace("battery", "bottle");
        let applied = bench.apply(&config).await;
        assert_eq!(applied, Applied { clients: 0, accounts: 0, claims: 1 });
        assert_eq!(bench.hash_of("alice").await, "$own");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_changed_client_is_put_and_one_that_left_the_file_stays() {
        let bench = Bench::new();
        bench.apply(CONFIG).await;
        let changed = bench.apply(&CONFIG.replace("4001/callback", "4001/cb")).await;
        assert_eq!(changed, Applied { clients: 1, ..Applied::default() });
        let without = "issuer = \"http://localhost:4000\"";
        assert_eq!(bench.apply(without).await, Applied::default());
        assert_eq!(bench.store.clients().await.expect("answers").len(), 1);
    }
}
