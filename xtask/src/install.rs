//! Installs packages of Debian and Ubuntu that the tests need.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, Xtask};

/// Whether packages can be installed here.
pub(crate) fn may_install() -> bool {
    throwaway_postgres::is_root() && Path::new("/usr/bin/apt-get").exists()
}

/// What to do where Chromium cannot be installed by itself.
const BY_HAND: &str = "Install Chromium or Google Chrome (Debian: `apt-get install chromium`; Ubuntu, whose package is a snap that does \
     not start in a container: https://www.google.com/chrome; macOS: `brew install --cask google-chrome`), or set `CHROME` to \
     the path of its program";

/// The names of the program that the tests look for.
const NAMES: [&str; 6] = [
    "chrome",
    "google-chrome-stable",
    "google-chrome",
    "chromium",
    "chromium-browser",
    "microsoft-edge",
];

/// The browser that the tests find: in `CHROME`, or by its name.
fn browser() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut named = env::split_paths(&path).flat_map(|at| NAMES.map(|name| at.join(name)));
    let chosen = env::var_os("CHROME").map(PathBuf::from).filter(|path| path.exists());
    let application = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
    chosen
        .or_else(|| named.find(|path| path.exists()))
        .or_else(|| Some(PathBuf::from(application)).filter(|path| path.exists()))
}

/// Whether it starts: a snap on a machine without snaps is there, and does not.
fn starts(browser: &Path) -> Result<(), String> {
    let cannot = |why: String| format!("{} does not start: {why}. {BY_HAND}", browser.display());
    let output = Command::new(browser).arg("--version").output();
    let output = output.map_err(|error| cannot(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(cannot(String::from_utf8_lossy(&output.stderr).trim().to_string())),
    }
}

impl Xtask {
    /// Installs the browser in which the page for operators is tested.
    pub(crate) fn chromium(&mut self) -> Outcome {
        if let Some(found) = browser() {
            return starts(&found);
        }
        if !may_install() {
            return Err(format!("Chromium is not installed. {BY_HAND}"));
        }
        self.install("chromium").map_err(|error| format!("{error}. {BY_HAND}"))?;
        let installed =
            browser().ok_or(format!("Chromium was installed, and is not found. {BY_HAND}"))?;
        starts(&installed)
    }

    /// Installs a package of Debian or Ubuntu.
    pub(crate) fn install(&mut self, package: &str) -> Outcome {
        let install = ["install", "--yes", "--no-install-recommends", package];
        for arguments in [&["update"][..], &install] {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            self.run(&format!("install {package}"), command)?;
        }
        Ok(())
    }
}
