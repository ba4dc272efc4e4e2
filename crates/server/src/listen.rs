//! Accepting connections, with and without TLS.

mod any_certificate;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use keystile_protocol::ClientCertificate;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ServerConfig, SupportedCipherSuite};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use self::any_certificate::AnyCertificate;
use crate::received::Peer;

/// A request's head has to be there within this.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// A TLS handshake has to be over within this.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// What is under way at shutdown has this long.
const FINISH_WITHIN: Duration = Duration::from_secs(10);
/// Largest request head, in bytes.
const HEAD_AT_MOST: usize = 64 * 1024;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read as what it should be.
    #[error("{path}: {problem}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Certificate and key do not fit.
    #[error("certificate and key cannot be used together: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Whether connections are asked for a client certificate (RFC 8705).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Not asked for.
    #[default]
    None,
    /// Asked for. A connection may come without one.
    Optional,
}

/// TLS 1.2 and 1.3 with a certificate chain and its key, both PEM.
pub fn tls(
    certificate: &Path,
    key: &Path,
    client_certificates: ClientCertificates,
) -> Result<Arc<ServerConfig>, TlsError> {
    let wrong = |path: &Path, problem: String| TlsError::File { path: path.to_owned(), problem };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong(certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "it has no certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, e.to_string()))?;
    let provider = Arc::new(provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match client_certificates {
        ClientCertificates::None => builder.with_no_client_auth(),
        ClientCertificates::Optional => {
            builder.with_client_cert_verifier(Arc::new(AnyCertificate(provider)))
        }
    };
    let mut config = builder.with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// For TLS 1.2 the suites that RFC 9325 section 4.2 recommends; FAPI (Read and Write Profile, section
/// 8.5, which FAPI-CIBA refers to) allows no others.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| match suite {
        SupportedCipherSuite::Tls13(_) => true,
        SupportedCipherSuite::Tls12(_) => RECOMMENDED.contains(&suite.suite()),
    });
    provider
}

const RECOMMENDED: [CipherSuite; 4] = [
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
];

/// Connections beyond the bound that are told so at the same time; more are closed without a word.
const TURNED_AWAY_AT_ONCE: usize = 64;
/// How long one of them may take to hear it.
const HEARD_WITHIN: Duration = Duration::from_secs(1);
/// What they are told.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// Serves until `shutdown` is done, then lets what is under way finish. More connections than
/// `connections` are answered 503 at once and closed.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<ServerConfig>>,
    connections: usize,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(connections));
    let doors = Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE));
    let graceful = GracefulShutdown::new();
    let tls = tls.map(TlsAcceptor::from);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener) => accepted,
        };
        let (stream, peer) = accepted;
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            turn_away(stream, tls.is_some(), &doors);
            continue;
        };
        let router = router.clone();
        let watcher = graceful.watcher();
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => connection(stream, Caller(peer, None), router, watcher, slot).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(stream));
                    match handshake.await {
                        Ok(Ok(stream)) => {
                            let chain = stream.get_ref().1.peer_certificates();
                            let caller = Caller(peer, chain.and_then(certificate));
                            connection(stream, caller, router, watcher, slot).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                        Err(_) => tracing::debug!("TLS handshake took too long"),
                    }
                }
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(FINISH_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not finished in time");
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) => {
                // Out of file descriptors, say: wait for some to come back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Tells a connection that there is no room for it. With TLS it is closed: a handshake costs more
/// than there is.
fn turn_away(mut stream: TcpStream, tls: bool, doors: &Arc<Semaphore>) {
    if tls {
        return;
    }
    let Ok(door) = Arc::clone(doors).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let told = async {
            stream.write_all(NO_ROOM).await?;
            stream.shutdown().await?;
            // Closed with something unread, it would lose what it was told.
            let mut unread = [0; 512];
            while stream.read(&mut unread).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        let _ = tokio::time::timeout(HEARD_WITHIN, told).await;
        drop(door);
    });
}

/// The certificate that a handshake proved.
fn certificate(chain: &[CertificateDer<'_>]) -> Option<ClientCertificate> {
    ClientCertificate::from_chain(chain).ok()
}

/// Who is at the other end of a connection.
struct Caller(SocketAddr, Option<ClientCertificate>);

async fn connection<S>(
    stream: S,
    Caller(peer, certificate): Caller,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
    _slot: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(peer));
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|e| match e {})) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_AT_MOST)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended");
    }
}
