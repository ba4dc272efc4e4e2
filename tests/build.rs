//! Takes the app on the front page of `keystile-client` out of its documentation, so that a test can
//! run it: at other ports than the ones that it names.

use std::path::Path;

const FRONT_PAGE: &str = "../crates/client/src/lib.rs";

fn main() {
    println!("cargo:rerun-if-changed={FRONT_PAGE}");
    let text = std::fs::read_to_string(FRONT_PAGE).expect("the front page");
    let lines = text.lines().skip_while(|line| *line != "//! ```no_run").skip(1);
    let lines = lines.take_while(|line| *line != "//! ```");
    let code: Vec<_> = lines.map(|line| line.trim_start_matches("//!")).collect();
    // Every second piece between quotation marks is a text.
    let pieces = code.join("\n");
    let pieces = pieces.split('"').enumerate().map(|(number, piece)| match number % 2 {
        0 => piece.to_owned(),
        _ if piece.contains(":400") => format!("crate::moved(\"{piece}\")"),
        _ => format!("\"{piece}\""),
    });
    let folder = std::env::var_os("OUT_DIR").expect("Cargo says where");
    let code: String = pieces.collect();
    std::fs::write(Path::new(&folder).join("front_page.rs"), code).expect("written");
}
