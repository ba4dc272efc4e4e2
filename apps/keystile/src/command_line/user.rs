//! `keystile user …`.

use std::io::Read;

use clap::{Args, Subcommand};
use keystile_authority::ports::{Clock, Passwords, Registry, Store};
use keystile_authority::records::{Account, PASSWORD_AT_LEAST, UserClaims, normalized_username};
use keystile_protocol::Secret;
use keystile_store::Database;
use serde_json::{Value, json};

use super::{Format, Place};
use crate::apply::new_account;
use crate::clock::SystemClock;
use crate::passwords::PasswordPool;
use crate::refusal::{Outcome, Refusal, refuse};
use crate::settings::Settings;
use crate::{entropy, output};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make an account
    Add(Add),
    /// List all accounts
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: Format,
    },
    /// Give an account another password; all its sessions and grants end
    SetPassword {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        password: PasswordFrom,
        #[command(flatten)]
        format: Format,
    },
    /// Remove an account; its sessions and grants end
    Remove {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        format: Format,
    },
}

/// Which user.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// What the user types to sign in
    username: String,
    #[command(flatten)]
    place: Place,
}

impl Named {
    fn username(&self) -> Outcome<String> {
        let refusal = "a user has a name of 1 to 256 bytes without control characters";
        normalized_username(&self.username).ok_or_else(|| Refusal::new(refusal))
    }

    async fn account(&self, store: &Database) -> Outcome<Account> {
        let username = self.username()?;
        match store.credentials(&username).await? {
            Some(found) => Ok(found.account),
            None => refuse(format!("there is no user '{username}'; see keystile user list")),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    password: PasswordFrom,
    /// Full name
    #[arg(long)]
    name: Option<String>,
    /// Email address
    #[arg(long)]
    email: Option<String>,
    /// The address is known to be the user's
    #[arg(long, requires = "email")]
    email_verified: bool,
    #[command(flatten)]
    format: Format,
}

/// Where a password comes from. Never from the command line, where other users see it.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct PasswordFrom {
    /// Read the password from standard input; without this one is made and printed once
    #[arg(long)]
    password_stdin: bool,
}

/// A password, and whether the user has yet to be told.
struct NewPassword {
    password: Secret,
    made: bool,
}

impl PasswordFrom {
    fn get(self) -> Outcome<NewPassword> {
        if !self.password_stdin {
            return Ok(NewPassword { password: entropy::password(), made: true });
        }
        let mut text = String::new();
        std::io::stdin().take(4096).read_to_string(&mut text)?;
        let password = Secret::new(text.trim_end_matches(['\r', '\n']));
        let characters = password.expose().chars().count();
        if characters < PASSWORD_AT_LEAST || password.expose().len() > 1024 {
            return refuse(format!("a password has {PASSWORD_AT_LEAST} to 1024 characters"));
        }
        Ok(NewPassword { password, made: false })
    }
}

impl NewPassword {
    async fn hash(&self, settings: &Settings) -> Outcome<String> {
        let pool = PasswordPool::start(settings.hashing)?;
        Ok(pool.hash(self.password.clone()).await?)
    }

    fn print(&self, username: &str, account: &Account, done: &str, format: Format) {
        if format.json {
            let mut told = described(account);
            if self.made {
                told["password"] = json!(self.password.expose());
            }
            return output::json(&told);
        }
        output::line(format!("{done} '{username}'"));
        if self.made {
            output::line(format!("password  {}", self.password.expose()));
            output::line("It is shown this once; only its hash is kept.");
        }
    }
}

impl UserCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Add(add) => add.run().await,
            Self::List { place, format } => list(&place, format).await,
            Self::SetPassword { named, password, format } => {
                set_password(&named, password, format).await
            }
            Self::Remove { named, format } => remove(&named, format).await,
        }
    }
}

impl Add {
    async fn run(self) -> Outcome {
        let username = self.named.username()?;
        let password = self.password.get()?;
        let (settings, store) = self.named.place.open().await?;
        if store.credentials(&username).await?.is_some() {
            return refuse(format!(
                "there is a user '{username}' already; another password is set with: keystile \
                 user set-password {username}"
            ));
        }
        let account = new_account(username.clone(), self.claims(), SystemClock.now());
        store.add_account(&account, Some(&password.hash(&settings).await?)).await?;
        password.print(&username, &account, "There is now a user", self.format);
        Ok(())
    }

    fn claims(&self) -> UserClaims {
        let mut claims = UserClaims::new();
        let mut tell = |name: &str, value: Option<Value>| {
            claims.extend(value.map(|value| (name.to_owned(), value)));
        };
        tell("name", self.name.as_deref().map(Value::from));
        tell("email", self.email.as_deref().map(Value::from));
        tell("email_verified", self.email.is_some().then(|| self.email_verified.into()));
        claims
    }
}

fn described(account: &Account) -> Value {
    json!({
        "username": account.username,
        "sub": account.id.to_string(),
        "enabled": account.enabled,
        "claims": account.claims,
    })
}

async fn list(place: &Place, format: Format) -> Outcome {
    let (_, store) = place.open().await?;
    let accounts = store.accounts().await?;
    if format.json {
        output::json(&accounts.iter().map(described).collect());
        return Ok(());
    }
    let claim = |account: &Account, name: &str| {
        account.claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let row = |account: &Account| {
        let sub = account.id.to_string();
        vec![account.username.clone(), claim(account, "name"), claim(account, "email"), sub]
    };
    output::table(
        &["USERNAME", "NAME", "EMAIL", "SUB"],
        &accounts.iter().map(row).collect::<Vec<_>>(),
    );
    Ok(())
}

async fn set_password(named: &Named, password: PasswordFrom, format: Format) -> Outcome {
    let password = password.get()?;
    let (settings, store) = named.place.open().await?;
    let account = named.account(&store).await?;
    let hash = password.hash(&settings).await?;
    store.change_password(&account.id, &hash, SystemClock.now()).await?;
    password.print(&account.username, &account, "There is a new password for", format);
    Ok(())
}

async fn remove(named: &Named, format: Format) -> Outcome {
    let (settings, store) = named.place.open().await?;
    let username = named.username()?;
    if let Some(file) = settings.file.as_ref().filter(|_| settings.configures_user(&username)) {
        return refuse(format!(
            "the user '{username}' comes from {}: remove the [[users]] table there first, or the \
             next start makes the account anew",
            file.display()
        ));
    }
    let account = named.account(&store).await?;
    store.remove_account(&account.id).await?;
    if format.json {
        output::json(&json!({ "removed": username }));
    } else {
        output::line(format!("The user '{username}' is removed; sessions and grants have ended."));
    }
    Ok(())
}
