//! The user's browser: it keeps cookies, follows redirects, and sends forms that a page's script
//! sends at once, or whose button it is told to press.

use std::error::Error;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use reqwest::{Client, RequestBuilder};
use url::Url;

use crate::form::Form;
use crate::settings::Settings;

/// Pages in a row that send themselves on.
const PAGES_AT_MOST: usize = 5;

pub(crate) struct Browser {
    http: Client,
    app_url: String,
}

/// Where the browser has come to.
pub(crate) struct Page {
    pub(crate) url: String,
    pub(crate) status: u16,
    html: String,
}

impl Browser {
    pub(crate) fn new(
        settings: &Settings,
        app_certificate: Vec<u8>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut headers = HeaderMap::new();
        let navigates = HeaderName::from_static("sec-fetch-mode");
        headers.insert(navigates, HeaderValue::from_static("navigate"));
        let mut trusted = Vec::new();
        for pem in [Some(app_certificate), settings.root_certificate.clone()].iter().flatten() {
            trusted.extend(reqwest::Certificate::from_pem_bundle(pem)?);
        }
        let http = Client::builder()
            .cookie_store(true)
            .default_headers(headers)
            .no_proxy()
            .tls_certs_merge(trusted)
            .build()?;
        Ok(Self { http, app_url: settings.app_url.clone() })
    }

    /// Loads a page of the app, and goes where that leads.
    pub(crate) async fn visit(&self, path: &str) -> Result<Page, Box<dyn Error>> {
        let page = load(self.http.get(format!("{}{path}", self.app_url))).await?;
        self.settle(page).await
    }

    /// Presses the button of the page's form, and goes where that leads.
    pub(crate) async fn press(&self, page: Page) -> Result<Page, Box<dyn Error>> {
        let page = self.send(&page).await?;
        self.settle(page).await
    }

    async fn settle(&self, mut page: Page) -> Result<Page, Box<dyn Error>> {
        for _ in 0..PAGES_AT_MOST {
            if !page.sends_itself() {
                return Ok(page);
            }
            page = self.send(&page).await?;
        }
        Err("pages without end".into())
    }

    async fn send(&self, page: &Page) -> Result<Page, Box<dyn Error>> {
        let form = Form::first_of(&page.html).ok_or("there is no form on the page")?;
        let at = Url::parse(&page.url)?;
        let origin = at.origin().ascii_serialization();
        let request = self.http.post(at.join(&form.action)?).header(ORIGIN, origin);
        load(request.form(&form.fields)).await
    }
}

async fn load(request: RequestBuilder) -> Result<Page, Box<dyn Error>> {
    let answer = request.send().await?;
    let (url, status) = (answer.url().to_string(), answer.status().as_u16());
    Ok(Page { url, status, html: answer.text().await? })
}

impl Page {
    /// Whether a script sends its form.
    fn sends_itself(&self) -> bool {
        self.html.contains(".submit()")
    }

    pub(crate) fn title(&self) -> &str {
        let after = self.html.split_once("<title>").map_or(self.html.as_str(), |(_, rest)| rest);
        after.split('<').next().unwrap_or_default().trim()
    }
}
