//! A server that knows payments as authorization details (RFC 9396), and apps that ask for them.

use serde_json::{Value, json};

use super::{App, Keystile};

const SECRET: &str = "the secret of the app, forty characters long";

pub(crate) const PAYMENTS: &str = r#"
[[apis]]
audience = "https://pay.example"

[[apis]]
audience = "https://mail.example"

[[authorization_details]]
type = "payment_initiation"
title = "Make a payment"
words = "Pay {instructedAmount.amount} {instructedAmount.currency} to {creditorName}."
locations = ["https://pay.example"]
fields = [
  { name = "instructedAmount", kind = "object", required = true, fields = [
    { name = "currency", required = true, max_length = 3 },
    { name = "amount", required = true, max_length = 20 },
  ] },
  { name = "creditorName", required = true, max_length = 70 },
  { name = "creditorAccount", label = "Account of the payee", kind = "object", fields = [
    { name = "iban", label = "IBAN", required = true },
  ] },
  { name = "remittance", label = "What for", max_length = 500 },
  { name = "actions", kind = "texts", values = ["initiate", "status", "cancel"] },
  { name = "urgent", label = "Right away", kind = "boolean" },
  { name = "copies", kind = "number" },
  { name = "documents", label = "Document", kind = "objects", fields = [
    { name = "hash", required = true },
    { name = "name", label = "Name" },
  ] },
]

[[authorization_details]]
type = "mailbox"
title = "Look into a mailbox"
locations = ["https://mail.example"]
client_credentials = true
fields = [{ name = "identifier" }]

[[clients]]
client_id = "payer"
client_name = "Shop"
client_secret = "the secret of the app, forty characters long"
redirect_uris = ["https://app.example/callback"]
grant_types = [
  "authorization_code", "refresh_token", "client_credentials",
  "urn:ietf:params:oauth:grant-type:token-exchange",
]
scope = "openid offline_access photos:read"
id_token_signed_response_alg = "ES256"
authorization_details_types = ["payment_initiation", "mailbox"]
several_audiences = true

[[clients]]
client_id = "house"
client_secret = "the secret of the app, forty characters long"
redirect_uris = ["https://app.example/callback"]
authorization_details_types = ["payment_initiation"]
trusted = true

[[clients]]
client_id = "phone"
token_endpoint_auth_method = "none"
redirect_uris = ["https://app.example/callback"]
authorization_details_types = ["payment_initiation"]

[[clients]]
client_id = "till"
client_secret = "the secret of the app, forty characters long"
grant_types = ["urn:ietf:params:oauth:grant-type:device_code"]
authorization_details_types = ["payment_initiation"]

[[clients]]
client_id = "pay-api"
client_secret = "the secret of the app, forty characters long"
grant_types = ["client_credentials"]
apis = ["https://pay.example"]
"#;

impl Keystile {
    /// A server that knows payments, with more in its configuration.
    pub(crate) async fn start_for_payments(more: &str) -> Self {
        Self::start_with(&format!("{PAYMENTS}\n{more}")).await
    }

    /// The app that may ask for payments; it asks for no scope.
    pub(crate) fn payer(&self) -> App {
        self.payer_named("payer")
    }

    pub(crate) fn payer_named(&self, id: &str) -> App {
        let secret = (id != "phone").then_some(SECRET);
        App::new(&self.issuer, id, secret, "https://app.example/callback").with_scope("")
    }
}

/// A payment.
pub(crate) fn payment() -> Value {
    json!({
        "type": "payment_initiation",
        "instructedAmount": { "currency": "EUR", "amount": "123.50" },
        "creditorName": "Merchant A",
        "actions": ["initiate", "status"],
    })
}

/// A payment with members changed.
pub(crate) fn payment_with(changes: Value) -> Value {
    let mut payment = payment();
    for (name, value) in changes.as_object().unwrap() {
        payment[name] = value.clone();
    }
    payment
}

/// A payment of some kilobytes.
pub(crate) fn large_payment() -> Value {
    let document = |number: u32| json!({ "hash": "5".repeat(64), "name": format!("No. {number}") });
    payment_with(json!({ "documents": (0..40).map(document).collect::<Vec<_>>() }))
}
