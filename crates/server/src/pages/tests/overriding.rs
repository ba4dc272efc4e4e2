//! What an operator can change, and how a broken change is refused.

use std::fs;
use std::path::PathBuf;

use crate::pages::{Brand, Home, Language, Pages, PagesError, SignOut};

/// A folder of overrides that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("pages-{test}-{}", std::process::id()));
        for (name, content) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Self(root)
    }

    fn load(&self) -> Result<Pages, PagesError> {
        Pages::load(Some(&self.0), Brand::default())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over lies in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The error as a person sees it, without the folder's own path.
fn refused(test: &str, file: &str, content: &str) -> String {
    let folder = Folder::new(test, &[(file, content)]);
    let error = folder.load().expect_err(test).to_string();
    let prefix = format!("{}/", folder.0.display());
    error.strip_prefix(&prefix).unwrap_or_else(|| panic!("no path in {error}")).to_owned()
}

#[test]
fn words_styles_and_a_logo_take_the_place_of_ours() {
    let folder = Folder::new(
        "all",
        &[
            ("words/en.toml", "[home]\nheading = \"Welcome to {place} & friends\"\n"),
            ("words/fr.toml", "[home]\nheading = \"Bienvenue\"\n"),
            ("style.css", ":root { --accent: #123456; }"),
            ("logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
            (".DS_Store", "hidden files do not count"),
        ],
    );
    let pages = folder.load().unwrap();
    let english = pages.home(Language::default(), &Home::default());
    assert!(english.contains("<h1>Welcome to Keystile &amp; friends</h1>"));
    let french = pages.language(Some("fr-CA"), None);
    assert_eq!(pages.language_tag(french), "fr");
    let html = pages.home(french, &Home::default());
    assert!(html.contains("<html lang=\"fr\">") && html.contains("<h1>Bienvenue</h1>"));
    assert!(html.contains("Your account"), "what is not translated is English");
    assert!(pages.stylesheet().1.ends_with(":root { --accent: #123456; }"));
    let (path, _) = pages.logo().unwrap();
    assert_eq!(pages.asset(path).unwrap().content_type, "image/svg+xml");
    assert!(html.contains(&format!("<img src=\"{path}\"")));
}

#[test]
fn a_template_takes_the_place_of_ours() {
    let source = "{% extends \"layout.html\" %}\n{% block main %}<h1>Mine</h1>{% endblock %}";
    let folder = Folder::new("template", &[("templates/home.html", source)]);
    let html = folder.load().unwrap().home(Language::default(), &Home::default());
    assert!(html.contains("<h1>Mine</h1>") && html.contains("/assets/style-"));
}

#[test]
fn a_template_that_fails_later_gives_way_to_ours() {
    let source = "<h1>Mine</h1>{% if page.signed_in == \"eve\" %}{{ page.nothing }}{% endif %}";
    let folder = Folder::new("later", &[("templates/home.html", source)]);
    let pages = folder.load().unwrap();
    let show =
        |name: &str| pages.home(Language::default(), &Home { signed_in: Some(name.to_owned()) });
    assert!(show("ada").contains("Mine"));
    assert!(show("eve").contains("This is Keystile"));
}

#[test]
fn a_syntax_error_names_file_and_line() {
    let error = refused("syntax", "templates/home.html", "<h1>\n{% if page.signed_in %}\n</h1>\n");
    assert!(error.starts_with("templates/home.html:"), "{error}");
    let error = refused("filter", "templates/home.html", "a\nb\n{{ place|shout }}\n");
    assert!(error.starts_with("templates/home.html:3: "), "{error}");
}

#[test]
fn a_mistyped_value_names_file_and_line() {
    let error = refused("value", "templates/home.html", "a\n{{ page.signed_im }}\n");
    assert!(error.starts_with("templates/home.html:2: "), "{error}");
    let error = refused("part", "templates/app.html", "\n\n{{ app.nmae }}\n");
    assert!(error.starts_with("templates/app.html:3: "), "{error}");
}

#[test]
fn a_mistyped_word_in_a_template_names_the_nearest() {
    let error = refused("word", "templates/home.html", "\n{{ t(\"home.headnig\") }}");
    assert!(error.starts_with("templates/home.html:2: "), "{error}");
    assert!(error.contains("did you mean `home.heading`?"), "{error}");
    let error = refused("argument", "templates/home.html", "{{ t(\"home.signed_in_as\") }}");
    assert!(error.contains("needs `account`"), "{error}");
}

#[test]
fn escaping_cannot_be_turned_off() {
    let source = "{% autoescape false %}{{ place }}{% endautoescape %}";
    let error = refused("escape", "templates/home.html", source);
    assert!(error.contains("not allowed"), "{error}");
}

#[test]
fn a_page_without_its_fields_is_refused() {
    let error = refused("fields", "templates/sign_in.html", "<form action=\"/login\"></form>");
    assert!(
        error.starts_with("templates/sign_in.html: the page lacks id=\"login-form\""),
        "{error}"
    );
}

#[test]
fn unknown_files_name_the_nearest() {
    let error = refused("file", "templates/signin.html", "");
    assert!(error.contains("did you mean `sign_in.html`?"), "{error}");
    let error = refused("top", "styles.css", "");
    assert!(error.contains("did you mean `style.css`?"), "{error}");
    let error = refused("language", "words/german words.toml", "");
    assert!(error.contains("rename it"), "{error}");
}

#[test]
fn broken_words_name_file_and_line() {
    let table = [
        ("[home]\nheadnig = \"x\"", 2, "did you mean `home.heading`?"),
        ("[home]\n\nheading = 7", 3, "text in quotes"),
        ("[home]\nheading = \"x", 2, ""),
        ("[home]\nheading = \"{plaice}\"", 2, "no `{plaice}`"),
        ("[home]\nheading = \"{place\"", 2, "without its `}`"),
    ];
    for (index, (content, line, says)) in table.into_iter().enumerate() {
        let error = refused(&format!("words-{index}"), "words/de.toml", content);
        assert!(error.starts_with(&format!("words/de.toml:{line}: ")), "{error}");
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_translation_may_say_what_the_changed_english_leaves_out() {
    let english = "[sign_out]\nsigned_in_as = \"You are signed in.\"";
    let french = "[sign_out]\nsigned_in_as = \"Vous êtes {account}.\"";
    let folder = Folder::new("leave-out", &[("words/EN.toml", english), ("words/fr.toml", french)]);
    let pages = folder.load().unwrap();
    let page = SignOut { account: Some("ada".to_owned()), token: String::new() };
    assert!(pages.sign_out(Language::default(), &page).contains("You are signed in."));
    let french = pages.language(None, Some("fr"));
    assert!(pages.sign_out(french, &page).contains("Vous êtes <bdi>ada</bdi>."));
}

#[test]
fn a_file_in_another_encoding_names_file_and_line() {
    let folder = Folder::new("encoding", &[("words/de.toml", "")]);
    fs::write(folder.0.join("words/de.toml"), b"# eins\n# f\xfcnf\n").unwrap();
    let error = folder.load().unwrap_err();
    assert_eq!(error.line, Some(2));
    assert!(error.message.contains("UTF-8"));
}

#[test]
fn a_folder_that_is_not_there_is_refused() {
    let error = Pages::load(Some(&PathBuf::from("/nowhere/at/all")), Brand::default()).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/at/all: cannot be read"));
}
