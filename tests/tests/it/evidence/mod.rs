//! The promises of the memory, tried: the program is killed and its disk fails while people sign
//! in (docs/evidence.md).

mod crash;
mod disk;
mod ledger;
mod load;
