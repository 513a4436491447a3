//! A PostgreSQL server for tests and examples: in a temporary directory, on a free port of the loopback address, and
//! gone when it is dropped, or when the process that started it dies.
//!
//! The server's programs must be installed, as Debian's package `postgresql` does. [`find_programs`] says where they
//! are, or what to install. PostgreSQL refuses to run as root; a process of root starts it as the user `postgres`.

#[cfg(feature = "databases")]
mod databases;
mod pooler;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

#[cfg(feature = "databases")]
pub use self::databases::{Databases, TestDatabase, URL, new_database};
pub use self::pooler::{Behind, Pooler, find_pgbouncer, pgbouncer_version};

/// The user and owner of all databases of the server.
pub const USER: &str = "saga";

/// How long the server may take to start: longer than it needs to recover from a crash.
const START: Duration = Duration::from_secs(60);

/// Keeps the server running until its standard input is closed, and thus no longer than the process that started it. If
/// the input is not the word `keep`, it removes the directory.
const WATCH: &str = r#"
"$1/postgres" -D "$2/data" -p "$3" >>"$2/log" 2>&1 &
server=$!
read -r word
kill -QUIT $server 2>/dev/null
wait $server
[ "$word" = keep ] || rm -rf "$2/data" "$2/log"
"#;

/// A running server.
#[derive(Debug)]
pub struct ThrowawayPostgres {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    /// The process of [`WATCH`], while the server runs.
    watch: Option<Child>,
    databases: AtomicU32,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It aborts what is in flight and writes everything to disk.
    Fast,
    /// It dies at once, as in a crash, and recovers at the next start.
    Immediate,
}

/// Where lines are added to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before all others, where the first line counts.
    First,
    /// After all others, where the last line counts.
    Last,
}

impl Stop {
    fn mode(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Immediate => "immediate",
        }
    }
}

/// The directory of the server's programs.
///
/// # Errors
/// What to install.
pub fn find_programs() -> Result<PathBuf, String> {
    let has_server = |directory: &PathBuf| directory.join("initdb").is_file();
    let mut candidates = Vec::new();
    if let Ok(debian) = fs::read_dir("/usr/lib/postgresql") {
        candidates.extend(debian.flatten().map(|version| version.path()));
    }
    // the newest version first
    candidates.sort_by_key(|path| {
        let version =
            path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok());
        std::cmp::Reverse(version)
    });
    let mut directories = candidates.into_iter().map(|path| path.join("bin")).collect::<Vec<_>>();
    if let Ok(config) = Command::new("pg_config").arg("--bindir").output() {
        directories.push(String::from_utf8_lossy(&config.stdout).trim().into());
    }
    directories.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    directories.into_iter().find(has_server).ok_or_else(|| {
        "PostgreSQL's server is not installed. Install it (Debian and Ubuntu: `apt-get install postgresql`; macOS: \
         `brew install postgresql`)"
            .to_string()
    })
}

impl ThrowawayPostgres {
    /// Starts a new server, with the settings that PostgreSQL has by default.
    ///
    /// # Errors
    /// What is missing, or what the server's programs said.
    pub fn start() -> Result<Self, String> {
        Self::start_in(&std::env::temp_dir())
    }

    /// The same in a new directory within this one, which users other than this one must be able to reach.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_in(place: &Path) -> Result<Self, String> {
        let programs = find_programs().map_err(|missing| {
            match std::env::var_os("SAGA_TEST_POSTGRES_URL") {
                Some(_) => format!(
                    "{missing}; the server of SAGA_TEST_POSTGRES_URL cannot be used where it is to be stopped or configured"
                ),
                None => missing,
            }
        })?;
        let directory = new_directory(place)?;
        let port = free_port()?;
        let mut server =
            Self { programs, directory, port, watch: None, databases: AtomicU32::new(0) };
        server.init()?;
        server.resume()?;
        Ok(server)
    }

    /// The URL of the database that every server has. It has no password.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of a database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Creates a new database, and returns its URL.
    ///
    /// # Errors
    /// What the server's program said.
    pub fn new_database(&self) -> Result<String, String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("d{number}");
        let port = self.port.to_string();
        let mut create = Command::new(self.programs.join("createdb"));
        run(create.args(["-h", "127.0.0.1", "-p", &port, "-U", USER, &name]))?;
        Ok(self.url_of(&name))
    }

    /// Runs one of the programs that come with the server, such as `psql`, as a client of this server.
    ///
    /// # Errors
    /// What the program said.
    pub fn client(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let mut client = Command::new(self.programs.join(program));
        client.env("PGHOST", "127.0.0.1").env("PGUSER", USER).env("PGDATABASE", "postgres");
        client.env("PGPORT", self.port.to_string());
        run(client.args(arguments))
    }

    /// Adds lines to a file of the server's data directory, after its other lines or before them, and tells the server to
    /// read its files again: `postgresql.conf` or `pg_hba.conf`.
    ///
    /// # Errors
    /// What the system or the server's program said.
    pub fn configure(&self, file: &str, lines: &str, place: Place) -> Result<(), String> {
        let path = self.directory.join("data").join(file);
        let failed = |error| format!("cannot change {}: {error}", path.display());
        let before = fs::read_to_string(&path).map_err(failed)?;
        let after = match place {
            Place::First => format!("{lines}\n{before}"),
            Place::Last => format!("{before}\n{lines}\n"),
        };
        fs::write(&path, after).map_err(failed)?;
        let mut reload = self.as_server("pg_ctl");
        run(reload.arg("-D").arg(self.directory.join("data")).arg("reload")).map(drop)
    }

    /// Writes a file into the server's data directory, readable by the server only.
    ///
    /// # Errors
    /// What the system said.
    pub fn add_file(&self, file: &str, content: &str) -> Result<(), String> {
        let path = self.directory.join("data").join(file);
        fs::write(&path, content).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        run(Command::new("chmod").arg("0600").arg(&path))?;
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&path))?;
        }
        Ok(())
    }

    /// Stops the server; [`resume`](Self::resume) starts it again.
    ///
    /// # Errors
    /// What the server's program said.
    pub fn stop(&mut self, how: Stop) -> Result<(), String> {
        let data = self.directory.join("data");
        let mut stop = self.as_server("pg_ctl");
        run(stop.arg("-D").arg(data).args(["stop", "-w", "-m", how.mode()]))?;
        self.end_watch("keep\n");
        Ok(())
    }

    /// Starts a stopped server again, on the same port with the same data.
    ///
    /// # Errors
    /// What the server wrote to its log.
    pub fn resume(&mut self) -> Result<(), String> {
        let mut watch = as_server_user("sh");
        watch.args(["-c", WATCH, "watch"]).arg(&self.programs).arg(&self.directory);
        watch.arg(self.port.to_string()).stdin(Stdio::piped()).stdout(Stdio::null());
        watch.current_dir(&self.directory);
        self.watch = Some(watch.spawn().map_err(|error| format!("cannot run `sh`: {error}"))?);
        let port = self.port.to_string();
        let until = Instant::now() + START;
        loop {
            let mut ready = Command::new(self.programs.join("pg_isready"));
            let ready = ready.args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
            if ready.is_ok_and(|status| status.success()) {
                return Ok(());
            }
            if Instant::now() > until {
                let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                return Err(format!("PostgreSQL did not start within {START:?}:\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn init(&self) -> Result<(), String> {
        let data = self.directory.join("data");
        let mut init = self.as_server("initdb");
        let options =
            ["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", USER, "-D"];
        run(init.args(options).arg(&data))?;
        let settings =
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\n";
        let file = data.join("postgresql.conf");
        let write = fs::OpenOptions::new()
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(settings.as_bytes()));
        write.map_err(|error| format!("cannot write {}: {error}", file.display()))
    }

    fn as_server(&self, program: &str) -> Command {
        let mut command = as_server_user(self.programs.join(program));
        command.current_dir(&self.directory);
        command
    }

    fn end_watch(&mut self, word: &str) {
        if let Some(mut watch) = self.watch.take() {
            if let Some(mut input) = watch.stdin.take() {
                // it may have died
                let _ = input.write_all(word.as_bytes());
            }
            let _ = watch.wait();
        }
    }
}

impl Drop for ThrowawayPostgres {
    fn drop(&mut self) {
        self.end_watch("remove\n");
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A program that runs as a user for whom PostgreSQL starts.
fn as_server_user(program: impl AsRef<OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

/// True for a process of root, for whom PostgreSQL does not start.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn new_directory(place: &Path) -> Result<PathBuf, String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("saga-postgres-{}-{number}", std::process::id());
    let directory = place.join(name);
    // one that is left over from a process that was killed
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)
        .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
    if is_root() {
        run(Command::new("chown").arg("postgres").arg(&directory))?;
    }
    Ok(directory)
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let port = listener.and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| format!("there is no free port: {error}"))
}

fn run(command: &mut Command) -> Result<String, String> {
    let shown = Path::new(command.get_program()).display().to_string();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {}", said.trim()))
}
