//! Keeps an action's own statements on the writer's connection from ending the transaction or changing the
//! log's tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::database::OpenDatabase;

/// The store's own tables, and its view.
const TABLES: [&str; 8] = [
    "saga",
    "saga_command",
    "saga_definition",
    "saga_event",
    "saga_input",
    "saga_log",
    "saga_meta",
    "saga_worker",
];

/// The pragmas that are allowed with an argument: they only read, or their effect ends with the transaction.
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

/// A switch on the writer's connection that is on only while an action's own work runs.
///
/// It takes two hooks. The authorizer rejects forbidden statements and leaves the transaction open. An
/// `INSERT OR ROLLBACK` can still end the transaction, and then each further statement would commit on its own;
/// the commit hook turns these commits into rollbacks.
pub(super) struct LogGuard(Arc<AtomicBool>);

impl LogGuard {
    pub(super) fn install(open: &mut OpenDatabase) -> rusqlite::Result<Self> {
        let on = Arc::new(AtomicBool::new(false));
        let at_commit = Arc::clone(&on);
        open.conn.commit_hook(Some(move || at_commit.load(Ordering::Relaxed))).installed()?;
        let at_prepare = Arc::clone(&on);
        let tables = TABLES.map(|table| open.prefix.sql(table).into_owned());
        open.conn
            .authorizer(Some(move |context: AuthContext<'_>| {
                match at_prepare.load(Ordering::Relaxed) && is_forbidden(&context.action, &tables) {
                    true => Authorization::Deny,
                    false => Authorization::Allow,
                }
            }))
            .installed()?;
        Ok(Self(on))
    }

    /// Runs an action's work with the guard on. The work must not unwind.
    pub(super) fn while_on<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.store(true, Ordering::Relaxed);
        let result = work();
        self.0.store(false, Ordering::Relaxed);
        result
    }
}

/// Abstracts over what installing a hook returns: `()` up to rusqlite 0.36, a `Result` since then.
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

#[expect(clippy::wildcard_enum_match_arm, reason = "the actions are SQLite's")]
fn is_forbidden(action: &AuthAction<'_>, tables: &[String]) -> bool {
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
        | AuthAction::DropView { view_name: table_name }
        | AuthAction::CreateTrigger { table_name, .. }
        | AuthAction::CreateTempTrigger { table_name, .. } => {
            tables.iter().any(|ours| ours.eq_ignore_ascii_case(table_name))
        }
        _ => false,
    }
}
