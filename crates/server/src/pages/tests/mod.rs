//! What holds for every page, tried with every example in every language.

mod looks;
mod overriding;

use minijinja::value::{Serde, Value};

use super::contract::CONTRACT;
use super::overrides::Overrides;
use super::templates::Surroundings;
use super::views::Shown;
use super::{Brand, Consent, Framed, Language, Pages, SignIn, examples, templates};

pub(super) fn pages() -> Pages {
    Pages::load(None, Brand { name: "Example".to_owned(), ..Brand::default() }).unwrap()
}

fn german(pages: &Pages) -> Language {
    pages.language(Some("de"), None)
}

/// Every example, without the fallbacks that a person would get in place of an error.
fn strictly(
    pages: &Pages,
    language: Language,
    change: impl Fn(&mut Shown),
) -> Vec<(Shown, String)> {
    let surroundings: Surroundings<'_> = pages.surroundings(language);
    let show = |mut example: Shown| {
        change(&mut example);
        let html = pages.templates.try_show(&surroundings, &example, &Overrides::default());
        let html = html.unwrap_or_else(|error| panic!("{}: {error}", example.name));
        (example, html)
    };
    examples::all().into_iter().map(show).collect()
}

/// Puts a text in the place of every text of a view, except those that name a variant.
fn fill(value: serde_json::Value, with: &str) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::String(_) => Json::String(with.to_owned()),
        Json::Array(all) => all.into_iter().map(|item| fill(item, with)).collect(),
        Json::Object(all) => all
            .into_iter()
            .map(|(key, item)| {
                let variant = ["kind", "platform", "reason", "notice"].contains(&key.as_str());
                let item = if variant { item } else { fill(item, with) };
                (key, item)
            })
            .collect(),
        other => other,
    }
}

fn filled(pages: &Pages, with: &str) -> Vec<(Shown, String)> {
    strictly(pages, Language::default(), |example| {
        let json = serde_json::to_value(&example.page).unwrap();
        example.page = Value::from(Serde(fill(json, with)));
    })
}

#[test]
fn every_page_shows_in_both_languages() {
    let pages = pages();
    for language in [Language::default(), german(&pages)] {
        let tag = pages.language_tag(language);
        for (example, html) in strictly(&pages, language, |_| ()) {
            let name = example.name;
            assert!(html.contains(&format!("<html lang=\"{tag}\">")), "{name}");
            assert!(html.contains(" – Example</title>"), "{name}");
            assert_eq!(html.matches("<h1>").count(), 1, "{name}");
            assert!(!html.contains("{{") && !html.contains("{%"), "{name}");
        }
    }
}

#[test]
fn the_built_in_pages_keep_the_contract_that_overrides_are_tried_by() {
    for base in ["", "/tenant"] {
        let brand = Brand { base: base.to_owned(), ..Brand::default() };
        let pages = Pages::load(None, brand).unwrap();
        pages.try_out(&Overrides::default()).unwrap();
    }
}

#[test]
fn every_template_is_part_of_an_example() {
    let shown: Vec<_> = examples::all().iter().map(|example| example.template).collect();
    for name in templates::names() {
        let part = [
            "app",
            "details",
            "developer",
            "layout",
            "links",
            "mark",
            "permissions",
            "reference",
            "request_word",
        ];
        let is_part = part.iter().any(|part| name == format!("{part}.html"));
        assert!(is_part || shown.contains(&name), "{name} has no example");
    }
}

#[test]
fn whatever_is_in_a_field_stays_text() {
    let evil = r#"<script>alert(1)</script>"'><b onx=1>{{ 7*7 }}{% raw %}"#;
    for (example, html) in filled(&pages(), evil) {
        let name = example.name;
        assert_eq!(html.matches("<script").count(), 1, "{name} has a script that is not ours");
        assert!(!html.contains("<b onx"), "{name}");
        assert!(!html.contains(r#""'>"#), "{name} lets a value end its attribute");
        let all_marked = html.matches("&lt;script&gt;").count();
        assert!(all_marked > 0 || !example.page.to_string().contains("script"), "{name}");
    }
}

#[test]
fn the_name_of_the_place_is_escaped() {
    let pages =
        Pages::load(None, Brand { name: "<b>\"A & B\"</b>".to_owned(), ..Brand::default() })
            .unwrap();
    for (name, html) in pages.examples(Language::default()) {
        assert!(!html.contains("<b>"), "{name}");
        assert!(html.contains("&lt;b&gt;&quot;A &amp; B&quot;"), "{name}");
    }
}

#[test]
fn a_place_may_be_below_a_path() {
    let brand = Brand { base: "/tenant".to_owned(), ..Brand::default() };
    for (name, html) in Pages::load(None, brand).unwrap().examples(Language::default()) {
        let elsewhere = html.replace("=\"/tenant/", "");
        // Where the page goes on that a handler addresses is the handler's to say.
        for attribute in ["action=\"/login", "action=\"/c", "src=\"/", "href=\"/assets"] {
            assert!(!elsewhere.contains(attribute), "{name}: {attribute} is not below the path");
        }
    }
}

#[test]
fn nothing_that_runs_becomes_a_link() {
    for (example, html) in filled(&pages(), "javascript:alert(1)") {
        for attribute in ["href=\"", "action=\"", "src=\"", "url="] {
            let name = example.name;
            assert!(!html.contains(&format!("{attribute}javascript")), "{name}: {attribute}");
        }
    }
}

#[test]
fn names_that_others_rely_on_are_there() {
    for (example, html) in strictly(&pages(), Language::default(), |_| ()) {
        let rules = CONTRACT.iter().filter(|(template, _)| *template == example.template);
        for rule in rules.flat_map(|(_, rules)| *rules) {
            assert!(html.contains(rule), "{} lacks {rule}", example.name);
        }
    }
}

fn example(name: &str) -> String {
    let all = pages().examples(Language::default());
    all.into_iter().find(|(found, _)| *found == name).unwrap().1
}

/// What a person reads: the page without its tags.
fn words_of(html: &str) -> String {
    let body = html.split_once("<body>").unwrap().1;
    body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect()
}

#[test]
fn consent_offers_boxes_for_what_is_optional_and_never_shows_a_code() {
    let html = example("consent");
    assert!(html.contains(r#"type="checkbox" name="scope" value="email""#));
    assert!(html.contains(r#"name="scope" value="albums:write" checked"#));
    assert!(!html.contains(r#"value="profile""#) && !html.contains(r#"value="photos:read""#));
    assert!(!words_of(&html).contains("albums:write"));
    assert!(words_of(&html).contains("Allow Photo Printer?"));
}

#[test]
fn consent_says_all_of_the_details_and_sets_apart_what_the_app_put_in() {
    let html = example("consent-details");
    assert!(html.contains("Pay <bdi>123.50</bdi> <bdi>EUR</bdi> to <bdi>"), "{html}");
    assert!(html.contains("&amp; Sons</bdi>"));
    assert!(html.contains("<dd><bdi>DE02100100109307118603</bdi></dd>"));
    assert_eq!(html.matches("<dd>").count(), 6);
    assert!(!words_of(&html).contains("take this back"), "a payment cannot be");
    assert!(words_of(&example("consent-details-and-more")).contains("Access that stays"));
    assert!(words_of(&example("consent")).contains("take this back"));
}

#[test]
fn the_enter_key_allows_nothing() {
    for page in ["consent", "device", "request"] {
        let html = example(page);
        let first = html.find("<button").unwrap();
        let idle = r#"<button type="submit" value="cancel" disabled hidden>"#;
        assert!(html[first..].starts_with(idle), "{page}");
    }
}

#[test]
fn the_enter_key_signs_in() {
    let html = example("sign-in");
    let submits: Vec<_> = html.match_indices(r#"<button type="submit""#).collect();
    assert!(html[submits[0].0..].starts_with(r#"<button type="submit" id="login-submit""#));
    assert!(html[submits[1].0..].contains("formnovalidate"));
}

#[test]
fn a_rejected_sign_in_is_announced_at_its_fields() {
    let html = example("sign-in-rejected");
    assert_eq!(html.matches(r#"aria-describedby="login-error""#).count(), 2);
    assert_eq!(html.matches(r#"id="login-error" role="alert""#).count(), 1);
    assert!(html.contains(r#"value="ada""#));
}

#[test]
fn problems_say_what_automation_looks_for() {
    assert!(words_of(&example("problem-bad-redirect-uri")).contains("redirect_uri"));
    assert!(words_of(&example("problem-unknown-client")).contains("client_id"));
    assert!(example("signed-out").contains("signed out"));
    assert!(example("sign-out-problem").contains("cannot be completed"));
    assert!(example("busy").contains("try again"));
    assert!(example("sign-in").contains("<title>Sign in – Example</title>"));
}

#[test]
fn the_first_difference_is_said_and_marked() {
    let html = example("developer");
    assert!(html.contains("https://print.example/<mark>C</mark>allback"));
    assert!(html.contains("https://print.example/<mark>c</mark>allback"));
    assert!(
        words_of(&html)
            .contains("The first difference is at character 23: received C, registered c.")
    );
    assert!(words_of(&example("developer-longer")).contains("registered the end."));
    assert!(!html.contains("href=\"https://print.example/"), "unchecked input is no link");
}

#[test]
fn a_frame_gets_a_link_and_no_form() {
    let page = Framed { url: "https://id.example/a?b=c&d=e".to_owned() };
    let html = pages().framed(Language::default(), &page);
    assert!(!html.contains("<form") && !html.contains("<input"));
    assert!(html.contains(r#"href="https://id.example/a?b=c&amp;d=e" target="_blank""#));
}

#[test]
fn only_a_page_that_knows_its_address_retries_by_itself() {
    assert!(!example("request").contains("http-equiv"), "nor one that is being read");
    assert!(example("no-requests").contains(r#"content="5;url=/requests""#));
    assert!(!example("busy").contains("http-equiv"));
    assert!(example("busy-retry").contains(r#"content="5;url=/authorize?request=c2VhbGVk""#));
}

#[test]
fn a_view_with_nothing_in_it_is_still_a_page() {
    let pages = pages();
    let sign_in = pages.sign_in(Language::default(), &SignIn::default());
    let consent = pages.consent(german(&pages), &Consent::default());
    assert!(sign_in.contains("login-form") && consent.contains("consent-form"));
}
