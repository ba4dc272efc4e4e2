//! The program `keystile`: see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    keystile::command_line::run()
}
