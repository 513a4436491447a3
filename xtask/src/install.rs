//! Installs packages of Debian and Ubuntu that the tests need.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::{Outcome, Xtask};

/// Whether packages can be installed here.
pub(crate) fn may_install() -> bool {
    throwaway_postgres::is_root() && Path::new("/usr/bin/apt-get").exists()
}

impl Xtask {
    /// Installs the browser in which the page for operators is tested.
    pub(crate) fn chromium(&mut self) -> Outcome {
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
        let path = env::var_os("PATH").unwrap_or_default();
        let found =
            env::split_paths(&path).any(|at| names.iter().any(|name| at.join(name).exists()));
        if found || Path::new("/Applications/Google Chrome.app").exists() {
            return Ok(());
        }
        if !may_install() {
            let how =
                "Debian: `apt-get install chromium`; macOS: `brew install --cask google-chrome`";
            return Err(format!("Chromium is not installed. Install it ({how})"));
        }
        self.install("chromium")
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
