//! Where a request comes from: the socket's address, unless a trusted proxy says otherwise.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName};
use keystile_protocol::ClientCertificate;

/// A range of addresses, such as `10.0.0.0/8` or `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Not a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a network, such as 10.0.0.0/8 or ::1")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix)),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |p| p.parse().map_err(|_| wrong()))?;
        if prefix > longest {
            return Err(wrong());
        }
        Ok(Self { address, prefix })
    }
}

impl Network {
    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && masked(address, self.prefix) == masked(self.address, self.prefix)
    }
}

fn masked(address: IpAddr, prefix: u8) -> u128 {
    let keep = |bits: u128, length: u8| {
        let drop = u32::from(length.saturating_sub(prefix));
        bits.checked_shr(drop).unwrap_or(0)
    };
    match address {
        IpAddr::V4(address) => keep(u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => keep(address.to_bits(), 128),
    }
}

/// Which header a trusted proxy writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl FromStr for ForwardedHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err(format!("'{text}' is neither X-Forwarded-For nor Forwarded")),
        }
    }
}

/// Whom to believe. By default nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// The proxies' own addresses.
    pub trusted: Vec<Network>,
    /// The header that they write.
    pub forwarded_header: Option<ForwardedHeader>,
    /// The header that they write a connection's client certificate into, as RFC 9440 has it.
    pub client_certificate_header: Option<HeaderName>,
}

impl ProxySettings {
    /// The address that a request comes from: the last one in the header that is not a trusted
    /// proxy's, if the socket's is one.
    pub(crate) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: IpAddr| self.trusts(address);
        let Some(header) = self.forwarded_header.filter(|_| trusted(peer)) else { return peer };
        let hops = forwarded_for(headers, header);
        let mut nearest = peer;
        for hop in hops.into_iter().rev() {
            let Some(hop) = hop else { break };
            nearest = hop;
            if !trusted(hop) {
                break;
            }
        }
        nearest
    }

    /// The client certificate of a request: what a trusted proxy says, or the connection's own
    /// (`own`). From everybody else the header is nothing.
    pub(crate) fn client_certificate(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        own: Option<&ClientCertificate>,
    ) -> Option<ClientCertificate> {
        let Some(name) = self.client_certificate_header.as_ref().filter(|_| self.trusts(peer))
        else {
            return own.cloned();
        };
        let mut values = headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() {
            tracing::warn!(%peer, "the proxy sent two client certificates; neither is taken");
            return None;
        }
        ClientCertificate::from_header(value.as_bytes())
            .inspect_err(|error| {
                tracing::warn!(%peer, %error, "the proxy's client certificate cannot be read");
            })
            .ok()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

fn forwarded_for(headers: &HeaderMap, header: ForwardedHeader) -> Vec<Option<IpAddr>> {
    let name = match header {
        ForwardedHeader::XForwardedFor => "x-forwarded-for",
        ForwardedHeader::Forwarded => "forwarded",
    };
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let hops = values.flat_map(|value| value.split(',')).take(50);
    hops.map(|hop| match header {
        ForwardedHeader::XForwardedFor => address(hop),
        ForwardedHeader::Forwarded => hop
            .split(';')
            .find_map(|pair| {
                pair.trim().split_once('=').filter(|(k, _)| k.eq_ignore_ascii_case("for"))
            })
            .and_then(|(_, value)| address(value)),
    })
    .collect()
}

/// An address, perhaps quoted, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// The network that an address counts with: /24, or /56 for IPv6.
pub(crate) struct Neighbourhood(pub(crate) IpAddr);

impl fmt::Display for Neighbourhood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                write!(f, "{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(address) => {
                let bits = address.to_bits() >> 72 << 72;
                write!(f, "{}/56", std::net::Ipv6Addr::from_bits(bits))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn from(peer: &str, forwarded: &str, trusted: &[&str]) -> String {
        let settings = ProxySettings {
            trusted: trusted.iter().map(|net| net.parse().expect("a network")).collect(),
            forwarded_header: Some(ForwardedHeader::XForwardedFor),
            client_certificate_header: None,
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().expect("ASCII"));
        settings.address(ip(peer), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(from("10.0.0.1", "192.0.2.7", &[]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", "192.0.2.7", &["10.0.0.0/8"]), "192.0.2.7");
        assert_eq!(from("192.0.2.1", "6.6.6.6", &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(from("10.0.0.1", "6.6.6.6, 192.0.2.7, 10.0.0.2", &["10.0.0.0/8"]), "192.0.2.7");
        assert_eq!(from("10.0.0.1", "junk", &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(from("::1", "[2001:db8::1]:4711", &["::1"]), "2001:db8::1");
    }

    #[test]
    fn forwarded_of_rfc_7239_is_read() {
        let mut headers = HeaderMap::new();
        headers
            .insert("forwarded", "for=\"[2001:db8::17]:47\";proto=https".parse().expect("ASCII"));
        let hops = forwarded_for(&headers, ForwardedHeader::Forwarded);
        assert_eq!(hops, [Some(ip("2001:db8::17"))]);
    }

    #[test]
    fn a_client_certificate_is_taken_from_a_trusted_proxy_alone_rfc_9440_4() {
        let settings = ProxySettings {
            trusted: vec!["10.0.0.0/8".parse().expect("a network")],
            forwarded_header: Some(ForwardedHeader::XForwardedFor),
            client_certificate_header: Some(HeaderName::from_static("client-cert")),
        };
        let own = ClientCertificate::from_chain(&[b"own"]).expect("bounded");
        let told = ClientCertificate::from_chain(&[[0xfb, 0xff]]).expect("bounded");
        let of = |settings: &ProxySettings, peer: &str, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("client-cert", value.parse().expect("ASCII"));
            }
            settings.client_certificate(ip(peer), &headers, Some(&own))
        };
        assert_eq!(of(&settings, "10.0.0.1", &[":+/8=:"]), Some(told));
        assert_eq!(of(&settings, "10.0.0.1", &[]), None, "the proxy's own is not the client's");
        for bad in [&[":+/8=:", ":+/8=:"][..], &["+/8="], &[""]] {
            assert_eq!(of(&settings, "10.0.0.1", bad), None, "{bad:?}");
        }
        let long = format!(":{}:", "A".repeat(20_000));
        assert_eq!(of(&settings, "10.0.0.1", &[&long]), None);
        assert_eq!(of(&settings, "192.0.2.1", &[":+/8=:"]), Some(own.clone()));
        let none = ProxySettings { client_certificate_header: None, ..settings };
        assert_eq!(of(&none, "10.0.0.1", &[":+/8=:"]), Some(own.clone()));
    }

    #[test]
    fn networks() {
        let net: Network = "10.0.0.0/8".parse().expect("good");
        assert!(net.contains(ip("10.255.0.1")) && !net.contains(ip("11.0.0.1")));
        assert!(net.contains(ip("::ffff:10.0.0.1")));
        let all: Network = "0.0.0.0/0".parse().expect("good");
        assert!(all.contains(ip("8.8.8.8")) && !all.contains(ip("::1")));
        for bad in ["", "10.0.0.0/33", "x/8", "::/129", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert_eq!(Neighbourhood(ip("192.0.2.77")).to_string(), "192.0.2.0/24");
        assert_eq!(Neighbourhood(ip("2001:db8:1:2ff::9")).to_string(), "2001:db8:1:200::/56");
    }
}
