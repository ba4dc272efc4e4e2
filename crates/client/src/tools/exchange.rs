use super::ToolError;
use super::ask::to_token_endpoint;
use crate::client::Client;
use crate::exchange::About;
use crate::flow::{Exchange, Exchanged, exchange_request, read_exchange_response};

impl Client {
    /// Exchanges a token for another (RFC 8693): an API that calls the next one in its caller's
    /// name, with a token that is good there and no further.
    ///
    /// ```no_run
    /// # use keystile_client::{Client, ToolError, protocol::Secret, tools::Exchange};
    /// # async fn run(client: Client, caller: Secret) -> Result<(), ToolError> {
    /// let asked = Exchange::of_access_token(caller).audience("https://mail.example");
    /// let exchanged = client.exchange(&asked).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn exchange(&self, exchange: &Exchange) -> Result<Exchanged, ToolError> {
        let inner = self.inner();
        let app = &inner.app;
        let request = exchange_request(&app.client_id, &app.credential, exchange);
        let call = to_token_endpoint(&request, None, About::NO_LOGIN);
        Ok(inner.call(&call, read_exchange_response).await?)
    }
}
