//! QR codes as pictures.

use std::fmt::Write as _;

use qrcode::{Color, QrCode};

/// The blank edge that readers need, in modules.
const QUIET: usize = 4;

/// An address as a QR code: black on white in light and dark, since some readers see nothing else.
/// Nothing, if it does not fit.
pub(crate) fn svg(address: &str) -> Option<String> {
    let code = QrCode::new(address).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = width + 2 * QUIET;
    let mut path = String::new();
    for (y, row) in modules.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|one, next| one == next) {
            if run[0] == Color::Dark {
                let (x, y, length) = (x + QUIET, y + QUIET, run.len());
                write!(path, "M{x} {y}h{length}v1h-{length}z").ok()?;
            }
            x += run.len();
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/>\
         <path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_corners_and_a_quiet_edge() {
        let svg = svg("https://login.example/device?user_code=BCDF-GHJK").expect("it fits");
        let side: usize =
            svg.split("viewBox=\"0 0 ").nth(1).expect("a box")[..2].parse().expect("a number");
        let (left, right) = (QUIET, side - QUIET - 7);
        for (x, y) in [(left, left), (right, left), (left, right)] {
            assert!(svg.contains(&format!("M{x} {y}h7v1h-7z")), "{x} {y} {svg}");
        }
        assert!(!svg.contains("BCDF") && svg.len() < 20_000);
        assert_eq!(super::svg(&"x".repeat(5000)), None);
    }
}
