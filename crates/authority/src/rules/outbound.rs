//! Which addresses the server calls when somebody else names them (RFC 9700 section 4.12 and
//! OpenID Connect Core 1.0 section 17 leave it to us; CWE-918). Asked twice: about the URL, and
//! about every address that its name stands for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use keystile_protocol::redirect_uri::is_loopback;
use url::{Host, Url};

/// The longest answer that is read, in bytes.
pub const ANSWER_AT_MOST: usize = 64 * 1024;
/// The time that a request may take, from the name's resolution to the answer's last byte.
pub const TIME_AT_MOST: Duration = Duration::from_secs(5);
/// The longest URL that is called, in bytes.
pub const URL_AT_MOST: usize = 2000;

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboundPolicy {
    /// Requests may go to this machine itself, by http too: a development issuer, or a test bench.
    pub allow_loopback: bool,
}

/// Why a URL or an address is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum OutboundRefusal {
    #[error("it is not an absolute URL of at most {URL_AT_MOST} bytes")]
    NotAUrl,
    #[error("its scheme is not https: only https URLs are called")]
    NotHttps,
    #[error("it has a user name or password")]
    UserInfo,
    #[error(
        "it is on this machine: that is for a development issuer, or for '[outbound] \
         allow_loopback = true'"
    )]
    Loopback,
    #[error("it is not an address of the public internet (private, link-local, multicast, ...)")]
    NotPublic,
}

/// Whether the URL is called, as far as it can be said before its name is resolved.
pub fn check_url(text: &str, policy: OutboundPolicy) -> Result<Url, OutboundRefusal> {
    if text.len() > URL_AT_MOST || text.chars().any(|c| !matches!(c, '!'..='~')) {
        return Err(OutboundRefusal::NotAUrl);
    }
    let url = Url::parse(text).map_err(|_| OutboundRefusal::NotAUrl)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OutboundRefusal::UserInfo);
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) && policy.allow_loopback => {}
        "http" if is_loopback(&url) => return Err(OutboundRefusal::Loopback),
        _ => return Err(OutboundRefusal::NotHttps),
    }
    match url.host() {
        Some(Host::Ipv4(address)) => check_address(address.into(), policy)?,
        Some(Host::Ipv6(address)) => check_address(address.into(), policy)?,
        Some(Host::Domain(name)) => check_name(name, policy)?,
        None => return Err(OutboundRefusal::NotAUrl),
    }
    Ok(url)
}

/// `localhost` and what is below it is this machine (RFC 6761 section 6.3), whatever a resolver
/// makes of it.
fn check_name(name: &str, policy: OutboundPolicy) -> Result<(), OutboundRefusal> {
    let name = name.trim_end_matches('.');
    let this_machine = name == "localhost" || name.ends_with(".localhost");
    if this_machine && !policy.allow_loopback { Err(OutboundRefusal::Loopback) } else { Ok(()) }
}

/// Whether an address is called: one that a URL names, or one that a name stands for.
pub fn check_address(address: IpAddr, policy: OutboundPolicy) -> Result<(), OutboundRefusal> {
    if address.to_canonical().is_loopback() {
        return if policy.allow_loopback { Ok(()) } else { Err(OutboundRefusal::Loopback) };
    }
    let public = match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    };
    if public { Ok(()) } else { Err(OutboundRefusal::NotPublic) }
}

/// The IANA IPv4 Special-Purpose Address Registry, and what is for several recipients.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Global unicast (2000::/3) alone, without what the IANA IPv6 Special-Purpose Address Registry
/// takes out of it. An address that carries an IPv4 address inside is as good as that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let inside = |at: usize| {
        let [[a, b], [c, d]] = [parts[at].to_be_bytes(), parts[at + 1].to_be_bytes()];
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (parts[0], parts[1]) {
        // NAT64 (RFC 6052 section 2.1) and 6to4 (RFC 3056 section 2).
        (0x64, 0xff9b) if parts[2..6] == [0; 4] => inside(6),
        (0x2002, _) => inside(1),
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

/// How long an answer may be used without asking again (RFC 9111 section 5.2.2), by its
/// `Cache-Control`: nothing where it says so or says nothing, and a day at most.
pub fn fresh_for(cache_control: Option<&str>) -> Duration {
    let mut seconds = 0;
    for directive in cache_control.unwrap_or_default().split(',') {
        let directive = directive.trim().to_ascii_lowercase();
        if matches!(directive.as_str(), "no-store" | "no-cache") {
            return Duration::ZERO;
        }
        if let Some(age) = directive.strip_prefix("max-age=") {
            seconds = age.trim_matches('"').parse().unwrap_or(0);
        }
    }
    Duration::from_secs(seconds.min(24 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: OutboundPolicy = OutboundPolicy { allow_loopback: false };
    const BENCH: OutboundPolicy = OutboundPolicy { allow_loopback: true };

    fn refusal(url: &str, policy: OutboundPolicy) -> Option<OutboundRefusal> {
        check_url(url, policy).err()
    }

    #[test]
    fn https_to_the_public_internet_is_called_and_nothing_else() {
        use OutboundRefusal::{Loopback, NotAUrl, NotHttps, NotPublic, UserInfo};
        for (url, strict, bench) in [
            ("https://app.example/out?a=b", None, None),
            ("https://app.example:8443/", None, None),
            ("https://93.184.215.14/", None, None),
            ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", None, None),
            ("http://app.example/out", Some(NotHttps), Some(NotHttps)),
            ("http://93.184.215.14/", Some(NotHttps), Some(NotHttps)),
            ("ftp://app.example/", Some(NotHttps), Some(NotHttps)),
            ("file:///etc/passwd", Some(NotHttps), Some(NotHttps)),
            ("https://user@app.example/", Some(UserInfo), Some(UserInfo)),
            ("https://:password@app.example/", Some(UserInfo), Some(UserInfo)),
            ("/out", Some(NotAUrl), Some(NotAUrl)),
            ("https://app.example/a b", Some(NotAUrl), Some(NotAUrl)),
            ("https://", Some(NotAUrl), Some(NotAUrl)),
            ("http://localhost:4001/out", Some(Loopback), None),
            ("http://127.0.0.1/", Some(Loopback), None),
            ("https://localhost/", Some(Loopback), None),
            ("https://app.localhost/", Some(Loopback), None),
            ("https://localhost./", Some(Loopback), None),
            ("https://[::1]/", Some(Loopback), None),
            ("https://[::ffff:127.0.0.1]/", Some(Loopback), None),
            ("https://2130706433/", Some(Loopback), None),
            ("https://0x7f.1/", Some(Loopback), None),
            ("https://10.0.0.1/", Some(NotPublic), Some(NotPublic)),
            ("https://169.254.169.254/latest/meta-data/", Some(NotPublic), Some(NotPublic)),
            ("http://169.254.169.254/", Some(NotHttps), Some(NotHttps)),
        ] {
            assert_eq!(refusal(url, STRICT), strict, "{url}");
            assert_eq!(refusal(url, BENCH), bench, "{url}, on a test bench");
        }
        let long = format!("https://app.example/{}", "a".repeat(URL_AT_MOST));
        assert_eq!(refusal(&long, BENCH), Some(NotAUrl));
    }

    #[test]
    fn addresses_that_are_not_of_the_public_internet_are_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::10.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            let parsed: IpAddr = address.parse().expect("an address");
            for policy in [STRICT, BENCH] {
                let refused = check_address(parsed, policy);
                assert_eq!(refused, Err(OutboundRefusal::NotPublic), "{address}");
            }
        }
        for address in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
            let parsed: IpAddr = address.parse().expect("an address");
            assert_eq!(check_address(parsed, STRICT), Err(OutboundRefusal::Loopback), "{address}");
            assert_eq!(check_address(parsed, BENCH), Ok(()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "::ffff:1.1.1.1",
        ] {
            let parsed: IpAddr = address.parse().expect("an address");
            assert_eq!(check_address(parsed, STRICT), Ok(()), "{address}");
        }
    }

    #[test]
    fn rfc_9111_5_2_2_an_answer_is_kept_as_its_headers_say_and_a_day_at_most() {
        for (header, seconds) in [
            (None, 0),
            (Some("max-age=300"), 300),
            (Some("public, Max-Age=\"60\""), 60),
            (Some("no-store, max-age=300"), 0),
            (Some("max-age=300, no-cache"), 0),
            (Some("max-age=-1"), 0),
            (Some("max-age=99999999"), 24 * 3600),
            (Some("s-maxage=10"), 0),
        ] {
            assert_eq!(fresh_for(header), Duration::from_secs(seconds), "{header:?}");
        }
    }
}
