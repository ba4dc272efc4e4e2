//! The web apps of `examples/`, started as a user starts them and used as theirs do.

use keystile_demo::ApiSettings;
use reqwest::Method;

use crate::harness::{
    Browser, EXAMPLE_SECRET, Keystile, PASSWORD, Page, Process, Serving, built, built_example,
    built_program, free_port, free_ports, localhost, notebook_registered, start_example,
    web_app_registered,
};

/// Signs in where that is asked for, and allows what is.
pub(super) async fn signed_in(browser: &mut Browser, url: &str, allow: &[(&str, &str)]) -> Page {
    let mut page = browser.open(url).await;
    if page.is_sign_in() {
        page = browser.sign_in(&page, "alice", PASSWORD).await;
    }
    if page.is_consent() {
        page = browser.press(&page, "consent-allow", allow).await;
    }
    page
}

/// Presses a button without an id: there is one form with that action on the page.
pub(super) async fn signed_out(browser: &mut Browser, url: &str) -> Page {
    let page = browser.open(url).await;
    let page = browser.press(&page, "sign-out", &[]).await;
    if page.has("logout-confirm") {
        return browser.press(&page, "logout-confirm", &[]).await;
    }
    page
}

/// From the front page to the profile and out again.
pub(super) async fn use_the_web_app(url: &str, issuer: &str) {
    let mut browser = Browser::new();
    let front = browser.open(url).await;
    assert!(front.html.contains("/login?return_to=/profile"), "{}", front.html);
    let asked = browser.get(format!("{url}/profile")).await;
    let asked = asked.location().unwrap();
    assert_eq!(asked.path(), "/login", "nobody is signed in");
    let profile = signed_in(&mut browser, asked.as_str(), &[]).await;
    assert_eq!(profile.url.as_str(), format!("{url}/profile"), "{}", profile.text());
    let text = profile.text();
    for word in ["Alice Example", issuer, "email_verified", "alice@example.com"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let front = browser.open(url).await;
    assert!(front.text().contains("Good to see you, Alice Example"), "{}", front.text());
    let front = signed_out(&mut browser, url).await;
    assert_eq!(front.url.path(), "/", "{}", front.text());
    assert!(front.html.contains("/login?return_to=/profile"), "{}", front.html);
}

#[tokio::test]
async fn the_web_app_signs_its_users_in_and_out() {
    let url = localhost(free_port());
    let server = Keystile::start_with(&web_app_registered(&url)).await;
    let _app = web_app(&server, "web-app", &url).await;
    use_the_web_app(&url, &server.issuer).await;
}

#[tokio::test]
async fn the_same_web_app_at_another_provider_is_two_other_lines() {
    let url = localhost(free_port());
    let registered = web_app_registered(&url);
    let first = Keystile::start_with(&registered).await;
    let app = web_app(&first, "web-app", &url).await;
    use_the_web_app(&url, &first.issuer).await;
    drop(app);
    // One that calls it something else, signs with something else, and pairs its subjects.
    let registered = registered.replace("\"web-app\"", "\"client-7\"");
    let more = "subject_type = \"pairwise\"\nid_token_signed_response_alg = \"EdDSA\"\n";
    let second = Keystile::start_with(&(registered + more)).await;
    let _app = web_app(&second, "client-7", &url).await;
    use_the_web_app(&url, &second.issuer).await;
}

async fn web_app(server: &Keystile, client_id: &str, url: &str) -> Process {
    let settings = [
        // The two lines.
        ("ISSUER", server.issuer.as_str()),
        ("CLIENT_ID", client_id),
        // Its secret, wherever it comes from, and where the test has put the app.
        ("CLIENT_SECRET", EXAMPLE_SECRET),
        ("APP", url),
    ];
    let program = built("keystile-example-web-app");
    start_example(program, &server.directory, &settings, url).await
}

/// Reads, may not write, may write; and somebody else's notes are theirs.
pub(super) async fn use_the_notebook(url: &str) {
    let mut browser = Browser::new();
    let notes = format!("{url}/notes");
    let page = signed_in(&mut browser, &notes, &[]).await;
    assert_eq!(page.url.as_str(), notes, "{}", page.text());
    assert!(page.text().contains("not to add any") && !page.has("add"), "{}", page.text());
    // The app asks the API all the same, and tells what it says.
    let own = [("sec-fetch-site", "same-origin")];
    let form = Some("note=buy+bread".to_owned());
    let refused = browser.send(Method::POST, page.url, form, &own).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("You have not allowed"), "{}", refused.text());

    let again = format!("{url}/login?prompt=consent&return_to=/notes");
    let page = signed_in(&mut browser, &again, &[("scope", "notes:write")]).await;
    let page = browser.press(&page, "add", &[("note", "buy <b>bread</b>")]).await;
    assert!(page.html.contains("buy &lt;b&gt;bread"), "{}", page.html);
    let long = browser.press(&page, "add", &[("note", &"x".repeat(501))]).await;
    assert!(long.text().contains("at most 500 characters"), "{}", long.text());
    let foreign = browser.post_cross_site(&notes, &[("note", "no")]).await;
    assert_eq!(foreign.status, 403);

    let mut other = Browser::new();
    let page = other.open(&notes).await;
    let page = other.sign_in(&page, "bob", PASSWORD).await;
    let page = other.press(&page, "consent-allow", &[]).await;
    assert!(page.text().contains("Nothing yet"), "{}", page.text());
    let page = browser.open(&notes).await;
    assert!(page.text().contains("bread"), "{}", page.text());
    let front = signed_out(&mut browser, &notes).await;
    assert!(front.text().contains("Open my notebook"), "{}", front.text());
}

#[tokio::test]
async fn the_notebook_reads_and_adds_notes_in_its_users_name() {
    let (app, api) = (localhost(free_port()), localhost(free_port()));
    let server = Keystile::start_with(&notebook_registered(&app, &api)).await;
    let settings = [
        ("ISSUER", server.issuer.as_str()),
        ("CLIENT_ID", "notebook"),
        ("CLIENT_SECRET", EXAMPLE_SECRET),
        ("APP", &app),
        ("API", &api),
    ];
    let program = |name| built_program("keystile-example-web-app-and-api", name);
    let directory = &server.directory;
    let _api = start_example(program("notebook-api"), directory, &settings, &api).await;
    let _app = start_example(program("notebook-app"), directory, &settings, &app).await;
    let api = reqwest::get(format!("{api}/notes")).await.unwrap();
    assert_eq!(api.status(), 401, "nobody reads them without a token");
    use_the_notebook(&app).await;
}

#[tokio::test]
async fn the_front_page_of_the_client_crate_is_a_whole_app_in_under_forty_lines() {
    let page = include_str!("../../../../crates/client/src/lib.rs");
    let code = page.lines().skip_while(|line| !line.ends_with("```no_run")).skip(1);
    assert!(code.take_while(|line| !line.ends_with("```")).count() < 40);

    let base = free_ports(3);
    let urls = [0, 1, 2].map(|party| localhost(base + party));
    let [issuer, app, api] = &urls;
    let server = Keystile::start_for_demo(base, &urls).await;
    let (base_url, audience) = (api.clone(), api.clone());
    let photos = ApiSettings { base_url, issuer: issuer.clone(), audience };
    let _api = Serving::start(base + 2, keystile_demo::api(photos).unwrap()).await;
    let program = built_example("keystile-tests", "front-page");
    let settings = [("CLIENT_SECRET", EXAMPLE_SECRET), ("PORT_BASE", &base.to_string())];
    let _app = start_example(program, &server.directory, &settings, app).await;

    let mut browser = Browser::new();
    let front = browser.open(app).await;
    assert!(front.text().contains("Print my photos"), "{}", front.html);
    let photos = signed_in(&mut browser, &format!("{app}/photos"), &[]).await;
    assert!(photos.text().contains(" has ") && photos.text().contains("p01"), "{}", photos.html);
    let front = browser.open(app).await;
    assert!(front.text().contains("Sign out"), "{}", front.html);
}
