//! The program `keystile`: see the library of the same name.

use std::process::ExitCode;

/// SQLite and the cryptographic library take their memory from it too.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    keystile::command_line::run()
}
