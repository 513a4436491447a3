//! What a server has done so far: commits, updates, bytes of WAL, and processor time.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use throwaway_postgres::ThrowawayPostgres;

use crate::Any;

/// Ticks of the processor times in `/proc`, which Linux shows as hundredths of a second on every machine.
const TICKS: f64 = 100.0;

/// How long it is waited for connections to end: what they have done is counted then.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was done so far. Commits and updates are those of one database, the rest is that of the whole server.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Transactions that were committed.
    pub commits: f64,
    /// Bytes of WAL.
    pub wal_bytes: f64,
    /// Rows of tables that were updated.
    pub updates: f64,
    /// Those of them that touched no index.
    pub hot_updates: f64,
    /// Seconds of processor time of all of the server's processes. `None` where the system does not tell.
    pub cpu_seconds: Option<f64>,
}

impl Work {
    /// What this server has done so far.
    ///
    /// # Errors
    /// Those of the server's programs.
    pub fn so_far(server: &ThrowawayPostgres, url: &str) -> Result<Self, Any> {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let begin = Instant::now();
        while ask(server, url, others)?.trim() != "0" && begin.elapsed() < PATIENCE {
            sleep(Duration::from_millis(20));
        }
        let row = ask(server, url, SO_FAR)?;
        let mut fields = row.split(['|', '\n']);
        let mut number = || {
            let field = fields.next().ok_or("the server's answer has too few columns")?;
            Ok::<_, Any>(field.trim().parse::<f64>()?)
        };
        let (commits, wal_bytes) = (number()?, number()?);
        let (updates, hot_updates, process) = (number()?, number()?, number()?);
        let cpu_seconds = cpu_seconds(process as u32);
        Ok(Self { commits, wal_bytes, updates, hot_updates, cpu_seconds })
    }

    /// What was done between two looks.
    pub fn since(self, before: Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            wal_bytes: self.wal_bytes - before.wal_bytes,
            updates: self.updates - before.updates,
            hot_updates: self.hot_updates - before.hot_updates,
            cpu_seconds: self.cpu_seconds.zip(before.cpu_seconds).map(|(now, then)| now - then),
        }
    }
}

/// The last column has the number of the server's first process in its first line.
const SO_FAR: &str = "SELECT xact_commit, pg_current_wal_lsn() - '0/0', u.updated, u.hot, pg_read_file('postmaster.pid') \
    FROM pg_stat_database, (SELECT coalesce(sum(n_tup_upd), 0) AS updated, coalesce(sum(n_tup_hot_upd), 0) AS hot \
    FROM pg_stat_user_tables) AS u WHERE datname = current_database()";

fn ask(server: &ThrowawayPostgres, url: &str, sql: &str) -> Result<String, Any> {
    Ok(server.client("psql", &["-d", url, "-qAtc", sql])?)
}

/// The processor time of a process, of the children that it has, and of those that have ended: a server has a process for
/// each connection, which adds its time to that of its parent when it ends.
fn cpu_seconds(process: u32) -> Option<f64> {
    let own = Times::of(process)?;
    let mut ticks = own.ticks;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(child) = entry.file_name().to_string_lossy().parse() else { continue };
        // one that has just ended is missing here, and its time is only seen the next time
        ticks += Times::of(child)
            .filter(|times| times.parent == process)
            .map_or(0.0, |times| times.ticks);
    }
    Some(ticks / TICKS)
}

struct Times {
    parent: u32,
    ticks: f64,
}

impl Times {
    fn of(process: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // the name before them may contain anything
        let fields = stat.rsplit_once(')')?.1.split_whitespace().collect::<Vec<_>>();
        let parent = fields.get(1)?.parse().ok()?;
        let ticks =
            fields.get(11..15)?.iter().map(|field| field.parse::<f64>()).sum::<Result<_, _>>();
        Some(Self { parent, ticks: ticks.ok()? })
    }
}
