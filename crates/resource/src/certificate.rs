//! Which client certificate a request came with (RFC 8705 section 3).

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::request::Parts;
use ipnet::IpNet;

use crate::ClientCertificate;

/// RFC 9440 section 2.2.
const HEADER: &str = "client-cert";

/// The certificate in the request's extensions, which whoever ended TLS put there, or the one of
/// which a trusted proxy tells by a header. From everybody else the header is nothing.
pub(crate) fn of(head: &Parts, proxies: &[IpNet]) -> Option<ClientCertificate> {
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    if !peer.is_some_and(|peer| trusted(peer, proxies)) {
        return head.extensions.get().cloned();
    }
    let mut values = head.headers.get_all(HEADER).iter();
    let value = values.next()?;
    if values.next().is_some() {
        tracing::warn!("the proxy sent two client certificates; neither is taken");
        return None;
    }
    ClientCertificate::from_header(value.as_bytes())
        .inspect_err(|error| {
            tracing::warn!("the proxy's client certificate cannot be read: {error}");
        })
        .ok()
}

fn trusted(peer: IpAddr, proxies: &[IpNet]) -> bool {
    // An IPv4 peer of a socket for both comes as ::ffff:1.2.3.4.
    let peer = peer.to_canonical();
    proxies.iter().any(|network| network.contains(&peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(peer: Option<&str>, headers: &[&str], own: Option<&str>) -> Parts {
        let mut request = http::Request::builder();
        for header in headers {
            request = request.header(HEADER, *header);
        }
        let (mut head, ()) = request.body(()).expect("a request").into_parts();
        if let Some(peer) = peer {
            let peer: SocketAddr = peer.parse().expect("an address");
            head.extensions.insert(ConnectInfo(peer));
        }
        if let Some(own) = own {
            head.extensions.insert(ClientCertificate::from_chain(&[own]).expect("bounded"));
        }
        head
    }

    #[test]
    fn a_header_counts_from_a_trusted_proxy_alone_rfc_9440_4() {
        let proxies = ["10.0.0.0/8".parse().expect("a network")];
        let told = |peer, headers: &[&str], own| {
            of(&head(peer, headers, own), &proxies).map(|found| found.der().to_vec())
        };
        let (proxy, mapped, stranger) = ("10.1.2.3:4", "[::ffff:10.1.2.3]:4", "11.1.2.3:4");
        let (header, own) = (":b3du:", Some("tls"));
        for peer in [proxy, mapped] {
            assert_eq!(told(Some(peer), &[header], own).as_deref(), Some(&b"own"[..]), "{peer}");
        }
        assert_eq!(told(Some(stranger), &[header], None), None);
        assert_eq!(told(None, &[header], None), None, "nobody says who it is");
        assert_eq!(told(Some(stranger), &[header], own).as_deref(), Some(&b"tls"[..]));
        assert_eq!(
            told(Some(proxy), &[], own),
            None,
            "the proxy's own certificate is not the client's"
        );
        assert_eq!(told(Some(proxy), &[header, header], None), None);
        assert_eq!(told(Some(proxy), &["b3du"], None), None);
    }
}
