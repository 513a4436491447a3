//! The page in a real Chromium, headless, driven over the DevTools protocol. What it looks like is written to
//! `target/screenshots`, for people to look at.

mod buttons;
#[path = "../common/mod.rs"]
mod common;
mod looks;
mod mouse;
mod operating;
mod pictures;
mod screen;

pub(crate) use screen::Screen;
