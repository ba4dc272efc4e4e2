//! What the eye, the network and the content security policy ask of every page.

use super::{german, pages, strictly};
use crate::pages::Language;

#[test]
fn a_page_with_its_styles_and_script_is_under_20_kb() {
    let pages = pages();
    let shared = pages.stylesheet().1.len() + pages.script().1.len();
    for language in [Language::default(), german(&pages)] {
        for (example, html) in strictly(&pages, language, |_| ()) {
            let size = html.len() + shared;
            assert!(size < 20_000, "{} has {size} bytes", example.name);
        }
    }
}

#[test]
fn nothing_on_a_page_needs_an_exception_from_the_policy() {
    let pages = pages();
    let (style, script) = (pages.stylesheet().0, pages.script().0);
    for (example, html) in strictly(&pages, Language::default(), |_| ()) {
        let name = example.name;
        assert!(!html.contains(" style=") && !html.contains("<style"), "{name}");
        assert!(html.contains(&format!("<script src=\"{script}\" defer></script>")), "{name}");
        assert!(html.contains(&format!("<link rel=\"stylesheet\" href=\"{style}\">")), "{name}");
        assert_eq!(html.matches("<script").count(), 1, "{name}");
        for event in [" onclick", " onload", " onsubmit", " onerror"] {
            assert!(!html.contains(event), "{name}");
        }
    }
    for reach in ["url(", "@import", "http"] {
        assert!(!pages.stylesheet().1.contains(reach), "the stylesheet asks for {reach}");
    }
}

#[test]
fn every_label_has_its_field() {
    for (example, html) in strictly(&pages(), Language::default(), |_| ()) {
        for (at, _) in html.match_indices("<label for=\"") {
            let id = html[at + 12..].split('"').next().unwrap();
            assert!(html.contains(&format!("id=\"{id}\"")), "{}: {id}", example.name);
        }
        let ids = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let ids: Vec<_> = ids.collect();
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{} has an id twice", example.name);
    }
}

#[test]
fn assets_are_found_at_their_paths_only() {
    let pages = pages();
    let (path, body) = pages.stylesheet();
    let asset = pages.asset(path).unwrap();
    assert_eq!(asset.body, body.as_bytes());
    assert_eq!(asset.content_type, "text/css; charset=utf-8");
    let hash = path.strip_prefix("/assets/style-").and_then(|path| path.strip_suffix(".css"));
    assert!(hash.is_some_and(|hash| hash.len() == 8));
    assert!(pages.asset(pages.script().0).is_some());
    assert!(pages.asset("/assets/style-00000000.css").is_none());
    assert!(pages.asset("/assets/../style.css").is_none());
    assert_eq!(pages.logo(), None);
}

/// The foreground, what it lies on, and the contrast that WCAG 2.2 AA asks for.
const PAIRS: &[(&str, &str, f64)] = &[
    ("ink", "card", 4.5),
    ("ink", "tint", 4.5),
    ("soft", "card", 4.5),
    ("accent", "card", 4.5),
    ("accent", "tint", 4.5),
    ("accent-strong", "card", 4.5),
    ("accent-strong", "tint", 4.5),
    ("on-accent", "accent", 4.5),
    ("on-accent", "accent-strong", 4.5),
    ("alert", "alert-tint", 4.5),
    ("alert", "card", 4.5),
    ("edge", "card", 3.0),
    ("edge", "tint", 3.0),
];

#[test]
fn colours_stand_out_in_light_and_dark() {
    let pages = pages();
    let style = pages.stylesheet().1;
    let (light, dark) = style.split_once("prefers-color-scheme: dark").unwrap();
    for (scheme, rules) in [("light", light), ("dark", dark)] {
        for (front, back, least) in PAIRS {
            let contrast = contrast(colour(rules, front), colour(rules, back));
            assert!(contrast >= *least, "{scheme}: {front} on {back} is {contrast:.2}");
        }
    }
}

fn colour(rules: &str, name: &str) -> [u8; 3] {
    let (_, rest) = rules.split_once(&format!("--{name}: #")).unwrap();
    let channel = |at: usize| u8::from_str_radix(&rest[at..at + 2], 16).unwrap();
    [channel(0), channel(2), channel(4)]
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: [u8; 3]) -> f64 {
    let linear = colour.map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

/// A browser that cannot read one line of the script reads none of it, and an answer by form_post
/// would not go on its way.
#[test]
fn the_script_has_no_word_that_an_older_browser_does_not_know() {
    let script = include_str!("../../../ui/script.js");
    for word in ["async", "await", "?.", "??", "catch {", "=> import", "#"] {
        assert!(!script.contains(word), "{word}");
    }
}
