//! `/account`: the user's own page.

use axum::extract::State;
use axum::response::Response;
use keystile_authority::endpoints::{
    AccountAction, AccountNotice, AccountView, Answer, Cookies, Fault, Outcome,
};
use keystile_authority::ids::SessionId;
use keystile_authority::records::AppAccess;
use keystile_protocol::{ClientId, Params, Secret, Timestamp};

use super::pages::text;
use crate::browser_name::browser_name;
use crate::face::SharedFace;
use crate::pages::{self, Language};
use crate::received::{FromBrowser, PageForm};
use crate::respond::{self, Place};

type Shown = Result<(Result<Box<AccountView>, Outcome>, Cookies), Fault>;

pub(crate) async fn get(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    let shown = face.authority.account(&from.browser).await;
    show(&face, &from, shown)
}

pub(crate) async fn post(
    State(face): State<SharedFace>,
    from: FromBrowser,
    PageForm(params): PageForm,
) -> Response {
    let shown = match action(&params) {
        None => face.authority.account(&from.browser).await,
        Some(action) => {
            let form = text(&params, "token");
            face.authority.change_account(&form, action, &from.browser).await
        }
    };
    show(&face, &from, shown)
}

fn action(params: &Params) -> Option<AccountAction> {
    match text(params, "action").as_str() {
        "withdraw" => ClientId::new(text(params, "client_id")).ok().map(AccountAction::Withdraw),
        "end-session" => {
            SessionId::from_text(&text(params, "session")).map(AccountAction::EndSession)
        }
        "sign-out-everywhere" => Some(AccountAction::SignOutEverywhere),
        "change-password" => Some(AccountAction::ChangePassword {
            current: Secret::new(text(params, "current_password")),
            new: Secret::new(text(params, "new_password")),
        }),
        _ => None,
    }
}

fn show(face: &SharedFace, from: &FromBrowser, shown: Shown) -> Response {
    let language = respond::language(face, from, None);
    match shown {
        Err(fault) => respond::fault(face, &axum::http::HeaderMap::new(), &fault),
        Ok((Err(outcome), cookies)) => {
            respond::answer(face, from, Answer { outcome, cookies }, Place::Elsewhere)
        }
        Ok((Ok(view), cookies)) => {
            let html = face.pages.account(language, &page(face, language, *view));
            let mut response = respond::page(face, language, html);
            face.cookies.write(cookies, face.session_life(), response.headers_mut());
            response
        }
    }
}

fn page(face: &SharedFace, language: Language, view: AccountView) -> pages::Account {
    let session = |session: &keystile_authority::records::Session| pages::AccountSession {
        id: session.id.to_string(),
        started: moment(session.created_at),
        last_used: moment(session.last_used),
        current: session.id == view.current,
        agent: browser_name(&session.user_agent),
    };
    pages::Account {
        account: view.account.username,
        name: view.account.claims.get("name").and_then(|name| name.as_str()).map(str::to_owned),
        waiting: view.waiting,
        requests: face.path("/requests"),
        apps: view.apps.iter().map(|access| app(face, language, access)).collect(),
        sessions: view.sessions.iter().map(session).collect(),
        token: view.form.into_string(),
        notice: view.notice.map(notice),
    }
}

fn app(face: &SharedFace, language: Language, access: &AppAccess) -> pages::AccountApp {
    let words = |scope: &str| {
        let definition = face.authority.policy().scope(scope);
        let title = definition.and_then(|definition| definition.title.clone());
        title.or_else(|| face.pages.standard_permission(language, scope))
    };
    pages::AccountApp {
        app: respond::app(&access.client),
        client_id: access.client.id.to_string(),
        since: moment(access.since),
        permissions: access.granted.iter().filter_map(words).collect(),
    }
}

fn notice(notice: AccountNotice) -> pages::AccountNotice {
    match notice {
        AccountNotice::AccessRemoved => pages::AccountNotice::AccessRemoved,
        AccountNotice::SignedOutElsewhere => pages::AccountNotice::SignedOutElsewhere,
        AccountNotice::PasswordChanged => pages::AccountNotice::PasswordChanged,
        AccountNotice::PasswordWrong => pages::AccountNotice::PasswordWrong,
        AccountNotice::PasswordTooShort => pages::AccountNotice::PasswordTooShort,
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ` (the civil date of a day number, by Hinnant's algorithm).
fn moment(at: Timestamp) -> String {
    let (days, seconds) = (at.day(), at.seconds().rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_dates() {
        let at = |seconds| moment(Timestamp::from_seconds(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_800_000_000), "2027-01-15T08:00:00Z");
    }
}
