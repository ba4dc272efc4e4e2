//! Private keys in PEM (RFC 7468 section 10): PKCS #8 alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystile_protocol::encoding::from_base64;
use keystile_protocol::jose::JoseError;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The DER of the first key in a text.
pub(crate) fn read(text: &str) -> Result<Vec<u8>, JoseError> {
    let body = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let (body, _) = body.ok_or(JoseError::Key(
        "it is no PEM with 'BEGIN PRIVATE KEY'; other forms become one with: openssl pkcs8 -topk8 \
         -nocrypt",
    ))?;
    let body: String = body.split_whitespace().collect();
    from_base64(body).ok_or(JoseError::Key("its PEM is no base64"))
}

/// A key in lines of 64 characters.
pub(crate) fn write(der: &[u8]) -> String {
    let mut pem = format!("{BEGIN}\n");
    // 48 bytes make 64 characters, and no padding within.
    for line in der.chunks(48) {
        pem.push_str(&STANDARD.encode(line));
        pem.push('\n');
    }
    pem + END + "\n"
}
