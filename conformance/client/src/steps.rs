//! What the user does in a module.

/// Something that a user does in the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    SignIn,
    SignInAgain,
    Refresh,
    AskAgain,
    CallApi,
    SignOut,
}

impl Step {
    /// The path of the app that it ends at.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::SignIn | Self::SignInAgain => "/me",
            Self::Refresh => "/refresh",
            Self::AskAgain => "/userinfo",
            Self::CallApi => "/api",
            Self::SignOut => "/",
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::SignIn => "signed in",
            Self::SignInAgain => "signed in again",
            Self::Refresh => "refreshed",
            Self::AskAgain => "asked for the claims again",
            Self::CallApi => "called the API",
            Self::SignOut => "signed out",
        }
    }
}

/// How far the app comes: some modules are over before it is there, and call it a failure if anything
/// comes afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It asks what the server says of itself.
    Discovers,
    /// It registers itself.
    Registers,
    /// It is there.
    Serves,
}

/// By the module's name.
pub(crate) fn start(module: &str) -> Start {
    if module.starts_with("oidcc-client-test-discovery-") {
        Start::Discovers
    } else if module.ends_with("dynamic-registration") {
        Start::Registers
    } else {
        Start::Serves
    }
}

/// By the module's name: most want one login, and what differs stands here.
pub(crate) fn steps(module: &str) -> &'static [Step] {
    use Step as S;
    let is_about = |subject: &str| module.contains(subject);
    if module.ends_with("signing-key-rotation") {
        &[S::SignIn, S::SignInAgain]
    } else if is_about("refresh-token") {
        &[S::SignIn, S::Refresh, S::AskAgain]
    } else if is_about("logout") {
        &[S::SignIn, S::SignOut]
    } else if module.starts_with("fapi") {
        &[S::SignIn, S::CallApi]
    } else {
        &[S::SignIn]
    }
}

#[cfg(test)]
mod tests {
    use super::Step as S;
    use super::*;

    #[test]
    fn modules_that_want_more_or_less_than_a_login_are_known_by_name() {
        for (module, expected) in [
            ("oidcc-client-test", &[S::SignIn][..]),
            ("oidcc-client-test-signing-key-rotation", &[S::SignIn, S::SignInAgain]),
            ("oidcc-client-test-signing-key-rotation-just-before-signing", &[S::SignIn]),
            ("oidcc-client-test-refresh-token", &[S::SignIn, S::Refresh, S::AskAgain]),
            ("oidcc-client-test-rp-init-logout", &[S::SignIn, S::SignOut]),
            ("oidcc-client-test-rp-backchannel-rpinitlogout", &[S::SignIn, S::SignOut]),
            ("fapi2-security-profile-final-client-test-happy-path", &[S::SignIn, S::CallApi]),
        ] {
            assert_eq!(steps(module), expected, "{module}");
        }
    }

    #[test]
    fn modules_that_are_over_before_the_app_is_there_are_known_by_name() {
        for (module, expected) in [
            ("oidcc-client-test", Start::Serves),
            ("oidcc-client-test-discovery-openid-config", Start::Discovers),
            ("oidcc-client-test-discovery-webfinger-acct", Start::Discovers),
            ("oidcc-client-test-dynamic-registration", Start::Registers),
            ("fapi2-security-profile-final-client-test-discovery-issuer-mismatch", Start::Serves),
        ] {
            assert_eq!(start(module), expected, "{module}");
        }
    }
}
