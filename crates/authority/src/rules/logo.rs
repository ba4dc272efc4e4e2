//! A client's logo (`logo_uri`, RFC 7591 section 2): which pictures our pages show.
//!
//! It is known by its first bytes and by nothing that its server says of it. An SVG is no picture
//! for us: it can hold scripts, and loads what it likes.

use keystile_protocol::encoding::{base64url, sha256};

use crate::ports::Fetched;

/// The longest side of a picture, in pixels: a few bytes can stand for a huge one.
const SIDE_AT_MOST: u32 = 2048;

/// A picture that may be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    /// Its name among all pictures: of its digest.
    pub name: String,
    /// What it is.
    pub kind: PictureKind,
    /// Its bytes.
    pub picture: Vec<u8>,
}

impl std::fmt::Debug for Logo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Logo({}, {})", self.name, self.kind.media_type())
    }
}

/// The kinds of pictures that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum PictureKind {
    Png,
    Jpeg,
    WebP,
}

impl PictureKind {
    const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::WebP];

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
        }
    }

    /// The kind of that media type.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.media_type() == media_type)
    }
}

/// Why there is no logo to be shown. The client is registered all the same: its page shows its
/// first letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum NoLogo {
    #[error("the answer's status is {0}")]
    Status(u16),
    #[error("it is neither PNG nor JPEG nor WebP")]
    NoPicture,
    #[error("it is {0} x {1} pixels large; at most {SIDE_AT_MOST} x {SIDE_AT_MOST} are shown")]
    TooLarge(u32, u32),
}

/// The logo that an answer holds.
pub fn fetched(answer: Fetched) -> Result<Logo, NoLogo> {
    if !answer.is_success() {
        return Err(NoLogo::Status(answer.status));
    }
    recognised(answer.body)
}

fn recognised(picture: Vec<u8>) -> Result<Logo, NoLogo> {
    let sizes = [
        (PictureKind::Png, png_size(&picture)),
        (PictureKind::Jpeg, jpeg_size(&picture)),
        (PictureKind::WebP, webp_size(&picture)),
    ];
    let found = sizes.into_iter().find_map(|(kind, size)| size.map(|size| (kind, size)));
    let Some((kind, (width, height))) = found else { return Err(NoLogo::NoPicture) };
    let good = 1..=SIDE_AT_MOST;
    if !good.contains(&width) || !good.contains(&height) {
        return Err(NoLogo::TooLarge(width, height));
    }
    Ok(Logo { name: base64url(&sha256(&picture)[..16]), kind, picture })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<[u8; 2]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Width and height stand in the first chunk (PNG section 11.2.1).
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")?;
    let number = |at: usize| rest.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
    Some((number(0)?, number(4)?))
}

/// Width and height stand in the frame header, behind any number of other segments (ITU-T T.81
/// annex B).
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let [0xff, marker, ..] = rest else { return None };
        let segment = &rest[2..];
        match marker {
            // Fill bytes, and markers that stand alone.
            0xff => rest = &rest[1..],
            0x01 | 0xd0..=0xd7 => rest = segment,
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let number = |at| u16_at(segment, at).map(|two| u16::from_be_bytes(two).into());
                return Some((number(5)?, number(3)?));
            }
            // The picture itself, or its end, before any frame header.
            0xd8..=0xda => return None,
            _ => {
                let length = u16::from_be_bytes(u16_at(segment, 0)?);
                rest = segment.get(usize::from(length.max(2))..)?;
            }
        }
    }
}

/// Width and height stand in the first chunk, in one of three ways (RFC 9649 section 2).
fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let chunk = rest.get(4..)?;
    let little = |at: usize| u16_at(chunk, at).map(|two| u32::from(u16::from_le_bytes(two)));
    let third = |at: usize| chunk.get(at).map(|byte| u32::from(*byte) << 16);
    match name {
        b"VP8 " if chunk.get(3..6) == Some(b"\x9d\x01\x2a") => {
            Some((little(6)? & 0x3fff, little(8)? & 0x3fff))
        }
        b"VP8L" if chunk.first() == Some(&0x2f) => {
            let bits = u32::from_le_bytes(chunk.get(1..)?.first_chunk().copied()?);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some(((little(4)? | third(6)?) + 1, (little(7)? | third(9)?) + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0\x00\x0b\x08".to_vec();
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes
    }

    fn webp(chunk: &[u8]) -> Vec<u8> {
        [b"RIFF\0\0\0\0WEBP", chunk].concat()
    }

    fn kind(picture: &[u8]) -> Result<PictureKind, NoLogo> {
        recognised(picture.to_vec()).map(|logo| logo.kind)
    }

    #[test]
    fn pictures_are_known_by_their_bytes_and_bounded_in_size() {
        assert_eq!(kind(&png(64, 64)), Ok(PictureKind::Png));
        assert_eq!(kind(&jpeg(300, 20)), Ok(PictureKind::Jpeg));
        let lossy = b"VP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x40\x00\x30\x00";
        let lossless = b"VP8L\0\0\0\0\x2f\x3f\xc0\x0f\x00";
        let extended = b"VP8X\0\0\0\0\0\0\0\0\x3f\0\0\x3f\0\0";
        for chunk in [&lossy[..], lossless, extended] {
            assert_eq!(kind(&webp(chunk)), Ok(PictureKind::WebP));
        }
        assert_eq!(webp_size(&webp(lossy)), Some((64, 48)));
        assert_eq!(webp_size(&webp(lossless)), Some((64, 64)));
        assert_eq!(webp_size(&webp(extended)), Some((64, 64)));
        assert_eq!(jpeg_size(&jpeg(300, 20)), Some((300, 20)));

        let bomb = b"VP8X\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff";
        assert_eq!(kind(&webp(bomb)), Err(NoLogo::TooLarge(1 << 24, 1 << 24)));
        assert_eq!(kind(&png(SIDE_AT_MOST + 1, 1)), Err(NoLogo::TooLarge(SIDE_AT_MOST + 1, 1)));
        assert_eq!(kind(&png(0, 1)), Err(NoLogo::TooLarge(0, 1)));
        assert_eq!(kind(&jpeg(1, 5000)), Err(NoLogo::TooLarge(1, 5000)));
    }

    #[test]
    fn what_is_no_picture_is_refused_whatever_it_is_called() {
        for other in [
            &b""[..],
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"<!DOCTYPE html>",
            b"GIF89a\x01\x00\x01\x00",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"\xff\xd8\xff\xe0\xff\xff",
            b"\xff\xd8\xff\xe0\x00\x00\xff\xe0\x00\x00",
            b"\xff\xd8\xff\xda\x00\x02",
            b"RIFF\0\0\0\0WEBP",
            b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0",
            b"RIFF\0\0\0\0WAVEfmt ",
        ] {
            assert_eq!(kind(other), Err(NoLogo::NoPicture), "{other:?}");
        }
        let answer = |status, body: &[u8]| Fetched {
            status,
            content_type: Some("image/svg+xml".into()),
            body: body.to_vec(),
            fresh_for: std::time::Duration::ZERO,
        };
        assert!(fetched(answer(200, &png(1, 1))).is_ok(), "what its header says counts nothing");
        assert_eq!(fetched(answer(302, &png(1, 1))), Err(NoLogo::Status(302)));
        assert_eq!(fetched(answer(200, b"<svg/>")), Err(NoLogo::NoPicture));
    }
}
