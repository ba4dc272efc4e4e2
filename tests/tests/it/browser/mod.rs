//! A real browser: Debian's Chromium, driven over WebDriver.

mod demo;
mod driver;
mod pages;
