//! How an authorization request arrives: in its own parameters, in a request object or pushed
//! before; and how its answer leaves, plain or as a JWT.

use std::sync::Arc;

use keystile_protocol::jose::KeySet;
use keystile_protocol::{ClientId, ErrorCode, Params, ProtocolError, Timestamp};

use super::Authority;
use super::answer::{Fault, Outcome};
use super::authorize::{Asked, Posted, Refused, Stop};
use crate::ids::{GrantId, ParkedId};
use crate::incident::Incident;
use crate::mint;
use crate::ports::{DocumentError, Fetched};
use crate::records::Client;
use crate::rules::pushed_request;
use crate::rules::redirect::{self, PageError, Reply};
use crate::rules::request_object::{self, Beside};
use crate::rules::request_uri::{self, Reference};
use crate::sealed::{Origin, PushedRequest};

impl Authority {
    /// What a request asks, wherever its parameters stand.
    pub(super) async fn arrived(&self, params: Params, now: Timestamp) -> Result<Asked, Stop> {
        let mut parked = None;
        let (params, origin) = match self.pushed_before(&params, &mut parked, now).await? {
            Some(pushed) => pushed,
            // Both together are refused with the other rules about parameters.
            None if params.has("request") != params.has("request_uri") => {
                self.parameters_of_object(params, now).await?
            }
            None => (params, Origin::Plain),
        };
        let (requested_at, posted) = (now, Posted::Nothing);
        Ok(Asked { params, parked, origin, requested_at, renewed: false, posted })
    }

    /// The parameters of a pushed request, if this is one; `parked` says where they wait, if that is
    /// the store.
    pub(super) async fn pushed_before(
        &self,
        params: &Params,
        parked: &mut Option<ParkedId>,
        now: Timestamp,
    ) -> Result<Option<(Params, Origin)>, Stop> {
        let Some(sealed) = pushed_request::sealed_part(params) else { return Ok(None) };
        let client_id = redirect::client_id(params)?;
        let opened: Option<PushedRequest> = self.open(sealed);
        let PushedRequest { params, grant, expires_at, .. } =
            pushed_request::of_client(opened, &client_id)?;
        let params = self.params_at(params, parked, now).await?;
        Ok(Some((params, Origin::Pushed { grant, expires_at })))
    }

    /// An object that is not good is told where the parameters beside it say, if they may.
    async fn parameters_of_object(
        &self,
        params: Params,
        now: Timestamp,
    ) -> Result<(Params, Origin), Stop> {
        let client_id = redirect::client_id(&params)?;
        let client = self.client_of(&client_id).await?;
        let Some(client) = client else {
            return Err(PageError::UnknownClient { client_id }.into());
        };
        match self.object_of(&params, &client, now).await {
            Ok(opened) => Ok(opened),
            Err(error) => Err(Stop::Reply(Box::new(self.reply_to(&params).await?), error)),
        }
    }

    async fn object_of(
        &self,
        params: &Params,
        client: &Client,
        now: Timestamp,
    ) -> Result<(Params, Origin), ProtocolError> {
        if params.has("request") {
            let object = params.required("request").map_err(|problem| {
                ProtocolError::new(ErrorCode::InvalidRequest, problem.to_string())
            })?;
            return self.open_object(object, params, Beside::FillIn, client, now).await;
        }
        // Nobody is called for a request that could not go on.
        pushed_request::may_go_on(&Origin::RequestObject(None), client, &self.policy, now)?;
        let reference = request_uri::reference(params, client)?;
        let document = self.referred(&reference).await?;
        let object = request_uri::object(&document).map_err(DocumentError::Unusable);
        let object = object.map_err(|error| request_uri::not_to_be_had(&error))?;
        self.open_object(object, params, Beside::FillIn, client, now).await
    }

    /// What a request refers to. A kept document that it does not mean is fetched anew.
    async fn referred(&self, reference: &Reference) -> Result<Arc<Fetched>, ProtocolError> {
        let told = |error| request_uri::not_to_be_had(&error);
        let (url, keeping) = (&reference.url, &request_uri::KEEPING);
        let mut document = self.documents.document(url, keeping).await.map_err(told)?;
        // One that may not be kept was fetched just now.
        if !reference.fits(&document)
            && !document.fresh_for.is_zero()
            && let Ok(newer) = self.documents.newer(url, keeping).await
        {
            document = newer;
        }
        Ok(document)
    }

    async fn client_of(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, Stop> {
        let client = self.asking_client(client_id).await?;
        Ok(client.filter(|client| client.enabled))
    }

    /// The parameters of a request object, and until when it is good.
    pub(super) async fn open_object(
        &self,
        object: &str,
        params: &Params,
        beside: Beside,
        client: &Client,
        now: Timestamp,
    ) -> Result<(Params, Origin), ProtocolError> {
        let issuer = &self.policy.issuer;
        let object = &*self.signed_request_object(object, client, now)?;
        let open =
            |keys: &KeySet| request_object::open(object, params, beside, client, keys, issuer, now);
        let code = ErrorCode::InvalidRequestObject;
        let opened = self.verified(client.keys.as_ref(), object, code, open).await?;
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

    /// An answer in the form that its `response_mode` asks for (JARM section 2.3): signed, and then
    /// encrypted where the client has registered that (section 2.2).
    pub(super) async fn as_asked(&self, reply: Reply, now: Timestamp) -> Result<Reply, Refused> {
        if !reply.to.mode.is_signed() {
            return Ok(reply);
        }
        let jwt = mint::authorization_response(&reply, &self.keys(), now)?;
        let client = &reply.to.client;
        let encryption = client.encryption.authorization_response;
        let jwt = self.nested(jwt, encryption, None, client, now).await?;
        Ok(Reply { params: vec![("response", jwt)], ..reply })
    }

    /// An error at the client; a page if it cannot be signed or encrypted as it has to be.
    pub(super) async fn told(&self, reply: Reply, incident: Incident, now: Timestamp) -> Outcome {
        let mut asked = self.as_asked(reply.clone(), now).await;
        if asked.as_ref().is_ok_and(|asked| redirect::fits(asked).is_err()) {
            asked = self.as_asked(reply.without_words(), now).await;
        }
        match asked {
            Ok(reply) => Outcome::Reply(Box::new(reply), Some(Box::new(incident))),
            Err(Refused::Fault(fault)) => Outcome::Fault(fault, Box::new(incident)),
            Err(Refused::Protocol(error)) => {
                Outcome::Fault(Fault::Broken(error.error_description), Box::new(incident))
            }
        }
    }
}
