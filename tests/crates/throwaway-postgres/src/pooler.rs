//! PgBouncer in front of a server: in a temporary directory, on a free port of the loopback address, in transaction mode.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{as_server_user, free_port, is_root, new_directory, run};

/// Keeps PgBouncer running until its standard input is closed, and removes the directory.
const WATCH: &str = r#"
"$1" -q "$2/pgbouncer.ini" >>"$2/log" 2>&1 &
pooler=$!
read -r word
kill -INT $pooler 2>/dev/null
wait $pooler
rm -rf "$2"
"#;

/// Where connections go to, without TLS.
#[derive(Debug, Clone, Copy)]
pub struct Behind<'a> {
    /// The server's name or address.
    pub host: &'a str,
    /// The server's port.
    pub port: u16,
    /// Who connects.
    pub user: &'a str,
    /// Without one, the server must trust the user.
    pub password: Option<&'a str>,
}

/// A running PgBouncer, whose clients need no password.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    watch: Child,
}

/// The program `pgbouncer`.
///
/// # Errors
/// What to install.
pub fn find_pgbouncer() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // where Debian puts it, which is not in the path of every user
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut programs = directories.map(|directory| directory.join("pgbouncer"));
    programs.find(|program| program.is_file()).ok_or_else(|| {
        "PgBouncer is not installed. Install it (Debian and Ubuntu: `apt-get install pgbouncer`; macOS: \
         `brew install pgbouncer`)"
            .to_string()
    })
}

/// Major and minor version of the installed PgBouncer.
///
/// # Errors
/// What to install, or what the program said.
pub fn pgbouncer_version() -> Result<(u32, u32), String> {
    let said = run(Command::new(find_pgbouncer()?).arg("--version"))?;
    let version = said.lines().next().and_then(|line| line.strip_prefix("PgBouncer "));
    let mut numbers = version.unwrap_or_default().split('.').map_while(|n| n.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => Err(format!("`pgbouncer --version` said: {said}")),
    }
}

impl Pooler {
    /// Starts it, in transaction mode and with further lines for its settings.
    ///
    /// # Errors
    /// What is missing, or what PgBouncer wrote to its log.
    pub fn start(behind: Behind<'_>, settings: &str) -> Result<Self, String> {
        let program = find_pgbouncer()?;
        let directory = new_directory(&std::env::temp_dir())?;
        let port = free_port()?;
        let Behind { host, port: server, user, password } = behind;
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let password = password.map(|p| format!(" password={}", quoted(p))).unwrap_or_default();
        let user = quoted(user);
        let text = format!(
            "[databases]\n* = host={host} port={server} user={user}{password}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n{settings}\n"
        );
        let file = directory.join("pgbouncer.ini");
        let written = fs::write(&file, text);
        written.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        // it may contain a password
        run(Command::new("chmod").arg("0600").arg(&file))?;
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&file))?;
        }
        let mut watch = as_server_user("sh");
        watch.args(["-c", WATCH, "watch"]).arg(program).arg(&directory);
        watch.stdin(Stdio::piped()).stdout(Stdio::null()).current_dir(&directory);
        let watch = watch.spawn().map_err(|error| format!("cannot run `sh`: {error}"))?;
        let started = Self { port, watch };
        started.wait(&directory)?;
        Ok(started)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait(&self, directory: &Path) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if Instant::now() > until {
                let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
                return Err(format!("PgBouncer did not start:\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if let Some(mut input) = self.watch.stdin.take() {
            // it may have died
            let _ = input.write_all(b"stop\n");
        }
        let _ = self.watch.wait();
    }
}
