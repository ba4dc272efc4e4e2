//! The app over https, with a certificate of its own making.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use url::Url;

/// How long a connection may take to say hello. One after the other: who asks is the suite and one browser.
const HELLO: Duration = Duration::from_secs(5);

pub(crate) struct TlsListener {
    plain: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    /// At the address that the app has, and the certificate, in PEM.
    pub(crate) async fn bind(app_url: &str) -> Result<(Self, Vec<u8>), Box<dyn Error>> {
        let port = Url::parse(app_url)?.port_or_known_default().ok_or("APP_URL has no port")?;
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        let plain = TcpListener::bind(("127.0.0.1", port)).await?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok((Self { plain, acceptor }, cert.pem().into_bytes()))
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, from)) = self.plain.accept().await else { continue };
            match tokio::time::timeout(HELLO, self.acceptor.accept(stream)).await {
                Ok(Ok(stream)) => return (stream, from),
                Ok(Err(problem)) => tracing::info!(%problem, "no TLS"),
                Err(_) => tracing::info!("a connection said nothing"),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.plain.local_addr()
    }
}
