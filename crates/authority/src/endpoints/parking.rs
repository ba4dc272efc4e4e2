//! What is too large to travel, put into the store and found again.

use keystile_protocol::{Params, Timestamp};

use super::answer::Fault;
use super::authorize::Stop;
use super::{Authority, ClientRequest};
use crate::decisions::{Park, Parked};
use crate::ids::ParkedId;
use crate::records::Client;
use crate::rules::parking;
use crate::rules::redirect::PageError;
use crate::sealed::{Code, FORMAT, ParamsAt, ParkedCode};

impl Authority {
    /// Keeps a pushed request.
    pub(super) async fn park_request(
        &self,
        params: String,
        client: &Client,
        request: &ClientRequest<'_>,
        now: Timestamp,
    ) -> Result<ParamsAt, Fault> {
        let id = self.parked_id(now);
        self.park(parking::request(id, params, client, request.network, &self.policy, now)).await?;
        Ok(ParamsAt::Parked(id))
    }

    /// The parameters of a request that waited; `parked` says where, if that is the store.
    pub(super) async fn params_at(
        &self,
        place: ParamsAt,
        parked: &mut Option<ParkedId>,
        now: Timestamp,
    ) -> Result<Params, Stop> {
        let params = match place {
            ParamsAt::Here(params) => params,
            ParamsAt::Parked(id) => {
                *parked = Some(id);
                let found = self.store.parked(&id, now).await;
                let found = found.map_err(|error| Stop::Fault(error.into(), None))?;
                found.ok_or(Stop::Page(PageError::RequestTooOld))?
            }
        };
        Params::parse(params.as_bytes()).map_err(|e| Stop::Page(PageError::Unreadable(e)))
    }

    /// Keeps a code. What lies in the store is no code: nobody can redeem it who has not the
    /// sealed reference.
    pub(super) async fn park_code(
        &self,
        code: &Code,
        client: &Client,
        now: Timestamp,
    ) -> Result<String, Fault> {
        let content = serde_json::to_string(code)
            .map_err(|_| Fault::Broken("a code cannot be written as JSON".into()))?;
        let id = self.parked_id(now);
        self.park(parking::code(id, content, client, &self.policy, now)).await?;
        Ok(self.seal(&ParkedCode { format: FORMAT, id }, now).into_string())
    }

    /// The code that a text stands for in this epoch: sealed in it, or parked.
    pub(super) async fn opened_code(
        &self,
        text: &str,
        epoch: u64,
        now: Timestamp,
    ) -> Result<Option<Code>, Fault> {
        if let Some(code) = self.open_in::<Code>(text, epoch) {
            return Ok(Some(code));
        }
        let reference =
            self.open_in::<ParkedCode>(text, epoch).filter(|parked| parked.format == FORMAT);
        let Some(reference) = reference else { return Ok(None) };
        let content = self.store.parked(&reference.id, now).await?;
        Ok(content.and_then(|content| serde_json::from_str(&content).ok()))
    }

    fn parked_id(&self, now: Timestamp) -> ParkedId {
        ParkedId::new(now, self.entropy.bytes())
    }

    async fn park(&self, park: Park) -> Result<(), Fault> {
        match self.store.park(park).await? {
            Parked::Done => Ok(()),
            Parked::Full => Err(Fault::Unavailable(
                "there is no room for another large request or code ([limits] parked)".into(),
            )),
        }
    }
}
