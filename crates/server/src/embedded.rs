//! Is this a place to type a password? Rows 4.2 and 4.3: not in a frame, and not in a browser
//! that is built into another app, which can read what is typed (RFC 8252 section 8.12).

use crate::pages::Platform;

/// Whether the browser says that it loads the page into a frame.
pub(crate) fn is_framed(sec_fetch_dest: Option<&str>) -> bool {
    matches!(sec_fetch_dest, Some("iframe" | "frame" | "embed" | "object" | "fencedframe"))
}

/// In-app browsers that name themselves, whatever they are built on.
const NAMED: [&str; 13] = [
    "FBAN/",
    "FBAV/",
    "FB_IAB/",
    "Instagram ",
    "Line/",
    "MicroMessenger/",
    "Snapchat/",
    "TikTok ",
    "musical_ly",
    "BytedanceWebview",
    "LinkedInApp",
    "Pinterest/",
    "GSA/",
];

/// Which kind of embedded browser this is, if it is one.
pub(crate) fn embedded_browser(user_agent: &str) -> Option<Platform> {
    let platform = if user_agent.contains("Android") {
        Platform::Android
    } else if ["iPhone", "iPad", "iPod"].iter().any(|name| user_agent.contains(name)) {
        Platform::Ios
    } else {
        Platform::Other
    };
    let named = NAMED.iter().any(|name| user_agent.contains(name));
    let web_view = match platform {
        // "; wv" is Android's own mark of a WebView.
        Platform::Android => user_agent.contains("; wv)") || user_agent.contains("; wv;"),
        // A WKWebView is WebKit without the words of Safari or of another whole browser.
        Platform::Ios => {
            user_agent.contains("AppleWebKit")
                && !["Safari/", "CriOS/", "FxiOS/", "EdgiOS/", "OPiOS/", "OPT/"]
                    .iter()
                    .any(|whole| user_agent.contains(whole))
        }
        Platform::Other => false,
    };
    (named || web_view).then_some(platform)
}

/// A link that opens the address in the system browser, where the platform has one.
pub(crate) fn system_browser_link(platform: Platform, url: &str) -> Option<String> {
    match platform {
        Platform::Android => {
            let (scheme, rest) = url.split_once("://")?;
            Some(format!(
                "intent://{rest}#Intent;scheme={scheme};action=android.intent.action.VIEW;end"
            ))
        }
        Platform::Ios if url.starts_with("https://") => Some(format!("x-safari-{url}")),
        Platform::Ios | Platform::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_4_3_embedded_browsers_are_recognised() {
        let embedded = [
            "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 337.0.0.24.92",
            "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/407.0.0.0.0;]",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/277.0 Mobile/15E148 Safari/604.1",
        ];
        for agent in embedded {
            assert!(embedded_browser(agent).is_some(), "{agent}");
        }
        let whole = [
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            "curl/8.0",
            "",
        ];
        for agent in whole {
            assert!(embedded_browser(agent).is_none(), "{agent}");
        }
    }

    #[test]
    fn row_4_3_android_and_ios_have_a_way_to_the_system_browser() {
        assert_eq!(
            system_browser_link(Platform::Android, "https://a.example/login?x=1").as_deref(),
            Some(
                "intent://a.example/login?x=1#Intent;scheme=https;action=android.intent.action.VIEW;end"
            )
        );
        assert_eq!(
            system_browser_link(Platform::Ios, "https://a.example/").as_deref(),
            Some("x-safari-https://a.example/")
        );
        assert_eq!(system_browser_link(Platform::Other, "https://a.example/"), None);
    }

    #[test]
    fn row_4_2_frames_are_recognised() {
        assert!(is_framed(Some("iframe")) && is_framed(Some("object")));
        assert!(!is_framed(Some("document")) && !is_framed(None));
    }
}
