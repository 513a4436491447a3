//! What an action's own work may not do on the writer's connection: end the transaction, or touch the
//! log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::database::Database;

/// The log's tables.
const LOG: [&str; 6] =
    ["saga", "saga_input", "saga_event", "saga_command", "saga_worker", "saga_meta"];

/// The pragmas with an argument that only look, or whose effect ends with the transaction.
const PRAGMAS: [&str; 9] = [
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// A switch on the writer's connection: off while the store works, on while the user's code does.
///
/// Two hooks, because neither is enough. The authorizer refuses statements, and so leaves the
/// transaction alive, but an `INSERT OR ROLLBACK` ends it all the same, and then every statement
/// commits by itself; the commit hook makes a rollback of each.
pub(super) struct LogGuard(Arc<AtomicBool>);

impl LogGuard {
    pub(super) fn install(conn: &mut Database) -> rusqlite::Result<Self> {
        let on = Arc::new(AtomicBool::new(false));
        let at_commit = Arc::clone(&on);
        conn.commit_hook(Some(move || at_commit.load(Ordering::Relaxed))).installed()?;
        let at_prepare = Arc::clone(&on);
        let log = LOG.map(|table| conn.prefix.sql(table).into_owned());
        conn.authorizer(Some(move |context: AuthContext<'_>| {
            match at_prepare.load(Ordering::Relaxed) && is_forbidden(&context.action, &log) {
                true => Authorization::Deny,
                false => Authorization::Allow,
            }
        }))
        .installed()?;
        Ok(Self(on))
    }

    /// Runs the user's code. It must not unwind.
    pub(super) fn on<T>(&self, users: impl FnOnce() -> T) -> T {
        self.0.store(true, Ordering::Relaxed);
        let result = users();
        self.0.store(false, Ordering::Relaxed);
        result
    }
}

/// What installing a hook returns: nothing up to rusqlite 0.36, a result since.
trait Installed {
    fn installed(self) -> rusqlite::Result<()>;
}

impl Installed for () {
    fn installed(self) -> rusqlite::Result<()> {
        Ok(())
    }
}

impl Installed for rusqlite::Result<()> {
    fn installed(self) -> Self {
        self
    }
}

fn is_forbidden(action: &AuthAction<'_>, log: &[String]) -> bool {
    match *action {
        AuthAction::Transaction { .. } | AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
            true
        }
        AuthAction::Pragma { pragma_name, pragma_value: Some(_) } => {
            !PRAGMAS.iter().any(|allowed| allowed.eq_ignore_ascii_case(pragma_name))
        }
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::DropTable { table_name }
        | AuthAction::CreateIndex { table_name, .. }
        | AuthAction::DropIndex { table_name, .. }
        | AuthAction::CreateTrigger { table_name, .. }
        | AuthAction::CreateTempTrigger { table_name, .. } => {
            log.iter().any(|ours| ours.eq_ignore_ascii_case(table_name))
        }
        _ => false,
    }
}
