//! An API's answer on its way to the browser.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use super::body::Download;
use super::watch::Progress;
use super::{HEADERS_AT_MOST, Proxy, headers, path, told};
use crate::session::Session;
use crate::web::Told;

/// An answer and what it is one to.
pub(super) struct Came<'a> {
    pub(super) answer: reqwest::Response,
    pub(super) asked: &'a Url,
    pub(super) mount: &'a str,
    pub(super) progress: Progress,
    pub(super) session: Session,
}

impl Proxy {
    /// Makes it one of the app's own.
    pub(super) fn answer(&self, came: Came<'_>) -> Result<Response, Told> {
        let status = came.answer.status();
        if status.is_informational() {
            return Err(told::bad_gateway("the API switches protocols without being asked"));
        }
        let headers = self.headers(&came)?;
        let answer: http::Response<reqwest::Body> = came.answer.into();
        let limits = self.settings.streams;
        let body = Download::new(answer.into_body(), came.progress, came.session, limits);
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// The headers of an answer that can be passed on.
    pub(super) fn headers(&self, came: &Came<'_>) -> Result<HeaderMap, Told> {
        let (status, said) = (came.answer.status(), came.answer.headers());
        if status == StatusCode::UNAUTHORIZED {
            // A fresh token was no better. The user is signed in, and to do so again changes nothing.
            tracing::error!(api = %origin(came.asked), "the API does not take the app's token");
            return Err(told::bad_gateway("the API does not take the app's token"));
        }
        if headers::size(said) > HEADERS_AT_MOST {
            return Err(told::bad_gateway("the headers of the API's answer are too long"));
        }
        let mut passed = headers::to_the_browser(said);
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let Some(named) = said.get(&name) else { continue };
            let own = named.to_str().ok().and_then(|named| {
                path::location(&self.settings.base, came.mount, came.asked, named)
            });
            match own.and_then(|own| HeaderValue::from_str(&own).ok()) {
                Some(own) => {
                    passed.insert(name, own);
                }
                None if status.is_redirection() && name == header::LOCATION => {
                    tracing::warn!(api = %origin(came.asked), "the API redirects to elsewhere");
                    let words = "the API redirects to an address that is not below its base: \
                                 neither the token nor the browser is sent there";
                    return Err(told::bad_gateway(words));
                }
                None => {}
            }
        }
        Ok(passed)
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
