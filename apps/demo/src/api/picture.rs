//! Draws a photo: layers from far to near, as an SVG of a few kilobytes.

mod scenes;
mod shapes;

use std::fmt::Write;

use super::album::{Photo, Scene};
use super::random::Random;

pub(super) const WIDTH: f32 = 480.0;
pub(super) const HEIGHT: f32 = 320.0;

/// The photo as SVG; always the same for the same photo and owner.
pub(super) fn draw(photo: &Photo, owner: &str) -> String {
    let mut random = Random::seeded(&["picture", owner, &photo.id]);
    let mut canvas = Canvas::new();
    match photo.scene {
        Scene::Mountains => scenes::mountains(&mut canvas, &mut random),
        Scene::Lake => scenes::lake(&mut canvas, &mut random),
        Scene::Sea => scenes::sea(&mut canvas, &mut random),
        Scene::Dunes => scenes::dunes(&mut canvas, &mut random),
        Scene::Forest => scenes::forest(&mut canvas, &mut random),
        Scene::Night => scenes::night(&mut canvas, &mut random),
    }
    canvas.finish()
}

/// An SVG that is being written.
pub(super) struct Canvas {
    definitions: String,
    shapes: String,
    gradients: usize,
}

impl Canvas {
    fn new() -> Self {
        Self { definitions: String::new(), shapes: String::new(), gradients: 0 }
    }

    /// Adds a shape.
    fn add(&mut self, shape: &str) {
        self.shapes.push_str(shape);
    }

    /// A vertical gradient from the top colour to the bottom one; the name to fill with.
    fn gradient(&mut self, stops: &[&str]) -> String {
        self.gradients += 1;
        let name = format!("g{}", self.gradients);
        let step = 100 / (stops.len().max(2) - 1);
        let definitions = &mut self.definitions;
        let _ = write!(definitions, r#"<linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1">"#);
        for (at, colour) in (0_usize..).zip(stops) {
            let at = at * step;
            let _ = write!(definitions, r#"<stop offset="{at}%" stop-color="{colour}"/>"#);
        }
        definitions.push_str("</linearGradient>");
        format!("url(#{name})")
    }

    fn finish(self) -> String {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"><defs>{}</defs>{}</svg>"#,
            self.definitions, self.shapes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::album::photos_of;
    use super::*;

    #[test]
    fn pictures_are_small_whole_and_always_the_same() {
        for photo in photos_of("alice") {
            let svg = draw(&photo, "alice");
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
            assert!(svg.len() < 24_000, "{} has {} bytes", photo.id, svg.len());
            assert_eq!(svg, draw(&photo, "alice"));
            assert_ne!(svg, draw(&photo, "bob"));
            assert!(!svg.contains("NaN") && !svg.contains("style="));
        }
    }
}
