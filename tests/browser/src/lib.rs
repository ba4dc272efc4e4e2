//! A browser for tests of servers and apps that work without scripts: it keeps cookies, follows
//! redirects, fills in forms, and sends those that a script would send at once.

mod form;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use reqwest::{Client, RequestBuilder};
use url::Url;

use form::Form;

/// Pages in a row that send themselves on.
const PAGES_AT_MOST: usize = 5;

/// A person's browser.
#[derive(Clone, Debug)]
pub struct Browser(Client);

/// Where it has come to.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its address.
    pub url: String,
    /// The status that it came with.
    pub status: u16,
    /// What it says.
    pub html: String,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// No answer, or none that makes sense.
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    /// A form leads nowhere.
    #[error("{0}")]
    Url(#[from] url::ParseError),
    /// There is nothing to fill in.
    #[error("there is no form on the page at {0}")]
    NoForm(String),
    /// It would go on for ever.
    #[error("pages that send themselves on, without end")]
    Endless,
}

impl Browser {
    /// A new one, without cookies; `certificates` are trusted beside the system's, in PEM.
    pub fn new(certificates: &[Vec<u8>]) -> Result<Self, BrowserError> {
        let mut headers = HeaderMap::new();
        let navigates = HeaderName::from_static("sec-fetch-mode");
        headers.insert(navigates, HeaderValue::from_static("navigate"));
        let mut trusted = Vec::new();
        for pem in certificates {
            trusted.extend(reqwest::Certificate::from_pem_bundle(pem)?);
        }
        let http = Client::builder()
            .cookie_store(true)
            .default_headers(headers)
            .no_proxy()
            .tls_certs_merge(trusted)
            .build()?;
        Ok(Self(http))
    }

    /// Loads a page, and goes where that leads.
    pub async fn visit(&self, url: &str) -> Result<Page, BrowserError> {
        self.settle(load(self.0.get(url)).await?).await
    }

    /// Fills in the page's first form, sends it, and goes where that leads. A button that is
    /// pressed is a field.
    pub async fn fill(&self, page: &Page, fields: &[(&str, &str)]) -> Result<Page, BrowserError> {
        self.settle(self.send(page, fields).await?).await
    }

    async fn settle(&self, mut page: Page) -> Result<Page, BrowserError> {
        for _ in 0..PAGES_AT_MOST {
            if !page.sends_itself() {
                return Ok(page);
            }
            page = self.send(&page, &[]).await?;
        }
        Err(BrowserError::Endless)
    }

    async fn send(&self, page: &Page, fields: &[(&str, &str)]) -> Result<Page, BrowserError> {
        let form = Form::first_of(&page.html);
        let mut form = form.ok_or_else(|| BrowserError::NoForm(page.url.clone()))?;
        for (name, value) in fields {
            form.fill(name, value);
        }
        let at = Url::parse(&page.url)?;
        let origin = at.origin().ascii_serialization();
        let request = self.0.post(at.join(&form.action)?).header(ORIGIN, origin);
        load(request.form(&form.fields)).await
    }
}

async fn load(request: RequestBuilder) -> Result<Page, BrowserError> {
    let answer = request.send().await?;
    let (url, status) = (answer.url().to_string(), answer.status().as_u16());
    Ok(Page { url, status, html: answer.text().await? })
}

impl Page {
    /// Whether a script would send its form.
    fn sends_itself(&self) -> bool {
        self.html.contains("document.forms[0].submit()")
    }

    /// Its address without the query, in which a code may stand.
    pub fn address(&self) -> &str {
        self.url.split(['?', '#']).next().unwrap_or_default()
    }

    /// Its title, or else its first line.
    pub fn title(&self) -> &str {
        let after = self.html.split_once("<title>").map_or(self.html.as_str(), |(_, rest)| rest);
        after.trim_start().split(['<', '\n']).next().unwrap_or_default().trim()
    }
}
