//! Example pages: what a template is tried out with, and what a designer looks at.
//!
//! Together they take every branch of every template of ours.

use super::views::{
    Account, AccountApp, AccountNotice, AccountSession, App, Busy, Consent, Detail, DetailRow,
    Developer, Device, DeviceDone, EmbeddedBrowser, ErrorHelp, FormPost, Framed, GoOn, Home,
    NoRequests, Permission, PermissionGroup, PermissionKind, Phrase, Platform, Problem,
    ProblemKind, RequestWord, Requests, Shown, SignIn, SignInError, SignInReason, SignOut,
    SignOutProblem, SignUp, SignUpError, SignedOut, UserCode, UserCodeError, View, WaitingRequest,
};

const REFERENCE: &str = "K7QD-2M9X";
const SEALED: &str = "v1.c2VhbGVkLXJlcXVlc3QtYXMtYW4tZXhhbXBsZQ.dGFn";

/// All examples.
pub(super) fn all() -> Vec<Shown> {
    [
        sign_ins(),
        sign_ups(),
        consents(),
        devices(),
        requests(),
        problems(),
        sign_outs(),
        ways_out(),
        help(),
        accounts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn named(name: &'static str, view: &impl View) -> Shown {
    Shown { name, ..view.shown() }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn printer() -> App {
    App {
        name: text("Photo Printer"),
        domain: Some(text("print.example")),
        answers_to: None,
        logo: Some(text("/logos/AAECAwQFBgcICQoLDA0ODw")),
        operator: Some(text("Print & Paper Ltd")),
        policy: Some(text("https://print.example/privacy")),
        terms: Some(text("https://print.example/terms")),
    }
}

/// An app that registered its name and nothing else.
fn bare() -> App {
    App { name: text("Notes"), ..App::default() }
}

/// An app that nobody registered.
fn stranger() -> App {
    App {
        name: text("Tool Runner"),
        domain: Some(text("runner.example")),
        answers_to: Some(text("127.0.0.1")),
        ..App::default()
    }
}

fn sign_ins() -> Vec<Shown> {
    let plain = SignIn {
        app: Some(printer()),
        back_to_app: true,
        request: text(SEALED),
        ..SignIn::default()
    };
    let known = SignIn { username: text("ada"), ..plain.clone() };
    let with_error = |error| SignIn { error: Some(error), ..known.clone() };
    vec![
        named(
            "sign-in",
            &SignIn {
                forgot: Some(text("/forgot")),
                sign_up: Some(text("/sign-up?request=v1.c2VhbGVk")),
                ..plain.clone()
            },
        ),
        named("sign-in-direct", &SignIn { app: None, back_to_app: false, ..plain.clone() }),
        named("sign-in-rejected", &with_error(SignInError::Rejected)),
        named("sign-in-throttled", &with_error(SignInError::Throttled { seconds: 30 })),
        named("sign-in-busy", &with_error(SignInError::Busy)),
        named(
            "sign-in-again",
            &SignIn { username_fixed: true, reason: Some(SignInReason::AskedAgain), ..known },
        ),
        named(
            "sign-in-old-page",
            &SignIn { app: Some(stranger()), reason: Some(SignInReason::OldPage), ..plain },
        ),
    ]
}

fn sign_ups() -> Vec<Shown> {
    let plain = SignUp {
        app: Some(printer()),
        request: text(SEALED),
        password_at_least: 8,
        sign_in: text("/login?switch=1&request=v1.c2VhbGVk"),
        ..SignUp::default()
    };
    let typed = SignUp {
        username: text("ada"),
        name: text("Ada Lovelace"),
        email: text("ada@example.org"),
        ..plain.clone()
    };
    let with_error = |error| SignUp { error: Some(error), ..typed.clone() };
    vec![
        named("sign-up", &plain),
        named("sign-up-direct", &SignUp { app: None, ..plain.clone() }),
        named("sign-up-taken", &with_error(SignUpError::Taken)),
        named("sign-up-username", &with_error(SignUpError::Username)),
        named("sign-up-name", &with_error(SignUpError::Name)),
        named("sign-up-email", &with_error(SignUpError::Email)),
        named("sign-up-password", &with_error(SignUpError::Password)),
        named("sign-up-throttled", &with_error(SignUpError::Throttled { seconds: 30 })),
        named("sign-up-busy", &with_error(SignUpError::Busy)),
    ]
}

fn permission(scope: &str, title: &str) -> Permission {
    Permission { scope: text(scope), title: text(title), ..Permission::default() }
}

/// Groups with everything that a permission can be.
fn groups() -> Vec<PermissionGroup> {
    let identity = PermissionGroup {
        kind: PermissionKind::Identity,
        permissions: vec![
            permission("profile", "See your name"),
            Permission { optional: true, ..permission("email", "See your email address") },
        ],
    };
    let albums = Permission {
        optional: true,
        checked: true,
        already: true,
        detail: Some(text("So that you find the prints again.")),
        ..permission("albums:write", "Make albums for you")
    };
    let photos = Permission {
        detail: Some(text("All of them, also those that you did not share.")),
        ..permission("photos:read", "See your photos")
    };
    let access =
        PermissionGroup { kind: PermissionKind::Access, permissions: vec![photos, albums] };
    vec![identity, access]
}

fn consents() -> Vec<Shown> {
    let full = Consent {
        app: printer(),
        account: text("ada"),
        consent: text(SEALED),
        details: Vec::new(),
        groups: groups(),
        switch: text("/login?switch=1&request=v1.c2VhbGVk"),
        manage: Some(text("/account")),
    };
    let small = Consent {
        app: bare(),
        switch: text("/login?switch=1&request=v1.c2VhbGVk"),
        manage: None,
        groups: vec![PermissionGroup {
            kind: PermissionKind::Access,
            permissions: vec![permission("notes", "Read and change your notes")],
        }],
        ..full.clone()
    };
    let paying = Consent { details: details(), groups: Vec::new(), ..full.clone() };
    let with_more = Consent { details: details(), ..full.clone() };
    vec![
        named("consent", &full),
        named("consent-small", &small),
        named("consent-details", &paying),
        named("consent-details-and-more", &with_more),
    ]
}

fn details() -> Vec<Detail> {
    let phrase = |by_app, words: &str| Phrase { text: text(words), by_app };
    let row = |label: &str, values: &[&str]| DetailRow {
        label: text(label),
        values: values.iter().copied().map(text).collect(),
    };
    let sentence =
        [(false, "Pay "), (true, "123.50"), (false, " "), (true, "EUR"), (false, " to ")];
    let mut sentence: Vec<_> =
        sentence.into_iter().map(|(by_app, words)| phrase(by_app, words)).collect();
    sentence.push(phrase(true, "\u{5d1}\u{5d9}\u{5ea} \u{5d4}\u{5d3}\u{5e4}\u{5d5}\u{5e1} & Sons"));
    let payment = Detail {
        title: text("Make a payment"),
        sentence,
        rows: vec![
            row("Account of the payee \u{b7} IBAN", &["DE02100100109307118603"]),
            row("Actions", &["initiate", "status", "cancel"]),
            row("Right away", &["No"]),
        ],
    };
    let silent = Detail {
        title: text("See an account"),
        rows: vec![row("Purpose", &["To find the order that belongs to each payment"])],
        ..Detail::default()
    };
    vec![payment, silent]
}

fn devices() -> Vec<Shown> {
    let empty = UserCode { token: text(SEALED), ..UserCode::default() };
    let filled = UserCode { code: text("BCDF-GHJK"), ..empty.clone() };
    let with_error = |error| UserCode { error: Some(error), ..filled.clone() };
    let full = Device {
        app: printer(),
        code: text("BCDF-GHJK"),
        account: text("ada"),
        consent: text(SEALED),
        details: Vec::new(),
        groups: groups(),
        switch: text("/login?switch=1&request=v1.c2VhbGVk"),
        manage: Some(text("/account")),
    };
    let small = Device { app: bare(), groups: Vec::new(), manage: None, ..full.clone() };
    let allowed = DeviceDone { app: printer(), allowed: true, manage: text("/account") };
    vec![
        named("user-code", &empty),
        named("user-code-filled", &filled),
        named("user-code-not-good", &with_error(UserCodeError::NotGood)),
        named("user-code-throttled", &with_error(UserCodeError::Throttled { seconds: 30 })),
        named("device", &full),
        named("device-small", &small),
        named("device-details", &Device { details: details(), ..small.clone() }),
        named("device-allowed", &allowed),
        named("device-denied", &DeviceDone { allowed: false, ..allowed }),
    ]
}

fn requests() -> Vec<Shown> {
    let full = WaitingRequest {
        app: printer(),
        message: Some(text("W4SCT")),
        consent: text(SEALED),
        groups: groups(),
        details: Vec::new(),
        manage: Some(text("/account")),
        age: 12,
        ends_in: 108,
    };
    let small = WaitingRequest {
        app: bare(),
        message: None,
        details: details(),
        groups: vec![PermissionGroup {
            kind: PermissionKind::Access,
            permissions: vec![permission("notes", "Read and change your notes")],
        }],
        age: 200,
        ..full.clone()
    };
    let page = Requests {
        account: text("ada"),
        switch: text("/login?switch=1&request=v1.c2VhbGVk"),
        requests: vec![full.clone()],
        word: None,
    };
    let allowed = RequestWord::Allowed { app: text("Photo Printer") };
    let denied = RequestWord::Denied { app: text("Photo Printer") };
    let (requests, word) = (vec![full, small.clone()], Some(RequestWord::Gone));
    let several = Requests { requests, word, ..page.clone() };
    let none = NoRequests {
        account: text("ada"),
        switch: page.switch.clone(),
        manage: text("/account"),
        word: None,
        again: text("/requests"),
        seconds: 5,
    };
    vec![
        named("request", &page),
        named("request-small", &Requests { requests: vec![small], ..page }),
        named("requests", &several),
        named("no-requests", &none),
        named("no-requests-allowed", &NoRequests { word: Some(allowed), ..none.clone() }),
        named("no-requests-denied", &NoRequests { word: Some(denied), ..none }),
    ]
}

fn problems() -> Vec<Shown> {
    let name = |kind| match kind {
        ProblemKind::UnknownClient => "problem-unknown-client",
        ProblemKind::BadRedirectUri => "problem-bad-redirect-uri",
        ProblemKind::MissingClient => "problem-missing-client",
        ProblemKind::BadRequest => "problem-bad-request",
        ProblemKind::RequestTooOld => "problem-request-too-old",
        ProblemKind::CannotGoOn => "problem-cannot-go-on",
        ProblemKind::NotFound => "problem-not-found",
        ProblemKind::MethodNotAllowed => "problem-method-not-allowed",
        ProblemKind::TooLarge => "problem-too-large",
        ProblemKind::Internal => "problem-internal",
    };
    let problem = |kind, developer| Problem { kind, reference: text(REFERENCE), developer };
    let mut all: Vec<_> =
        ProblemKind::ALL.into_iter().map(|kind| named(name(kind), &problem(kind, None))).collect();
    for (name, developer) in developers() {
        all.push(named(name, &problem(ProblemKind::BadRedirectUri, Some(developer))));
    }
    all
}

fn developers() -> [(&'static str, Developer); 3] {
    let differs = Developer {
        rule: text("The redirect URI is compared as a string, character by character."),
        section: text("OAuth 2.1, section 4.1.3"),
        received: Some(text("https://print.example/Callback")),
        expected: vec![
            text("http://localhost:4001/callback"),
            text("https://print.example/callback"),
        ],
        first_difference: Some(22),
        closest: Some(1),
        hint: text("Register this address for the app, or send one that is registered."),
    };
    let longer = Developer {
        received: Some(text("https://print.example/callback/")),
        expected: vec![text("https://print.example/callback")],
        first_difference: Some(30),
        closest: Some(0),
        ..differs.clone()
    };
    let nothing = Developer {
        received: None,
        expected: Vec::new(),
        first_difference: None,
        closest: None,
        ..differs.clone()
    };
    [("developer", differs), ("developer-longer", longer), ("developer-nothing", nothing)]
}

fn sign_outs() -> Vec<Shown> {
    let full = SignedOut {
        app: Some(printer()),
        return_to: Some((text("Photo Printer"), text("https://print.example/bye"))),
        told: vec![text("Photo Printer"), text("Notes")],
        frames: vec![text("https://print.example/signed-out")],
    };
    vec![
        named("sign-out", &SignOut { account: Some(text("ada")), token: text(SEALED) }),
        named("sign-out-stranger", &SignOut { account: None, token: text(SEALED) }),
        named("signed-out", &full),
        named("signed-out-plain", &SignedOut::default()),
        named("sign-out-problem", &SignOutProblem { reference: text(REFERENCE) }),
    ]
}

fn ways_out() -> Vec<Shown> {
    let go_on = GoOn {
        app: Some(printer()),
        action: text("/authorize"),
        token_field: text("request"),
        token: text(SEALED),
    };
    let url = text("https://id.example/authorize?request=c2VhbGVk");
    let embedded = |app, platform, open| EmbeddedBrowser { app, url: url.clone(), open, platform };
    let intent = text("intent://id.example/authorize?request=c2VhbGVk#Intent;scheme=https;end");
    let busy = Busy { reference: text(REFERENCE), seconds: 5, retry: None };
    let fields = vec![(text("code"), text("an-example")), (text("state"), text("s"))];
    vec![
        named("go-on-direct", &GoOn { app: None, ..go_on.clone() }),
        named("go-on", &go_on),
        named("embedded-android", &embedded(Some(printer()), Platform::Android, Some(intent))),
        named("embedded-ios", &embedded(None, Platform::Ios, None)),
        named("embedded-other", &embedded(None, Platform::Other, None)),
        named("framed", &Framed { url: url.clone() }),
        named("busy", &busy),
        named("busy-retry", &Busy { retry: Some(text("/authorize?request=c2VhbGVk")), ..busy }),
        named("form-post", &FormPost { action: text("https://print.example/cb"), fields }),
        named("home", &Home::default()),
        named("home-signed-in", &Home { signed_in: Some(text("ada")) }),
    ]
}

fn help() -> Vec<Shown> {
    let help = ErrorHelp {
        code: text("invalid_scope"),
        meaning: text("The scope is unknown, malformed or more than the app may ask for."),
        section: text("RFC 6749 section 4.1.2.1"),
    };
    vec![named("error-help", &help)]
}

fn accounts() -> Vec<Shown> {
    let session = |id: &str, current, agent: Option<&str>| AccountSession {
        id: text(id),
        started: text("2026-03-02T08:15:00Z"),
        last_used: text("2026-03-09T19:40:00Z"),
        current,
        agent: agent.map(text),
    };
    let access = |app, permissions: &[&str]| AccountApp {
        app,
        client_id: text("an-app"),
        since: text("2026-03-02"),
        permissions: permissions.iter().copied().map(text).collect(),
    };
    let full = Account {
        account: text("ada"),
        name: Some(text("Ada Lovelace")),
        waiting: 0,
        requests: text("/requests"),
        apps: vec![access(printer(), &["See your name", "See your photos"]), access(bare(), &[])],
        sessions: vec![
            session("s1", true, Some("Firefox on Linux")),
            session("s2", false, Some("Safari on iPhone")),
            session("s3", false, None),
        ],
        token: text(SEALED),
        notice: None,
    };
    let noticed = |notice| Account { notice: Some(notice), ..full.clone() };
    let empty = Account {
        name: None,
        apps: Vec::new(),
        sessions: vec![session("s1", true, None)],
        ..full.clone()
    };
    vec![
        named("account", &full),
        named("account-empty", &empty),
        named("account-waiting-one", &Account { waiting: 1, ..full.clone() }),
        named("account-waiting", &Account { waiting: 2, ..full.clone() }),
        named("account-access-removed", &noticed(AccountNotice::AccessRemoved)),
        named("account-signed-out-elsewhere", &noticed(AccountNotice::SignedOutElsewhere)),
        named("account-password-changed", &noticed(AccountNotice::PasswordChanged)),
        named("account-password-wrong", &noticed(AccountNotice::PasswordWrong)),
        named("account-password-too-short", &noticed(AccountNotice::PasswordTooShort)),
    ]
}
