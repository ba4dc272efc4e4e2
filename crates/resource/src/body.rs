//! A look into a form body, for a token that has no business there.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Frame;
use http_body_util::BodyExt;

use crate::rules::names_a_token;

/// As much of a form is looked at, in bytes. Nothing in a body is ever believed; the look tells
/// an honest author early that this is not the way.
const LOOKED_AT: usize = 64 * 1024;

/// Whether the body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.and_then(|value| value.split(';').next()).is_some_and(|media_type| {
        media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// Whether the form has an `access_token` (RFC 6750 section 2.2), and the same body again.
pub(crate) async fn look_for_token(mut body: Body) -> (bool, Body) {
    let mut frames = VecDeque::new();
    let mut seen = Vec::new();
    while seen.len() < LOOKED_AT {
        let Some(frame) = body.frame().await else { break };
        if let Ok(data) = frame.as_ref().map_err(drop).and_then(|f| f.data_ref().ok_or(())) {
            let room = LOOKED_AT - seen.len();
            seen.extend_from_slice(&data[..data.len().min(room)]);
        }
        let last = frame.is_err();
        frames.push_back(frame);
        if last {
            break;
        }
    }
    (names_a_token(&seen), Body::new(Resumed { frames, rest: body }))
}

/// The frames that were looked at, then the rest.
struct Resumed {
    frames: VecDeque<Result<Frame<Bytes>, axum::Error>>,
    rest: Body,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_body_is_the_same_after_the_look() {
        let long = format!("a={}", "x".repeat(2 * LOOKED_AT));
        for (text, found) in [("", false), ("a=1&access_token=t", true), (long.as_str(), false)] {
            let (has, body) = look_for_token(Body::from(text.to_owned())).await;
            assert_eq!(has, found);
            let bytes = body.collect().await.expect("read").to_bytes();
            assert_eq!(bytes, text.as_bytes());
        }
    }

    #[test]
    fn what_a_form_is() {
        let form = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(value));
            is_form(&headers)
        };
        assert!(form("application/x-www-form-urlencoded"));
        assert!(form("Application/X-WWW-Form-Urlencoded ; charset=utf-8"));
        assert!(!form("application/json"));
        assert!(!is_form(&HeaderMap::new()));
    }
}
