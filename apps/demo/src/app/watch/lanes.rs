//! Where each arrow lies between the four lanes.

use serde::Serialize;

use super::message::{Lane, Message};

/// A message with its place.
#[derive(Debug, Serialize)]
pub(crate) struct Arrow<'a> {
    #[serde(flatten)]
    message: &'a Message,
    number: usize,
    from_name: &'static str,
    to_name: &'static str,
    /// The leftmost and the rightmost lane that it touches, from 0.
    left: usize,
    right: usize,
    /// Where its head points: `left` or `right`.
    points: &'static str,
    /// Who could see it, in words.
    sight: &'static str,
    /// Seconds since the arrow before, where that is long enough to be worth a word.
    pause: Option<String>,
}

/// Lays the messages out, in the order of time.
pub(crate) fn lay_out(messages: &[Message]) -> Vec<Arrow<'_>> {
    let mut before = None;
    (1..)
        .zip(messages)
        .map(|(number, message)| {
            let waited = before.map_or(0, |before| message.at - before);
            before = Some(message.at);
            arrow(number, message, waited)
        })
        .collect()
}

fn arrow(number: usize, message: &Message, waited: i64) -> Arrow<'_> {
    let (from, to) = (place(message.from), place(message.to));
    Arrow {
        message,
        number,
        from_name: message.from.name(),
        to_name: message.to.name(),
        left: from.min(to),
        right: from.max(to),
        points: if from <= to { "right" } else { "left" },
        sight: sight(message),
        pause: (waited >= 1000).then(|| pause(waited / 1000)),
    }
}

fn sight(message: &Message) -> &'static str {
    if [message.from, message.to].contains(&Lane::Attacker) {
        "played by an attacker"
    } else if message.from == message.to {
        "within the app"
    } else if message.visible {
        "the browser sees this"
    } else {
        "server to server"
    }
}

const fn place(lane: Lane) -> usize {
    match lane {
        Lane::Browser | Lane::Attacker => 0,
        Lane::App => 1,
        Lane::Server => 2,
        Lane::Api => 3,
    }
}

fn pause(seconds: i64) -> String {
    match seconds {
        1 => "a second later".to_owned(),
        2..60 => format!("{seconds} seconds later"),
        60..120 => "a minute later".to_owned(),
        _ => format!("{} minutes later", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_span_their_lanes_and_point_to_the_listener() {
        let messages = [
            Message::new(Lane::Browser, Lane::App, "a"),
            Message::new(Lane::Server, Lane::Browser, "b"),
            Message::new(Lane::App, Lane::Api, "c"),
        ];
        let places: Vec<_> = lay_out(&messages)
            .iter()
            .map(|arrow| (arrow.number, arrow.left, arrow.right, arrow.points))
            .collect();
        assert_eq!(places, [(1, 0, 1, "right"), (2, 0, 2, "left"), (3, 1, 3, "right")]);
    }

    #[test]
    fn what_touches_the_browser_is_visible_there() {
        assert!(Message::new(Lane::Server, Lane::Browser, "").visible);
        assert!(!Message::new(Lane::App, Lane::Server, "").visible);
    }

    #[test]
    fn long_pauses_are_told() {
        let mut messages =
            [Message::new(Lane::App, Lane::Api, ""), Message::new(Lane::Api, Lane::App, "")];
        messages[0].at = 1_000;
        let mut told = |at| {
            messages[1].at = at;
            lay_out(&messages)[1].pause.clone()
        };
        assert_eq!(told(1_400), None);
        assert_eq!(told(9_999).as_deref(), Some("8 seconds later"));
        assert_eq!(told(200_000).as_deref(), Some("3 minutes later"));
    }
}
