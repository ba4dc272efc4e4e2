//! `keystile serve`: the authorization server.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::listening::{Serving, bind};
use crate::node::Node;
use crate::refusal::Outcome;
use crate::settings::Settings;
use crate::{logging, output};

const ANOTHER_PORT: &str = "set another with 'listen' in the configuration file";

/// Serves until a signal ends it.
pub fn serve(settings: Settings) -> Outcome {
    logging::start(&settings.log);
    run(async {
        let tls = tls(&settings)?;
        let listeners = bind(&settings.listen, ANOTHER_PORT).await?;
        let heard = where_it_listens(&listeners, tls.is_some());
        let node = Node::start(&settings).await?;
        let mut serving = Serving::new(settings.face.limits.connections);
        let router = keystile_server::router(Arc::clone(&node.authority), settings.face.clone())?;
        serving.add(listeners, router, tls.as_ref());
        output::line(format!("Keystile listens on {heard} for {}", settings.policy.issuer));
        output::line(format!("Its data are in {}", absolute(settings.data_folder())));
        serving.until_signal().await?;
        node.store.shutdown();
        Ok(())
    })
}

/// Runs on as many threads as there are cores.
pub fn run<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    runtime()?.block_on(work)
}

fn runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = match cores {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(cores).enable_all().build()
}

/// TLS, where the settings have it.
pub fn tls(settings: &Settings) -> Outcome<Option<Arc<ServerConfig>>> {
    let Some(files) = &settings.tls else { return Ok(None) };
    Ok(Some(keystile_server::listen::tls(&files.certificate, &files.key)?))
}

fn where_it_listens(listeners: &[TcpListener], tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok());
    let urls: Vec<String> = addresses.map(|address| format!("{scheme}://{address}")).collect();
    urls.join(" and ")
}

/// A path that a person finds from anywhere.
pub fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
