//! A browser: it keeps cookies, and every byte that reached it.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[derive(Clone)]
pub(crate) struct Browser {
    app: Router,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Status lines, headers and bodies that it received, and URLs that it visited.
    pub(crate) seen: String,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.headers[header::LOCATION].to_str().expect("text")
    }
}

impl Browser {
    pub(crate) fn new(app: Router) -> Self {
        Self { app, cookies: BTreeMap::new(), seen: String::new() }
    }

    /// A page load.
    pub(crate) async fn get(&mut self, url: &str) -> Answer {
        self.send(Method::GET, url, &[("sec-fetch-mode", "navigate")]).await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = match url.strip_prefix("http").and_then(|url| url.split_once("://")) {
            Some((_, url)) => url.find('/').map_or("/", |slash| &url[slash..]),
            None => url,
        };
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let pairs: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !pairs.is_empty() {
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = self.app.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        self.seen.extend([url, "\n", &format!("{parts:?}"), "\n", &body, "\n"]);
        self.keep_cookies(&parts.headers);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
            let (pair, attributes) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            if attributes.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Names of the cookies of logins that are under way.
    pub(crate) fn logins(&self) -> usize {
        self.cookies.keys().filter(|name| name.contains(".login.")).count()
    }
}

/// So many requests for the photos in each of these browsers, all at once: the bodies of the answers.
pub(crate) async fn at_once(browsers: &[&Browser], count: usize) -> Vec<String> {
    let all = browsers.iter().flat_map(|browser| std::iter::repeat_n(*browser, count));
    let calls: Vec<_> = all
        .map(|browser| {
            let mut browser = browser.clone();
            tokio::spawn(async move { browser.get("/photos").await.body })
        })
        .collect();
    let mut bodies = Vec::new();
    for call in calls {
        bodies.push(call.await.expect("answered"));
    }
    bodies
}
