//! What of a private key is private: its public half is published, and stands in it too.

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// What nobody else knows of a key in PKCS #8 (RFC 5958 section 2), DER: the private number of an
/// elliptic curve (RFC 5915) or of Ed25519 (RFC 8410), the exponents and primes of RSA (RFC 8017
/// appendix A.1.2). Nothing of what is no such key.
pub(crate) fn private_parts(pkcs8: &[u8]) -> Vec<&[u8]> {
    parts(pkcs8).unwrap_or_default()
}

fn parts(pkcs8: &[u8]) -> Option<Vec<&[u8]>> {
    let whole = elements(pkcs8)?;
    let members = elements(content(whole.first()?, SEQUENCE)?)?;
    let key = elements(content(members.get(2)?, OCTET_STRING)?)?;
    let (tag, key) = *key.first()?;
    if tag == OCTET_STRING {
        return Some(vec![key]);
    }
    let members = elements(content(&(tag, key), SEQUENCE)?)?;
    match members.get(1)? {
        (OCTET_STRING, number) => Some(vec![number]),
        // Behind the version, modulus and public exponent come the private ones.
        (INTEGER, _) => members.get(3..)?.iter().map(|member| content(member, INTEGER)).collect(),
        _ => None,
    }
}

fn content<'a>((tag, content): &(u8, &'a [u8]), wanted: u8) -> Option<&'a [u8]> {
    (*tag == wanted).then_some(*content)
}

/// The elements of DER, one after another (X.690 section 8.1).
fn elements(mut der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while let [tag, length, rest @ ..] = der {
        let (length, rest) = match length {
            0x81 | 0x82 => {
                let (digits, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
                (digits.iter().fold(0, |sum, &digit| sum << 8 | usize::from(digit)), rest)
            }
            short if *short < 0x80 => (usize::from(*short), rest),
            _ => return None,
        };
        let (content, behind) = rest.split_at_checked(length)?;
        found.push((*tag, content));
        der = behind;
    }
    der.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use keystile_protocol::encoding::from_base64url;
    use keystile_protocol::jose::{Algorithm, SigningKey};

    use super::*;

    fn contains(whole: &[u8], part: &[u8]) -> bool {
        whole.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn the_private_half_of_a_key_of_each_type_is_found_and_the_public_one_is_not_in_it() {
        for (algorithm, count, bytes) in
            [(Algorithm::ES256, 1, 32), (Algorithm::EdDSA, 1, 32), (Algorithm::PS256, 6, 128)]
        {
            let made = SigningKey::generate(algorithm).expect("made");
            let parts = private_parts(&made.pkcs8);
            assert_eq!(parts.len(), count, "{algorithm}");
            assert!(parts.iter().all(|part| part.len() >= bytes - 2), "{algorithm}");
            let public = made.key.public();
            let public = [&public.x, &public.y, &public.n].into_iter().flatten();
            for half in public.map(|text| from_base64url(text).expect("base64url")) {
                assert!(parts.iter().all(|part| !contains(part, &half[..8])), "{algorithm}");
            }
        }
    }

    #[test]
    fn of_what_is_no_key_nothing_is_private() {
        let made = SigningKey::generate(Algorithm::ES256).expect("made").pkcs8;
        let cut = &made[..made.len() - 1];
        for other in [&b""[..], b"text", &[SEQUENCE, 0x83, 0, 0, 1], &[SEQUENCE, 0], cut] {
            assert_eq!(private_parts(other), Vec::<&[u8]>::new());
        }
    }
}
