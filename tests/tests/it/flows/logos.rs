//! Clients' logos are shown from the server's own origin (`logo_uri`, RFC 7591 section 2).

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, Browser, Document, Documents, Keystile, Page};

const OPEN: &str = "[registration]\nmode = \"open\"\n";
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\0\0\0\x40\0\0\0\x40 and so on";

/// The address of a document, which is there from now on.
fn serve(documents: &Documents, path: &str, content_type: &str, body: &[u8]) -> String {
    documents.put(path, Document::new(content_type, body));
    documents.url(path)
}

async fn send(method: Method, url: &str, token: Option<&str>, said: &Value) -> Value {
    let request = reqwest::Client::new().request(method, url).json(said);
    let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    response.json().await.unwrap()
}

fn said(logo_uri: &str) -> Value {
    json!({ "redirect_uris": ["https://app.example/callback"], "logo_uri": logo_uri })
}

async fn registered(server: &Keystile, logo_uri: &str) -> Value {
    let answer = send(Method::POST, &server.url("/register"), None, &said(logo_uri)).await;
    assert_eq!(answer["logo_uri"], logo_uri);
    answer
}

/// The sign-in page that a client leads to.
async fn sign_in_page(server: &Keystile, client_id: &str) -> Page {
    let app = App::new(&server.issuer, client_id, None, "https://app.example/callback");
    let page = Browser::new().open(app.with_scope("openid").authorize_url()).await;
    assert!(page.is_sign_in(), "{}", page.text());
    page
}

/// The address of the logo on a page.
fn logo(page: &Page) -> Option<String> {
    let (_, rest) = page.html.split_once("src=\"/logos/")?;
    Some(format!("/logos/{}", rest.split('"').next()?))
}

/// Waits for a logo that comes behind the server's back.
async fn logo_in_time(server: &Keystile, client_id: &str) {
    let started = Instant::now();
    while logo(&sign_in_page(server, client_id).await).is_none() {
        assert!(started.elapsed() < Duration::from_secs(10), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_logo_is_fetched_once_and_shown_from_our_own_origin() {
    let (server, documents) = (Keystile::start_with(OPEN).await, Documents::start().await);
    let uri = serve(&documents, "/logo.png", "text/html", PICTURE);
    let client = registered(&server, &uri).await;
    let client_id = client["client_id"].as_str().unwrap();
    for _ in 0..2 {
        let page = sign_in_page(&server, client_id).await;
        assert!(!page.html.contains(&uri), "no page of ours calls elsewhere");
        assert!(page.header("content-security-policy").contains("img-src 'self'"));
        let path = logo(&page).expect("a logo");
        assert!(page.html.contains(&format!("src=\"{path}\" alt=\"\"")));
        let response = reqwest::get(server.url(&path)).await.unwrap();
        for (name, value) in [
            ("content-type", "image/png"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("cache-control", "public, max-age=31536000, immutable"),
        ] {
            assert_eq!(response.headers()[name], value, "{name}");
        }
        assert_eq!(response.bytes().await.unwrap(), PICTURE);
    }
    assert_eq!(documents.asked("/logo.png"), 1);

    // The same address: it is here. Another: another one. None: none.
    let (manage, token) =
        (client["registration_client_uri"].as_str().unwrap(), &client["registration_access_token"]);
    let other = serve(&documents, "/other.png", "", &[PICTURE, b" else"].concat());
    let first = logo(&sign_in_page(&server, client_id).await);
    for (said, asked) in [(said(&uri), 1), (said(&other), 1), (said(&uri), 2)] {
        let mut said = said;
        said["client_id"] = client_id.into();
        send(Method::PUT, manage, token.as_str(), &said).await;
        let shown = logo(&sign_in_page(&server, client_id).await);
        assert_eq!(shown == first, said["logo_uri"] == uri.as_str());
        assert_eq!(documents.asked("/logo.png"), asked);
    }
    let mut without = said(&uri);
    without["client_id"] = client_id.into();
    without.as_object_mut().unwrap().remove("logo_uri");
    send(Method::PUT, manage, token.as_str(), &without).await;
    assert_eq!(logo(&sign_in_page(&server, client_id).await), None);
    assert_eq!(reqwest::get(server.url(&first.unwrap())).await.unwrap().status(), 404);
    for name in ["x", "..%2fx", "%00"] {
        let response = reqwest::get(server.url(&format!("/logos/{name}"))).await.unwrap();
        assert_eq!(response.status(), 404);
    }
}

#[tokio::test]
async fn a_logo_that_is_no_picture_is_not_shown_and_refuses_nobody() {
    let (server, documents) = (Keystile::start_with(OPEN).await, Documents::start().await);
    let png = "image/png";
    let script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let huge = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff";
    let good = serve(&documents, "/good.png", png, PICTURE);
    let picture = || Document::new(png, PICTURE);
    let location = format!("Location: {good}");
    documents.put("/moved", picture().with_status(302).with_header(location));
    documents.put("/broken", picture().with_status(500));
    for uri in [
        serve(&documents, "/logo.svg", "image/svg+xml", script),
        serve(&documents, "/really.png", png, script),
        serve(&documents, "/page", png, b"<!DOCTYPE html>"),
        serve(&documents, "/empty", png, b""),
        serve(&documents, "/huge.png", png, huge),
        serve(&documents, "/long.png", png, &[PICTURE, &vec![0; 70_000]].concat()),
        documents.url("/moved"),
        documents.url("/broken"),
        good.replace("good", "missing"),
        "https://10.0.0.1/logo.png".to_owned(),
        "https://nowhere.invalid/logo.png".to_owned(),
    ] {
        let client = registered(&server, &uri).await;
        let page = sign_in_page(&server, client["client_id"].as_str().unwrap()).await;
        assert_eq!(logo(&page), None, "{uri}");
    }
    assert_eq!(documents.asked("/good.png"), 0, "no redirect is followed");
    assert!(server.log().contains("its logo is not shown"), "the operator can find out why");
}

/// The command line calls while the test waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_logo_of_a_configured_client_comes_in_the_background_and_stays() {
    let documents = Documents::start().await;
    let uri = serve(&documents, "/logo.png", "", PICTURE);
    let config = format!(
        "[[clients]]\nclient_id = \"pictured\"\ntoken_endpoint_auth_method = \"none\"\n\
         redirect_uris = [\"https://app.example/callback\"]\nlogo_uri = \"{uri}\"\n"
    );
    let mut server = Keystile::start_with(&config).await;
    logo_in_time(&server, "pictured").await;
    server = server.restart().await;
    assert!(logo(&sign_in_page(&server, "pictured").await).is_some());
    assert_eq!(documents.asked("/logo.png"), 1, "once, and not at each start");

    let add = |uri: &str, id: &str| {
        let uris = ["--redirect-uri", "https://app.example/callback", "--logo-uri", uri];
        let start = ["client", "add", id, "--public", "--config", "keystile.toml"];
        server.command(&[&start[..], &uris].concat())
    };
    let added = add(&uri, "by-hand");
    assert!(added.status.success() && added.stderr.is_empty(), "{added:?}");
    logo_in_time(&server, "by-hand").await;
    let without = add(&uri.replace("logo", "missing"), "another");
    assert!(without.status.success());
    assert!(String::from_utf8_lossy(&without.stderr).contains("the logo is not shown: the answer"));
}
