//! What the tests stand on.

mod app;
mod balancer;
mod browser;
mod certificates;
mod ciba;
mod cluster;
mod demo;
mod device;
mod documents;
mod example;
mod html;
mod keys;
mod listener;
mod payments;
mod place;
mod previous;
mod program;
mod reader;
mod relying_party;
mod wire;

pub(crate) use app::{App, ErrorAnswer, Tokens, claims, form, tokens};
pub(crate) use browser::{Browser, Page};
pub(crate) use certificates::{Authority, Identity, expired, http_with};
pub(crate) use ciba::{Asked, CIBA, SHOPS, allow_newest, requests};
pub(crate) use cluster::{Cluster, Plan};
pub(crate) use demo::Demo;
pub(crate) use device::{DEVICE_CODE, DEVICES, Device, enter};
pub(crate) use documents::{Document, Documents};
pub(crate) use example::{
    EXAMPLE_SECRET, Noticeboard, Serving, localhost, notebook_registered, noticeboard_registered,
    start_example, web_app_registered,
};
pub(crate) use keys::{ClientKey, jwks, now};
pub(crate) use keystile_test_postgres::{free_port, free_ports};
pub(crate) use listener::{Listener, Told};
pub(crate) use payments::{PAYMENTS, large_payment, payment, payment_with};
pub(crate) use place::{Backend, Place};
pub(crate) use previous::{Both, Node, previous_program};
pub(crate) use program::{
    Keystile, PASSWORD, Process, built, built_example, built_program, command_in, command_with,
    config_for, new_directory, program,
};
pub(crate) use reader::{Reader, header, published, verified};
pub(crate) use relying_party::{RelyingParty, approved};
pub(crate) use wire::Wire;
