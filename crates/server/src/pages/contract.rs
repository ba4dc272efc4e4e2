//! What other programs rely on in a page: field names and ids, for password managers and scripts.

use super::error::PagesError;
use super::overrides::Overrides;
use super::views::Shown;

/// What the page of each template must contain, whatever it looks like.
pub(super) const CONTRACT: &[(&str, &[&str])] = &[
    (
        "sign_in.html",
        &[
            r#"action="/login""#,
            r#"id="login-form""#,
            r#"name="request""#,
            r#"id="username""#,
            r#"name="username""#,
            r#"autocomplete="username""#,
            r#"id="password""#,
            r#"name="password""#,
            r#"autocomplete="current-password""#,
            r#"id="login-submit""#,
            r#"id="login-cancel""#,
            r#"formaction="/cancel""#,
        ],
    ),
    (
        "sign_up.html",
        &[
            r#"action="/sign-up""#,
            r#"name="request""#,
            r#"id="username""#,
            r#"name="username""#,
            r#"autocomplete="username""#,
            r#"id="password""#,
            r#"name="password""#,
            r#"autocomplete="new-password""#,
            r#"id="sign-up-submit""#,
        ],
    ),
    (
        "consent.html",
        &[
            r#"action="/consent""#,
            r#"id="consent-form""#,
            r#"name="consent""#,
            r#"name="decision""#,
            r#"id="consent-allow""#,
            r#"value="allow""#,
            r#"id="consent-deny""#,
            r#"value="deny""#,
            r#"id="consent-switch""#,
        ],
    ),
    (
        "user_code.html",
        &[
            r#"action="/device""#,
            r#"id="user-code-form""#,
            r#"name="token""#,
            r#"id="user-code""#,
            r#"name="user_code""#,
            r#"id="user-code-submit""#,
        ],
    ),
    (
        "device.html",
        &[
            r#"action="/consent""#,
            r#"id="device-form""#,
            r#"name="consent""#,
            r#"id="shown-code""#,
            r#"name="decision""#,
            r#"id="device-allow""#,
            r#"value="allow""#,
            r#"id="device-deny""#,
            r#"value="deny""#,
            r#"id="device-switch""#,
        ],
    ),
    (
        "requests.html",
        &[
            r#"action="/requests""#,
            r#"name="consent""#,
            r#"name="decision""#,
            r#"id="request-1-allow""#,
            r#"value="allow""#,
            r#"id="request-1-deny""#,
            r#"value="deny""#,
            r#"id="requests-switch""#,
        ],
    ),
    ("no_requests.html", &[r#"http-equiv="refresh""#, r#"id="requests-switch""#]),
    ("go_on.html", &[r#"id="go-on""#]),
    (
        "sign_out.html",
        &[
            r#"action="/logout""#,
            r#"name="request""#,
            r#"id="logout-confirm""#,
            r#"id="logout-cancel""#,
            r#"value="stay""#,
        ],
    ),
    (
        "account.html",
        &[
            r#"action="/account""#,
            r#"name="token""#,
            r#"name="action""#,
            r#"value="change-password""#,
            r#"name="current_password""#,
            r#"name="new_password""#,
            r#"autocomplete="new-password""#,
            r#"value="sign-out-everywhere""#,
        ],
    ),
    ("form_post.html", &["method=\"post\"", "<button"]),
];

/// Refuses a page that lost something that others rely on.
///
/// `base` is the path that the place is below: addresses on a page begin with it.
pub(super) fn check(
    page: &Shown,
    html: &str,
    base: &str,
    overrides: &Overrides,
) -> Result<(), PagesError> {
    let rules = CONTRACT.iter().find(|(template, _)| *template == page.template);
    let below = |rule: &str| rule.replace("action=\"/", &format!("action=\"{base}/"));
    let missing = rules
        .into_iter()
        .flat_map(|(_, rules)| rules.iter().map(|rule| below(rule)))
        .find(|rule| !html.contains(rule));
    match missing {
        None => Ok(()),
        Some(rule) => {
            let message = format!("the page lacks {rule}, which it does not work without; add it.");
            Err(PagesError::new(overrides.source_of(page.template), message))
        }
    }
}
