//! A login on another machine than this one (RFC 8628).

use std::time::Duration;

use keystile_protocol::messages::{DeviceAuthorizationResponse, TokenResponse};

use super::ask::{check_offered, new_key, to_token_endpoint};
use super::{Granted, ToolError};
use crate::call::Call;
use crate::client::Client;
use crate::exchange::{About, identify_without_nonce, token_request};
use crate::flow::{
    NotYet, Polling, ProofKey, device_authorization_request, device_token_request, login_id,
    read_device_authorization,
};
use crate::observe::Step;
use crate::session::Tokens;
use crate::userinfo::userinfo;

/// A device that waits for its person.
#[must_use = "nothing comes of it before wait()"]
pub struct DeviceLogin {
    client: Client,
    codes: DeviceAuthorizationResponse,
    polling: Polling,
    key: Option<ProofKey>,
}

/// What one question brought.
#[derive(Debug)]
pub enum Polled {
    /// The person agreed.
    Granted(Box<Granted>),
    /// Ask again after that time, and not earlier.
    Wait(Duration),
}

impl Client {
    /// Begins a login for which the person uses a browser on any machine they like: show them
    /// [`DeviceLogin::words`], then [`DeviceLogin::wait`].
    pub async fn begin_device_login(&self) -> Result<DeviceLogin, ToolError> {
        let inner = self.inner();
        let app = &inner.app;
        let request = device_authorization_request(
            &app.client_id,
            &app.credential,
            &app.scope,
            &app.resources,
        );
        let call = Call {
            endpoint: "device_authorization_endpoint",
            request: &request,
            key: None,
            repeatable: true,
            steps: (Step::DeviceRequest, Step::DeviceResponse),
            about: About::NO_LOGIN,
        };
        check_offered(inner, call.endpoint).await?;
        let codes = inner.call(&call, read_device_authorization).await?;
        let polling = Polling::begin(&codes, inner.now());
        Ok(DeviceLogin { client: self.clone(), codes, polling, key: new_key(inner)? })
    }
}

impl DeviceLogin {
    /// What the person types.
    pub fn user_code(&self) -> &str {
        &self.codes.user_code
    }

    /// Where.
    pub fn verification_uri(&self) -> &str {
        &self.codes.verification_uri
    }

    /// The same with the code filled in, if the server has such an address.
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.codes.verification_uri_complete.as_deref()
    }

    /// What to tell the person. The code is in it even where the address has it too: they are to
    /// compare both (RFC 8628 section 3.3.1).
    pub fn words(&self) -> String {
        let (code, address) = (self.user_code(), self.verification_uri());
        let minutes = self.polling.left(self.client.inner().now()).as_secs().div_ceil(60);
        let within =
            if minutes == 1 { "a minute".to_owned() } else { format!("{minutes} minutes") };
        match self.verification_uri_complete() {
            Some(complete) => format!(
                "To sign in, open {complete}\nand check that it shows the code {code}, or enter \
                 the code at {address}\nThere is time for {within}."
            ),
            None => format!(
                "To sign in, open {address}\nand enter the code {code}\nThere is time for {within}."
            ),
        }
    }

    /// A picture for a terminal, to be scanned with a phone: a QR code of the address with the
    /// code in it (section 3.3.1). Nothing where there is no such address.
    #[cfg(feature = "qr")]
    pub fn qr(&self) -> Option<String> {
        use qrcode::render::unicode::Dense1x2;
        let code = qrcode::QrCode::new(self.verification_uri_complete()?).ok()?;
        // Terminals are mostly dark: light modules are drawn.
        let (dark, light) = (Dense1x2::Light, Dense1x2::Dark);
        Some(code.render::<Dense1x2>().dark_color(dark).light_color(light).build())
    }

    /// How long to wait before the first question.
    pub fn interval(&self) -> Duration {
        self.polling.interval()
    }

    /// Asks once whether the person has answered: for a tool with a timer of its own.
    pub async fn poll(&mut self) -> Result<Polled, ToolError> {
        let inner = self.client.inner();
        let app = &inner.app;
        let code = &self.codes.device_code;
        let login = login_id(code.expose());
        let about = About { login: &login, session: None };
        let request = device_token_request(&app.client_id, &app.credential, code);
        let key = self.key.as_ref();
        // How long a busy server is left alone, the polling's own rule says.
        let call = Call { repeatable: false, ..to_token_endpoint(&request, key, about) };
        let error = match token_request(inner, &call).await {
            Ok(response) => {
                let granted = granted(&self.client, &response, key, about).await?;
                return Ok(Polled::Granted(Box::new(granted)));
            }
            Err(error) => error,
        };
        match self.polling.after(error, inner.now()) {
            NotYet::Wait(pause) => Ok(Polled::Wait(pause)),
            NotYet::Denied => Err(ToolError::Denied),
            NotYet::Expired => Err(ToolError::Expired),
            NotYet::Failed(error) => Err(error.into()),
        }
    }

    /// Waits until the person has answered, or the codes have expired.
    pub async fn wait(&mut self) -> Result<Granted, ToolError> {
        let mut pause = self.interval();
        loop {
            tokio::time::sleep(pause).await;
            match self.poll().await? {
                Polled::Granted(granted) => return Ok(*granted),
                Polled::Wait(next) => pause = next,
            }
        }
    }
}

/// The person's grant; who they are, where that was asked for.
async fn granted(
    client: &Client,
    response: &TokenResponse,
    key: Option<&ProofKey>,
    about: About<'_>,
) -> Result<Granted, ToolError> {
    let inner = client.inner();
    let tokens = Tokens::from_response(response, &inner.app.scope, None, inner.now());
    let mut granted = Granted::new(inner, tokens, key.map(|key| key.as_secret().clone()));
    if inner.app.scope.contains("openid") {
        let claims = identify_without_nonce(inner, response).await?;
        granted.claims = claims.user;
        if inner.app.userinfo {
            let more = userinfo(inner, &response.access_token, key, &claims.sub, about).await?;
            granted.claims.extend(more);
        }
        granted.subject = Some(claims.sub);
    }
    Ok(granted)
}
