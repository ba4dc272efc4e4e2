//! The app on the front page of `keystile-client`, at other ports than there: from `PORT_BASE` on.

include!(concat!(env!("OUT_DIR"), "/front_page.rs"));

/// The place that stands for one of the front page.
fn moved(place: &str) -> String {
    let base: u16 = std::env::var("PORT_BASE").expect("PORT_BASE").parse().expect("a port");
    let move_party = |place: String, party: u16| {
        place.replace(&format!(":{}", 4000 + party), &format!(":{}", base + party))
    };
    (0..3).fold(place.to_owned(), move_party)
}
