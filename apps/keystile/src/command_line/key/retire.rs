//! `keystile key retire`.

use clap::Args;
use keystile_authority::keys::{Kind, of_sort};
use keystile_authority::policy::{KEY_SET_MAX_AGE, Policy};
use keystile_authority::ports::{Clock, KeysAtRest, Store};
use keystile_authority::rules::key_schedule::{KeyTimes, RetireError, Retirement, retire};
use keystile_protocol::Timestamp;

use super::super::Place;
use super::span;
use crate::clock::SystemClock;
use crate::output;
use crate::refusal::{Outcome, Refusal};

#[derive(Debug, Args)]
pub(in crate::command_line) struct Retire {
    /// The key, as 'keystile key list' names it
    kid: String,
    /// It may be in other hands: take it away at once, and with it all that it signed
    #[arg(long)]
    compromised: bool,
    #[command(flatten)]
    place: Place,
}

impl Retire {
    pub(super) async fn run(self) -> Outcome {
        let (settings, store) = self.place.open().await?;
        let (policy, now) = (&settings.policy, SystemClock.now());
        let (signing, decrypting) = (store.keys().await?, store.decryption_keys().await?);
        let signs = signing.iter().any(|key| key.kid == self.kid);
        let retirement = if signs {
            self.decide(&signing, policy, now, "--algorithm with its algorithm")?
        } else {
            self.decide(&decrypting, policy, now, "--decryption")?
        };
        match &retirement {
            Retirement::NeverUsed(change)
            | Retirement::HandedOver(change, _)
            | Retirement::Gone(change, _) => store.change_keys(change.clone()).await?,
            Retirement::GoesByItself(_) => {}
        }
        for sentence in words(&retirement, signs, now) {
            output::line(sentence);
        }
        Ok(())
    }

    fn decide<K: Kind>(
        &self,
        keys: &[K],
        policy: &Policy,
        now: Timestamp,
        which: &str,
    ) -> Outcome<Retirement> {
        let named = keys.iter().find(|key| key.times(policy).kid == self.kid);
        let times: Vec<KeyTimes<'_>> =
            named.map(|key| of_sort(keys, key.sort(), policy)).unwrap_or_default();
        let schedule = K::schedule(policy);
        retire(&times, &self.kid, self.compromised, &schedule, now).map_err(|error| match error {
            RetireError::Unknown => Refusal::new(format!("{error}: see 'keystile key list'")),
            RetireError::NoSuccessor => Refusal::new(format!(
                "{error}: make one with 'keystile key rotate --now' ({which}), or without --now and \
                 retire this one when the new one has been published for a while"
            )),
        })
    }
}

fn words(retirement: &Retirement, signs: bool, now: Timestamp) -> Vec<String> {
    let kept = KEY_SET_MAX_AGE.as_secs() / 60;
    match retirement {
        Retirement::NeverUsed(_) => vec!["It is gone. It was not used yet.".to_owned()],
        Retirement::HandedOver(_, until) if signs => vec![
            "Its successor signs from now on.".to_owned(),
            format!("It stays in /jwks for {}, for what it signed.", span(*until, now)),
        ],
        Retirement::HandedOver(..) => {
            vec![
                "Its successor is the one in /jwks from now on. It decrypts for a while."
                    .to_owned(),
            ]
        }
        Retirement::GoesByItself(until) => vec![format!(
            "Nothing to do: it is not used any more, and goes by itself in {}.",
            span(*until, now)
        )],
        Retirement::Gone(_, until) if signs => vec![
            "It is gone from this server, within two seconds on every node.".to_owned(),
            format!(
                "What it signed is refused here: access tokens and ID tokens that would have lived \
                 for up to {}, older ID tokens as hints, answers and logout tokens under way. \
                 Refresh tokens, sessions and codes live on.",
                span(*until, now)
            ),
            format!(
                "Others may keep /jwks for {kept} minutes, and accept what it signed until then."
            ),
        ],
        Retirement::Gone(..) => vec![
            "It is gone from this server, within two seconds on every node.".to_owned(),
            format!(
                "What is encrypted to it cannot be read any more. Clients may keep /jwks for {kept} \
                 minutes, and their encrypted request objects fail until they fetch it anew."
            ),
        ],
    }
}
