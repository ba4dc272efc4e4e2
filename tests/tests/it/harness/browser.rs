//! A client that behaves as a browser does: cookies by host, redirects one by one, forms.

use std::collections::BTreeMap;

use keystile_protocol::Params;
use keystile_protocol::params::with_query;
use reqwest::header::{self, HeaderMap};
use reqwest::{Method, StatusCode, Url};

use super::html::{Form, forms, unescape};

/// A browser with one set of cookies.
#[derive(Clone)]
pub(crate) struct Browser {
    http: reqwest::Client,
    pub(crate) cookies: BTreeMap<(String, String), String>,
    /// Sent with each request, such as a user agent.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Every byte that any server sent to this browser.
    pub(crate) seen: Vec<u8>,
}

/// An answer that the browser shows, or a redirect that it did not follow.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        // The servers under test that have certificates made them themselves.
        let builder = reqwest::Client::builder().tls_danger_accept_invalid_certs(true);
        let http = builder.redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new(), headers: Vec::new(), seen: Vec::new() }
    }

    /// A browser that says of itself what it is.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Opens an address and follows redirects until there is a page, or until the address is not
    /// on `localhost`: then the page is the redirect's target, not loaded.
    pub(crate) async fn open(&mut self, url: impl AsRef<str>) -> Page {
        self.try_open(url).await.unwrap()
    }

    /// The same at a server that may go away.
    pub(crate) async fn try_open(&mut self, url: impl AsRef<str>) -> reqwest::Result<Page> {
        let url = Url::parse(url.as_ref()).unwrap();
        let page = self.try_send(Method::GET, url, None, &[]).await?;
        self.try_follow(page).await
    }

    /// Opens an address and does not follow a redirect.
    pub(crate) async fn get(&mut self, url: impl AsRef<str>) -> Page {
        self.send(Method::GET, Url::parse(url.as_ref()).unwrap(), None, &[]).await
    }

    /// Posts a form as a page of the same site would, and follows redirects.
    pub(crate) async fn post(&mut self, url: impl AsRef<str>, fields: &[(&str, &str)]) -> Page {
        let url = Url::parse(url.as_ref()).unwrap();
        let body = fields.iter().copied().collect::<Params>().encode();
        let page = self.send(Method::POST, url, Some(body), &[]).await;
        self.follow(page).await
    }

    /// Posts a form as a page of another site would: without our `SameSite=Lax` cookies.
    pub(crate) async fn post_cross_site(
        &mut self,
        url: impl AsRef<str>,
        fields: &[(&str, &str)],
    ) -> Page {
        let cookies = std::mem::take(&mut self.cookies);
        let url = Url::parse(url.as_ref()).unwrap();
        let body = fields.iter().copied().collect::<Params>().encode();
        let headers = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
        let page = self.send(Method::POST, url, Some(body), &headers).await;
        let set_meanwhile = std::mem::replace(&mut self.cookies, cookies);
        assert!(set_meanwhile.is_empty(), "a cross-site POST set cookies: {set_meanwhile:?}");
        page
    }

    pub(crate) async fn follow(&mut self, page: Page) -> Page {
        self.try_follow(page).await.unwrap()
    }

    async fn try_follow(&mut self, mut page: Page) -> reqwest::Result<Page> {
        for _ in 0..10 {
            let Some(target) = page.location() else { return Ok(page) };
            if target.host_str() != Some("localhost") {
                return Ok(Page { url: target, ..page });
            }
            page = self.try_send(Method::GET, target, None, &[]).await?;
        }
        panic!("redirects without end, last {}", page.url);
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        url: Url,
        form: Option<String>,
        headers: &[(&str, &str)],
    ) -> Page {
        self.try_send(method, url, form, headers).await.unwrap()
    }

    async fn try_send(
        &mut self,
        method: Method,
        url: Url,
        form: Option<String>,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Page> {
        let mut request = self.http.request(method, url.clone());
        let host = url.host_str().unwrap().to_owned();
        let mine = self.cookies.iter().filter(|((at, _), _)| *at == host);
        let cookies: Vec<String> =
            mine.map(|((_, name), value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        request = request.header(header::ACCEPT, "text/html");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(form) = form {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        self.keep_cookies(&host, &headers);
        for (name, value) in &headers {
            self.seen.extend(name.as_str().as_bytes());
            self.seen.extend(value.as_bytes());
            self.seen.push(b'\n');
        }
        let body = response.bytes().await?;
        self.seen.extend(&body);
        let html = String::from_utf8_lossy(&body).into_owned();
        Ok(Page { url, status, headers, html })
    }

    fn keep_cookies(&mut self, host: &str, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            let key = (host.to_owned(), name.to_owned());
            if text.contains("Max-Age=0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
    }

    /// Presses the button with that id, with these fields filled in. `scope` may come repeatedly
    /// and ticks boxes.
    pub(crate) async fn press(&mut self, page: &Page, id: &str, fill: &[(&str, &str)]) -> Page {
        self.try_press(page, id, fill).await.unwrap()
    }

    /// The same at a server that may go away.
    pub(crate) async fn try_press(
        &mut self,
        page: &Page,
        id: &str,
        fill: &[(&str, &str)],
    ) -> reqwest::Result<Page> {
        let page = self.submit(page, id, fill).await?;
        self.try_follow(page).await
    }

    /// Does not follow the redirect.
    async fn submit(
        &mut self,
        page: &Page,
        id: &str,
        fill: &[(&str, &str)],
    ) -> reqwest::Result<Page> {
        let (form, fields, action) = page.submission(id, fill);
        let mut target = page.url.join(&action).unwrap();
        let pairs: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if form.method == "post" {
            let body = pairs.iter().copied().collect::<Params>().encode();
            let headers = [("sec-fetch-site", "same-origin")];
            self.try_send(Method::POST, target, Some(body), &headers).await
        } else {
            target = Url::parse(&with_query(target.as_str(), &pairs)).unwrap();
            self.try_send(Method::GET, target, None, &[]).await
        }
    }

    /// Fills in the sign-in page.
    pub(crate) async fn sign_in(&mut self, page: &Page, username: &str, password: &str) -> Page {
        let fill = [("username", username), ("password", password)];
        self.press(page, "login-submit", &fill).await
    }

    /// Whether any run of eight characters of `secret` was ever sent to this browser.
    pub(crate) fn has_seen(&self, secret: &str) -> bool {
        let runs = secret.as_bytes().windows(8.min(secret.len()));
        let mut runs = runs.collect::<Vec<_>>();
        runs.dedup();
        runs.iter().any(|run| self.seen.windows(run.len()).any(|window| window == *run))
    }
}

impl Page {
    /// Where a redirect leads.
    pub(crate) fn location(&self) -> Option<Url> {
        let target = self.headers.get(header::LOCATION)?.to_str().unwrap();
        Some(self.url.join(target).unwrap())
    }

    /// A parameter of the page's address.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// What a person reads: the text without tags.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut inside = false;
        for c in self.html.chars() {
            match c {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    text.push(' ');
                }
                c if !inside => text.push(c),
                _ => {}
            }
        }
        unescape(&text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    pub(crate) fn title(&self) -> String {
        let title =
            self.html.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
        unescape(title.unwrap_or_default())
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.html.contains(&format!("id=\"{id}\""))
    }

    pub(crate) fn is_sign_in(&self) -> bool {
        self.has("login-submit") && self.status == 200
    }

    pub(crate) fn is_consent(&self) -> bool {
        self.has("consent-allow") && self.status == 200
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let forms = forms(&self.html);
        let mut fields = forms.iter().flat_map(|form| &form.fields);
        fields.find(|field| field.name == name && field.tag == "input").map(|f| f.value.clone())
    }

    /// The boxes of the page: scope and whether it is ticked.
    pub(crate) fn boxes(&self) -> Vec<(String, bool)> {
        let forms = forms(&self.html);
        let fields = forms.iter().flat_map(|form| &form.fields);
        let boxes = fields.filter(|field| field.kind == "checkbox" && field.name == "scope");
        boxes.map(|field| (field.value.clone(), field.checked)).collect()
    }

    /// What pressing a button sends, and where to.
    fn submission(&self, id: &str, fill: &[(&str, &str)]) -> (Form, Vec<(String, String)>, String) {
        let found = forms(&self.html).into_iter().find_map(|form| {
            let button = form.fields.iter().find(|field| field.id == id && field.kind == "submit");
            button.cloned().map(|button| (form, button))
        });
        let Some((form, button)) = found else {
            panic!("no button {id} at {} {}:\n{}", self.status, self.url, self.text());
        };
        let mut fields: Vec<(String, String)> = Vec::new();
        for field in form.fields.iter().filter(|field| !field.name.is_empty() && !field.disabled) {
            let filled: Vec<_> = fill.iter().filter(|(name, _)| *name == field.name).collect();
            let value = match field.kind.as_str() {
                "checkbox" if filled.is_empty() && field.checked => field.value.clone(),
                "checkbox" if filled.iter().any(|(_, v)| *v == field.value) => field.value.clone(),
                "submit" | "button" | "checkbox" => continue,
                _ => filled.first().map_or_else(|| field.value.clone(), |(_, v)| (*v).to_owned()),
            };
            fields.push((field.name.clone(), value));
        }
        if !button.name.is_empty() {
            fields.push((button.name.clone(), button.value.clone()));
        }
        let action = button.formaction.clone().unwrap_or_else(|| form.action.clone());
        (form, fields, action)
    }
}
