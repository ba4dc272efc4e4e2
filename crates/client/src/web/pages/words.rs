use http::StatusCode;
use keystile_protocol::ErrorCode;

use super::{SEND, STYLE};
use crate::failure::{Cause, LoginFailure};
use crate::flow::IdTokenError;

/// A page: a heading, a sentence, and where to go from here.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    pub(super) links: &'a [(&'a str, &'a str)],
    pub(super) reference: Option<&'a str>,
}

impl Page<'_> {
    pub(super) fn html(&self) -> String {
        let title = escape(self.title);
        let text = escape(self.text);
        let link = |(at, (words, to)): (usize, &(&str, &str))| {
            let class = if at == 0 { " class=\"main\"" } else { "" };
            let (words, to) = (escape(words), escape(to));
            // Out of any frame that the page may be in (row 4.2).
            format!("<a{class} href=\"{to}\" target=\"_top\">{words}</a>")
        };
        let links: String = self.links.iter().enumerate().map(link).collect();
        let reference = self.reference.map(escape).map(|r| format!("<small>Reference {r}</small>"));
        let reference = reference.unwrap_or_default();
        format!(
            "<title>{title}</title><style>{STYLE}</style></head><body><main>\
             <h1>{title}</h1><p>{text}</p><nav>{links}</nav>{reference}</main></body></html>"
        )
    }
}

/// A form that a script sends, or its button.
pub(super) fn posting<'a>(
    title: &str,
    to: &str,
    fields: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let (title, to) = (escape(title), escape(to));
    let field = |(name, value)| {
        let (name, value) = (escape(name), escape(value));
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
    };
    let fields: String = fields.map(field).collect();
    format!(
        "<title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
         <form method=\"post\" action=\"{to}\">{fields}<button>Go on</button></form></main>\
         <script>{SEND}</script></body></html>"
    )
}

/// What the user is told. Causes that the user can do nothing about share their words; the log
/// has the details beside the reference.
pub(super) fn page(failure: &LoginFailure) -> String {
    let (title, text, again) = words(&failure.cause);
    let home = ("Back to the app", failure.home.as_str());
    let links = [(again, failure.again.as_str()), home];
    let links = if again.is_empty() { &links[1..] } else { &links[..] };
    Page { title, text, links, reference: Some(&failure.reference) }.html()
}

fn words(cause: &Cause) -> (&'static str, &'static str, &'static str) {
    match cause {
        Cause::Authorization(ErrorCode::AccessDenied) => (
            "You did not sign in",
            "You chose not to give this app access, and that is fine: nothing has changed. If you \
             change your mind, you can sign in at any time.",
            "Sign in after all",
        ),
        Cause::Authorization(ErrorCode::UnmetAuthenticationRequirements)
        | Cause::IdToken(IdTokenError::Acr) => (
            "A stronger sign-in is needed",
            "What you wanted to do asks for a stronger way to sign in, such as a second factor, \
             than the one that you have. Nothing has changed.",
            "Sign in in another way",
        ),
        Cause::Framed => (
            "Sign in on a page of its own",
            "To keep your password safe, signing in does not work inside of another page.",
            "Open the sign-in page",
        ),
        Cause::UnknownLogin => (
            "This sign-in is over",
            "It was finished before, took too long, or was started in another browser.",
            "Sign in again",
        ),
        Cause::Loop => (
            "You could not be kept signed in",
            "You signed in a moment ago, but this app did not recognise you afterwards. Allow \
             cookies for this site, then sign in again.",
            "Sign in again",
        ),
        cause if cause.is_temporary() => (
            "Signing in does not work right now",
            "The place where you sign in is busy or taking a break. Nothing is lost: please try \
             again in a moment.",
            "Try again",
        ),
        Cause::Authorization(
            ErrorCode::LoginRequired
            | ErrorCode::InteractionRequired
            | ErrorCode::ConsentRequired
            | ErrorCode::AccountSelectionRequired,
        ) => (
            "There is something to answer first",
            "The place where you sign in needs to ask you something.",
            "Sign in",
        ),
        _ => (
            "Signing in did not work",
            "This is a fault of this app, not something that you did. Please tell the people who \
             run it, with the reference below.",
            "Try again",
        ),
    }
}

pub(super) fn status(cause: &Cause) -> StatusCode {
    match cause {
        Cause::Authorization(
            ErrorCode::AccessDenied | ErrorCode::UnmetAuthenticationRequirements,
        )
        | Cause::IdToken(IdTokenError::Acr)
        | Cause::Framed => StatusCode::FORBIDDEN,
        Cause::UnknownLogin
        | Cause::Loop
        | Cause::Malformed(_)
        | Cause::SignedResponse(_)
        | Cause::WrongIssuer => StatusCode::BAD_REQUEST,
        cause if cause.is_temporary() => StatusCode::SERVICE_UNAVAILABLE,
        Cause::Authorization(_) | Cause::Pushed(_) | Cause::Token(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_GATEWAY,
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_reflected_unescaped() {
        let hostile = "\"><script>alert('1')</script>&";
        let page = Page {
            title: hostile,
            text: hostile,
            links: &[(hostile, hostile)],
            reference: Some(hostile),
        };
        let html = page.html();
        assert!(!html.contains("<script") && !html.contains("\"><script"), "{html}");
    }

    #[test]
    fn seed_3_10_the_user_reads_no_word_of_the_protocol() {
        let causes = [
            Cause::Authorization(ErrorCode::InvalidScope),
            Cause::Authorization(ErrorCode::UnauthorizedClient),
            Cause::Token(ErrorCode::InvalidClient),
            Cause::Unreachable("http://internal:1/".into()),
            Cause::Malformed("the parameter 'code' is repeated".into()),
            Cause::WrongIssuer,
        ];
        for cause in causes {
            let failure = LoginFailure {
                cause,
                reference: "1234-ABCD".into(),
                again: "/login?return_to=%2F".into(),
                home: "/".into(),
            };
            let html = page(&failure);
            for word in ["scope", "client", "internal", "parameter", "invalid", "issuer"] {
                assert!(!html.contains(word), "{word}: {html}");
            }
            assert!(html.contains("1234-ABCD") && html.contains("href=\"/login"), "{html}");
        }
    }
}
