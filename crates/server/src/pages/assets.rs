//! Stylesheet, script and images, at paths that change with their content.

use super::overrides::Overrides;

const STYLE: &str = include_str!("../../ui/style.css");
const SCRIPT: &str = include_str!("../../ui/script.js");
const MARK: &str = include_str!("../../ui/mark.svg");

/// A file that pages refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset<'a> {
    /// The value of the header `Content-Type`.
    pub content_type: &'static str,
    /// The content.
    pub body: &'a [u8],
}

/// All files that pages refer to.
#[derive(Debug)]
pub(super) struct Assets {
    style: (String, String),
    script: String,
    mark: String,
    logo: Option<Logo>,
}

#[derive(Debug)]
struct Logo {
    path: String,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Assets {
    pub(super) fn new(overrides: &Overrides) -> Self {
        let style = match &overrides.style {
            // After ours, so that a variable set there wins.
            Some(theirs) => format!("{STYLE}\n{theirs}"),
            None => STYLE.to_owned(),
        };
        let logo = overrides.logo.as_ref().map(|logo| Logo {
            path: path("logo", logo.extension, &logo.body),
            content_type: if logo.extension == "svg" { "image/svg+xml" } else { "image/png" },
            body: logo.body.clone(),
        });
        Self {
            style: (path("style", "css", style.as_bytes()), style),
            script: path("script", "js", SCRIPT.as_bytes()),
            mark: path("mark", "svg", MARK.as_bytes()),
            logo,
        }
    }

    pub(super) fn stylesheet(&self) -> (&str, &str) {
        (&self.style.0, &self.style.1)
    }

    pub(super) fn script(&self) -> (&str, &str) {
        (&self.script, SCRIPT)
    }

    pub(super) fn logo(&self) -> Option<(&str, &[u8])> {
        self.logo.as_ref().map(|logo| (logo.path.as_str(), logo.body.as_slice()))
    }

    /// The picture of the browser's tab.
    pub(super) fn icon(&self) -> &str {
        self.logo.as_ref().map_or(&self.mark, |logo| &logo.path)
    }

    pub(super) fn get(&self, path: &str) -> Option<Asset<'_>> {
        let text = |content_type, body: &'static str| Asset { content_type, body: body.as_bytes() };
        if path == self.style.0 {
            let body = self.style.1.as_bytes();
            return Some(Asset { content_type: "text/css; charset=utf-8", body });
        }
        if path == self.script {
            return Some(text("text/javascript; charset=utf-8", SCRIPT));
        }
        if path == self.mark {
            return Some(text("image/svg+xml", MARK));
        }
        let logo = self.logo.as_ref().filter(|logo| logo.path == path)?;
        Some(Asset { content_type: logo.content_type, body: &logo.body })
    }
}

fn path(name: &str, extension: &str, content: &[u8]) -> String {
    format!("/assets/{name}-{:08x}.{extension}", fingerprint(content))
}

/// FNV-1a: not a lock, only a name that changes when the content does.
fn fingerprint(content: &[u8]) -> u32 {
    content
        .iter()
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn fingerprint_is_fnv_1a() {
        assert_eq!(fingerprint(b""), 0x811c_9dc5);
        assert_eq!(fingerprint(b"foobar"), 0xbf9c_f968);
    }
}
