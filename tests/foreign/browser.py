"""A browser, as far as a login needs it: cookies, redirects one by one, forms."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

VOID = {"input", "link", "meta", "img", "br", "hr"}


class Page:
    def __init__(self, url, status, html):
        self.url, self.status, self.html = url, status, html

    def has(self, element):
        return self.status == 200 and f'id="{element}"' in self.html

    def __str__(self):
        reader = Reader(self.html)
        return f"{self.status} {self.url}: {' '.join(' '.join(reader.words).split())}"


class Reader(HTMLParser):
    """The forms of a page, and its words."""

    def __init__(self, html):
        super().__init__()
        self.forms, self.words, self.inside = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append((attributes, []))
        elif tag in ("input", "button") and self.forms and "form" in self.inside:
            self.forms[-1][1].append((tag, attributes))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_endtag(self, tag):
        while tag in self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"style", "script"} & set(self.inside):
            self.words.append(data)


class Browser:
    def __init__(self, issuer):
        self.origin = issuer
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update(
            {
                "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) "
                "Gecko/20100101 Firefox/140.0",
                "Accept": "text/html,application/xhtml+xml",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            }
        )

    def open(self, url):
        """Follows redirects until there is a page, or until one leads to the app."""
        return self._send("GET", url, "none")

    def press(self, page, button, fill=None):
        """Presses the button with that id, with these fields filled in."""
        fill = fill or {}
        for attributes, fields in Reader(page.html).forms:
            if any(a.get("id") == button for _, a in fields):
                break
        else:
            raise AssertionError(f"no button {button} at {page}")
        body = []
        for tag, field in fields:
            kind, name = field.get("type"), field.get("name")
            pressed = tag == "button" and field.get("id") == button
            filled = tag == "input" and kind != "submit"
            if kind == "checkbox" and "checked" not in field:
                filled = False
            if name and (pressed or filled) and "disabled" not in field:
                body.append((name, fill.get(name, field.get("value") or "")))
        missing = set(fill) - {name for name, _ in body}
        assert not missing, f"the form has no field {missing}"
        target = urljoin(page.url, attributes["action"])
        return self._send("POST", target, "same-origin", body)

    def _send(self, method, url, site, body=None):
        for _ in range(10):
            headers = {"Sec-Fetch-Site": site}
            if body is not None:
                headers["Origin"] = self.origin
            answer = self.session.request(
                method, url, data=body, headers=headers, allow_redirects=False, timeout=15
            )
            location = answer.headers.get("Location")
            if location is None:
                return Page(url, answer.status_code, answer.text)
            url = urljoin(url, location)
            parts = urlsplit(url)
            if f"{parts.scheme}://{parts.netloc}" != self.origin:
                return Page(url, answer.status_code, "")
            method, body, site = "GET", None, "same-origin"
        raise AssertionError(f"redirects without end, last {url}")
