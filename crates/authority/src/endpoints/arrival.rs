//! How an authorization request arrives: in its own parameters, in a request object or pushed
//! before; and how its answer leaves, plain or as a JWT.

use std::sync::Arc;

use keystile_protocol::{ClientId, Params, Timestamp};

use super::Authority;
use super::answer::{Fault, Outcome};
use super::authorize::{Asked, Posted, Refused, Stop};
use crate::ids::GrantId;
use crate::incident::Incident;
use crate::mint::{self, MintError};
use crate::records::Client;
use crate::rules::pushed_request;
use crate::rules::redirect::{self, Reply};
use crate::rules::request_object::{self, Beside};
use crate::sealed::{Origin, PushedRequest};

impl Authority {
    /// What a request asks, wherever its parameters stand.
    pub(super) async fn arrived(&self, params: Params, now: Timestamp) -> Result<Asked, Stop> {
        let mut parked = None;
        let (params, origin) = if let Some(sealed) = pushed_request::sealed_part(&params) {
            let client_id = redirect::client_id(&params)?;
            let opened: Option<PushedRequest> = self.open(sealed);
            let PushedRequest { params, grant, expires_at, .. } =
                pushed_request::of_client(opened, &client_id)?;
            let params = self.waiting(params, &mut parked, now).await?;
            (params, Origin::Pushed { grant, expires_at })
        } else if params.has("request") && !params.has("request_uri") {
            self.parameters_of_object(params, now).await?
        } else {
            (params, Origin::Plain)
        };
        let (requested_at, posted) = (now, Posted::Nothing);
        Ok(Asked { params, parked, origin, requested_at, renewed: false, posted })
    }

    /// An object that is not good is told where the parameters beside it say, if they may.
    async fn parameters_of_object(
        &self,
        params: Params,
        now: Timestamp,
    ) -> Result<(Params, Origin), Stop> {
        let client_id = redirect::client_id(&params)?;
        let client = self.client_of(&client_id).await?;
        let opened = client.map(|client| self.open_object(&params, Beside::FillIn, &client, now));
        match opened {
            Some(Ok(opened)) => Ok(opened),
            Some(Err(error)) => Err(Stop::Reply(Box::new(self.reply_to(&params).await?), error)),
            None => Err(redirect::PageError::UnknownClient { client_id }.into()),
        }
    }

    async fn client_of(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, Stop> {
        let client = self.store.client(client_id, false).await;
        let client = client.map_err(|error| Stop::Fault(error.into(), None))?;
        Ok(client.filter(|client| client.enabled))
    }

    /// The parameters of a request's object, and until when it is good.
    pub(super) fn open_object(
        &self,
        params: &Params,
        beside: Beside,
        client: &Client,
        now: Timestamp,
    ) -> Result<(Params, Origin), keystile_protocol::ProtocolError> {
        let object = params.required("request").map_err(|problem| {
            let code = keystile_protocol::ErrorCode::InvalidRequest;
            keystile_protocol::ProtocolError::new(code, problem.to_string())
        })?;
        let issuer = &self.policy.issuer;
        let opened = request_object::open(object, params, beside, client, issuer, now)?;
        Ok((opened.params, Origin::RequestObject(opened.expires_at)))
    }

    /// The rules about how the request came, at its arrival and each time that a page comes back.
    pub(super) async fn may_go_on(&self, asked: &Asked, client: &Client) -> Result<(), Refused> {
        pushed_request::may_go_on(&asked.origin, client, &self.policy, asked.requested_at)?;
        match &asked.origin {
            Origin::Plain => request_object::not_required(client)?,
            Origin::RequestObject(_) => {}
            Origin::Pushed { grant, .. } => {
                let used = self.store.grant(grant, None, asked.requested_at).await?.is_some();
                pushed_request::unused(used)?;
            }
        }
        Ok(())
    }

    /// The grant that a code is for, and which approval of a pushed request it is: one
    /// `request_uri` gives one grant, however many pages of it are answered.
    pub(super) fn grant_of(&self, origin: &Origin, now: Timestamp) -> (GrantId, Option<[u8; 16]>) {
        match origin {
            Origin::Pushed { grant, .. } => (*grant, Some(self.entropy.bytes())),
            Origin::Plain | Origin::RequestObject(_) => {
                (GrantId::new(now, self.entropy.bytes()), None)
            }
        }
    }

    /// An answer in the form that its `response_mode` asks for (JARM section 2.3).
    pub(super) fn as_asked(&self, reply: Reply, now: Timestamp) -> Result<Reply, MintError> {
        if !reply.to.mode.is_signed() {
            return Ok(reply);
        }
        let jwt = mint::authorization_response(&reply, &self.keys(), now)?;
        Ok(Reply { params: vec![("response", jwt)], ..reply })
    }

    /// An error at the client; a page if it cannot be signed as it has to be.
    pub(super) fn told(&self, reply: Reply, incident: Incident, now: Timestamp) -> Outcome {
        match self.as_asked(reply, now) {
            Ok(reply) => Outcome::Reply(Box::new(reply), Some(Box::new(incident))),
            Err(error) => Outcome::Fault(Fault::from(error), Box::new(incident)),
        }
    }
}
