//! The templates: compiled once, shown often.

use std::error::Error as _;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, context};

use super::assets::Assets;
use super::error::PagesError;
use super::escape;
use super::overrides::Overrides;
use super::time;
use super::views::Shown;
use super::words::Dictionary;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../ui/templates/", $name)))),*]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    "account.html",
    "app.html",
    "busy.html",
    "consent.html",
    "details.html",
    "developer.html",
    "device.html",
    "device_done.html",
    "embedded_browser.html",
    "error_help.html",
    "form_post.html",
    "framed.html",
    "go_on.html",
    "home.html",
    "layout.html",
    "links.html",
    "mark.html",
    "no_requests.html",
    "permissions.html",
    "problem.html",
    "reference.html",
    "request_word.html",
    "requests.html",
    "sign_in.html",
    "sign_out.html",
    "sign_up.html",
    "sign_out_problem.html",
    "signed_out.html",
    "user_code.html",
];

/// What is left if even our own template fails, which the tests rule out.
const LAST_RESORT: &str = "<!doctype html><html lang=\"en\"><title>Something went wrong</title>\
    <p>Something went wrong on our side. Please try again in a moment.</p></html>";

/// The names of all templates.
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The texts of all our templates.
#[cfg(test)]
pub(super) fn sources() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(_, source)| *source)
}

/// What surrounds every page.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) dictionary: &'a Arc<Dictionary>,
    pub(super) place: &'a str,
    pub(super) base: &'a str,
    pub(super) assets: &'a Assets,
}

/// All templates, with those of the operator in place of ours.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
    /// Ours alone, for the day when an override fails in a way that no example showed.
    built_in: Option<Environment<'static>>,
}

impl Templates {
    pub(super) fn compile(overrides: &Overrides) -> Result<Self, PagesError> {
        let mut environment = environment();
        for (name, source) in BUILT_IN {
            let added = match overrides.templates.get(*name) {
                Some(theirs) => environment.add_template_owned(*name, theirs.text.clone()),
                None => environment.add_template(name, source),
            };
            added.map_err(|error| describe(&error, name, overrides))?;
        }
        let built_in = if overrides.templates.is_empty() {
            None
        } else {
            Some(Self::compile(&Overrides::default())?.environment)
        };
        Ok(Self { environment, built_in })
    }

    /// Shows a page, with our own template if the operator's fails.
    pub(super) fn show(&self, around: &Surroundings<'_>, page: &Shown) -> String {
        let rendered = render(&self.environment, around, page).or_else(|error| {
            tracing::error!(template = page.template, %error, "a page could not be shown");
            self.built_in.as_ref().map_or(Err(error), |ours| render(ours, around, page))
        });
        rendered.unwrap_or_else(|_| LAST_RESORT.to_owned())
    }

    /// Shows a page, or says which file and line is at fault.
    pub(super) fn try_show(
        &self,
        around: &Surroundings<'_>,
        page: &Shown,
        overrides: &Overrides,
    ) -> Result<String, PagesError> {
        render(&self.environment, around, page)
            .map_err(|error| describe(&error, page.template, overrides))
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(escape::write_value);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let tidy = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(tidy.expect("only custom delimiters can be wrong"));
    environment.add_filter("name", |value: Value| escape::name(&value));
    environment.add_filter("initial", |text: &str| escape::initial(text));
    environment.add_filter("href", |address: &str| escape::href(address));
    environment
}

fn render(
    environment: &Environment<'_>,
    around: &Surroundings<'_>,
    page: &Shown,
) -> Result<String, Error> {
    // The functions live as long as the page, so they own what they need.
    let words = Arc::clone(around.dictionary);
    let (for_waits, for_dates) = (Arc::clone(&words), Arc::clone(&words));
    let place = around.place.to_owned();
    environment.get_template(page.template)?.render(context! {
        lang => words.tag(),
        rtl => words.is_right_to_left(),
        place => around.place,
        base => around.base,
        icon => around.assets.icon(),
        logo => around.assets.logo().map(|logo| logo.0),
        style => around.assets.stylesheet().0,
        script => around.assets.script().0,
        wait => Value::from_function(move |seconds: u64| time::wait(&for_waits, seconds)),
        date => Value::from_function(move |text: &str| time::date(&for_dates, text)),
        t => Value::from_function(move |key: &str, arguments: Kwargs| {
            words.tell(key, &arguments, &place)
        }),
        page => page.page.clone(),
    })
}

/// Says which file and line is at fault: the innermost one that is known.
fn describe(error: &Error, template: &str, overrides: &Overrides) -> PagesError {
    let mut innermost = error;
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(inner) = inner.downcast_ref::<Error>()
            && inner.name().is_some()
        {
            innermost = inner;
        }
        cause = inner.source();
    }
    let name = innermost.name().unwrap_or(template);
    let what = innermost.detail().map_or_else(|| innermost.kind().to_string(), str::to_owned);
    let message = format!("{what}. Correct the template, or remove the file to use ours.");
    PagesError::new(overrides.source_of(name), message).at(innermost.line())
}
