//! Randomness.

use keystile_authority::ports::Entropy;
use keystile_protocol::Secret;
use keystile_protocol::encoding::base64url;

/// The operating system's randomness, through the cryptographic library.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness there is nothing safe to go on with.
        aws_lc_rs::rand::fill(bytes).expect("the operating system gives randomness");
    }
}

/// That many unguessable bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemEntropy.fill(&mut bytes);
    bytes
}

/// A client secret of 256 bits.
pub fn client_secret() -> Secret {
    Secret::new(base64url(random::<32>()))
}

/// A password of 96 bits, for a person to copy once.
pub fn password() -> Secret {
    Secret::new(base64url(random::<12>()))
}
