//! What scenes are made of.

use std::fmt::Write;

use super::{Canvas, HEIGHT, Random, WIDTH};

pub(super) fn sky(canvas: &mut Canvas, colours: &[&str]) {
    let fill = canvas.gradient(colours);
    canvas.add(&format!(r#"<rect width="{WIDTH}" height="{HEIGHT}" fill="{fill}"/>"#));
}

/// A sun or a moon with a glow around it.
pub(super) fn disc(canvas: &mut Canvas, x: f32, y: f32, radius: f32, colour: &str) {
    for (grown, opacity) in [(4.2, 0.07), (2.6, 0.12), (1.6, 0.2), (1.0, 1.0)] {
        canvas.add(&format!(
            r#"<circle cx="{x:.0}" cy="{y:.0}" r="{:.1}" fill="{colour}" opacity="{opacity}"/>"#,
            radius * grown
        ));
    }
}

/// The outline of a ridge: heights by midpoint displacement, so that it is rough at every scale.
pub(super) fn ridge(random: &mut Random, base: f32, height: f32, roughness: f32) -> Vec<f32> {
    let mut heights = vec![base + random.between(-0.3, 0.3) * height; 2];
    heights[1] = base + random.between(-0.3, 0.3) * height;
    let mut swing = height;
    while heights.len() < 65 {
        let mut finer = Vec::with_capacity(heights.len() * 2);
        for pair in heights.windows(2) {
            finer.push(pair[0]);
            finer.push(f32::midpoint(pair[0], pair[1]) + random.between(-swing, swing));
        }
        finer.extend(heights.last());
        heights = finer;
        swing *= roughness;
    }
    heights
}

/// Fills what is below an outline.
pub(super) fn land(canvas: &mut Canvas, outline: &[f32], fill: &str) {
    canvas.add(&format!(r#"<path d="M0 {HEIGHT}{} V{HEIGHT}Z" fill="{fill}"/>"#, points(outline)));
}

/// The outline as lines of a path, from left to right.
pub(super) fn points(outline: &[f32]) -> String {
    let step = WIDTH / f32::from(u16::try_from(outline.len().max(2) - 1).unwrap_or(1));
    let mut x = -step;
    let mut path = String::new();
    for y in outline {
        x += step;
        let _ = write!(path, "L{x:.1} {y:.1}");
    }
    path
}

/// A soft rolling line, as of a hill or a dune.
pub(super) fn wave(random: &mut Random, base: f32, height: f32, length: f32) -> Vec<f32> {
    let phase = random.between(0.0, 6.3);
    let second = random.between(0.0, 6.3);
    (0..=48_u8)
        .map(|at| {
            let x = f32::from(at) / 48.0 * length;
            base + height * ((x + phase).sin() + 0.4 * (x * 2.3 + second).sin())
        })
        .collect()
}

/// A fir with its foot at (x, y).
pub(super) fn fir(canvas: &mut Canvas, x: f32, y: f32, height: f32, fill: &str) {
    let mut path = format!("M{x:.1} {:.1}", y - height);
    for (down, out) in [(0.35, 0.13), (0.33, 0.07), (0.65, 0.19), (0.63, 0.11), (1.0, 0.26)] {
        let _ = write!(path, "L{:.1} {:.1}", x + height * out, y - height * (1.0 - down));
    }
    for (down, out) in [(1.0, 0.26), (0.63, 0.11), (0.65, 0.19), (0.33, 0.07), (0.35, 0.13)] {
        let _ = write!(path, "L{:.1} {:.1}", x - height * out, y - height * (1.0 - down));
    }
    canvas.add(&format!(r#"<path d="{path}Z" fill="{fill}"/>"#));
}

/// A tree with a round crown, its foot at (x, y).
pub(super) fn broadleaf(canvas: &mut Canvas, x: f32, y: f32, height: f32, fill: &str) {
    canvas.add(&format!(
        r##"<path d="M{x:.1} {y:.1}v{:.1}" stroke="#3b2a24" stroke-width="{:.1}"/><ellipse cx="{x:.1}" cy="{:.1}" rx="{:.1}" ry="{:.1}" fill="{fill}"/>"##,
        -height * 0.5,
        height * 0.07,
        y - height * 0.66,
        height * 0.26,
        height * 0.36
    ));
}

pub(super) fn cloud(canvas: &mut Canvas, random: &mut Random, y: f32, colour: &str) {
    let x = random.between(20.0, WIDTH - 60.0);
    for _ in 0..4 {
        canvas.add(&format!(
            r#"<ellipse cx="{:.0}" cy="{:.0}" rx="{:.0}" ry="{:.0}" fill="{colour}" opacity=".28"/>"#,
            x + random.between(-34.0, 34.0),
            y + random.between(-4.0, 4.0),
            random.between(26.0, 62.0),
            random.between(4.0, 9.0)
        ));
    }
}

pub(super) fn stars(canvas: &mut Canvas, random: &mut Random, count: u8, below: f32) {
    for _ in 0..count {
        canvas.add(&format!(
            r##"<circle cx="{:.0}" cy="{:.0}" r="{:.1}" fill="#fff" opacity="{:.2}"/>"##,
            random.between(0.0, WIDTH),
            random.between(0.0, below),
            random.between(0.4, 1.4),
            random.between(0.35, 0.95)
        ));
    }
}

/// Short bright strokes on water, denser towards the light at `x`.
pub(super) fn glitter(canvas: &mut Canvas, random: &mut Random, x: f32, top: f32, colour: &str) {
    for row in 0..26_u8 {
        let depth = f32::from(row) / 26.0;
        let y = top + 3.0 + depth * (HEIGHT - top);
        let spread = 12.0 + 70.0 * depth;
        let middle = x + random.between(-spread, spread) * 0.5;
        let half = random.between(4.0, 10.0 + 26.0 * depth);
        canvas.add(&format!(
            r#"<path d="M{:.1} {y:.1}h{:.1}" stroke="{colour}" stroke-width="{:.1}" stroke-linecap="round" opacity=".{}"/>"#,
            middle - half,
            half * 2.0,
            1.0 + depth * 1.6,
            random.one_of(&[3, 4, 5, 6])
        ));
    }
}
