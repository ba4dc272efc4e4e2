//! Accounts that people make themselves (Initiating User Registration via OpenID Connect 1.0).

use serde_json::Value;

use crate::harness::{Browser, Keystile, PASSWORD, Page};

const ON: &str = "[accounts]\nsign_up = true\n";
const NEW: [(&str, &str); 4] = [
    ("username", "Grace"),
    ("name", "Grace Hopper"),
    ("email", "grace@example.org"),
    ("password", "a good password"),
];

async fn submit(browser: &mut Browser, page: &Page, change: (&str, &str)) -> Page {
    let mut fields = NEW.to_vec();
    fields.retain(|(name, _)| *name != change.0);
    fields.push(change);
    browser.press(page, "sign-up-submit", &fields).await
}

#[tokio::test]
async fn prompt_create_makes_an_account_and_goes_on_to_the_app_section_4() {
    let server = Keystile::start_with(ON).await;
    let app = server.app().with_scope("openid profile email");
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url_with(&[("prompt", Some("create"))])).await;
    assert!(page.has("sign-up-submit"), "{}", page.text());
    let again = browser.open(&page.url).await;
    assert!(again.has("sign-up-submit"), "a reload shows the page again");
    let page = submit(&mut browser, &page, ("username", "Grace")).await;
    assert!(page.is_consent(), "{}", page.text());
    let page = browser.press(&page, "consent-allow", &[]).await;
    let tokens = app.redeem(&page.query("code").expect("a code")).await.unwrap();
    let (_, claims) = app.userinfo(tokens.access_token()).await;
    assert_eq!(claims["name"], "Grace Hopper");
    assert_eq!(claims["email_verified"], false, "nobody has shown that it is hers");

    let mut other = Browser::new();
    let page = other.open(app.authorize_url()).await;
    let page = other.sign_in(&page, "grace", "a good password").await;
    assert!(page.query("code").is_some(), "the account is there, and so is its consent");
    // Somebody who is signed in is asked for a new account all the same.
    let page = other.open(app.authorize_url_with(&[("prompt", Some("create"))])).await;
    assert!(page.has("sign-up-submit"));
}

#[tokio::test]
async fn the_sign_in_page_leads_to_it_and_back() {
    let server = Keystile::start_with(ON).await;
    let app = server.app();
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url()).await;
    let link = |page: &Page, id: &str| {
        let (before, _) = page.html.split_once(&format!("\" id=\"{id}\"")).expect("a link");
        before.rsplit("href=\"").next().unwrap().replace("&amp;", "&")
    };
    let sign_up = browser.open(server.url(&link(&page, "sign-up"))).await;
    assert!(sign_up.has("sign-up-submit"));
    let back = browser.open(server.url(&link(&sign_up, "have-account"))).await;
    assert!(browser.sign_in(&back, "alice", PASSWORD).await.is_consent());
    let cancelled = browser.press(&sign_up, "login-cancel", &[]).await;
    assert_eq!(cancelled.query("error").as_deref(), Some("access_denied"));

    let page = Browser::new().open(server.url("/account")).await;
    let mut stranger = Browser::new();
    let elsewhere = submit(&mut stranger, &sign_up, NEW[0]).await;
    assert!(elsewhere.is_sign_in(), "another browser's page makes nothing");
    assert!(page.has("sign-up"), "also on the way to the account page");
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_made() {
    let server = Keystile::start_with(ON).await;
    let mut browser = Browser::new();
    let url = server.app().authorize_url_with(&[("prompt", Some("create"))]);
    let page = browser.open(url).await;
    let long = "x".repeat(5000);
    let cases = [
        (("username", "ALICE"), "Somebody has this user name"),
        (("username", ""), "This user name cannot be used"),
        (("username", &*long), "This user name cannot be used"),
        (("name", &*long), "This name is too long"),
        (("email", "no address"), "This is not an email address"),
        (("password", "short"), "A password has at least 8"),
        (("password", &*long), "A password has at least 8"),
    ];
    for (change, words) in cases {
        let answer = submit(&mut browser, &page, change).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains(words), "{change:?} {}", answer.text());
        assert!(!answer.html.contains("a good password"), "a password is not sent back");
    }
    let script = submit(&mut browser, &page, ("username", "\"><script>x</script>\u{7}")).await;
    assert!(!script.html.contains("<script>x"), "{}", script.html);
    let listed = server.command(&["user", "list"]).stdout;
    assert!(!String::from_utf8(listed).unwrap().contains("grace"));
}

#[tokio::test]
async fn it_is_off_by_default_and_one_network_makes_few_accounts() {
    let server = Keystile::start().await;
    let app = server.app();
    let page = Browser::new().open(app.authorize_url()).await;
    assert!(!page.has("sign-up"));
    let address = server.url("/sign-up?request=") + &page.query("request").unwrap();
    assert!(Browser::new().open(address).await.is_sign_in(), "there is no such page");
    let page = Browser::new().open(app.authorize_url_with(&[("prompt", Some("create"))])).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"));
    let prompts = async |server: &Keystile| {
        let url = server.url("/.well-known/openid-configuration");
        let metadata: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        metadata["prompt_values_supported"].as_array().unwrap().contains(&"create".into())
    };
    assert!(!prompts(&server).await);

    let few = "[limits]\nsign_up = { burst = 2, every_seconds = 60 }\n";
    let server = Keystile::start_with(&format!("{ON}{few}")).await;
    assert!(prompts(&server).await);
    let mut last = None;
    for name in ["one", "two", "three"] {
        let mut browser = Browser::new();
        let url = server.app().authorize_url_with(&[("prompt", Some("create"))]);
        let page = browser.open(url).await;
        last = Some(submit(&mut browser, &page, ("username", name)).await);
    }
    let last = last.unwrap();
    assert_eq!(last.status, 429, "{}", last.text());
    assert!(last.header("retry-after").parse::<u64>().unwrap() <= 60);
    assert!(last.has("sign-up-submit"), "the form is still there");
}
