//! What can happen to a grant.

use std::time::Duration;

use keystile_authority::decisions::{Redeemed, Rotated};
use keystile_authority::fixtures;
use keystile_authority::policy::Lifetimes;
use keystile_authority::records::{Client, ClientKind, GrantNow, GrantType};
use keystile_authority::rules::code::{self, CodeRefusal, Effect, RedemptionRandom};
use keystile_authority::rules::refresh::{self, Refresh};
use keystile_authority::sealed::Code;
use keystile_protocol::Timestamp;
use stateright::{Model, Property};

use super::row::{self, Moved, Row};
use super::world::{Answer, Broken, ClientType, Fate, Honest, Seen, Step, Task, Thief, Who, World};
use super::{NEVER_LOGGED_OUT, NOTHING_AFTER_A_REPLAY, ONE_REDEMPTION, ONE_REDIRECT, SHARING_ENDS};
use crate::contract::{NOW, offline_code};

const TICK: Duration = Duration::from_secs(30);
const AT_ONCE: usize = 2;

/// How much happens at most.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    ticks: u8,
    requests: u8,
    crashes: u8,
    /// How often a thief uses a code, and how often a refresh token.
    thefts: (u8, u8),
    /// Whether answers get lost, and accounts are switched off.
    trouble: bool,
}

const EVERYTHING: Bounds =
    Bounds { ticks: 2, requests: 5, crashes: 1, thefts: (1, 1), trouble: true };
/// A thief and an honest client with one token, for a while in which nothing gets lost.
const SHARING: Bounds =
    Bounds { ticks: 5, requests: 7, crashes: 0, thefts: (0, 3), trouble: false };

/// How often a shared grant may change hands before that is noticed: a thief was first, the honest
/// client came late and passed over what the thief had got, and the thief did the same to it.
const TURNS: u8 = 3;

/// A flaw that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// `ON CONFLICT DO NOTHING`.
    ConflictDoesNothing,
    /// The row does not say which request made it.
    RedemptionsAlike,
    /// A commit is answered before it is on disk.
    CommitsInMemory,
    /// The counter moves although the grant is revoked.
    RotationOfRevoked,
    /// A refresh token that comes again is a replay at once.
    NoWindow,
    /// It is one after the window.
    NoLateRepeat,
    /// It gets the same successor for ever.
    SameForEver,
    /// Who loses a race for the counter does not look again.
    LoserIsRefused,
}

/// The model.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) client_type: ClientType,
    pub(crate) mistake: Option<Mistake>,
    bounds: Bounds,
    client: Client,
    code: Code,
    lifetimes: Lifetimes,
}

impl Grant {
    pub(crate) fn new(client_type: ClientType, mistake: Option<Mistake>) -> Self {
        let mut client = fixtures::client();
        client.grant_types.push(GrantType::RefreshToken);
        if client_type == ClientType::Public {
            client.kind = ClientKind::Public { native: false };
        }
        let (code, lifetimes) = (offline_code(NOW), Lifetimes::default());
        Self { client_type, mistake, bounds: EVERYTHING, client, code, lifetimes }
    }

    /// A public client whose token somebody else has too.
    pub(crate) fn shared(mistake: Option<Mistake>) -> Self {
        Self { bounds: SHARING, ..Self::new(ClientType::Public, mistake) }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// The rule of the token endpoint.
    fn may_redeem(&self, task: &Task) -> Result<(), CodeRefusal> {
        let random = RedemptionRandom { redemption: [task.request; 16], salt: [0; 16] };
        let (uri, verifier) = (Some("https://app.example/cb"), fixtures::verifier());
        let (client, lifetimes) = (&self.client, &self.lifetimes);
        let now = time(task.now);
        code::redeem(&self.code, client, uri, Some(&verifier), lifetimes, random, now).map(drop)
    }

    fn redeem(&self, world: &mut World, request: u8, now: u8) -> Redeemed {
        let before = world.row;
        let redemption = if self.has(Mistake::RedemptionsAlike) { u8::MAX } else { request };
        let mut redeemed = row::redeem(&mut world.row, redemption, None, world.account_is_on, now);
        if self.has(Mistake::RedemptionsAlike) && before.is_some() && redeemed == Redeemed::Done {
            row::revoke(&mut world.row);
            redeemed = Redeemed::Replayed;
        }
        if self.has(Mistake::ConflictDoesNothing) && redeemed == Redeemed::Replayed {
            world.row = before;
        }
        world.replayed |= redeemed == Redeemed::Replayed;
        redeemed
    }

    fn rotate(&self, world: &mut World, moved: Moved, now: u8) -> Rotated {
        if self.has(Mistake::RotationOfRevoked)
            && let Some(row) = &mut world.row
            && row.generation == moved.from
        {
            (row.generation, row.rotated_at) = (moved.to, now);
            return Rotated::Done;
        }
        row::rotate(&mut world.row, moved, now)
    }

    /// The rule of the refresh grant; nothing where it refuses, and whether that revokes.
    fn may_refresh(&self, world: &World, presented: u32, now: u8) -> Result<Refresh, bool> {
        let Some(row) = &world.row else { return Err(false) };
        let state = grant_now(row, world.account_is_on);
        let decided = refresh::decide(presented, &state, &self.client, &self.lifetimes, time(now));
        match decided {
            Ok(Refresh::Repeat) if self.has(Mistake::NoWindow) => Err(true),
            Ok(Refresh::Rotate(_)) if presented < row.generation => match self.mistake {
                Some(Mistake::NoWindow | Mistake::NoLateRepeat) => Err(true),
                Some(Mistake::SameForEver) => Ok(Refresh::Repeat),
                _ => decided.map_err(|refusal| refusal.revoke),
            },
            Ok(step) => Ok(step),
            Err(refusal) => Err(refusal.revoke),
        }
    }
}

/// The server's steps.
impl Grant {
    /// Nothing where that fate is none of this step's.
    fn go_on(&self, world: &mut World, task: Task, fate: Fate) -> Option<()> {
        match task.step {
            Step::Redeem { sends_left } => self.redeem_step(world, task, fate, sends_left),
            Step::Refresh { presented, reads_left } => {
                self.refresh_step(world, task, fate, presented, reads_left)
            }
            Step::Rotate { reads_left, moved } => {
                let Moved { to, presented, .. } = moved;
                let written = match fate {
                    Fate::NotWritten => None,
                    _ => Some(self.rotate(world, moved, task.now)),
                };
                if written == Some(Rotated::Done) {
                    world.seen.passed_over |= presented + 1 < to;
                    world.works();
                }
                let answer = match (written, fate) {
                    (None, _) | (_, Fate::StoreAnswerLost) => Answer::Nothing,
                    (Some(Rotated::Done), _) => Answer::Tokens { generation: to },
                    _ if self.has(Mistake::LoserIsRefused) => Answer::InvalidGrant,
                    _ if reads_left == 0 => Answer::Nothing,
                    (_, Fate::AnswerLost) => return None,
                    _ => {
                        let step = Step::Refresh { presented, reads_left: reads_left - 1 };
                        world.tasks.push(Task { step, ..task });
                        return Some(());
                    }
                };
                world.answer(task, answer.by(fate));
                Some(())
            }
        }
    }

    fn redeem_step(&self, world: &mut World, task: Task, fate: Fate, sends_left: u8) -> Option<()> {
        let in_doubt = matches!(fate, Fate::NotWritten | Fate::StoreAnswerLost);
        let answer = match self.may_redeem(&task) {
            Err(_) if in_doubt => return None,
            Err(refusal) => {
                if refusal.effect == Effect::RevokeGrant && world.row.is_some() {
                    row::revoke_redeemed(&mut world.row, None);
                    world.replayed = true;
                }
                Answer::InvalidGrant
            }
            Ok(()) if in_doubt => {
                if fate == Fate::StoreAnswerLost {
                    self.redeem(world, task.request, task.now);
                }
                if sends_left > 0 {
                    let step = Step::Redeem { sends_left: sends_left - 1 };
                    world.tasks.push(Task { step, ..task });
                    return Some(());
                }
                Answer::Nothing
            }
            Ok(()) => {
                let was_there = world.row.is_some();
                match self.redeem(world, task.request, task.now) {
                    Redeemed::Done => {
                        world.seen.settled |= was_there;
                        world.works();
                        if !world.redeemed_by.contains(&task.request) {
                            world.redeemed_by.push(task.request);
                        }
                        Answer::Tokens { generation: 0 }
                    }
                    _ => Answer::InvalidGrant,
                }
            }
        };
        world.answer(task, answer.by(fate));
        Some(())
    }

    fn refresh_step(
        &self,
        world: &mut World,
        task: Task,
        fate: Fate,
        presented: u32,
        reads_left: u8,
    ) -> Option<()> {
        let decided = self.may_refresh(world, presented, task.now);
        if let Ok(Refresh::Rotate(rotation)) = decided {
            let (from, to) = (rotation.from, rotation.to);
            let moved = Moved { from, to, presented: rotation.presented };
            let step = Step::Rotate { reads_left, moved };
            world.tasks.push(Task { step, ..task });
            return (fate == Fate::Answered).then_some(());
        }
        if matches!(fate, Fate::NotWritten | Fate::StoreAnswerLost) {
            return None;
        }
        let answer = match decided {
            Err(revoke) => {
                if revoke {
                    row::revoke(&mut world.row);
                    world.replayed = true;
                }
                Answer::InvalidGrant
            }
            Ok(step) => {
                world.seen.repeated |= step == Refresh::Repeat;
                world.works();
                Answer::Tokens { generation: world.row?.generation }
            }
        };
        world.answer(task, answer.by(fate));
        Some(())
    }
}

fn time(tick: u8) -> Timestamp {
    NOW.plus(u32::from(tick) * TICK)
}

/// The row as the rules see it.
fn grant_now(row: &Row, account_is_on: bool) -> GrantNow {
    let mut grant = fixtures::grant(NOW);
    (grant.generation, grant.predecessor) = (row.generation, row.predecessor);
    grant.rotated_at = time(row.rotated_at);
    GrantNow { grant, alive: row::is_alive(row, account_is_on), token_revoked: false }
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    TimePasses,
    AccountIsSwitchedOff,
    HonestRedeems,
    HonestRefreshes,
    /// It waits no longer for an answer.
    HonestTimesOut,
    ThiefRedeems,
    ThiefSteals,
    /// With the newest that it has, or with the one that it stole.
    ThiefRefreshes {
        presented: u32,
    },
    ServerGoesOn {
        task: usize,
        fate: Fate,
    },
    ServerCrashes,
}

impl Model for Grant {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            tick: 0,
            row: None,
            account_is_on: true,
            honest: Honest::HasCode,
            refreshed_at: None,
            thief: Thief::default(),
            tasks: Vec::new(),
            requests: 0,
            crashes: 0,
            redeemed_by: Vec::new(),
            replayed: false,
            used_by: None,
            turns: 0,
            broken: None,
            seen: Seen::default(),
        }]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        if world.broken.is_some() {
            return;
        }
        let honest_waits = world.tasks.iter().any(|task| task.who == Who::Honest);
        let bounds = &self.bounds;
        let may_send = world.requests < bounds.requests && world.tasks.len() < AT_ONCE;
        let holds = matches!(world.honest, Honest::HasToken { .. });
        // A request does not outlive half a minute. In the midst of trouble a thief's may.
        let waits = if bounds.trouble { honest_waits } else { !world.tasks.is_empty() };
        if world.tick < bounds.ticks && !waits {
            events.push(Event::TimePasses);
        }
        if world.account_is_on && holds && bounds.trouble {
            events.push(Event::AccountIsSwitchedOff);
        }
        match world.honest {
            Honest::HasCode if may_send && world.tick < 2 => events.push(Event::HonestRedeems),
            Honest::HasToken { .. } if may_send && world.refreshed_at != Some(world.tick) => {
                events.push(Event::HonestRefreshes);
            }
            Honest::LostAnswer { .. } if may_send => events.push(Event::HonestRefreshes),
            Honest::Redeems { .. } | Honest::Refreshes { .. } if bounds.trouble => {
                events.push(Event::HonestTimesOut);
            }
            _ => {}
        }
        let thief = world.thief;
        if may_send && thief.codes_used < bounds.thefts.0 {
            events.push(Event::ThiefRedeems);
        }
        if thief.token.is_none() && holds {
            events.push(Event::ThiefSteals);
        }
        if may_send && thief.tokens_used < bounds.thefts.1 {
            let stolen = thief.stolen.filter(|stolen| Some(*stolen) != thief.token);
            let tokens = thief.token.into_iter().chain(stolen);
            events.extend(tokens.map(|presented| Event::ThiefRefreshes { presented }));
        }
        let fates = [Fate::Answered, Fate::StoreAnswerLost, Fate::NotWritten, Fate::AnswerLost];
        let fates = if bounds.trouble { &fates[..] } else { &fates[..1] };
        for task in 0..world.tasks.len() {
            events.extend(fates.iter().map(|&fate| Event::ServerGoesOn { task, fate }));
        }
        if world.crashes < bounds.crashes {
            events.push(Event::ServerCrashes);
        }
    }

    fn next_state(&self, before: &World, event: Event) -> Option<World> {
        let mut world = before.clone();
        match event {
            Event::TimePasses => world.tick += 1,
            Event::AccountIsSwitchedOff => world.account_is_on = false,
            Event::HonestRedeems => {
                let request = world.send(Who::Honest, Step::Redeem { sends_left: 1 });
                world.honest = Honest::Redeems { request };
            }
            Event::HonestRefreshes => {
                let (Honest::HasToken { generation } | Honest::LostAnswer { generation }) =
                    world.honest
                else {
                    return None;
                };
                let step = Step::Refresh { presented: generation, reads_left: 1 };
                let request = world.send(Who::Honest, step);
                world.honest = Honest::Refreshes { generation, request };
                world.refreshed_at = Some(world.tick);
            }
            Event::HonestTimesOut => world.honest_hears(Answer::Nothing),
            Event::ThiefRedeems => {
                world.thief.codes_used += 1;
                world.send(Who::Thief, Step::Redeem { sends_left: 0 });
            }
            Event::ThiefSteals => {
                let Honest::HasToken { generation } = world.honest else { return None };
                (world.thief.token, world.thief.stolen) = (Some(generation), Some(generation));
            }
            Event::ThiefRefreshes { presented } => {
                world.thief.tokens_used += 1;
                world.send(Who::Thief, Step::Refresh { presented, reads_left: 1 });
            }
            Event::ServerGoesOn { task, fate } => {
                let task = world.tasks.remove(task);
                self.go_on(&mut world, task, fate)?;
                world.tasks.sort_unstable();
            }
            Event::ServerCrashes => {
                world.crashes += 1;
                for task in std::mem::take(&mut world.tasks) {
                    world.answer(task, Answer::Nothing);
                }
                if self.has(Mistake::CommitsInMemory) {
                    world.row = None;
                }
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ONE_REDEMPTION, |_, world: &World| world.redeemed_by.len() <= 1),
            Property::always(NOTHING_AFTER_A_REPLAY, |_, world: &World| {
                world.broken != Some(Broken::WorkedAfterReplay)
            }),
            Property::always(NEVER_LOGGED_OUT, |_, world: &World| {
                world.broken != Some(Broken::LoggedOut)
            }),
            Property::always(ONE_REDIRECT, |_, world: &World| {
                world.broken != Some(Broken::CodeRefused)
            }),
            Property::always(SHARING_ENDS, |_, world: &World| world.turns <= TURNS),
        ];
        if self.mistake.is_some() {
            return properties;
        }
        if !self.bounds.trouble {
            let turns = |_: &Self, world: &World| world.turns == TURNS;
            properties.push(Property::sometimes("it is shared for a while", turns));
            let noticed = |_: &Self, world: &World| world.turns > 1 && world.replayed;
            properties.push(Property::sometimes("and that is noticed", noticed));
            return properties;
        }
        properties.extend([
            Property::sometimes("a commit in doubt becomes Done", |_, w: &World| w.seen.settled),
            Property::sometimes("a code is replayed", |_, world: &World| world.replayed),
            Property::sometimes("an answer to a code is lost", |_, world: &World| {
                world.honest == Honest::StartsAnew && world.row.is_some()
            }),
            Property::sometimes("all ends well in spite of a crash", |_, world: &World| {
                let holds = matches!(world.honest, Honest::HasToken { .. });
                world.crashes > 0 && holds && world.refreshed_at == Some(world.tick)
            }),
        ]);
        if self.client_type == ClientType::Public {
            properties.push(Property::sometimes("the same successor again", |_, world: &World| {
                world.seen.repeated
            }));
            let passed_over = |_: &Self, world: &World| world.seen.passed_over;
            properties.push(Property::sometimes("another successor, later", passed_over));
        }
        properties
    }
}
