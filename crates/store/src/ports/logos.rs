//! `authority`'s port [`Logos`].

use async_trait::async_trait;
use keystile_authority::ports::{Logos, Stored};
use keystile_authority::rules::logo::Logo;
use keystile_protocol::ClientId;

use crate::database::{Database, Db};
use crate::logos;

#[async_trait]
impl Logos for Database {
    async fn keep_logo(&self, client: &ClientId, logo_uri: &str, logo: Logo) -> Stored<()> {
        let (client, logo_uri) = (client.clone(), logo_uri.to_owned());
        let keep = async move |db: &mut Db<'_>| logos::keep(db, &client, &logo_uri, &logo).await;
        let kept = self.write(keep).await;
        self.look().await;
        kept
    }

    async fn logo(&self, name: &str) -> Stored<Option<Logo>> {
        self.read(async |db| logos::find(db, name).await).await
    }
}
