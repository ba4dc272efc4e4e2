//! `keystile demo`: the three parties in one process, with a user to sign in as.
//!
//! It is an ordinary server with an ordinary configuration file, which it writes into its state
//! (`keystile.toml`) so that the command line works on it too.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keystile_demo::{ApiSettings, AppSettings};
use keystile_protocol::Secret;
use tokio::net::TcpListener;

use crate::entropy::client_secret;
use crate::listening::{Serving, bind};
use crate::node::Node;
use crate::refusal::{Outcome, Refusal};
use crate::serve::{absolute, run};
use crate::settings::Settings;
use crate::{logging, output, private_file};

const CLIENT_ID: &str = "photo-printer";
const USERNAME: &str = "alice";
const PASSWORD: &str = "correct horse battery staple";
const TEMPLATE: &str = include_str!("demo/keystile.toml");

/// Where the demo's three parties are, and where it keeps its state.
#[derive(Debug)]
struct Places {
    ports: [u16; 3],
    state: PathBuf,
}

impl Places {
    /// Each port has a state of its own, since clients and keys belong to one issuer.
    fn new(base: u16, state: &Path) -> Outcome<Self> {
        let last = base.checked_add(2).filter(|_| base > 0);
        let last = last.ok_or_else(|| Refusal::new("--port-base is from 1 to 65533"))?;
        Ok(Self { ports: [base, base + 1, last], state: state.join(base.to_string()) })
    }

    fn url(&self, party: usize) -> String {
        format!("http://localhost:{}", self.ports[party])
    }

    fn make_state(&self) -> Outcome {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.state);
        made.map_err(|error| {
            Refusal::new(format!("cannot make the folder {}: {error}", self.state.display()))
        })
    }

    /// The app's secret, the same at each start.
    fn secret(&self) -> Outcome<Secret> {
        let path = self.state.join("client-secret");
        if private_file::read(&path)?.is_none() {
            private_file::create(&path, client_secret().expose())?;
        }
        let secret = private_file::read(&path)?.unwrap_or_default();
        Ok(Secret::new(secret.trim()))
    }

    /// Writes the configuration and reads it as any other.
    fn settings(&self, secret: &Secret) -> Outcome<Settings> {
        let text = TEMPLATE
            .replace("{issuer}", &self.url(0))
            .replace("{app}", &self.url(1))
            .replace("{api}", &self.url(2))
            .replace("{client_id}", CLIENT_ID)
            .replace("{client_secret}", secret.expose())
            .replace("{username}", USERNAME)
            .replace("{password}", PASSWORD);
        let path = self.state.join("keystile.toml");
        private_file::replace(&path, &text)?;
        Ok(Settings::load(Some(&path))?)
    }

    async fn bind(&self) -> Outcome<[Vec<TcpListener>; 3]> {
        let listen = async |port: u16| {
            let both = [([127, 0, 0, 1], port).into(), ([0_u16, 0, 0, 0, 0, 0, 0, 1], port).into()];
            bind(&both, "move all three ports with --port-base, such as --port-base 5000").await
        };
        let [server, app, api] = self.ports;
        Ok([listen(server).await?, listen(app).await?, listen(api).await?])
    }
}

/// Serves all three until a signal ends it.
pub fn demo(base: u16, state: &Path) -> Outcome {
    let places = Places::new(base, state)?;
    run(async {
        let [server, app, api] = places.bind().await?;
        places.make_state()?;
        let secret = places.secret()?;
        let settings = places.settings(&secret)?;
        logging::start(&settings.log);
        let node = Node::start(&settings).await?;
        let mut serving = Serving::new(settings.face.limits.connections);
        let face = keystile_server::routers(Arc::clone(&node.authority), settings.face.clone())?;
        serving.add(server, face.all, None);
        serving.add(api, keystile_demo::api(api_settings(&places))?, None);
        serving.add(app, keystile_demo::app(app_settings(&places, &secret))?, None);
        greet(&places);
        serving.until_signal().await?;
        node.store.shutdown();
        Ok(())
    })
}

fn api_settings(places: &Places) -> ApiSettings {
    ApiSettings { base_url: places.url(2), issuer: places.url(0), audience: places.url(2) }
}

fn app_settings(places: &Places, secret: &Secret) -> AppSettings {
    AppSettings {
        base_url: places.url(1),
        issuer: places.url(0),
        client_id: CLIENT_ID.to_owned(),
        client_secret: secret.expose().to_owned(),
        api_url: places.url(2),
        audience: places.url(2),
        state_dir: places.state.clone(),
        username: USERNAME.to_owned(),
        leak_proof: None,
    }
}

fn greet(places: &Places) {
    let state = absolute(&places.state);
    output::line(format!("The photo printer is open:  {}", places.url(1)));
    output::line(format!("Sign in as                  {USERNAME}"));
    output::line(format!("with the password           {PASSWORD}"));
    output::line(format!("Everything is kept in       {state}"));
    output::line("A second start goes on with it. Ctrl-C ends the demo.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::Folder;

    #[test]
    fn the_demos_configuration_is_one_and_its_secret_stays() {
        let folder = Folder::new();
        let places = Places::new(5000, folder.path()).expect("good");
        places.make_state().expect("made");
        let secret = places.secret().expect("made");
        assert!(places.secret().expect("read") == secret);
        let settings = places.settings(&secret).expect("good settings");
        assert_eq!(settings.policy.issuer.as_str(), "http://localhost:5000");
        assert_eq!(settings.policy.apis[0].audience, "http://localhost:5002");
        let client = &settings.clients[0];
        assert_eq!(client.id.as_str(), CLIENT_ID);
        assert!(client.redirect_uris[0].matches("http://localhost:5001/callback", false));
        let known: Vec<_> = keystile_authority::rules::claims::supported().collect();
        let alice = &settings.users[0].claims;
        assert!(known.iter().all(|claim| alice.contains_key(*claim)), "all standard claims");
    }

    #[test]
    fn ports_have_to_fit() {
        assert!(Places::new(65534, Path::new("x")).is_err());
        assert!(Places::new(0, Path::new("x")).is_err());
    }
}
