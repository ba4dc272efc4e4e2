//! The user at the server's pages.

use keystile_test_browser::{Browser, Page};

use crate::Result;
use crate::settings::{PASSWORD, USERNAME};

/// Pages of a server before it sends the browser back.
const PAGES_AT_MOST: usize = 6;

/// A login from the app's page to the page behind it: the password is typed and consent is given
/// wherever the server asks. Says how often the password was.
pub(crate) async fn sign_in(browser: &Browser, app: &str, path: &str) -> Result<(Page, usize)> {
    let mut page = browser.visit(&format!("{app}/login?return_to={path}")).await?;
    let mut typed = 0;
    for _ in 0..PAGES_AT_MOST {
        if page.url.starts_with(app) {
            return Ok((page, typed));
        }
        let fields = if page.html.contains("name=\"password\"") {
            typed += 1;
            [("username", USERNAME), ("password", PASSWORD)].to_vec()
        } else {
            // What Keycloak's button is called; node-oidc-provider's page is ours.
            [("accept", "Yes")].to_vec()
        };
        page = browser.fill(&page, &fields).await?;
    }
    Err(format!("the login does not end: {} {}", page.address(), page.title()).into())
}

/// The way out, with the confirmation that the server asks for where it is not told whose session
/// it is.
pub(crate) async fn sign_out(browser: &Browser, app: &str) -> Result<Page> {
    let home = browser.visit(&format!("{app}/")).await?;
    let mut page = browser.fill(&home, &[]).await?;
    if !page.url.starts_with(app) {
        // The names of the buttons of the two.
        page = browser.fill(&page, &[("logout", "yes"), ("confirmLogout", "Logout")]).await?;
    }
    Ok(page)
}
