//! The life of one grant, checked exhaustively: codes and refresh tokens that are sent, repeated
//! and stolen, commits and answers that are lost, and a server that crashes.
//!
//! The rules are the server's own; what the store does is in [`row`], in one function for each
//! statement, which a test of each backend compares with the store itself.

mod grant;
pub(crate) mod row;
mod world;

use stateright::{Checker, HasDiscoveries, Model};

use grant::{Grant, Mistake};
use world::ClientType;

const ONE_REDEMPTION: &str = "at most one redemption succeeds";
const NOTHING_AFTER_A_REPLAY: &str = "after a replay nothing of the grant works";
const NEVER_LOGGED_OUT: &str = "an honest client that repeats a lost refresh is never logged out";
const SHARING_ENDS: &str =
    "who shares a grant with a thief is noticed before each has used it twice";
const ONE_REDIRECT: &str = "a lost answer to a code costs a new authorization at most";

/// All states, or those up to what is looked for.
#[allow(clippy::print_stdout, reason = "how much was looked at is part of the evidence")]
fn checked(model: Grant, until: HasDiscoveries) -> impl Checker<Grant> {
    let name = format!("{:?}, {:?}", model.client_type, model.mistake);
    let checker = model.checker().threads(2).finish_when(until).spawn_bfs().join();
    println!("{name}: {} states, depth {}", checker.unique_state_count(), checker.max_depth());
    checker
}

#[test]
fn evidence_the_life_of_a_grant_keeps_its_promises_in_every_order_of_events() {
    for client in [ClientType::Public, ClientType::Confidential] {
        let checker = checked(Grant::new(client, None), HasDiscoveries::AnyFailures);
        checker.assert_properties();
        assert!(checker.unique_state_count() > 10_000, "the model says something");
    }
}

/// RFC 9700 section 4.14.2: one of the two presents a token that is good no more.
#[test]
fn evidence_a_thief_and_an_honest_client_do_not_share_a_grant_for_long() {
    let checker = checked(Grant::shared(None), HasDiscoveries::AnyFailures);
    checker.assert_properties();
}

/// Each promise is one that can be broken: with a flaw in a rule or a statement the checker finds
/// the way to it.
#[test]
fn evidence_the_checker_finds_what_each_flaw_breaks() {
    for (mistake, broken) in [
        (Mistake::ConflictDoesNothing, NOTHING_AFTER_A_REPLAY),
        (Mistake::RotationOfRevoked, NOTHING_AFTER_A_REPLAY),
        (Mistake::RedemptionsAlike, ONE_REDIRECT),
        (Mistake::CommitsInMemory, ONE_REDEMPTION),
        (Mistake::NoWindow, NEVER_LOGGED_OUT),
        (Mistake::NoLateRepeat, NEVER_LOGGED_OUT),
        (Mistake::SameForEver, SHARING_ENDS),
        (Mistake::LoserIsRefused, NEVER_LOGGED_OUT),
    ] {
        let model = match mistake {
            Mistake::SameForEver => Grant::shared(Some(mistake)),
            _ => Grant::new(ClientType::Public, Some(mistake)),
        };
        let checker = checked(model, HasDiscoveries::AllOf([broken].into()));
        let path = checker.discovery(broken);
        let path = path.unwrap_or_else(|| panic!("{mistake:?} does not break '{broken}'"));
        println!("  broken after {} steps", path.into_actions().len());
    }
}
