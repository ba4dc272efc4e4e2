//! The sign-in and consent pages: shown and posted. They decide nothing; the authority does.

use axum::extract::State;
use axum::response::Response;
use keystile_authority::endpoints::{ConsentForm, SignInForm, SignUpForm};
use keystile_authority::rules::sign_up::SignUpFields;
use keystile_protocol::{Params, Secret};

use crate::face::SharedFace;
use crate::pages::Home;
use crate::received::{FormError, FromBrowser, PageForm};
use crate::respond::{self, Place};

pub(crate) async fn home(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    let language = respond::language(&face, &from, None);
    respond::page(&face, language, face.pages.home(language, &Home { signed_in: None }))
}

pub(crate) async fn resume_sign_in(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    resume(&face, &from, Place::SignIn).await
}

pub(crate) async fn resume_consent(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    resume(&face, &from, Place::Consent).await
}

async fn resume(face: &SharedFace, from: &FromBrowser, place: Place) -> Response {
    match from.params().map(|params| text(&params, "request")) {
        // Somebody opened the page's bare address: there is only the account to sign in to.
        Ok(request) if request.is_empty() => respond::see_other(&face.path("/account")),
        Ok(request) => {
            let (authority, browser) = (&face.authority, &from.browser);
            let answer = match place {
                Place::SignIn if from.query.starts_with("switch=") => {
                    authority.switch_account(&request, browser).await
                }
                Place::SignUp => authority.begin_sign_up(&request, browser).await,
                _ => authority.resume(&request, browser).await,
            };
            respond::answer(face, from, answer, place)
        }
        Err(error) => respond::bad_form(face, from, &FormError::Params(error)),
    }
}

pub(crate) async fn sign_in(
    State(face): State<SharedFace>,
    from: FromBrowser,
    PageForm(params): PageForm,
) -> Response {
    let form = SignInForm {
        request: text(&params, "request"),
        username: text(&params, "username"),
        password: Secret::new(text(&params, "password")),
    };
    let answer = face.authority.sign_in(form, &from.browser).await;
    respond::answer(&face, &from, answer, Place::Elsewhere)
}

pub(crate) async fn begin_sign_up(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    resume(&face, &from, Place::SignUp).await
}

pub(crate) async fn sign_up(
    State(face): State<SharedFace>,
    from: FromBrowser,
    PageForm(params): PageForm,
) -> Response {
    let form = SignUpForm {
        request: text(&params, "request"),
        fields: SignUpFields {
            username: text(&params, "username"),
            name: text(&params, "name"),
            email: text(&params, "email"),
        },
        password: Secret::new(text(&params, "password")),
    };
    let answer = face.authority.sign_up(form, &from.browser).await;
    respond::answer(&face, &from, answer, Place::Elsewhere)
}

pub(crate) async fn consent(
    State(face): State<SharedFace>,
    from: FromBrowser,
    PageForm(params): PageForm,
) -> Response {
    let answer = face.authority.consent(consent_form(&params), &from.browser).await;
    respond::answer(&face, &from, answer, Place::Elsewhere)
}

/// What a page with the buttons "Allow" and "Deny" posts.
pub(super) fn consent_form(params: &Params) -> ConsentForm {
    let ticked = params.all("scope").unwrap_or_default();
    ConsentForm {
        page: text(params, "consent"),
        decision: text(params, "decision"),
        ticked: ticked.into_iter().map(str::to_owned).collect(),
    }
}

pub(crate) async fn cancel(
    State(face): State<SharedFace>,
    from: FromBrowser,
    PageForm(params): PageForm,
) -> Response {
    let answer = face.authority.cancel(&text(&params, "request"), &from.browser).await;
    respond::answer(&face, &from, answer, Place::Elsewhere)
}

/// A field of our own form; empty if it is missing, repeated or no text.
pub(crate) fn text(params: &Params, name: &'static str) -> String {
    params.optional(name).ok().flatten().unwrap_or_default().to_owned()
}
