//! The six kinds of picture. Each has a few palettes; the rest is chance.

use super::shapes::{broadleaf, cloud, disc, fir, glitter, land, points, ridge, sky, stars, wave};
use super::{Canvas, HEIGHT, Random, WIDTH};

/// Sky from top to horizon, a light, and layers from far to near.
struct Palette {
    sky: [&'static str; 3],
    light: &'static str,
    layers: [&'static str; 4],
}

const DAY: [Palette; 5] = [
    Palette {
        sky: ["#2b3a67", "#e07a5f", "#f7d08a"],
        light: "#fff1c9",
        layers: ["#b5667a", "#7d4a70", "#4a3560", "#241f3d"],
    },
    Palette {
        sky: ["#7fb7d6", "#bfe0e8", "#fdf3dc"],
        light: "#fffdf2",
        layers: ["#9cc1c9", "#6a9bab", "#3f7186", "#1e4459"],
    },
    Palette {
        sky: ["#34506b", "#8fa7b3", "#f4c9a8"],
        light: "#ffe9cf",
        layers: ["#b3a9b0", "#82808f", "#525a70", "#28324a"],
    },
    Palette {
        sky: ["#5a4fcf", "#e7a1b0", "#fbe3c2"],
        light: "#fff6e0",
        layers: ["#c78fb4", "#8a63a3", "#54417d", "#2a2452"],
    },
    Palette {
        sky: ["#3d8b8b", "#a8d5ba", "#fff2c7"],
        light: "#fffbe6",
        layers: ["#8fbf9f", "#5b9a82", "#2f6f66", "#12403f"],
    },
];

fn sky_with_light(canvas: &mut Canvas, random: &mut Random, colours: &Palette, low: f32) -> f32 {
    sky(canvas, &colours.sky);
    let x = random.between(90.0, WIDTH - 90.0);
    let y = random.between(low * 0.45, low * 0.92);
    let radius = random.between(15.0, 27.0);
    disc(canvas, x, y, radius, colours.light);
    for _ in 0..3 {
        let y = random.between(24.0, low * 0.7);
        cloud(canvas, random, y, "#fff");
    }
    x
}

pub(super) fn mountains(canvas: &mut Canvas, random: &mut Random) {
    let colours = random.one_of(&DAY);
    sky_with_light(canvas, random, colours, 170.0);
    for (colour, (base, height)) in
        colours.layers.iter().zip([(165.0, 58.0), (205.0, 46.0), (245.0, 34.0), (286.0, 20.0)])
    {
        let outline = ridge(random, base, height, 0.52);
        let fill = canvas.gradient(&[colour, colours.layers[0]]);
        land(canvas, &outline, if base > 240.0 { colour } else { &fill });
    }
    trees_along(canvas, random, 312.0, colours.layers[3], 26);
}

pub(super) fn lake(canvas: &mut Canvas, random: &mut Random) {
    let colours = random.one_of(&DAY);
    let shore = random.between(186.0, 206.0);
    let light = sky_with_light(canvas, random, colours, shore - 30.0);
    let far = ridge(random, shore - 42.0, 36.0, 0.5);
    let near = wave(random, shore - 13.0, 5.0, 8.0);
    land(canvas, &far, colours.layers[1]);
    land(canvas, &near, colours.layers[2]);
    let water = canvas.gradient(&[colours.sky[2], colours.sky[1], colours.sky[0]]);
    canvas.add(&format!(r#"<rect y="{shore:.0}" width="{WIDTH}" height="200" fill="{water}"/>"#));
    for (outline, colour, opacity) in
        [(&far, colours.layers[1], 0.5), (&near, colours.layers[2], 0.6)]
    {
        let mirrored: Vec<f32> = outline.iter().map(|y| shore + (shore - y) * 0.8).collect();
        let mirrored = points(&mirrored);
        canvas.add(&format!(
            r#"<path d="M0 {shore:.0}{mirrored}V{shore:.0}Z" fill="{colour}" opacity="{opacity}"/>"#
        ));
    }
    glitter(canvas, random, light, shore + 10.0, colours.light);
    trees_along(canvas, random, 322.0, colours.layers[3], 14);
}

pub(super) fn sea(canvas: &mut Canvas, random: &mut Random) {
    let colours = random.one_of(&DAY);
    let horizon = random.between(158.0, 186.0);
    let light = sky_with_light(canvas, random, colours, horizon + 6.0);
    let island = ridge(random, horizon + 4.0, 20.0, 0.5);
    if random.chance(0.6) {
        land(canvas, &island, colours.layers[0]);
    }
    let water = canvas.gradient(&[colours.layers[0], colours.layers[1], colours.layers[2]]);
    canvas.add(&format!(r#"<rect y="{horizon:.0}" width="{WIDTH}" height="200" fill="{water}"/>"#));
    glitter(canvas, random, light, horizon, colours.light);
    for _ in 0..2 {
        let (x, y) = (random.between(40.0, 440.0), horizon + random.between(4.0, 30.0));
        let size = 10.0 + (y - horizon) * 0.8;
        canvas.add(&format!(
            r##"<path d="M{x:.1} {y:.1}v{:.1}l{:.1} {size:.1}z" fill="#fffaf0"/><path d="M{:.1} {:.1}h{:.1}l-3 4h{:.1}z" fill="{}"/>"##,
            -size,
            size * 0.6,
            x - size * 0.5,
            y + 1.5,
            size * 1.2,
            6.0 - size * 1.2,
            colours.layers[3]
        ));
    }
    let beach = wave(random, 300.0, 9.0, 3.0);
    land(canvas, &beach, colours.layers[3]);
}

pub(super) fn dunes(canvas: &mut Canvas, random: &mut Random) {
    const SAND: [[&str; 4]; 3] = [
        ["#f2c48d", "#e09f5f", "#b9703f", "#6f3f2d"],
        ["#f6dcb4", "#e7b98a", "#c98c66", "#7c5145"],
        ["#e9b8a0", "#cf8670", "#9c5750", "#53303a"],
    ];
    let colours = random.one_of(&DAY);
    let sand = random.one_of(&SAND);
    sky_with_light(canvas, random, colours, 165.0);
    for (colour, (base, height)) in
        sand.iter().zip([(188.0, 12.0), (216.0, 17.0), (250.0, 20.0), (292.0, 17.0)])
    {
        let length = random.between(4.0, 7.0);
        let outline = wave(random, base, height, length);
        let fill = canvas.gradient(&[sand[0], colour, colour]);
        land(canvas, &outline, &fill);
    }
    if random.chance(0.5) {
        let x = random.between(60.0, 400.0);
        broadleaf(canvas, x, 268.0, 46.0, "#3c4a34");
    }
}

pub(super) fn forest(canvas: &mut Canvas, random: &mut Random) {
    const AUTUMN: [&str; 5] = ["#c8553d", "#e09f3e", "#9e2a2b", "#8a9a3b", "#d98a2b"];
    let colours = random.one_of(&DAY);
    let autumn = random.chance(0.5);
    sky_with_light(canvas, random, colours, 130.0);
    for (row, colour) in (0_u8..).zip(&colours.layers) {
        let base = 190.0 + 38.0 * f32::from(row);
        let hill = wave(random, base, 9.0, 5.0);
        for _ in 0..(26 - row * 4) {
            let x = random.between(-10.0, WIDTH + 10.0);
            let height = (34.0 + 20.0 * f32::from(row)) * random.between(0.7, 1.25);
            if autumn && row > 1 && random.chance(0.55) {
                let crown: &str = random.one_of::<&str>(&AUTUMN);
                broadleaf(canvas, x, base + 10.0, height, crown);
            } else {
                fir(canvas, x, base + 10.0, height, colour);
            }
        }
        land(canvas, &hill, colour);
        canvas.add(&format!(
            r#"<rect y="{:.0}" width="{WIDTH}" height="60" fill="{}" opacity=".10"/>"#,
            base - 34.0,
            colours.light
        ));
    }
}

pub(super) fn night(canvas: &mut Canvas, random: &mut Random) {
    const SKIES: [[&str; 3]; 3] = [
        ["#070b24", "#1b2a5a", "#4a5d94"],
        ["#0a0f2c", "#2a2160", "#7a4f8f"],
        ["#04151f", "#0f3a47", "#3d7a78"],
    ];
    let colours = random.one_of(&SKIES);
    sky(canvas, colours);
    stars(canvas, random, 90, 210.0);
    let (x, y) = (random.between(70.0, 410.0), random.between(46.0, 96.0));
    disc(canvas, x, y, 17.0, "#fdf6dc");
    for (colour, (base, height)) in
        [colours[1], "#141b3a", "#0a0e22"].iter().zip([(222.0, 40.0), (254.0, 28.0), (290.0, 14.0)])
    {
        let outline = ridge(random, base, height, 0.5);
        land(canvas, &outline, colour);
    }
    trees_along(canvas, random, 316.0, "#060817", 20);
    let tent = random.between(120.0, 340.0);
    canvas.add(&format!(
        r##"<path d="M{tent:.0} 272l-20 30h40z" fill="#ffcf70"/><path d="M{tent:.0} 272l20 30h-14z" fill="#d98a3d"/><ellipse cx="{tent:.0}" cy="{:.0}" rx="46" ry="7" fill="#ffcf70" opacity=".18"/>"##,
        HEIGHT - 17.0
    ));
}

/// A row of firs in the foreground, small in the middle so that the view stays open.
fn trees_along(canvas: &mut Canvas, random: &mut Random, y: f32, fill: &str, count: u8) {
    for _ in 0..count {
        let x = random.between(-8.0, WIDTH + 8.0);
        let from_middle = (x - WIDTH / 2.0).abs() / (WIDTH / 2.0);
        let height = random.between(14.0, 26.0) + 62.0 * from_middle * from_middle;
        fir(canvas, x, y + random.between(-3.0, 6.0), height, fill);
    }
}
