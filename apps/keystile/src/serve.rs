//! `keystile serve`: the authorization server.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use keystile_server::listen::ClientCertificates;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::listening::{Serving, bind, within_open_files};
use crate::node::Node;
use crate::refusal::Outcome;
use crate::settings::{Settings, StorePlace};
use crate::{logging, output};

const ANOTHER_PORT: &str = "set another with 'listen' in the configuration file";
const ANOTHER_MTLS_PORT: &str = "set another with 'listen' in [mtls] of the configuration file";

/// Serves until a signal ends it.
pub fn serve(settings: Settings) -> Outcome {
    logging::start(&settings.log);
    run(async {
        let tls = tls(&settings)?;
        let main = bind(&settings.listen, ANOTHER_PORT).await?;
        let with_certificates = bind(&settings.mtls_listen, ANOTHER_MTLS_PORT).await?;
        let heard = where_it_listens(&main, tls.main.is_some());
        let heard_with_certificates = where_it_listens(&with_certificates, true);
        let node = Node::start(&settings).await?;
        let listeners = main.len() + with_certificates.len();
        let connections = within_open_files(settings.face.limits.connections, listeners);
        let mut serving = Serving::new(connections);
        let routers = keystile_server::routers(Arc::clone(&node.authority), settings.face.clone())?;
        serving.add(main, routers.all, tls.main.as_ref());
        output::line(format!("Keystile listens on {heard} for {}", settings.policy.issuer));
        if !with_certificates.is_empty() {
            let tls = tls.with_certificates.as_ref();
            serving.add(with_certificates, routers.with_certificates, tls);
            output::line(format!("Clients with certificates come to {heard_with_certificates}"));
        }
        match &settings.store {
            StorePlace::File(_) => {
                output::line(format!("Its data are in {}", absolute(&settings.data_folder)));
            }
            StorePlace::Postgres(address) => {
                output::line(format!("Its data are in {}", address.shown()));
            }
        }
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

/// TLS of the two listeners.
#[derive(Debug)]
pub struct Tls {
    main: Option<Arc<ServerConfig>>,
    /// Of the one that asks for client certificates.
    with_certificates: Option<Arc<ServerConfig>>,
}

/// TLS, where the settings have it.
pub fn tls(settings: &Settings) -> Outcome<Tls> {
    let Some(files) = &settings.tls else { return Ok(Tls { main: None, with_certificates: None }) };
    let read = |asked| keystile_server::listen::tls(&files.certificate, &files.key, asked);
    let main = Some(read(files.client_certificates)?);
    let own = !settings.mtls_listen.is_empty();
    let with_certificates = own.then(|| read(ClientCertificates::Optional)).transpose()?;
    Ok(Tls { main, with_certificates })
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
