//! The certificate that a client's connection came with (RFC 8705), as whoever ended TLS tells it:
//! our own listener, or a proxy by a header (RFC 9440). The handshake has proved that the client
//! holds its key. Whether anybody trusts it is for the rules.

use std::fmt;
use std::sync::Arc;

use crate::encoding::from_base64;
use crate::jose::Thumbprint;

/// Largest certificate, in bytes of DER.
const CERTIFICATE_AT_MOST: usize = 8 * 1024;
/// Longest chain; a client sends its own certificate and those between it and its authority.
const CHAIN_AT_MOST: usize = 4;

/// A client's certificate, with the rest of the chain that came with it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    chain: Arc<[Vec<u8>]>,
    thumbprint: Thumbprint,
}

/// Why a client's certificate is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientCertificateError {
    /// No certificate, where there should be one.
    #[error("there is no certificate in it")]
    Empty,
    /// Over the bound.
    #[error("a certificate is longer than {CERTIFICATE_AT_MOST} bytes")]
    TooLong,
    /// Over the bound.
    #[error("the chain has more than {CHAIN_AT_MOST} certificates")]
    TooMany,
    /// Not `:`, base64 and `:`.
    #[error("it is not a byte sequence, such as :MIIB...: (RFC 9440 section 2.2)")]
    Malformed,
}

impl ClientCertificate {
    /// Takes a chain as TLS has it: the client's own certificate first, each in DER.
    pub fn from_chain<D: AsRef<[u8]>>(chain: &[D]) -> Result<Self, ClientCertificateError> {
        let own = chain.first().ok_or(ClientCertificateError::Empty)?;
        let thumbprint = Thumbprint::of_certificate(own.as_ref());
        if chain.len() > CHAIN_AT_MOST {
            return Err(ClientCertificateError::TooMany);
        }
        if chain.iter().any(|certificate| certificate.as_ref().len() > CERTIFICATE_AT_MOST) {
            return Err(ClientCertificateError::TooLong);
        }
        let chain = chain.iter().map(|certificate| certificate.as_ref().to_vec()).collect();
        Ok(Self { chain, thumbprint })
    }

    /// Reads the value of a proxy's `Client-Cert` header (RFC 9440 section 2.2). Whether the
    /// proxy is to be believed is for the caller to know.
    pub fn from_header(value: &[u8]) -> Result<Self, ClientCertificateError> {
        // Base64 has four characters for three bytes.
        if value.len() > CERTIFICATE_AT_MOST / 3 * 4 + 16 {
            return Err(ClientCertificateError::TooLong);
        }
        let encoded =
            value.trim_ascii().strip_prefix(b":").and_then(|rest| rest.strip_suffix(b":"));
        let der = encoded.and_then(from_base64).ok_or(ClientCertificateError::Malformed)?;
        if der.is_empty() {
            return Err(ClientCertificateError::Empty);
        }
        Self::from_chain(&[der])
    }

    /// The client's own certificate, DER.
    pub fn der(&self) -> &[u8] {
        self.chain.first().map_or(&[], Vec::as_slice)
    }

    /// What else the client sent: the certificates that lead to its authority, DER.
    pub fn intermediates(&self) -> impl Iterator<Item = &[u8]> {
        self.chain.iter().skip(1).map(Vec::as_slice)
    }

    /// `x5t#S256`: what a token says of the certificate that it is bound to (RFC 8705 section
    /// 3.1).
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({})", self.thumbprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::sha256;

    #[test]
    fn a_chain_is_bounded_and_its_first_certificate_is_the_clients() {
        let chain = [b"own".to_vec(), b"between".to_vec()];
        let certificate = ClientCertificate::from_chain(&chain).expect("good");
        assert_eq!(certificate.der(), b"own");
        assert_eq!(certificate.intermediates().collect::<Vec<_>>(), [b"between"]);
        assert_eq!(certificate.thumbprint().as_bytes(), &sha256("own"));
        let of = |chain: &[Vec<u8>]| ClientCertificate::from_chain(chain).map(drop);
        assert_eq!(of(&[]), Err(ClientCertificateError::Empty));
        assert_eq!(of(&vec![vec![1]; CHAIN_AT_MOST + 1]), Err(ClientCertificateError::TooMany));
        let long = vec![0; CERTIFICATE_AT_MOST + 1];
        assert_eq!(of(&[vec![1], long]), Err(ClientCertificateError::TooLong));
    }

    #[test]
    fn a_header_is_one_byte_sequence_rfc_9440_2_2() {
        use ClientCertificateError::{Empty, Malformed, TooLong};
        let of = |value: &str| {
            ClientCertificate::from_header(value.as_bytes()).map(|it| it.der().to_vec())
        };
        for good in [":+/8=:", ":+/8:", " :+/8=: "] {
            assert_eq!(of(good), Ok(vec![0xfb, 0xff]), "{good}");
        }
        for bad in ["", ":", "+/8=", ":+/8=", "+/8=:", ":-_8=:", ":+/8=:, :+/8=:", ":+/9=:", "::::"]
        {
            assert_eq!(of(bad), Err(Malformed), "{bad}");
        }
        assert_eq!(of("::"), Err(Empty));
        assert_eq!(of(&format!(":{}:", "A".repeat(12_000))), Err(TooLong));
        assert_eq!(of(&":".repeat(100_000)), Err(TooLong));
    }
}
