//! Clients that are no web app: command-line tools, native apps, services, and APIs that call
//! other APIs. All begin with a [`Client`] whose builder was told [`without_routes`]; a web app's
//! client can do the same beside its logins.
//!
//! | who | how | standard |
//! | --- | --- | --- |
//! | a tool on a terminal, a television | [`Client::begin_device_login`] | RFC 8628 |
//! | an app on the user's own machine | [`Client::begin_native_login`] | RFC 8252 |
//! | a service in its own name | [`Client::service_tokens`] | RFC 6749 section 4.4 |
//! | an API in its caller's name | [`Client::exchange`] | RFC 8693 |
//!
//! ```no_run
//! # use keystile_client::{Client, ToolError};
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("https://login.example", "photo-tool")
//!     .public()
//!     .without_routes()
//!     .scope("openid offline_access photos:read")
//!     .build()?;
//! let mut login = client.begin_device_login().await?;
//! println!("{}", login.words());
//! let granted = login.wait().await?;
//! granted.save("grant.json")?;
//! # Ok(())
//! # }
//! ```
//!
//! [`without_routes`]: crate::ClientBuilder::without_routes
//! [`Client`]: crate::Client
//! [`Client::begin_device_login`]: crate::Client::begin_device_login
//! [`Client::begin_native_login`]: crate::Client::begin_native_login
//! [`Client::service_tokens`]: crate::Client::service_tokens
//! [`Client::exchange`]: crate::Client::exchange

mod ask;
mod device;
mod exchange;
mod failure;
mod granted;
mod native;
mod service;

pub use crate::flow::{Exchange, Exchanged};
pub use device::{DeviceLogin, Polled};
pub use failure::ToolError;
pub use granted::Granted;
pub use native::NativeLogin;
pub use service::ServiceTokens;
