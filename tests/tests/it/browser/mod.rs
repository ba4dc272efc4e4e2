//! A real browser: Debian's Chromium, driven over WebDriver.

mod demo;
mod device;
mod driver;
mod noticeboard;
mod pages;
mod requests;
