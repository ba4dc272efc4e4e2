//! The pages that people see: words, templates, styles, and one method for each page.
//!
//! A page is made of plain values (see [`SignIn`] and its neighbours) and never decides anything.
//! Everything that it shows is escaped; what it links to was checked by the caller.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod assets;
mod comparison;
mod contract;
mod edit_distance;
mod error;
mod escape;
mod examples;
mod language;
mod overrides;
mod templates;
mod time;
mod views;
mod words;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use assets::Asset;
pub use error::PagesError;
pub use language::Language;
pub use views::{
    Account, AccountApp, AccountNotice, AccountSession, App, Brand, Busy, Consent, Detail,
    DetailRow, Developer, Device, DeviceDone, EmbeddedBrowser, ErrorHelp, FormPost, Framed, GoOn,
    Home, NoRequests, Permission, PermissionGroup, PermissionKind, Phrase, Platform, Problem,
    ProblemKind, RequestWord, Requests, SignIn, SignInError, SignInReason, SignOut, SignOutProblem,
    SignUp, SignUpError, SignedOut, UserCode, UserCodeError, WaitingRequest,
};

use assets::Assets;
use language::Languages;
use overrides::Overrides;
use templates::{Surroundings, Templates};
use views::View;

/// All pages, ready to be shown in every language.
#[derive(Debug)]
pub struct Pages {
    brand: Brand,
    languages: Languages,
    assets: Assets,
    templates: Templates,
}

impl Pages {
    /// Reads the built-in pages and what an operator put in their place, and tries them all out with
    /// it. Without it they are as the tests have tried them.
    pub fn load(overrides: Option<&Path>, brand: Brand) -> Result<Self, PagesError> {
        let theirs = overrides.map(Overrides::read).transpose()?;
        let is_changed = theirs.is_some();
        let overrides = theirs.unwrap_or_default();
        let pages = Self {
            brand,
            languages: Languages::new(&overrides)?,
            assets: Assets::new(&overrides),
            templates: Templates::compile(&overrides)?,
        };
        if is_changed {
            pages.try_out(&overrides)?;
        }
        Ok(pages)
    }

    /// The language for a person, from what the app asked for and what the browser prefers.
    pub fn language(&self, accept_language: Option<&str>, ui_locales: Option<&str>) -> Language {
        self.languages.choose(accept_language, ui_locales)
    }

    /// The name of a language as in the header `Content-Language`.
    pub fn language_tag(&self, language: Language) -> &str {
        self.languages.get(language).tag()
    }

    /// Asks for user name and password.
    pub fn sign_in(&self, language: Language, page: &SignIn) -> String {
        self.show(language, page)
    }

    /// Asks for what an account is made of.
    pub fn sign_up(&self, language: Language, page: &SignUp) -> String {
        self.show(language, page)
    }

    /// Asks whether an app may have what it wants.
    pub fn consent(&self, language: Language, page: &Consent) -> String {
        self.show(language, page)
    }

    /// Asks for the code that a device shows.
    pub fn user_code(&self, language: Language, page: &UserCode) -> String {
        self.show(language, page)
    }

    /// Asks whether a device may have what its app wants.
    pub fn device(&self, language: Language, page: &Device) -> String {
        self.show(language, page)
    }

    /// Says what the device is told.
    pub fn device_done(&self, language: Language, page: &DeviceDone) -> String {
        self.show(language, page)
    }

    /// Shows the requests that wait for a person.
    pub fn requests(&self, language: Language, page: &Requests) -> String {
        self.show(language, page)
    }

    /// Says that none waits.
    pub fn no_requests(&self, language: Language, page: &NoRequests) -> String {
        self.show(language, page)
    }

    /// Says what went wrong where there is no way back to an app.
    pub fn problem(&self, language: Language, page: &Problem) -> String {
        self.show(language, page)
    }

    /// Leads on from an old page with one button.
    pub fn go_on(&self, language: Language, page: &GoOn) -> String {
        self.show(language, page)
    }

    /// Asks whether to sign out.
    pub fn sign_out(&self, language: Language, page: &SignOut) -> String {
        self.show(language, page)
    }

    /// Says what a person is signed out from.
    pub fn signed_out(&self, language: Language, page: &SignedOut) -> String {
        self.show(language, page)
    }

    /// Says that a sign-out that an app began cannot be completed.
    pub fn sign_out_problem(&self, language: Language, page: &SignOutProblem) -> String {
        self.show(language, page)
    }

    /// Leads out of a browser that is built into another app.
    pub fn embedded_browser(&self, language: Language, page: &EmbeddedBrowser) -> String {
        self.show(language, page)
    }

    /// Leads out of a frame.
    pub fn framed(&self, language: Language, page: &Framed) -> String {
        self.show(language, page)
    }

    /// Asks to try again in a moment.
    pub fn busy(&self, language: Language, page: &Busy) -> String {
        self.show(language, page)
    }

    /// Shows which apps have access, where the account is signed in, and changes its password.
    pub fn account(&self, language: Language, page: &Account) -> String {
        self.show(language, page)
    }

    /// Hands an answer to an app by a form (`response_mode=form_post`).
    pub fn form_post(&self, language: Language, page: &FormPost) -> String {
        self.show(language, page)
    }

    /// What a standard error means, for a developer who follows `error_uri`.
    pub fn error_help(&self, language: Language, page: &ErrorHelp) -> String {
        self.show(language, page)
    }

    /// The words for a scope that the standards define; nothing for others.
    pub fn standard_permission(&self, language: Language, scope: &str) -> Option<String> {
        self.languages.get(language).plain(&format!("permission.{scope}"))
    }

    /// A word about details that an app asks for, such as `yes`; the key itself if there is none.
    pub fn detail_word(&self, language: Language, key: &str) -> String {
        let word = self.languages.get(language).plain(&format!("detail.{key}"));
        word.unwrap_or_else(|| key.to_owned())
    }

    /// Says what this place is.
    pub fn home(&self, language: Language, page: &Home) -> String {
        self.show(language, page)
    }

    /// The stylesheet's path, which changes with its content, and the stylesheet.
    pub fn stylesheet(&self) -> (&str, &str) {
        self.assets.stylesheet()
    }

    /// The script's path, which changes with its content, and the script.
    pub fn script(&self) -> (&str, &str) {
        self.assets.script()
    }

    /// The operator's logo, with its path, if there is one.
    pub fn logo(&self) -> Option<(&str, &[u8])> {
        self.assets.logo()
    }

    /// What is served at a path below `/assets/`; it may be cached for ever.
    pub fn asset(&self, path: &str) -> Option<Asset<'_>> {
        self.assets.get(path)
    }

    /// Each page with example data, by name: to look at an override before anybody else does.
    pub fn examples(&self, language: Language) -> Vec<(&'static str, String)> {
        let surroundings = self.surroundings(language);
        examples::all()
            .into_iter()
            .map(|example| (example.name, self.templates.show(&surroundings, &example)))
            .collect()
    }

    fn show<V: View>(&self, language: Language, page: &V) -> String {
        self.templates.show(&self.surroundings(language), &page.shown())
    }

    fn surroundings(&self, language: Language) -> Surroundings<'_> {
        Surroundings {
            dictionary: self.languages.get(language),
            place: &self.brand.name,
            base: &self.brand.base,
            assets: &self.assets,
        }
    }

    /// Shows every example, so that a broken override is found now and not by a person.
    fn try_out(&self, overrides: &Overrides) -> Result<(), PagesError> {
        let surroundings = self.surroundings(Language::default());
        for example in examples::all() {
            let html = self.templates.try_show(&surroundings, &example, overrides)?;
            contract::check(&example, &html, &self.brand.base, overrides)?;
        }
        Ok(())
    }
}
